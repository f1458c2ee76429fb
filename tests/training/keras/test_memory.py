"""Many trainings in one process: SCRAM keeps nothing of them that Keras would not keep."""

import gc

import keras
import numpy as np
import pytest

from scram_plugin import SCRAM
from tests.sizes import FULL, size

TRAININGS = size(3, 1)


def graphs():
    """How many traced functions of TensorFlow are alive."""
    from tensorflow.python.framework.func_graph import FuncGraph

    keras.backend.clear_session()
    gc.collect()
    return sum(isinstance(thing, FuncGraph) for thing in gc.get_objects())


def train(callbacks, jit_compile):
    x = np.random.default_rng(0).random((64, 8)).astype("float32")
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"], jit_compile=jit_compile)
    model.fit(x, x.sum(axis=1) > 4, batch_size=16, epochs=2, verbose=0, callbacks=callbacks)


@pytest.mark.parametrize("jit_compile", [False, True] if FULL else [False])
def test_trainings_leave_no_more_graphs_than_those_without_scram(jit_compile, tmp_path):
    def left(with_scram):
        before = graphs()
        for number in range(TRAININGS):
            train([SCRAM(tmp_path / str(number), print_findings=False)] if with_scram else [], jit_compile)
        return graphs() - before

    assert left(with_scram=True) <= left(with_scram=False)
