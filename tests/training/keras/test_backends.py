"""Keras on PyTorch and on JAX: the same bits with SCRAM and without, and the same statistics as on TensorFlow."""

import json
import subprocess
import sys

import numpy as np
import pytest

import scram_plugin
from tests.paths import ROOT, environment, is_installed
from tests.sizes import FULL

LEFT_OUT = {
    "own_train_step": "it is written for TensorFlow",
    "loss_by_hand": "so is this",
    "several_outputs_by_hand": "and this",
    "four_steps_per_execution": "PyTorch takes one step at a time",
}
PROGRAM = """
import json, sys
import keras
import numpy as np
from scram_plugin import SCRAM
from tests.training.keras.models import KINDS, train

found = {}
for kind in sys.argv[2:]:
    losses, weights = train(kind)
    path = f"{sys.argv[1]}/{kind}"
    watched = train(kind, [SCRAM(path, every=3, print_findings=False)])
    same = [np.array_equal(a.view(np.uint8), b.view(np.uint8)) for a, b in zip(weights, watched[1], strict=True)]
    found[kind] = [losses == watched[0], all(same)]
print(json.dumps(found))
"""
STATISTICS = """
import sys
import keras
import numpy as np
from scram_plugin import SCRAM
from tests.training.keras.models import KINDS

rng = np.random.default_rng(0)
for kind in ("dense", "functional_residual"):
    model, (x, y) = KINDS[kind]()
    model.set_weights([rng.normal(scale=0.2, size=w.shape) for w in model.get_weights()])
    callback = SCRAM(f"{sys.argv[1]}/{kind}", every=1, print_findings=False)
    model.fit(x[:128], y[:128], shuffle=False, verbose=0, callbacks=[callback])
"""
FAULT = """
import sys
import keras
import numpy as np
from scram_plugin import SCRAM
from tests.training.keras.models import IMAGES, LABELS, compiled
from keras import layers

@keras.saving.register_keras_serializable()
class Root(layers.Layer):
    def call(self, x):
        return keras.ops.sqrt(x - 1e-3)  # NaN below that

keras.utils.set_random_seed(1)
hidden = layers.Dense(16, "relu", name="hidden")
model = compiled(
    keras.Sequential([keras.Input((8, 8)), layers.Flatten(), hidden, Root(name="root"), layers.Dense(10, "softmax")])
)
model.fit(IMAGES, LABELS, epochs=2, verbose=0, callbacks=[SCRAM(sys.argv[1], print_findings=False)])
"""


def run(program, backend, *arguments):
    done = subprocess.run(
        [sys.executable, "-W", "error:SCRAM", "-c", program, *arguments],
        env=environment(KERAS_BACKEND=backend),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


QUICK = ("dropout_batch_norm",)


def backends(quick=("torch", "jax")):
    return [
        pytest.param(
            backend,
            marks=[
                pytest.mark.skipif(not is_installed(backend), reason=f"{backend} is not installed"),
                *(() if backend in quick else (pytest.mark.slow,)),
            ],
        )
        for backend in ("torch", "jax")
    ]


@pytest.mark.parametrize("backend", backends(quick=("jax",)))
def test_same_bits(backend, tmp_path):
    from tests.training.keras.models import KINDS

    kinds = [kind for kind in KINDS if kind not in LEFT_OUT] if FULL else QUICK
    found = json.loads(run(PROGRAM, backend, str(tmp_path), *kinds).splitlines()[-1])
    print(found)
    assert {kind: result for kind, result in found.items() if result != [True, True]} == {}
    for kind in kinds:
        logged = scram_plugin.read(tmp_path / kind)
        steps = logged["scram"]["scram/batches/loss"].steps
        assert steps.tolist() == list(range(len(steps))), kind
        assert len(steps) >= 30
        assert "scram/statistics/y_pred0/mean" in logged["scram"], kind
        assert [tag for tag in logged["scram"] if tag.startswith("scram/statistics/update/")], kind


@pytest.mark.parametrize("backend", backends(quick=("torch",)))
def test_the_same_statistics_as_on_tensorflow(backend, tmp_path):
    """Of the first steps, before rounding makes trainings go apart."""
    for other in ("tensorflow", backend):
        run(STATISTICS, other, str(tmp_path / other))
    for kind in ("dense", "functional_residual"):
        ours, theirs = (scram_plugin.read(tmp_path / other / kind)["scram"] for other in (backend, "tensorflow"))
        columns = {tag for tag in theirs if tag.startswith(("scram/statistics/", "scram/batches/"))}
        # sums are not looked at on TensorFlow, where that would change their last bits
        assert columns <= set(ours), sorted(columns - set(ours))
        assert len(columns) > 60
        for tag in sorted(columns):
            np.testing.assert_allclose(ours[tag].values, theirs[tag].values, rtol=5e-3, atol=1e-3, err_msg=tag)


@pytest.mark.slow
@pytest.mark.parametrize("backend", backends(quick=("torch",)))
def test_where_the_first_nan_came_up(backend, tmp_path):
    run(FAULT, backend, str(tmp_path))
    logged = scram_plugin.read(tmp_path)["scram"]
    assert np.isnan(logged["scram/batches/loss"].values[0])
    (review,) = scram_plugin.review(tmp_path)
    found = {f.heuristic: f for f in review.findings}
    assert "nonfinite-loss" in found
    if backend == "torch":
        assert logged["scram/origin/layer/root/nan"].values[0] > 0
        assert logged["scram/origin/layer/hidden/nan"].values[0] == 0
    else:
        assert "nonfinite-origin" not in review.passed, "that it was not recorded is no pass"
