"""Find the buoy: regress centre and radius of the one buoy in a grey harbour picture, with a hand-made loop."""
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

SIDE, N_TRAIN, N_TEST, BATCH, EPOCHS = 32, 1600, 200, 32, 8


def harbour(n, seed):
    rng = np.random.default_rng(seed)
    yy, xx = np.mgrid[:SIDE, :SIDE]
    pictures, boxes = [], []
    for _ in range(n):
        sea = 90 + rng.uniform(-25, 25) + 14 * np.sin(yy / rng.uniform(1.5, 4) + rng.uniform(0, 6) + 0.15 * xx)
        sea[: rng.integers(2, 7)] += 60                     # the sky
        bx = rng.integers(2, SIDE - 8)
        sea[rng.integers(8, SIDE - 2)][bx:bx + 6] += 50     # a rowing boat
        r = rng.uniform(3.0, 7.0)
        cx, cy = rng.uniform(r, SIDE - r, 2)
        d = np.hypot(xx - cx, yy - cy)
        sea = np.where(d < r, 195 - 70 * (yy > cy), sea)
        pictures.append(np.clip(sea + rng.normal(0, 12, sea.shape), 0, 255))
        boxes.append([cx / SIDE, cy / SIDE, r / 10])
    return np.array(pictures, "float32")[..., None], np.array(boxes, "float32")


def to_float(pictures):
    return (pictures - 110.0) / 45.0


def build():
    return keras.Sequential([
        keras.Input((SIDE, SIDE, 1)),
        layers.Conv2D(8, 3, padding="same", use_bias=False),
        layers.BatchNormalization(momentum=0.9),
        layers.ReLU(),
        layers.MaxPooling2D(),
        layers.Conv2D(16, 3, padding="same", use_bias=False),
        layers.BatchNormalization(momentum=0.9),
        layers.ReLU(),
        layers.MaxPooling2D(),
        layers.Conv2D(16, 3, padding="same", activation="relu"),
        layers.Flatten(),
        layers.Dense(48, activation="relu"),
        layers.Dense(3),
    ])


def iou(a, b):
    """of the squares round the discs"""
    def corners(t):
        c, r = t[:, :2] * SIDE, np.maximum(t[:, 2:], 0) * 10
        return c - r, c + r
    (a0, a1), (b0, b1) = corners(a), corners(b)
    inter = np.clip(np.minimum(a1, b1) - np.maximum(a0, b0), 0, None).prod(1)
    return inter / (np.prod(a1 - a0, axis=1) + np.prod(b1 - b0, axis=1) - inter + 1e-9)


def locate(model, pictures):
    # one picture after the other, like the camera delivers them
    x = tf.constant(to_float(pictures))
    predict = tf.function(lambda p: model(p, training=False))
    return np.concatenate([predict(x[i:i + 1]).numpy() for i in range(len(x))])


def main():
    keras.utils.set_random_seed(8)
    train_x, train_y = harbour(N_TRAIN, 0)
    test_x, test_y = harbour(N_TEST, 1)
    ds = tf.data.Dataset.from_tensor_slices((to_float(train_x), train_y)).shuffle(N_TRAIN, seed=8).batch(BATCH)

    model = build()
    lr = keras.optimizers.schedules.ExponentialDecay(4e-3, decay_steps=100, decay_rate=0.6)
    optimizer = keras.optimizers.Adam(lr)
    huber = keras.losses.Huber(delta=0.1)

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = huber(y, model(x, training=True))
        grads = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(grads, model.trainable_variables))
        return loss

    # WATCH(model)
    for epoch in range(EPOCHS):
        losses = [float(step(x, y)) for x, y in ds]
        print(f"epoch {epoch + 1:2d}  huber {np.mean(losses):.5f}")

    print(f"RESULT {iou(locate(model, test_x), test_y).mean():.4f} higher")


if __name__ == "__main__":
    main()
