"""What is not looked at again: tensors in the same memory that nothing wrote to; and tensors whose changes nobody counts."""

import re
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import scram_plugin
from scram_plugin.training.torch.memory import Once


def total(tensors):
    return [float(t.sum()) for _, t in tensors]


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (lambda x: x, False),
        (lambda x: x.detach(), False),
        (lambda x: x.add_(1), True),
        (lambda x: x.clone(), True),
        (lambda x: x[1:], True),
        (lambda x: x.t(), True),
        (lambda x: x.view(torch.int32), True),
    ],
)
def test_tensors_are_looked_at_again_after_a_change(change, again):
    asked, x = [], torch.arange(12.0).reshape(3, 4)
    once = Once(lambda tensors: asked.append(1) or total(tensors))
    assert once([("x0", x)]) == [66.0]
    other = change(x)
    assert once([("x0", other)]) == total([("x0", other)])
    assert len(asked) == 1 + again


def test_another_name_and_another_number_of_tensors():
    x, once = torch.ones(3), Once(lambda tensors: [name for name, _ in tensors])
    assert once([]) == []
    assert once([("x0", x)]) == ["x0"]
    assert once([("x1", x)]) == ["x1"]
    assert once([("x1", x), ("x2", x)]) == ["x1", "x2"]


def test_memory_that_was_given_back_is_not_taken_for_the_same():
    once = Once(total)
    for number in range(50):
        assert once([("x0", torch.full((4096,), float(number)))]) == [4096.0 * number]


def test_a_tensor_of_inference_mode_may_have_been_written_to():
    once = Once(total)
    with torch.inference_mode():
        x = torch.ones(4)
        assert once([("x0", x)]) == [4.0]
        x.add_(1)
        assert once([("x0", x)]) == [8.0]


def from_numpy():
    x = np.arange(12.0)
    return torch.from_numpy(x), lambda: x.__setitem__(slice(None), 1.0)


def seen_by_numpy():
    x = torch.arange(12.0)
    return x, lambda: x.numpy().__setitem__(slice(None), 1.0)


def through_data():
    x = torch.arange(12.0)
    return x, lambda: x.data.copy_(torch.ones(12))


@pytest.mark.parametrize("made", [from_numpy, seen_by_numpy, through_data])
def test_changes_that_pytorch_does_not_count(made):
    x, change = made()
    once = Once(total)
    assert once([("x0", x)]) == [66.0]
    change()
    assert once([("x0", x)]) == [12.0]


def test_validation_data_that_are_made_in_inference_mode(tmp_path):
    """No version is kept of them, and to ask for it is an error."""
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with warnings.catch_warnings(), scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False):
        warnings.simplefilter("error")
        for _ in range(12):
            x, y = torch.randn(16, 4), torch.randint(0, 2, (16,))
            optimizer.zero_grad()
            F.cross_entropy(model.train()(x), y).backward()
            optimizer.step()
            with torch.inference_mode():
                x, y = torch.randn(64, 4), torch.randint(0, 2, (64,))
                outputs = model.eval()(x)
                F.cross_entropy(outputs, y)
                (outputs.argmax(1) == y).float().mean()


def test_a_full_batch_is_measured_as_a_batch_that_is_made_anew(tmp_path):
    logged = {}
    for kind in ("same", "new"):
        torch.manual_seed(0)
        x, y = torch.randn(64, 6), torch.randint(0, 2, (64,))
        model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        with scram_plugin.watch(model, optimizer, log_dir=tmp_path / kind, every=10, print_findings=False):
            for _ in range(130):
                optimizer.zero_grad()
                F.cross_entropy(model(x if kind == "same" else x.clone()), y).backward()
                optimizer.step()
                with torch.no_grad():
                    model.eval()(x if kind == "same" else x.clone())
                model.train()
        logged[kind] = {
            f"{name}/{tag}": curve.values.tolist()
            for name, run in scram_plugin.read(tmp_path / kind).items()
            for tag, curve in run.items()
            if not re.search("time|seconds|wait|process", tag)
        }
    assert len(logged["same"]) > 2
    assert logged["same"] == logged["new"]
