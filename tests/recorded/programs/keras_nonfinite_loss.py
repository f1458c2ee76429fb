"""Trainings of Keras whose loss becomes NaN or infinite, each by another cause, and a healthy twin."""

import keras
import numpy as np
from keras import layers, ops

from scram_plugin import SCRAM
from tests.recorded.digits import IMAGES, LABELS
from tests.recorded.programs import Programs
from tests.recorded.programs.keras_models import classifier, watched

PROGRAMS = Programs()


def regression(loss="mse", optimizer="sgd", activation="relu"):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8, 8)), layers.Flatten(), layers.Dense(16, activation), layers.Dense(1)])
    model.compile(optimizer, loss)
    return model


@PROGRAMS
def a_learning_rate_out_of_proportion(log_dir):
    model = regression(optimizer=keras.optimizers.SGD(learning_rate=1e6))
    model.fit(IMAGES, LABELS, verbose=0, callbacks=[SCRAM(log_dir, print_findings=False)])


@PROGRAMS
def healthy(log_dir):
    watched(log_dir, regression(optimizer=keras.optimizers.SGD(learning_rate=0.001)), IMAGES, LABELS)


@PROGRAMS
def one_nan_in_the_inputs(log_dir):
    x = IMAGES.copy()
    x[700, 2, 2] = np.nan
    # with ReLU the CPU turns the NaN into 0 and the loss stays finite
    watched(log_dir, regression(optimizer=keras.optimizers.SGD(0.001), activation="tanh"), x, LABELS, shuffle=False)


@PROGRAMS
def labels_beyond_the_outputs(log_dir):
    model = classifier(units=8)
    model.jit_compile = True  # XLA gives NaN where TensorFlow's own kernel on the CPU refuses the label
    watched(log_dir, model, IMAGES, LABELS)


def log_loss(y_true, y_pred):
    return -ops.mean(ops.log(y_pred - 0.5))


@PROGRAMS
def a_logarithm_in_a_loss_of_ones_own(log_dir):
    watched(log_dir, regression(loss=log_loss, optimizer=keras.optimizers.SGD(0.001)), IMAGES, LABELS)


@PROGRAMS
def float16(log_dir):
    keras.utils.set_random_seed(0)
    policy = keras.DTypePolicy("float16")
    model = keras.Sequential(
        [keras.Input((8, 8)), layers.Flatten(), layers.Dense(16, dtype=policy), layers.Dense(1, dtype=policy)]
    )
    model.dtype_policy = policy
    model.compile(keras.optimizers.SGD(0.001), "mse")
    watched(log_dir, model, IMAGES * 100, LABELS * 1000.0)


@PROGRAMS
def nan_in_the_targets(log_dir):
    y = LABELS.astype("float32")
    y[100] = np.nan
    watched(log_dir, regression(optimizer=keras.optimizers.SGD(0.001)), IMAGES, y, shuffle=False)


@PROGRAMS
def a_schedule(log_dir):
    schedule = keras.optimizers.schedules.PolynomialDecay(0.0, 50, 1e12)
    watched(log_dir, regression(optimizer=keras.optimizers.SGD(schedule)), IMAGES, LABELS)


@PROGRAMS
def a_loss_that_is_not_known(log_dir):
    watched(log_dir, regression(loss=["mse"], optimizer=keras.optimizers.SGD(1e6)), IMAGES, LABELS)
