"""
Title: Transfer learning on small digit images
Description: Train a convnet on digits 0-4, freeze its feature layers, and train a new classifier for 5-9.

The 8x8 digits that come with scikit-learn are split in two halves by class.
The first half plays the part of the big source data set, the second half
is the target task, for which only the dense layers are trained.
"""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

keras.utils.set_random_seed(1337)

"""
## Settings
"""

batch_size = 32
source_epochs = 12
target_epochs = 20
num_classes = 5
input_shape = (8, 8, 1)

"""
## Data
"""

images, labels = load_digits(return_X_y=True)
images = images.reshape(-1, 8, 8, 1).astype("float32") / 16.0


def half(lo, hi):
    chosen = (labels >= lo) & (labels < hi)
    x, y = images[chosen], labels[chosen] - lo
    return train_test_split(x, y, test_size=0.25, stratify=y, random_state=0)


x_source, x_source_test, y_source, y_source_test = half(0, 5)
x_target, x_target_test, y_target, y_target_test = half(5, 10)
print("source task:", x_source.shape, "target task:", x_target.shape)

"""
## Source model: features + classifier
"""

features = keras.Sequential(name="features")
features.add(keras.Input(shape=input_shape))
features.add(layers.Conv2D(24, 3, padding="same", activation="relu"))
features.add(layers.Conv2D(32, 3, activation="relu"))
features.add(layers.MaxPooling2D(2))
features.add(layers.Flatten())

source_model = keras.Sequential(name="source")
source_model.add(features)
source_model.add(layers.Dropout(0.25))
source_model.add(layers.Dense(64, activation="relu"))
source_model.add(layers.Dense(num_classes))

source_model.compile(
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    optimizer=keras.optimizers.Adam(1e-3),
    metrics=["accuracy"],
)
source_model.fit(x_source, y_source, batch_size=batch_size, epochs=source_epochs, verbose=0)
print("source task, test accuracy: %.4f" % source_model.evaluate(x_source_test, y_source_test, verbose=0)[1])

"""
## Target model: the same features, frozen, and a fresh classifier
"""

model = keras.Sequential(name="target")
model.add(features)
model.add(layers.Dense(64, activation="relu"))
model.add(layers.Dropout(0.3))
model.add(layers.Dense(num_classes))

features.trainable = False

model.compile(
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    optimizer=keras.optimizers.Adam(2e-3),
    metrics=["accuracy"],
)
model.summary()

# WATCH(model)
model.fit(
    x_target,
    y_target,
    batch_size=batch_size,
    epochs=target_epochs,
    validation_split=0.15,
    verbose=2,
)

score = model.evaluate(x_target_test, y_target_test, verbose=0)
print("target task, test loss:", round(score[0], 4))
print("target task, test accuracy:", round(score[1], 4))
print("RESULT %.4f higher" % score[1])
