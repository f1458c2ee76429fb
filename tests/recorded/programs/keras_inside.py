"""Trainings of Keras of which every step is measured, to look inside of: a layer that dies, and one that saturates."""

import keras
from keras import layers

from tests.recorded.digits import IMAGES, LABELS
from tests.recorded.programs import Programs
from tests.recorded.programs.keras_models import watched

PROGRAMS = Programs()
FLAT = IMAGES.reshape(len(IMAGES), -1)


def trained(log_dir, net):
    keras.utils.set_random_seed(4)
    net.compile("adam", "sparse_categorical_crossentropy")
    watched(log_dir, net, FLAT, LABELS, epochs=3, every=1, validation_split=0.0)


@PROGRAMS
def a_layer_that_dies(log_dir):
    """Its biases are far below zero."""
    low = keras.initializers.Constant(-50.0)
    net = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(24, "relu", name="alive"),
            layers.Dense(16, "relu", name="dying", bias_initializer=low),
            layers.Dense(10, "softmax", name="answer"),
        ]
    )
    trained(log_dir, net)


@PROGRAMS
def a_layer_that_saturates(log_dir):
    wide = keras.initializers.RandomNormal(stddev=5.0)
    net = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(16, "tanh", name="bounded", kernel_initializer=wide),
            layers.Dense(10, "softmax"),
        ]
    )
    trained(log_dir, net)
