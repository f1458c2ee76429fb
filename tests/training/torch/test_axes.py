"""What the autograd graph of one loss shows: axes that are mixed, parts of a loss, and what is taken of zero."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from scram_plugin.training.torch.axes import applied_twice, divisor, reductions, wrong_axes
from scram_plugin.training.torch.singular import at_zero, unguarded
from tests.training.torch.models import SHAPES, needs_shapes

X = torch.randn(8, 5, requires_grad=True)
HEADS = torch.randn(4, 2, 6, 3, requires_grad=True)


def operations(loss, batch=8):
    return [entry["operation"] for entry in wrong_axes(loss, batch)]


@pytest.mark.parametrize("axis", [0, -2])
def test_a_softmax_over_the_examples(axis):
    assert wrong_axes(F.softmax(X, dim=axis).square().sum(), 8) == [{"operation": "softmax", "from": [8, 5], "to": [8, 5]}]


def test_a_softmax_over_the_classes_or_of_one_column_is_right():
    assert operations(F.softmax(X, dim=1).square().sum()) == []
    assert operations(F.softmax(X[:, :1], dim=0).square().sum()) == []  # attention that pools a set
    assert operations(F.softmax(X, dim=0).square().sum(), batch=3) == []  # the rows are no examples


def test_a_softmax_over_the_only_row_of_the_outputs():
    made = F.log_softmax(X[:1], dim=0)
    loss = F.nll_loss(made, torch.tensor([2]))
    assert wrong_axes(loss, None, made) == [{"operation": "softmax", "from": [1, 5], "to": [1, 5]}]
    assert wrong_axes(made.sum(), None, made) == []  # a gate with a single expert
    assert wrong_axes((made @ torch.ones(5, 2)).sum(), None, made @ torch.ones(5, 2)) == []  # attention to a single key


@pytest.mark.parametrize("shape", [(4, 6, 2, 3), (4, 6, 6)])
def test_a_view_in_place_of_a_transposition(shape):
    loss = HEADS.reshape(shape).sum()
    assert wrong_axes(loss, 4) == [{"operation": "view", "from": [4, 2, 6, 3], "to": list(shape)}] * SHAPES


@pytest.mark.parametrize("shape", [(4, -1), (8, 6, 3), (4, 2, 18), (4, 2, 6, 3, 1), (4, 12, 3)])
def test_other_views_are_right(shape):
    assert operations(HEADS.reshape(shape).sum(), 4) == []


@pytest.mark.parametrize("rows", [slice(None), torch.tensor([1, 4, 5]), torch.arange(8) < 3])
def test_a_softmax_of_the_model_and_of_the_loss(rows):
    """In a graph only some of the nodes have labels."""
    labels = torch.zeros(8, dtype=torch.long)
    assert applied_twice(F.cross_entropy(X.softmax(dim=1)[rows], labels[rows])) == ["softmax"]
    assert applied_twice(F.cross_entropy(X[rows], labels[rows])) == []


@pytest.mark.parametrize(("logits", "told"), [(X.softmax(dim=1), ["softmax"]), (X, [])])
def test_a_softmax_as_the_logits_of_a_distribution(logits, told):
    chosen = torch.distributions.Categorical(logits=logits)
    assert applied_twice(-chosen.log_prob(torch.zeros(8, dtype=torch.long)).mean()) == told


def test_a_transposition_is_right():
    assert operations(HEADS.transpose(1, 2).reshape(4, 6, 6).sum(), 4) == []


def test_a_penalty_on_a_parameter_is_no_part_of_the_loss():
    weight, x, y = torch.randn(200, 1, requires_grad=True), torch.randn(16, 200), torch.randn(16, 1)
    loss = ((x @ weight - y) ** 2).mean()
    for penalty in ((weight**2).sum(), (weight * weight).sum() / 2, weight.abs().mean()):
        assert reductions(loss + 3 * penalty) == []


def test_the_parts_of_a_loss():
    mean, spread = torch.randn(16, 4, requires_grad=True), torch.randn(16, 4, requires_grad=True)
    decoded, x = torch.randn(16, 64, requires_grad=True), torch.randn(16, 64)
    divergence = -0.5 * torch.sum(1 + spread - mean.square() - spread.exp())
    assert reductions(F.mse_loss(decoded, x) + divergence) == [
        {"how": "mean", "shape": [16, 64], "factor": 1.0, "elementwise": True},
        {"how": "sum", "shape": [16, 4], "factor": -0.5, "elementwise": True, "each": [16, 4]},
    ]
    of_each = -0.5 * torch.sum(1 + spread - mean.square() - spread.exp(), dim=1)
    for divergence in (of_each.mean(), torch.mean(of_each, dim=0)):
        _, other = reductions(((decoded - x) ** 2).mean() + divergence)
        assert (other["how"], other["elementwise"], other["each"]) == ("mean", False, [16, 4])
    divergence = -0.5 * torch.sum(1 + spread - mean.square() - spread.exp())
    even = reductions(F.mse_loss(decoded, x, reduction="sum") / 16 + divergence / 16)
    assert [(part["how"], part["factor"]) for part in even] == [("sum", 1 / 16), ("sum", -0.5 / 16)]
    assert reductions(F.mse_loss(decoded, x)) == []


TAKEN = {
    "a square root of 0": lambda x: (x[:1] - x).square().sum(dim=1).sqrt().mean(),
    "a norm of 0": lambda x: (x[:1] - x).norm(dim=1).mean(),
    "a logarithm of 0": lambda x: torch.relu(x).log().mean(),
    "a division by 0": lambda x: (x / torch.zeros(8, 5)).mean(),
    "a root of 0": lambda x: (x[:1] - x).square().sum(dim=1).pow(0.5).mean(),
    "a mean of no values": lambda x: x[:0].mean(),
    "a mean over targets that are all ignored": lambda x: F.cross_entropy(x, torch.full((8,), -100)),
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_taken_of_zero(name):
    assert at_zero(TAKEN[name](X)) == [name]


@pytest.mark.parametrize(
    "loss",
    [lambda x: (x.square().sum(dim=1) + 1e-8).sqrt().mean(), lambda x: F.cross_entropy(x, torch.arange(5).repeat(2)[:8])],
)
def test_sound_operations(loss):
    assert at_zero(loss(X)) == unguarded(loss(X)) == []


def test_a_root_to_which_nothing_was_added():
    assert unguarded(X.square().sum(dim=1).sqrt().mean()) == ["a square root"]


@pytest.mark.parametrize(
    ("loss", "by"),
    [
        (lambda x: F.cross_entropy(x, torch.arange(5).repeat(2)[:8]) / 4, 4),
        (lambda x: x.square().mean() / 8, 8),
        (lambda x: x.square().mean() / 2, 0),  # a half may belong to a squared error
        (lambda x: x.square().sum() / 8, 0),  # the mean itself
        (lambda x: x.square().mean() * 0.25, 0),
        (lambda x: x.square().mean() / 2.5, 0),
        (lambda x: x.square().mean() / 10, 0),  # a weight
        (lambda x: F.softplus(4 * (x - 1)).mean() / 4, 0),  # the sharpness of a softplus
    ],
)
def test_by_how_many_batches_a_mean_is_divided(loss, by):
    assert divisor(loss(X)) == by


PICTURES = torch.randn(2, 3, 6, 6)
SEQUENCES, TAGS = torch.randn(4, 7, 5), torch.zeros(28, dtype=torch.long)
HEADS_OF_ATTENTION = torch.randn(2, 4, 6, 8, requires_grad=True)


def scores_of_pictures():
    return torch.nn.Conv2d(3, 4, 1)(PICTURES)


def scores_of_positions(classes=3):
    return torch.nn.Linear(5, classes)(SEQUENCES)


def talking_heads():
    scores = HEADS_OF_ATTENTION @ HEADS_OF_ATTENTION.transpose(-1, -2) * 0.3
    return torch.nn.Conv2d(4, 4, 1)(scores).softmax(-1) @ HEADS_OF_ATTENTION


def spans():
    """The classes are the positions of a text, for each of two marks."""
    return F.cross_entropy(scores_of_positions(2), torch.zeros(4, 2, dtype=torch.long))


@pytest.mark.parametrize(
    ("loss", "found"),
    [
        (lambda: F.softmax(scores_of_pictures(), dim=-1).square().sum(), ["width"]),
        (lambda: F.log_softmax(scores_of_pictures(), dim=3).sum(), ["width"]),
        (lambda: F.softmax(scores_of_pictures(), dim=1).square().sum(), []),
        (lambda: F.softmax(scores_of_pictures().flatten(2), dim=-1).square().sum(), []),  # a map of places
        (lambda: talking_heads().sum(), []),
        (lambda: F.nll_loss(F.log_softmax(scores_of_positions(), dim=1).view(-1, 3), TAGS), ["time"]),
        (lambda: F.nll_loss(F.log_softmax(scores_of_positions(), dim=1).reshape(28, 3), TAGS), ["time"]),
        (lambda: F.nll_loss(F.log_softmax(scores_of_positions(), dim=2).view(-1, 3), TAGS), []),
        (lambda: F.softmax(scores_of_positions(), dim=1).square().sum(), []),  # attention that pools the positions
        (lambda: F.cross_entropy(scores_of_positions().transpose(1, 2), torch.zeros(4, 7, dtype=torch.long)), []),
        (spans, []),
    ],
)
def test_axes_of_outputs(loss, found):
    assert operations(loss()) == found


@pytest.mark.parametrize(
    ("outputs", "found"),
    [
        (lambda made: F.normalize(made, dim=0), ["norm"]),
        (lambda made: F.normalize(made, dim=1), []),
        (lambda made: F.normalize(made - made.mean(0), dim=0), []),  # for a correlation
        (lambda made: made / made.norm(dim=0), ["norm"]),
        (lambda made: made / made.norm(), []),
    ],
)
def test_outputs_that_are_normalised(outputs, found):
    made = outputs(torch.nn.Linear(5, 6)(torch.randn(8, 5)))
    assert [entry["operation"] for entry in wrong_axes(made.square().sum(), 8, made)] == found
    weights = F.normalize(torch.nn.Parameter(torch.randn(5, 6)), dim=0)
    assert wrong_axes((torch.randn(8, 5) @ weights).sum(), 8, torch.randn(8, 5) @ weights) == []


def test_one_minus_a_mean_is_a_part_of_the_loss():
    outputs = torch.randn(16, 32, requires_grad=True)
    loss = F.mse_loss(outputs, torch.zeros(16, 32), reduction="sum") + 1 - outputs.sigmoid().mean(0).mean()
    assert sorted(part["how"] for part in reductions(loss)) == ["mean", "sum"]
    loss = F.mse_loss(outputs, torch.zeros(16, 32), reduction="sum") + (1 - outputs.sigmoid().mean(0).mean())
    assert sorted(part["how"] for part in reductions(loss)) == ["mean", "sum"]


def test_a_logarithm_of_softmax_over_the_positions():
    """The loss takes the second axis for the classes."""
    made, labels = HEADS.reshape(4, 2, 18) * 1.0, torch.zeros(4, 18, dtype=torch.long)
    found = [{"operation": "positions", "from": [4, 2, 18], "to": [4, 2, 18]}]
    assert wrong_axes(F.nll_loss(F.log_softmax(made, dim=-1), labels), None) == found
    assert wrong_axes(F.nll_loss(F.log_softmax(made, dim=1), labels), None) == []
    last = F.log_softmax(HEADS.reshape(4, 18, 2) * 1.0, dim=-1)
    assert wrong_axes(F.nll_loss(last.transpose(1, 2), labels), None) == []


@needs_shapes
@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (lambda made: made.reshape(-1, 4), True),
        (lambda made: made.contiguous().view(-1, 4), True),
        (lambda made: made.permute(0, 2, 3, 1).reshape(-1, 4), False),
        (lambda made: made.flatten(2).transpose(1, 2).reshape(-1, 4), False),
    ],
)
def test_channels_that_are_taken_for_classes(rows, found):
    made = nn.Conv2d(3, 4, 1)(torch.randn(8, 3, 6, 10))
    loss = F.cross_entropy(rows(made), torch.randint(0, 4, (8 * 6 * 10,)))
    expected = [{"operation": "view", "from": [8, 4, 6, 10], "to": [480, 4]}] if found else []
    assert wrong_axes(loss + made.square().mean(), 8, made) == expected


@pytest.mark.parametrize("size", [(1, 1), (1,)])
def test_a_map_that_is_one_pixel_becomes_a_row(size):
    """As after a pooling over all of it; or the scores of choices, (examples, choices, 1)."""
    made = torch.randn(8, 4, *size, requires_grad=True) * 1.0
    assert wrong_axes(F.cross_entropy(made.view(-1, 4), torch.randint(0, 4, (8,))), 8, made) == []
