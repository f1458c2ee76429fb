"""Reading analogue gauges: a Keras model with its own train_step.

The network looks at a small, noisy picture of a dial and returns the direction of the needle as a point on the unit circle. The loss is one
minus the cosine of the angle between the prediction and the truth; the metric is the mean error in degrees.
"""
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf
from keras import layers

keras.utils.set_random_seed(2024)
SIZE = 24


def gauges(n, seed):
    rng = np.random.default_rng(seed)
    angle = rng.uniform(-np.pi, np.pi, n)
    yy, xx = np.mgrid[0:SIZE, 0:SIZE].astype("float32")
    cx, cy = (SIZE / 2 + rng.uniform(-2, 2, (2, n, 1, 1)))
    dx, dy = xx - cx, yy - cy
    c, s = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    along, across = dx * c + dy * s, -dx * s + dy * c
    needle = np.exp(-across**2 / 1.2) * ((along > -2.5) & (along < 8))
    rim = np.exp(-(np.hypot(dx, dy) - 9.5) ** 2 / 0.8)
    ground = rng.uniform(0.5, 0.9, (n, 1, 1))
    picture = ground - 0.45 * needle - 0.3 * rim + rng.normal(0, 0.08, (n, SIZE, SIZE))
    return np.clip(picture, 0, 1).astype("float32")[..., None], np.stack([np.cos(angle), np.sin(angle)], 1).astype("float32")


class GaugeReader(keras.Model):
    def __init__(self):
        super().__init__()
        self.normalise = layers.Normalization(axis=None)
        self.eye = keras.Sequential([
            layers.Conv2D(16, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(32, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu", bias_initializer="zeros"),
        ])
        self.needle = layers.Dense(2)
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.degrees = keras.metrics.Mean(name="degrees")

    @property
    def metrics(self):
        return [self.loss_tracker, self.degrees]

    def call(self, images, training=None):
        h = self.eye(self.normalise(images), training=training)
        v = self.needle(h)
        return v / tf.sqrt(tf.reduce_sum(v**2, axis=1, keepdims=True) + 1e-6)

    def book(self, loss, cosine):
        self.loss_tracker.update_state(loss)
        self.degrees.update_state(tf.acos(tf.clip_by_value(cosine, -1.0, 1.0)) * 180 / np.pi)
        return {m.name: m.result() for m in self.metrics}

    def train_step(self, data):
        images, direction = data
        with tf.GradientTape() as tape:
            cosine = tf.reduce_sum(self(images, training=True) * direction, axis=1)
            loss = tf.reduce_mean(1 - cosine)
        weights = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
        return self.book(loss, cosine)

    def test_step(self, data):
        images, direction = data
        cosine = tf.reduce_sum(self(images, training=False) * direction, axis=1)
        return self.book(tf.reduce_mean(1 - cosine), cosine)


x_train, v_train = gauges(3000, seed=0)
x_val, v_val = gauges(600, seed=1)

EPOCHS, BATCH = 8, 50
steps = EPOCHS * (len(x_train) // BATCH)

reader = GaugeReader()
reader.normalise.adapt(x_train)
reader.normalise.trainable = False
reader(x_train[:2])
reader.compile(optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, decay_steps=steps, alpha=0.02)))
# WATCH(reader)
history = reader.fit(x_train, v_train, validation_data=(x_val, v_val), epochs=EPOCHS, batch_size=BATCH, verbose=0)
for e in range(EPOCHS):
    print("epoch", e + 1, *(f"{k} {v[e]:.4f}" for k, v in history.history.items()))
print(f"RESULT {history.history['val_degrees'][-1]:.3f} lower")
