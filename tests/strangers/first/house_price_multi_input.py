"""
Title: Predicting house prices with a multi-input functional model
Description: Mixing numerical, string-categorical and ordinal inputs with the functional API.
"""

"""
## Introduction

House listings rarely come as one clean matrix of floats. In this example we
combine three kinds of inputs: a vector of numerical features, the name of the
neighbourhood (a string) and the condition of the house (an integer between 1
and 5).

## Setup
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
import keras
from keras import layers

keras.utils.set_random_seed(1337)

BATCH_SIZE = 64
EPOCHS = 22
NEIGHBOURHOODS = [
    "Riverside", "Old Town", "Hillcrest", "Station", "Docklands", "Greenfield",
    "Meadows", "Northgate", "St. Anne", "University", "Lakeview", "Millbrook",
]

"""
## The data

We simulate a set of listings. The price depends on the product of area,
neighbourhood level and condition, so the model has to combine the inputs.
"""


def make_listings(n, seed):
    rng = np.random.default_rng(seed)
    level = np.array([4.1, 5.6, 3.9, 2.4, 3.0, 2.7, 2.2, 1.9, 3.5, 4.6, 5.1, 1.7])
    hood = rng.integers(0, len(NEIGHBOURHOODS), size=n)
    condition = rng.choice([1, 2, 3, 4, 5], p=[0.1, 0.2, 0.3, 0.25, 0.15], size=n)
    area = rng.gamma(6.0, 18.0, size=n) + 25.0
    rooms = np.clip(np.round(area / 28.0 + rng.normal(0, 0.8, size=n)), 1, None)
    year = rng.integers(1900, 2022, size=n)
    lot = rng.gamma(2.0, 220.0, size=n)
    distance = rng.uniform(0.2, 18.0, size=n)
    price = (
        1000.0
        * level[hood]
        * (0.55 + 0.15 * condition)
        * area**0.93
        * np.exp(-0.025 * distance)
        * (1.0 + 0.25 * ((year - 1960) / 60.0) ** 2)
    )
    price = price + 60.0 * lot + 4000.0 * rooms
    price = price * np.exp(rng.normal(0.0, 0.05, size=n))
    features = {
        "numeric": np.stack([area, rooms, year, lot, distance], axis=1).astype("float32"),
        "neighbourhood": np.array(NEIGHBOURHOODS)[hood],
        "condition": condition.astype("int64"),
    }
    return features, price.astype("float32")


train_x, train_y = make_listings(4000, seed=1)
val_x, val_y = make_listings(800, seed=2)
test_x, test_y = make_listings(1000, seed=3)
print("Mean price:", train_y.mean(), "std:", train_y.std())

"""
## Preprocessing

The string lookup happens in the `tf.data` pipeline, the prices are
standardized with the statistics of the training set.
"""

lookup = layers.StringLookup(vocabulary=NEIGHBOURHOODS, num_oov_indices=1)
price_mean, price_std = train_y.mean(), train_y.std()


def encode(features, price):
    features = dict(features)
    features["neighbourhood"] = lookup(features["neighbourhood"])
    price = (price - price_mean) / price_std
    return features, price


def make_dataset(x, y, training=False):
    ds = tf.data.Dataset.from_tensor_slices((x, y))
    if training:
        ds = ds.shuffle(len(y), seed=7)
    return ds.batch(BATCH_SIZE).map(encode).prefetch(2)


train_ds = make_dataset(train_x, train_y, training=True)
val_ds = make_dataset(val_x, val_y)
test_ds = make_dataset(test_x, test_y)

"""
## Build the model
"""

normalizer = layers.Normalization()
normalizer.adapt(train_x["numeric"])


def build_model():
    numeric_in = keras.Input(shape=(5,), name="numeric")
    hood_in = keras.Input(shape=(), dtype="int64", name="neighbourhood")
    condition_in = keras.Input(shape=(), dtype="int64", name="condition")

    numeric = normalizer(numeric_in)
    hood = layers.Embedding(len(NEIGHBOURHOODS) + 1, 8)(hood_in)
    condition = layers.Embedding(6, 4)(condition_in)

    x = layers.concatenate([numeric, hood, condition])
    x = layers.Dense(96, activation="relu")(x)
    x = layers.Dense(96, activation="relu")(x)
    x = layers.Dense(32, activation="relu")(x)
    output = layers.Dense(1, name="price")(x)
    return keras.Model([numeric_in, hood_in, condition_in], output)


model = build_model()
model.summary()

"""
## Train the model
"""

model.compile(
    optimizer=keras.optimizers.Adam(2e-3),
    loss="mse",
    metrics=[keras.metrics.MeanAbsoluteError(name="mae")],
)
callbacks = [
    keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.4, patience=3),
]
# WATCH(model)
model.fit(
    train_ds,
    validation_data=val_ds,
    epochs=EPOCHS,
    callbacks=callbacks,
    verbose=2,
)

"""
## Evaluate

We report the mean absolute error in currency units on the test listings.
"""

predictions = model.predict(test_ds, verbose=0)[:, 0] * price_std + price_mean
mae = float(np.mean(np.abs(predictions - test_y)))
for i in range(3):
    print(f"predicted {predictions[i]:.0f}, actual {test_y[i]:.0f}")
print(f"RESULT {mae:.1f} lower")
