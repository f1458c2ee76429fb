"""Digits read row by row with an LSTM; the input pipeline is tf.data."""
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

from scram_plugin import SCRAM

params = dict(units=48, dense=32, lr=4e-3, batch=32, epochs=12, seed=4)
tf.keras.utils.set_random_seed(params["seed"])

bunch = load_digits()
rng = np.random.default_rng(params["seed"])
order = rng.permutation(len(bunch.target))
x = bunch.images[order].astype(np.float32) / 16.0
y = bunch.target[order].astype(np.int64)
split = int(0.8 * len(x))

train_ds = (
    tf.data.Dataset.from_tensor_slices((x[:split], y[:split]))
    .shuffle(split)
    .batch(params["batch"])
    .prefetch(tf.data.AUTOTUNE)
)
val_ds = tf.data.Dataset.from_tensor_slices((x[split:], y[split:])).batch(128)

rows = tf.keras.Input(shape=(8, 8))
h = tf.keras.layers.LSTM(params["units"])(rows)
h = tf.keras.layers.Dense(params["dense"])(h)
h = tf.keras.layers.ReLU()(h)
h = tf.keras.layers.Dropout(0.1)(h)
logits = tf.keras.layers.Dense(10)(h)
model = tf.keras.Model(rows, logits)

model.compile(
    optimizer=tf.keras.optimizers.Adam(params["lr"]),
    loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(train_ds, epochs=params["epochs"], validation_data=val_ds, callbacks=[SCRAM(log_dir="logs")], verbose=2)

_, acc = model.evaluate(val_ds, verbose=0)
print(f"val acc: {acc:.4f}")
