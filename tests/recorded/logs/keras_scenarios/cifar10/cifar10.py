"""CIFAR-10 with a small convolutional net that is given the pixels as they are."""

import keras

from data import cifar10
from scram_plugin import SCRAM

keras.utils.set_random_seed(1)
(x_train, y_train), (x_test, y_test) = cifar10()

model = keras.Sequential([
    keras.Input(shape=(32, 32, 3)),
    keras.layers.Rescaling(1.0 / 255),
    keras.layers.Conv2D(32, 3, activation="relu"),
    keras.layers.MaxPooling2D(),
    keras.layers.Conv2D(64, 3, activation="relu"),
    keras.layers.MaxPooling2D(),
    keras.layers.Flatten(),
    keras.layers.Dense(64, activation="relu"),
    keras.layers.Dense(10, activation="softmax"),
])
model.compile(
    optimizer=keras.optimizers.SGD(learning_rate=0.01, momentum=0.9),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
model.fit(
    x_train,
    y_train,
    batch_size=64,
    epochs=9,
    validation_data=(x_test, y_test),
    callbacks=[SCRAM(log_dir="logs/cifar10")],
)
