"""
Title: Transfer learning & fine-tuning of a small convnet
Description: pretrain a base on a large set of shapes, then reuse it for a small one.
"""
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
import keras
from keras import layers

keras.utils.set_random_seed(812)
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)

IMG = 20
yy, xx = np.mgrid[0:IMG, 0:IMG]


def polygon(rng, sides):
    """A filled polygon with bright border, rotated at random, 0..255 (RGB)."""
    cy, cx = rng.uniform(8, 12, 2)
    r = rng.uniform(5.5, 8)
    phi = np.arctan2(yy - cy, xx - cx) + rng.uniform(0, 2 * np.pi)
    d = np.hypot(yy - cy, xx - cx)
    edge = r * np.cos(np.pi / sides) / np.cos((phi % (2 * np.pi / sides)) - np.pi / sides)
    return d, edge


def star(rng, arms):
    cy, cx = rng.uniform(8, 12, 2)
    phi = np.arctan2(yy - cy, xx - cx) + rng.uniform(0, 2 * np.pi)
    return np.hypot(yy - cy, xx - cx), rng.uniform(5, 6.5) * (1 + 0.45 * np.cos(arms * phi))


def render(rng, kind):
    family, k, hollow = kind
    d, edge = (polygon if family == "polygon" else star)(rng, k)
    m = (d < edge) & (d > 0.5 * edge) if hollow else d < edge
    color, back = rng.uniform(120, 255, 3), rng.uniform(0, 90, 3)
    img = np.where(m[..., None], color, back) + rng.normal(0, 14, (IMG, IMG, 3))
    return img.clip(0, 255).astype("float32")


def make_dataset(kinds, n, seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, len(kinds), n)
    return np.stack([render(rng, kinds[k]) for k in y]), y


source_kinds = [("polygon", 3, False), ("polygon", 3, True), ("polygon", 4, False), ("polygon", 4, True),
                ("star", 2, False), ("star", 3, False), ("star", 3, True), ("star", 5, False)]
target_kinds = [("polygon", 3, False), ("polygon", 5, True), ("star", 2, True), ("star", 4, False), ("star", 4, True)]

x_src, y_src = make_dataset(source_kinds, 3000, 1)
x_train, y_train = make_dataset(target_kinds, 400, 2)
x_val, y_val = make_dataset(target_kinds, 200, 3)
x_test, y_test = make_dataset(target_kinds, 800, 4)

"""
## Pretrain the base model
"""


def build_base():
    inputs = keras.Input((IMG, IMG, 3))
    x = inputs
    for filters in (16, 32, 64):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.Activation("relu")(x)
        x = layers.MaxPooling2D()(x)
    return keras.Model(inputs, x, name="base")


base_model = build_base()
pre_inputs = keras.Input((IMG, IMG, 3))
x = layers.Rescaling(1 / 127.5, offset=-1)(pre_inputs)
x = layers.GlobalAveragePooling2D()(base_model(x))
pretrain = keras.Model(pre_inputs, layers.Dense(len(source_kinds), activation="softmax")(x))
pretrain.compile(optimizer=keras.optimizers.Adam(3e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
pretrain.fit(x_src, y_src, batch_size=64, epochs=5, verbose=2)

"""
## Build a model on top, with the base frozen
"""

train_ds = tf.data.Dataset.from_tensor_slices((x_train, y_train)).shuffle(400, seed=5).batch(32)
val_ds = tf.data.Dataset.from_tensor_slices((x_val, y_val)).batch(100)
test_ds = tf.data.Dataset.from_tensor_slices((x_test, y_test)).batch(100)

base_model.trainable = False

inputs = keras.Input(shape=(IMG, IMG, 3))
x = layers.RandomFlip("horizontal", seed=6)(inputs)
x = layers.Rescaling(1 / 127.5, offset=-1)(x)
# keep the BatchNormalization layers in inference mode, also after unfreezing
x = base_model(x, training=False)
x = layers.GlobalAveragePooling2D()(x)
x = layers.Dense(32, activation="relu")(x)
x = layers.Dropout(0.2)(x)
outputs = layers.Dense(len(target_kinds), activation="softmax")(x)
model = keras.Model(inputs, outputs)

model.compile(
    optimizer=keras.optimizers.Adam(3e-3),
    loss=keras.losses.SparseCategoricalCrossentropy(),
    metrics=["accuracy"],
)
# WATCH(model)
model.fit(train_ds, epochs=12, validation_data=val_ds, verbose=2)

"""
## Do a round of fine-tuning of the entire model
"""

base_model.trainable = True
model.compile(
    optimizer=keras.optimizers.Adam(3e-4),
    loss=keras.losses.SparseCategoricalCrossentropy(),
    metrics=["accuracy"],
)
model.fit(train_ds, epochs=15, validation_data=val_ds, verbose=2)

_, test_acc = model.evaluate(test_ds, verbose=0)
print(f"RESULT {test_acc:.4f} higher")
