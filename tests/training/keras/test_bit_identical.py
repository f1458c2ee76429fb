"""SCRAM never changes a training: losses, metrics and weights are the same bit for bit. And it records every batch."""

import functools
import math

import numpy as np
import pytest

import scram_plugin
from scram_plugin import SCRAM
from tests.training.keras.models import KINDS, train

# to others, for what SCRAM does
SIMILAR = (
    *("residual_batch_norm", "convolution", "functional_residual", "tanh_momentum"),
    *("dense", "two_inputs", "several_outputs_by_hand"),
)
QUICK = [pytest.param(kind, marks=pytest.mark.slow if kind in SIMILAR else ()) for kind in KINDS]
# XLA takes its time to compile
WITH_XLA = [pytest.param(kind, marks=() if kind == "dropout_batch_norm" else pytest.mark.slow) for kind in KINDS]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(kind, with XLA) -> the training without SCRAM, the same with it, and the latter's logs; each is trained once."""

    @functools.cache
    def of(kind, jit):
        logs = tmp_path_factory.mktemp(kind)
        plain = train(kind, jit_compile=jit)
        return plain, train(kind, [SCRAM(logs, every=3, print_findings=False)], jit_compile=jit), logs

    return of


def is_the_same(trained, kind, jit):
    (losses, weights), (watched_losses, watched_weights), logs = trained(kind, jit)
    assert watched_losses == losses
    for plain, watched in zip(weights, watched_weights, strict=True):
        np.testing.assert_array_equal(plain.view(np.uint8), watched.view(np.uint8))
    assert list((logs / "scram").iterdir()), "nothing was recorded, so nothing was tested"


@pytest.mark.parametrize("kind", QUICK)
def test_same_bits(kind, trained):
    is_the_same(trained, kind, False)


@pytest.mark.slow
@pytest.mark.parametrize("kind", WITH_XLA)
def test_same_bits_with_xla(kind, trained):
    is_the_same(trained, kind, True)


@pytest.mark.parametrize("kind", QUICK)
def test_every_batch_is_recorded_for_every_kind_of_model(kind, trained):
    _, (history, _), logs = trained(kind, False)
    run = scram_plugin.read(logs)["scram"]
    loss = run["scram/batches/loss"]
    _, (_, labels) = KINDS[kind]()
    batches = math.ceil(int(len(labels) * 0.8) / 32)
    assert loss.steps.tolist() == list(range(2 * batches))
    assert np.isfinite(loss.values).all()
    assert len(history["loss"]) == 2
    assert run["scram/batches/epoch"].values.tolist() == [0] * batches + [1] * batches
    every = 4 if kind == "four_steps_per_execution" else 3  # of the steps of one call, the last is measured
    measured = run["scram/statistics/x0/mean"]
    assert 2 * batches / every - 3 <= len(measured) <= 2 * batches / every + 4
