"""Whether the second part of a loader's batches is what the loss compares."""

import pytest
import torch

from scram_plugin.training.torch.data_facts import are_labels
from scram_plugin.training.torch.graph import Loss

LABELS = torch.tensor([0, 2, 1, 2])
ONE_HOT = torch.eye(3)[LABELS]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (LABELS, True),
        (LABELS.float().unsqueeze(1), True),
        (LABELS.flip(0), False),
        (ONE_HOT, True),
        (0.9 * ONE_HOT + 0.1 / 3, True),  # smoothed
        (torch.rand(4, 784), False),  # the images themselves, as an autoencoder compares them
        (torch.rand(4, 3, 8, 8), False),
        (torch.rand(2, 3), False),
        (None, True),
    ],
)
def test_labels(target, expected):
    losses = [Loss("BCELoss", None, target, None)]
    assert are_labels(LABELS, losses) is expected


def test_what_is_not_known_counts_as_labels():
    assert are_labels(None, [Loss("BCELoss", None, torch.rand(4, 784), None)])
    assert are_labels(LABELS, [])
