"""Fashion-MNIST with a large dense net. A program as one writes it in the first week."""

import keras

from data import fashion_mnist
from scram_plugin import SCRAM

keras.utils.set_random_seed(1)
(x_train, y_train), (x_test, y_test) = fashion_mnist()
x_train, x_test = x_train / 255.0, x_test / 255.0

model = keras.Sequential([
    keras.Input(shape=(28, 28)),
    keras.layers.Flatten(),
    keras.layers.Dense(1024, activation="relu"),
    keras.layers.Dropout(0.5),
    keras.layers.Dense(1024, activation="relu"),
    keras.layers.Dropout(0.5),
    keras.layers.Dense(10, activation="softmax"),
])
model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=0.001),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
model.fit(
    x_train,
    y_train,
    batch_size=128,
    epochs=25,
    validation_data=(x_test, y_test),
    callbacks=[SCRAM(log_dir="logs/fashion_mnist")],
)
