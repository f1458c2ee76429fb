"""Predict the honey harvest (grams) of a hive from a season of sensor curves. Keras functional API."""
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import numpy as np
import tensorflow as tf
import keras
from keras import layers

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
keras.utils.set_random_seed(77)
rng = np.random.default_rng(77)

N, DAYS, CH = 1300, 60, 3


def make_hives(n):
    d = np.arange(DAYS)
    start = rng.uniform(5, 25, n)[:, None]
    strength = rng.gamma(6, 0.2, n)[:, None]
    bloom = strength * np.exp(-0.5 * ((d - start - 15) / 9) ** 2)
    temp = 18 + 6 * np.sin(d / DAYS * np.pi) + rng.normal(0, 1.5, n)[:, None] + rng.normal(0, 2, (n, DAYS))
    traffic = 900 * bloom * np.clip((temp - 12) / 10, 0, 1.5) + rng.normal(0, 120, (n, DAYS))
    hum = 60 + rng.normal(0, 8, n)[:, None] + rng.normal(0, 5, (n, DAYS))
    x = np.stack([temp, traffic, hum], -1).astype("float32")
    flow = (bloom * np.clip((temp - 12) / 10, 0, 1.5)).sum(1)
    grams = 1100 * flow * (1 - 0.012 * (hum.mean(1) - 60)) + 6000 + rng.normal(0, 4500, n)
    return x, grams.astype("float32")


x, grams = make_hives(N)
x_train, x_val, x_test = x[:600], x[600:800], x[800:]
g_train, g_val, g_test = grams[:600], grams[600:800], grams[800:]

x_mean, x_std = x_train.mean((0, 1)), x_train.std((0, 1))
g_mean, g_std = g_train.mean(), g_train.std()
x_train, x_val, x_test = [(a - x_mean) / x_std for a in (x_train, x_val, x_test)]
y_train, y_val = (g_train - g_mean) / g_std, (g_val - g_mean) / g_std

train_ds = tf.data.Dataset.from_tensor_slices((x_train, y_train)).shuffle(len(x_train)).batch(32).prefetch(2)
val_ds = tf.data.Dataset.from_tensor_slices((x_val, y_val)).batch(128)

DROPOUT = 0.1
inputs = keras.Input((DAYS, CH))
h = layers.Conv1D(24, 7, strides=2, activation="relu")(inputs)
h = layers.Conv1D(24, 5, strides=2, activation="relu")(h)
h = layers.GlobalAveragePooling1D()(h)
h = layers.Dropout(DROPOUT)(h)
h = layers.Dense(64, activation="relu")(h)
h = layers.Dropout(DROPOUT)(h)
outputs = layers.Dense(1)(h)
model = keras.Model(inputs, outputs)
model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mse")
model.summary()

stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=10, restore_best_weights=True)
# WATCH(model)
model.fit(train_ds, validation_data=val_ds, epochs=40, callbacks=[stop], verbose=2)

pred = model.predict(x_test, verbose=0)[:, 0] * g_std + g_mean
rmse = float(np.sqrt(np.mean((pred - g_test) ** 2)))
print("std of the harvest: %.0f g" % g_test.std())
print(f"RESULT {rmse:.1f} lower")
