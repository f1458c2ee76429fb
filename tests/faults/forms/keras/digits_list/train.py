"""Handwritten digits with a small dense network."""
import keras
import numpy as np
from keras import layers
from keras.utils import to_categorical
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from scram_plugin import SCRAM

SEED = 7
keras.utils.set_random_seed(SEED)

digits = load_digits()
images = (digits.images * 255 / 16).astype("uint8")  # as they come from the scanner
labels = digits.target

x_train, x_val, y_train, y_val = train_test_split(
    images, labels, test_size=0.2, random_state=SEED, stratify=labels
)
x_train = x_train.reshape(-1, 64).astype("float32") / 255.0
x_val = x_val.reshape(-1, 64).astype("float32") / 255.0
y_train = to_categorical(y_train, 10)
y_val = to_categorical(y_val, 10)

model = keras.Sequential([
    keras.Input(shape=(64,)),
    layers.Dense(64, activation="relu"),
    layers.Dropout(0.2),
    layers.Dense(64, activation="relu"),
    layers.Dense(10, activation="softmax"),
])

model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=0.002),
    loss="categorical_crossentropy",
    metrics=["accuracy"],
)

model.fit(
    x_train,
    y_train,
    batch_size=32,
    epochs=15,
    validation_data=(x_val, y_val),
    callbacks=[SCRAM(log_dir="logs")],
    verbose=2,
)

loss, accuracy = model.evaluate(x_val, y_val, verbose=0)
print(f"validation loss: {loss:.4f}")
print(f"validation accuracy: {accuracy:.4f}")
