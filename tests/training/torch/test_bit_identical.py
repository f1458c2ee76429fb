"""SCRAM never changes a training with PyTorch: losses, weights, buffers and random states are the same bit for bit."""

import pytest
import torch

import scram_plugin
from tests import find_compiler
from tests.training.torch.models import KINDS, train


def same(kind, tmp_path, prepare=None):
    losses, state, left = train(kind, prepare=prepare)

    def watch(model, optimizer):
        return scram_plugin.watch(model, optimizer, log_dir=tmp_path, every=3, print_findings=False)

    watched_losses, watched_state, watched_left = train(kind, watch, prepare=prepare)
    assert watched_losses == losses
    assert watched_left == left
    for name, value in state.items():
        assert value.numpy().tobytes() == watched_state[name].numpy().tobytes(), name
    run = scram_plugin.read(tmp_path)["scram"]
    assert len(run["scram/batches/loss"]) >= 12
    assert any(tag.startswith("scram/statistics/layer/") for tag in run), "nothing was measured, so nothing was tested"


@pytest.mark.filterwarnings("error:SCRAM")
@pytest.mark.parametrize("kind", KINDS)
def test_same_bits(kind, tmp_path):
    same(kind, tmp_path)


@pytest.mark.skipif(not find_compiler.found(), reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("error:SCRAM")
@pytest.mark.parametrize("how", ["function", "method"])
@pytest.mark.parametrize(
    "kind", ["dense", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("convolution", "transformer"))]
)
def test_same_bits_of_compiled_models(kind, how, tmp_path):
    def compiled(model):
        torch._dynamo.reset()
        if how == "function":
            return torch.compile(model)
        model.compile()
        return model

    same(kind, tmp_path, compiled)
