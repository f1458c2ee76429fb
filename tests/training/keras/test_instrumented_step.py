"""The train functions that stand in for the model's own: other data in a later fit, large variables, many models."""

import logging
import warnings

import keras
import numpy as np
import pytest
from keras import layers

import scram_plugin
from tests.sizes import few
from tests.training.keras.models import IMAGES, LABELS
from tests.training.keras.test_callback import watch


def small(units=8):
    model = keras.Sequential([layers.Flatten(), layers.Dense(units, "relu"), layers.Dense(10, "softmax")])
    model.compile(keras.optimizers.SGD(0.05), "sparse_categorical_crossentropy")
    return model


@pytest.mark.parametrize("every", few([1, 1000], lambda every: every > 1))
def test_a_later_fit_may_have_other_data(every, tmp_path):
    model, callback = small(), watch(tmp_path, every=every)
    x, y = IMAGES[:320], LABELS[:320]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="SCRAM")
        model.fit(x, y, verbose=0, callbacks=[callback])
        model.fit(x, y, sample_weight=np.full(320, 0.5), verbose=0, callbacks=[callback])
        model.fit(x.astype("float64"), y.astype("float32"), verbose=0, callbacks=[callback])
    loss = scram_plugin.read(tmp_path)["scram"]["scram/batches/loss"]
    assert loss.steps.tolist() == list(range(30))
    # half the weight, about half the loss of the batch before: the second fit was made with its own data
    assert 0.3 < loss.values[10] / loss.values[9] < 0.7
    assert 1.4 < loss.values[20] / loss.values[19] < 3


def test_the_change_of_a_large_variable_is_estimated(tmp_path):
    """Plain gradient descent changes a variable by the learning rate times the gradient."""
    model = small(units=400)
    model.fit(IMAGES, LABELS, epochs=3, verbose=0, callbacks=[watch(tmp_path, every=1)])
    run = scram_plugin.read(tmp_path)["scram"]
    seen = 0
    for variable in model.trainable_variables:
        gradient, update = (
            run[f"scram/statistics/{kind}/{variable.path.removeprefix(model.name + '/')}/norm"].values
            for kind in ("gradient", "update")
        )
        large = np.prod(variable.shape) > 1 << 14
        np.testing.assert_allclose(update, 0.05 * gradient, rtol=0.1 if large else 1e-2)
        if large:
            seen += 1
            assert abs(np.median(update / (0.05 * gradient)) - 1) < 0.02
    assert seen


@pytest.mark.slow
def test_one_model_after_another_makes_tensorflow_warn_of_nothing_of_ours(tmp_path, caplog):
    """It warns of functions that are traced again and again, and counts all models of a process together."""
    import tensorflow as tf

    logger = tf.get_logger()
    logger.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.WARNING, "tensorflow"):
            for i in range(7):
                small().fit(IMAGES[:96], LABELS[:96], verbose=0, callbacks=[watch(tmp_path / str(i), every=1)])
    finally:
        logger.removeHandler(caplog.handler)
    assert not [record for record in caplog.messages if "of_batch" in record or "InstrumentedStep" in record]


def test_variables_without_a_gradient_are_none_of_those_that_are_measured(tmp_path):
    """The first layer is cut off: what is measured of the others is still theirs."""
    inputs = keras.Input((64,))
    # before Keras 3.1 a function of keras.ops is no part of a functional model by itself
    cut = layers.Lambda(keras.ops.stop_gradient)(layers.Dense(20, "relu", name="cut")(inputs))
    model = keras.Model(inputs, layers.Dense(10, "softmax", name="out")(layers.Dense(16, "relu", name="kept")(cut)))
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="SCRAM")
        model.fit(IMAGES[:320].reshape(320, -1), LABELS[:320], verbose=0, callbacks=[watch(tmp_path, every=1)])
    logged = scram_plugin.read(tmp_path)["scram"]
    for path in ("kept/kernel", "out/kernel"):
        moved, gradient = (logged[f"scram/statistics/{kind}/{path}/norm"].values for kind in ("update", "gradient"))
        np.testing.assert_allclose(moved, 0.1 * gradient, rtol=1e-3)
    assert "scram/statistics/update/cut/kernel/norm" not in logged
