"""SCRAM never changes a training: losses, metrics and weights are the same bit for bit."""

import numpy as np
import pytest

from scram_plugin import SCRAM
from tests.training.keras.models import KINDS, train


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("kind", KINDS)
def test_same_bits(kind, jit, tmp_path):
    losses, weights = train(kind, jit_compile=jit)
    watched_losses, watched_weights = train(kind, [SCRAM(tmp_path, every=3, print_findings=False)], jit_compile=jit)
    assert watched_losses == losses
    for plain, watched in zip(weights, watched_weights, strict=True):
        np.testing.assert_array_equal(plain.view(np.uint8), watched.view(np.uint8))
    assert list((tmp_path / "scram").iterdir()), "nothing was recorded, so nothing was tested"
