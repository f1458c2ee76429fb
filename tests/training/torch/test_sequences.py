"""How targets follow from inputs, and whether outputs know what comes later."""

import pytest
import torch
from torch import nn

from scram_plugin.training.torch.sequences import few_words, remembers, sees_future, shift, shift_of_part, shift_of_values

TEXT = torch.randint(0, 30, (6, 14), generator=torch.Generator().manual_seed(0))
X = TEXT[:, :12].contiguous()


UNKNOWN = torch.tensor([[2, 1, 1, 3, 0, 0, 0, 0] * 4] * 16)  # begin, unknown, end, padding
MASK = (UNKNOWN > 0).long()


@pytest.mark.parametrize(
    ("inputs", "rows", "found"),
    [
        ([UNKNOWN], 500, [4, 500]),
        ([UNKNOWN, MASK], 500, [4, 500]),
        ([MASK, torch.randint(0, 30, UNKNOWN.shape)], 500, []),
        ([UNKNOWN], 5, []),  # the letters of a genome, for example
        ([UNKNOWN[:4]], 500, []),  # few words
        ([UNKNOWN.float()], 500, []),
        ([], 500, []),
    ],
)
def test_words_that_are_nearly_all_unknown(inputs, rows, found):
    assert few_words(inputs, rows) == found


def test_by_how_much_the_targets_are_shifted():
    assert shift(X, X) == (0, 1)
    for by in (1, 2):
        assert shift(X, TEXT[:, by : by + 12]) == (by, 1)
        assert shift(X.T.contiguous(), TEXT[:, by : by + 12].T.reshape(-1)) == (by, 0)
    assert shift(X, torch.randint(0, 30, (6, 12))) is None


def test_positions_that_do_not_count():
    shifted = torch.cat([X[:, 1:], torch.full((6, 1), -100)], dim=1)
    assert shift(X, shifted) == (1, 1)
    assert shift(X, torch.full((6, 12), -100)) is None


def test_what_is_no_sequence_of_tokens():
    assert shift(torch.randn(6, 12), TEXT[:, 1:13]) is None
    assert shift(X, torch.zeros(6, dtype=torch.long)) is None
    assert shift(torch.ones(6, 12, dtype=torch.long), torch.ones(6, 12, dtype=torch.long)) is None
    assert shift(X[:, :3], TEXT[:, 1:4]) is None


def test_a_recurrent_model_reads_one_way_or_both():
    torch.manual_seed(0)
    table = nn.Embedding(30, 8)
    for both in (False, True):
        layer = nn.GRU(8, 8, batch_first=True, bidirectional=both)
        assert sees_future(X, 1, lambda x, layer=layer: layer(table(x))[0]) is both


def test_nothing_is_known_of_other_outputs():
    assert sees_future(X, 1, lambda x: x.float().mean(dim=1, keepdim=True)) is None
    assert sees_future(X, 1, lambda x: torch.full((6, 12, 3), float("nan"))) is None


@pytest.mark.parametrize(
    ("of_outputs", "of_targets", "by"),
    [
        (slice(None, -1), slice(1, None), 1),
        (slice(None, -1), slice(None, -1), 0),
        (slice(1, None), slice(1, None), 0),
        (slice(None, -2), slice(2, None), 2),
        (slice(3, -1), slice(4, None), 1),
    ],
)
def test_targets_that_are_a_part_of_the_inputs(of_outputs, of_targets, by):
    outputs = torch.randn(6, 12, 30)
    compared = outputs[:, of_outputs].log_softmax(dim=-1).flatten(0, 1)
    assert shift_of_part(X, X[:, of_targets].reshape(-1), -100, outputs, compared) == by


def test_a_part_whose_last_target_comes_after_the_inputs():
    outputs = torch.randn(6, 12, 30)
    compared = outputs[:, 5:].log_softmax(dim=-1).flatten(0, 1)
    assert shift_of_part(X, TEXT[:, 6:13].reshape(-1), -100, outputs, compared) == 1
    assert shift_of_part(X, torch.randint(0, 30, (42,)), -100, outputs, compared) is None


def test_inputs_that_are_not_read():
    with pytest.raises(LookupError):
        sees_future(X, 1, lambda x: torch.ones(*x.shape, 3))


def test_outputs_that_are_random():
    assert sees_future(X, 1, lambda x: torch.rand(*x.shape, 3)) is None


SERIES = torch.randn(6, 14, 2, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("x", "y", "by"),
    [
        (SERIES[:, :12], SERIES[:, :12].clone(), 0),
        (SERIES[:, :12], SERIES[:, 1:13], 1),
        (SERIES[:, :12], SERIES[:, 2:14], None),  # a forecast for the position after the next
        (SERIES[:, :12], SERIES[:, :12], 0),
        (SERIES, SERIES, None),  # an autoencoder
        (SERIES[:, :12], SERIES[:, 1:13].reshape(-1, 2), 1),
        (SERIES[:, :12], SERIES[:, :12] + 1e-3, None),
        (SERIES[:, :12, :1].expand(-1, -1, 2), SERIES[:, :12], None),
        (torch.ones(6, 12, 2), torch.ones(6, 12, 2), None),  # nothing tells its positions apart
        (SERIES[:, :3], SERIES[:, 1:4], None),
        (SERIES[:, 0], SERIES[:, 1], None),
        (SERIES[:, :12], torch.zeros(6, 12, 2, dtype=torch.long), None),
    ],
)
def test_by_how_much_a_series_is_ahead(x, y, by):
    assert shift_of_values(x, y) == by


@pytest.mark.parametrize(("layer", "does"), [(nn.Linear(2, 3), False), (nn.GRU(2, 3, batch_first=True), True)])
def test_a_model_that_remembers_earlier_positions(layer, does):
    def again(x):
        made = layer(x)
        return made[0] if isinstance(made, tuple) else made

    assert remembers(SERIES, again) is does
    assert sees_future(SERIES, 1, again) is False
