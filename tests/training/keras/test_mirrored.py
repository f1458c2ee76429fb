"""Two replicas on two logical processors train one model (`tf.distribute.MirroredStrategy`)."""

import json
import subprocess
import sys

import keras
import numpy as np

import scram_plugin
from tests.paths import ROOT, environment

PROGRAM = """
import json, sys
import keras
import numpy as np
import tensorflow as tf
from keras import layers

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from scram_plugin import SCRAM
from tests.recorded.digits import IMAGES, LABELS

def train(callbacks):
    keras.utils.set_random_seed(3)
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        model = keras.Sequential([keras.Input((8, 8)), layers.Flatten(), layers.Dense(32, "relu", name="hidden"),
                                  layers.Dropout(0.2), layers.Dense(10, "softmax", name="out")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(IMAGES[:640], LABELS[:640], batch_size=32, epochs=2, shuffle=False, verbose=0, callbacks=callbacks)
    return history.history, [w.tobytes().hex() for w in model.get_weights()]

plain, watched = train([]), train([SCRAM(sys.argv[1], every=5, print_findings=False)])
print(json.dumps([plain[0] == watched[0], plain[1] == watched[1]]))
"""


def test_one_set_of_logs_with_the_statistics_of_all_replicas(tmp_path):
    from tests.recorded.digits import IMAGES, LABELS

    done = subprocess.run(
        [sys.executable, "-W", "error:SCRAM", "-c", PROGRAM, str(tmp_path)],
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == [True, True], "the same bits"
    logged = scram_plugin.read(tmp_path)["scram"]
    if not hasattr(keras.Model, "_make_function"):  # before Keras 3.7 epochs only, as docs/limits.md says
        assert "scram/batches/loss" not in logged
        return
    assert logged["scram/batches/loss"].steps.tolist() == list(range(40))
    x, y = IMAGES[:640].reshape(20, 32, 64), LABELS[:640].reshape(20, 32)

    def twice(values):  # two epochs of the same batches
        return np.tile(values, 2)

    np.testing.assert_allclose(logged["scram/batches/x0/mean"].values, twice(x.mean(axis=(1, 2))), rtol=1e-5)
    np.testing.assert_array_equal(logged["scram/batches/y0/min"].values, twice(y.min(axis=1)))
    np.testing.assert_array_equal(logged["scram/batches/y0/max"].values, twice(y.max(axis=1)))
    counts = np.sum([logged[f"scram/statistics/y0/count/{label}"].values for label in range(10)], axis=0)
    assert set(counts.tolist()) == {32.0}, "of the examples of both"
    at = logged["scram/statistics/x0/std"].steps
    np.testing.assert_allclose(logged["scram/statistics/x0/std"].values, twice(x.std(axis=(1, 2)))[at], rtol=1e-4)
    for column in ("layer/hidden/zero", "gradient/hidden/kernel/norm", "update/out/kernel/norm"):
        assert np.isfinite(logged[f"scram/statistics/{column}"].values).all(), column
    (review,) = scram_plugin.review(tmp_path, cache=False)
    assert "dead-relu" not in review.passed, "replicas do not count units"
    assert "dead-relu" in {entry.heuristic for entry in review.not_checked}
