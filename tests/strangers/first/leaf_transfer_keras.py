# Transfer learning on leaf scans: a small base is trained on common trees, then frozen, and a new head learns four rare trees.
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
import tensorflow as tf
from keras import layers

keras.utils.set_random_seed(21)
rng = np.random.default_rng(21)
SIZE, BATCH = 20, 32


def scan(lobes, depth, veins):
    """A leaf as a star-shaped outline with `lobes` lobes, and stripes for its veins."""
    yy, xx = np.mgrid[-1:1:SIZE * 1j, -1:1:SIZE * 1j]
    cy, cx = rng.normal(0, 0.08, 2)
    phi, r = np.arctan2(yy - cy, xx - cx), np.hypot(yy - cy, xx - cx)
    edge = rng.uniform(0.6, 0.8) * (1 + depth * np.cos(lobes * (phi - rng.uniform(0, 6.28))))
    leaf = 1 / (1 + np.exp((r - edge) * 18))
    stripes = 1 + 0.35 * np.sin(veins * (xx * np.cos(0.6) + yy * np.sin(0.6)) + rng.uniform(0, 6.28))
    img = 225 - rng.uniform(100, 140) * leaf * stripes + rng.normal(0, 18, leaf.shape)
    return img.clip(0, 255).astype("uint8")


def album(kinds, per_kind):
    pics = np.stack([scan(*k) for k in kinds for _ in range(per_kind)])[..., None]
    return pics, np.repeat(np.arange(len(kinds)), per_kind)


common = [(3, 0.25, 6), (5, 0.25, 10), (2, 0.3, 14), (7, 0.2, 6), (4, 0.25, 14), (1, 0.1, 10)]
rare = [(3, 0.25, 12), (6, 0.25, 7), (2, 0.3, 8), (5, 0.15, 14)]

# ------------------------------------------------------------------ the base
base = keras.Sequential([
    keras.Input((SIZE, SIZE, 1)),
    layers.Rescaling(1 / 60, offset=-3.0),
    layers.Conv2D(16, 3, padding="same", use_bias=False), layers.BatchNormalization(momentum=0.9), layers.ReLU(),
    layers.MaxPooling2D(),
    layers.Conv2D(24, 3, padding="same", use_bias=False), layers.BatchNormalization(momentum=0.9), layers.ReLU(),
    layers.MaxPooling2D(),
    layers.Flatten(),
    layers.Dropout(0.2),
    layers.Dense(48, activation="relu"),
], name="base")
pics, trees = album(common, 160)
warm = keras.Sequential([base, layers.Dense(len(common), activation="softmax")])
warm.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
print("base:", {k: round(v[-1], 3) for k, v in warm.fit(pics, trees, epochs=5, batch_size=BATCH, verbose=0).history.items()})

# ------------------------------------------------------------------ the rare trees
train_x, train_y = album(rare, 120)
valid_x, valid_y = album(rare, 40)
test_x, test_y = album(rare, 120)

pairs = tf.data.Dataset.from_tensor_slices((train_x, train_y))
train_ds = pairs.shuffle(len(train_x), seed=4).batch(BATCH).prefetch(2)
valid_ds = tf.data.Dataset.from_tensor_slices((valid_x, valid_y)).batch(BATCH)
test_ds = tf.data.Dataset.from_tensor_slices((test_x, test_y)).batch(BATCH)

base.trainable = False                           # its batch norm stays in inference mode, too


class Head(layers.Layer):
    def __init__(self, n_trees):
        super().__init__()
        self.norm = layers.BatchNormalization(momentum=0.9)
        self.drop = layers.Dropout(0.1)
        self.out = layers.Dense(n_trees, activation="softmax")

    def call(self, x, training=None):
        x = self.norm(x, training=training)
        return self.out(self.drop(x, training=training))


inputs = keras.Input((SIZE, SIZE, 1))
features = base(inputs)
outputs = Head(len(rare))(features)
model = keras.Model(inputs, outputs)
model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy", metrics=["accuracy"])

# WATCH(model)
history = model.fit(train_ds, validation_data=valid_ds, epochs=10, verbose=2)

loss, acc = model.evaluate(test_ds, verbose=0)
print(f"rare trees, test: loss {loss:.3f} accuracy {acc:.3f}")
print(f"RESULT {acc:.4f} higher")
