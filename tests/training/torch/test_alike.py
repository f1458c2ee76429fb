"""Batches whose examples are one and the same, as of an array that is filled again and again."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from scram_plugin.training.torch.data_facts import LoaderPass, alike
from tests.training.torch.models import IMAGES, LABELS
from tests.training.torch.test_watch import dense, reviewed, train

ROWS = torch.rand(1, 5).expand(8, 5)
LABEL = torch.arange(8) % 3


@pytest.mark.parametrize(
    ("x", "target", "rows"),
    [
        ([ROWS], LABEL, 8),
        ([ROWS, ROWS[:, :2]], LABEL, 8),
        ([torch.rand(8, 5)], LABEL, 0),
        ([ROWS, torch.rand(8, 2)], LABEL, 0),
        ([ROWS], torch.ones(8), 0),
        ([ROWS], None, 0),
        ([ROWS], torch.tensor(1.0), 0),
        ([ROWS], LABEL[:4], 0),  # of some of the nodes of a graph
        ([ROWS[:2]], LABEL[:2], 0),
        ([ROWS.to_sparse()], LABEL, 0),
        ([torch.nested.nested_tensor([torch.rand(2)] * 8)], LABEL, 0),
        ([ROWS.unsqueeze(-1)], torch.rand(8, 5, 1), 0),  # the first axis may be that of time
        ([ROWS.unsqueeze(-1)], torch.rand(8, 5), 0),
        ([ROWS.unsqueeze(-1)], torch.rand(8, 3), 8),
    ],
)
def test_inputs_that_are_the_same(x, target, rows):
    assert alike([(f"x{i}", tensor) for i, tensor in enumerate(x)], target) == rows


class Odd:
    """A data set with attributes that are no arrays, but have a shape."""

    def __init__(self, array):
        self.array, self.model, self.other = array, SimpleNamespace(shape=len), SimpleNamespace(shape=3)

    def __len__(self):
        return 24

    def __getitem__(self, i):
        return self.array[i]


@pytest.mark.parametrize(
    ("array", "kept"),
    [(torch.zeros(600, 24), 600), (np.zeros((600, 24)), 600), (torch.zeros(24, 24), None), (torch.zeros(24), None)],
)
def test_the_rows_that_a_data_set_keeps(array, kept):
    iterator = iter(DataLoader(Odd(array)))
    assert LoaderPass(iterator).data(False) == {"samples": 24} | ({"kept": kept} if kept else {})


def test_the_difference_to_a_reference(tmp_path):
    """The model is called for one example, repeated, as well: what is recorded of its inputs is that of one call."""
    model, reference = dense(), IMAGES[:1].expand(32, -1, -1, -1)
    data = DataLoader(TensorDataset(IMAGES[:320], LABELS[:320]), 32)
    train(tmp_path, model, lambda made, y: F.cross_entropy(made - model(reference), y), data=data, epochs=2)
    assert "constant-inputs" not in [f.heuristic for f in reviewed(tmp_path).alone if f.severity != "info"]


@pytest.mark.parametrize("copied", [False, True])
def test_a_training_with_one_picture(copied, tmp_path):
    canvas, pictures = torch.empty_like(IMAGES[0]), []
    for image in IMAGES[:320]:
        canvas.copy_(image)
        pictures.append(canvas.clone() if copied else canvas)
    data = DataLoader(TensorDataset(torch.stack(pictures), LABELS[:320]), 32)
    train(tmp_path, dense(), data=data, epochs=2)
    found = [f.causes[0].id for f in reviewed(tmp_path).alone if f.heuristic == "constant-inputs"]
    assert found == ([] if copied else ["alike"])
