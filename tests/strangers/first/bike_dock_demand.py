"""
Title: Hourly demand of bike docks, with a training loop from scratch
Description: A functional Keras model, tf.data pipelines and a compiled train step.
"""
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import time

import keras
import numpy as np
import tensorflow as tf
from keras import layers

keras.utils.set_random_seed(812)

"""
## The data

Rentals per hour at 12 docks: they depend upon the hour, the weekday, the weather and the dock.
"""


def make_rentals(n, seed):
    rng = np.random.default_rng(seed)
    hour = rng.integers(0, 24, n)
    workday = (rng.integers(0, 7, n) < 5).astype("float32")
    temp = rng.normal(14.0, 8.0, n)
    humidity = np.clip(rng.normal(65, 15, n), 15, 100)
    wind = rng.gamma(2.0, 6.0, n)
    pressure = rng.normal(1013, 9, n)
    dock = rng.integers(0, 12, n)
    size = 0.5 + (dock * 7 % 12) / 8.0
    rush = np.exp(-((hour - 8) ** 2) / 5.0) + 1.2 * np.exp(-((hour - 17) ** 2) / 6.0)
    leisure = np.exp(-((hour - 14) ** 2) / 20.0)
    level = 20 + 160 * (workday * rush + (1 - workday) * leisure)
    level = level * size * (1 / (1 + np.exp(-(temp - 8) / 5))) * np.exp(-wind / 60) * (1.3 - humidity / 150)
    rentals = rng.poisson(level)
    numeric = np.stack(
        [np.sin(2 * np.pi * hour / 24), np.cos(2 * np.pi * hour / 24), np.sin(4 * np.pi * hour / 24),
         np.cos(4 * np.pi * hour / 24), workday, temp, humidity, wind, pressure], axis=1
    ).astype("float32")
    return numeric, dock.astype("int32"), rentals.astype("float32")


numeric, dock, rentals = make_rentals(6000, seed=3)
numeric_test, dock_test, rentals_test = make_rentals(1500, seed=4)

# Reserve 1,000 samples for validation.
numeric_val, dock_val, rentals_val = numeric[-1000:], dock[-1000:], rentals[-1000:]
numeric, dock, rentals = numeric[:-1000], dock[:-1000], rentals[:-1000]

mean, std = rentals.mean(), rentals.std()


def make_dataset(numeric, dock, rentals, training=False):
    target = ((rentals - mean) / std).reshape(-1, 1)
    ds = tf.data.Dataset.from_tensor_slices(((numeric, dock), target))
    if training:
        ds = ds.shuffle(len(rentals), seed=1)
    return ds.batch(64).prefetch(tf.data.AUTOTUNE)


train_dataset = make_dataset(numeric, dock, rentals, training=True)
val_dataset = make_dataset(numeric_val, dock_val, rentals_val)
test_dataset = make_dataset(numeric_test, dock_test, rentals_test)

"""
## The model
"""


def get_model():
    numeric_in = keras.Input(shape=(9,), name="numeric")
    dock_in = keras.Input(shape=(), dtype="int32", name="dock")
    normalizer = layers.Normalization(name="weather_scaling")
    normalizer.adapt(numeric)
    x1 = normalizer(numeric_in)
    x2 = layers.Embedding(12, 4)(dock_in)
    x = layers.Concatenate()([x1, x2])
    x = layers.Dense(96, activation="relu")(x)
    x = layers.Dense(96, activation="relu")(x)
    outputs = layers.Dense(1, name="demand")(x)
    return keras.Model(inputs=[numeric_in, dock_in], outputs=outputs)


model = get_model()

# Instantiate an optimizer to train the model.
epochs = 16
optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, epochs * len(train_dataset)))

# Prepare the metrics.
train_loss = keras.metrics.Mean(name="loss")
val_mae_metric = keras.metrics.MeanAbsoluteError()

# WATCH(model, optimizer)


@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        prediction = model(x, training=True)
        loss_value = tf.reduce_mean(tf.square(y - prediction))
    grads = tape.gradient(loss_value, model.trainable_weights)
    optimizer.apply_gradients(zip(grads, model.trainable_weights))
    train_loss.update_state(loss_value)
    return loss_value


@tf.function
def test_step(x, y):
    val_mae_metric.update_state(y, model(x, training=False))


def evaluate(dataset):
    val_mae_metric.reset_state()
    for x_batch, y_batch in dataset:
        test_step(x_batch, y_batch)
    return float(val_mae_metric.result()) * std


start_time = time.time()
for epoch in range(epochs):
    train_loss.reset_state()

    # Iterate over the batches of the dataset.
    for step, (x_batch_train, y_batch_train) in enumerate(train_dataset):
        train_step(x_batch_train, y_batch_train)

    print(f"Epoch {epoch}: loss {float(train_loss.result()):.4f}, validation MAE {evaluate(val_dataset):.2f} rentals")

print(f"Time taken: {time.time() - start_time:.1f}s")
print(f"RESULT {evaluate(test_dataset):.3f} lower")
