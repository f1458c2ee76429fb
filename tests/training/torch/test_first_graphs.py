"""What the graph of the first loss shows of attention, penalties, signs and the ends of a model; on real trainings, too."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Categorical

from scram_plugin.training.torch.attention import over_batch, over_examples, over_one_example, over_queries
from scram_plugin.training.torch.misfits import cut_outputs, maximises
from scram_plugin.training.torch.penalties import penalty
from tests.training.torch.models import IMAGES, needs_shapes, seed
from tests.training.torch.test_watch import reviewed, train

Q, K, V = (torch.randn(2, 3, 6, 4, requires_grad=True).exp() for _ in range(3))  # results, as those of layers
SCORES = "queries"


def attended(axis, mask=None, transposed=False):
    scores = Q @ K.transpose(-2, -1) / math.sqrt(4)
    scores = scores if mask is None else scores.masked_fill(mask, float("-inf"))
    weights = F.softmax(scores, dim=axis)
    made = V.transpose(-2, -1) @ weights.transpose(-2, -1) if transposed else weights @ V
    return made.square().sum()


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("mask", [None, torch.triu(torch.ones(6, 6), 1).bool()])
@pytest.mark.parametrize(("axis", "wrong"), [(-2, True), (2, True), (-1, False), (3, False)])
def test_attention_over_the_queries(axis, wrong, mask, transposed):
    found = over_queries(attended(axis, mask, transposed))
    assert found == ([{"operation": SCORES, "from": [2, 3, 6, 6], "to": [2, 3, 6, 6]}] if wrong else [])


def slots():
    """Slots compete for the inputs, and each takes the mean of its own (Locatello et al., 2020)."""
    weights = F.softmax(Q @ K.transpose(-2, -1), dim=-2)
    return ((weights / weights.sum(-1, keepdim=True)) @ V).sum()


def pooled():
    """A linear layer scores the positions."""
    weights = F.softmax(nn.Linear(4, 1)(K), dim=-2)
    return (weights.transpose(-2, -1) @ V).sum()


def of_clusters():
    """Each position is assigned to clusters, and each cluster is the sum of its positions."""
    weights = F.softmax(nn.Linear(4, 5)(K), dim=-1)
    return (weights.transpose(-2, -1) @ V).sum()


def both_ways():
    """Attention of two texts to each other (Seo et al., 2017)."""
    scores = Q @ K.transpose(-2, -1)
    return ((F.softmax(scores, dim=-1) @ K).sum() + (F.softmax(scores, dim=-2).transpose(-2, -1) @ Q).sum()).square()


def clusters():
    """A linear layer without a bias assigns positions to clusters."""
    weights = F.softmax(nn.Linear(4, 6, bias=False)(K), dim=-1)
    return (weights.transpose(-2, -1) @ V).sum()


def both_attend():
    """One softmax, for the queries and for the keys."""
    weights = F.softmax(Q @ K.transpose(-2, -1), dim=-1)
    return (weights @ V).sum() + (weights.transpose(-2, -1) @ Q).sum()


def labels_that_spread():
    weights = F.softmax(Q @ K.transpose(-2, -1), dim=-1)
    return (weights.transpose(-2, -1) @ torch.ones(2, 3, 6, 4)).sum()


@pytest.mark.parametrize("make", [slots, pooled, of_clusters, both_ways, clusters, both_attend, labels_that_spread])
def test_other_attention_is_right(make):
    assert over_queries(make()) == []


W = nn.Linear(8, 3)
ERROR = F.mse_loss(W(torch.randn(5, 8)), torch.zeros(5, 3))


@pytest.mark.parametrize(
    ("loss", "factor"),
    [
        (lambda: ERROR, 0.0),
        (lambda: ERROR + 0.05 * sum(p.abs().sum() for p in W.parameters()), 0.05),
        (lambda: ERROR + 0.5 * (0.1 * W.weight.pow(2).sum()), 0.05),
        (lambda: ERROR + torch.cat([p.view(-1) for p in W.parameters()]).abs().sum() / 20, 0.05),
        (lambda: ERROR + 2.4 * W.weight.square().mean(), 0.1),
        (lambda: ERROR + 3 * (W.weight - 1).pow(2).sum(), 0.0),  # as to what an earlier task learned
        (lambda: ERROR + 3 * (torch.ones(2, 8) @ W.weight.T).pow(2).sum(), 0.0),
        (lambda: ERROR + 3 * nn.Embedding(9, 4)(torch.tensor([1, 2])).pow(2).sum(), 0.0),
        (lambda: ERROR + 3 * (W.weight * torch.ones(3, 8)).sum(), 0.0),
        (lambda: W.weight.pow(2).sum(), 0.0),  # nothing is learned from data
        (lambda: 0.5 * W.weight.pow(2).sum() + 10 * torch.relu(1 - W(torch.randn(5, 8))).sum(), 0.01),
    ],
)
def test_a_penalty_in_the_loss(loss, factor):
    assert penalty(loss()) == pytest.approx(factor)


LOGITS, CHANCES = torch.randn(6, 4, requires_grad=True), torch.softmax(torch.randn(6, 4), dim=1)
LOGARITHMS = torch.log_softmax(LOGITS, dim=1)


@pytest.mark.parametrize(
    ("loss", "wrong"),
    [
        (lambda: (CHANCES * LOGARITHMS).sum(1).mean(), True),
        (lambda: (CHANCES * LOGARITHMS).sum(1).mean() + 1e-3 * LOGITS.square().mean(), True),
        (lambda: (LOGARITHMS * F.one_hot(torch.arange(6) % 4, 4)).sum() / 6, True),
        (lambda: torch.tensor(-1.0) * (CHANCES * LOGARITHMS).sum(1).mean(), False),
        (lambda: ((LOGARITHMS * CHANCES).sum(1) * torch.tensor([-1.0, 2.0, 1.0, 1.0, 3.0, 1.0])).mean(), False),
        (lambda: F.cross_entropy(LOGITS, torch.zeros(6, dtype=torch.long)) + (CHANCES * LOGARITHMS).sum(1).mean(), False),
        (lambda: 0.1 * (CHANCES * LOGARITHMS).sum(1).mean() + LOGITS.square().mean(), False),
        (lambda: -(CHANCES * LOGARITHMS).sum(1).mean(), False),
        (lambda: (CHANCES * -LOGARITHMS).sum(1).mean(), False),
        (lambda: (-1.0 * (CHANCES * LOGARITHMS)).sum(1).mean(), False),
        (lambda: (CHANCES * (CHANCES.log() - LOGARITHMS)).sum(1).mean(), False),  # a divergence
        (lambda: (LOGARITHMS.exp() * LOGARITHMS).sum(1).mean(), False),  # a bonus of entropy
        (lambda: (torch.randn(6, 4) * LOGARITHMS).sum(1).mean(), False),  # advantages
        (lambda: LOGITS.square().mean(), False),
    ],
)
def test_a_cross_entropy_without_its_sign(loss, wrong):
    assert maximises(loss()) == wrong


@pytest.mark.parametrize(
    ("outputs", "found"),
    [
        (lambda: torch.sigmoid(F.silu(LOGITS)), ["silu", "sigmoid"]),
        (lambda: (torch.softmax(F.relu(LOGITS), dim=1), LOGITS), ["relu", "softmax"]),
        (lambda: torch.sigmoid(F.leaky_relu(LOGITS)), []),
        (lambda: torch.sigmoid(W(F.relu(torch.randn(5, 8)))), []),
        (lambda: F.relu(torch.sigmoid(LOGITS)), []),
        (lambda: LOGITS, []),
    ],
)
def test_what_cuts_the_outputs(outputs, found):
    made = outputs()
    first = made[0] if isinstance(made, tuple) else made
    assert cut_outputs(first.clamp(1e-6, 1).log().sum(), made) == found
    assert cut_outputs((first * torch.ones_like(first)).sum(), made) == []  # weights of something else


class Attention(nn.Module):
    """The rows of an image attend to each other."""

    def __init__(self, axis):
        super().__init__()
        seed(0)
        self.axis, self.qkv, self.last = axis, nn.Linear(8, 48), nn.Linear(16, 10)

    def forward(self, x):
        q, k, v = self.qkv(x).split(16, dim=2)
        return self.last((F.softmax(q @ k.transpose(1, 2) / 4, dim=self.axis) @ v).mean(dim=1))


def digits(end=None, units=10):
    seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, units), *([end] if end else []))


def found(path):
    return [(f.heuristic, f.causes[0].id) for f in reviewed(path).alone if f.severity != "info"]


@pytest.mark.parametrize(("axis", "told"), [(1, True), (2, False)])
def test_a_training_of_attention(axis, told, tmp_path):
    train(tmp_path, Attention(axis), epochs=4, rate=3e-3)
    assert (("mixed-axes", "softmax-over-queries") in found(tmp_path)) == told


@pytest.mark.parametrize(("factor", "told"), [(0.3, True), (1e-5, False)])
def test_a_training_with_a_penalty(factor, told, tmp_path):
    model = digits()

    def loss(outputs, labels):
        return F.cross_entropy(outputs, labels) + factor * sum(p.abs().sum() for p in model.parameters())

    train(tmp_path, model, loss, epochs=10, rate=1e-2)
    assert (("strong-regularization", "factor") in found(tmp_path)) == told


@pytest.mark.parametrize(("sign", "told"), [(1, True), (-1, False)])
def test_a_training_with_either_sign(sign, told, tmp_path):
    def loss(outputs, labels):
        mean = (F.one_hot(labels, 10) * torch.log_softmax(outputs, dim=1)).sum(dim=1).mean()
        return mean if sign > 0 else -mean

    train(tmp_path, digits(), loss, epochs=2)
    assert (found(tmp_path)[:1] == [("wrong-direction", "sign")]) == told


@pytest.mark.parametrize(("end", "told"), [(nn.SiLU(), True), (None, False)])
def test_a_training_whose_probabilities_are_cut(end, told, tmp_path):
    model = nn.Sequential(digits(end, 1), nn.Sigmoid())

    def loss(outputs, labels):
        chance = outputs.squeeze(1).clamp(1e-6, 1 - 1e-6)
        odd = (labels % 2).float()
        return -(odd * chance.log() + (1 - odd) * (1 - chance).log()).mean()

    train(tmp_path, model, loss, epochs=4)
    assert (("output-activation-mismatch", "cut-logits") in found(tmp_path)) == told


class Maps(nn.Module):
    """An autoencoder of images, whose pixels come from a function."""

    def __init__(self, last):
        super().__init__()
        seed(0)
        self.last, self.code, self.up = last, nn.Linear(64, 16), nn.Linear(16, 64)
        self.conv = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x):
        return self.last(self.conv(self.up(F.relu(self.code(x.flatten(1)))).view(-1, 1, 8, 8)))


@pytest.mark.parametrize(("last", "told"), [(lambda h: torch.softmax(h, dim=-1), True), (torch.sigmoid, False)])
def test_a_training_with_pixels_that_sum_to_one(last, told, tmp_path):
    data = [(part, part) for part in IMAGES[:320].clamp(0, 1).unsqueeze(1).split(32)]
    train(tmp_path, Maps(last), F.binary_cross_entropy, data, epochs=3)
    assert (("mixed-axes", "softmax-over-width") in found(tmp_path)) == told


class Logarithms(nn.Module):
    """A layer whose outputs go through a logarithm within the model."""

    def __init__(self, least):
        super().__init__()
        seed(0)
        self.least, self.first, self.last = least, nn.Linear(64, 32), nn.Linear(32, 10)

    def forward(self, x):
        return self.last(torch.log(F.relu(self.first(x.flatten(1))) + self.least))


@pytest.mark.parametrize(("least", "told"), [(0.0, True), (0.01, False)])
def test_a_training_with_a_logarithm_of_0_in_the_model(least, told, tmp_path):
    train(tmp_path, Logarithms(least), epochs=2)
    assert (found(tmp_path)[:1] == [("nonfinite-loss", "custom-loss")]) == told


@needs_shapes
@pytest.mark.filterwarnings("ignore:Implicit dimension")
@pytest.mark.parametrize(("axis", "wrong"), [(None, True), (0, True), (-3, True), (1, False), (-1, False)])
@pytest.mark.parametrize("mask", [False, True])
def test_attention_over_the_examples(axis, wrong, mask):
    """Without an axis, PyTorch takes the first one of three."""
    scores = Q[:, 0] @ K[:, 0].transpose(-2, -1) / math.sqrt(4)
    scores = scores.masked_fill(torch.eye(6).bool(), -1e9) if mask else scores
    loss = (F.softmax(scores, dim=axis) * torch.ones(2, 6, 1) @ V[:, 0]).square().sum()
    assert over_examples(loss) == ([{"operation": "softmax", "from": [2, 6, 6], "to": [2, 6, 6]}] if wrong else [])


def test_no_attention_over_the_examples():
    weights = nn.Linear(4, 5)
    assert over_examples(F.softmax(weights(K[:, 0]), dim=0).sum()) == []  # no scores: it may pool sets that are the first axis
    assert over_examples(F.softmax(Q[0, 0] @ K[0, 0].T, dim=0).sum()) == []  # of one matrix, as in a contrast of two views
    for scores in ("bqd,bkd->kbq", "bqd,bkd->qbk"):  # the first axis is that of the keys, or of the queries
        assert over_examples(F.softmax(torch.einsum(scores, Q[:, 0], K[:, 0]), dim=0).sum()) == []
    assert over_examples(F.softmax((Q[:, 0] @ K[:, 0].transpose(1, 2)).permute(2, 0, 1), dim=0).sum()) == []


STATES = torch.rand(8, 5, 3, requires_grad=True) * 1.0  # of 8 examples with 5 positions
RETURNS = torch.tensor([1.0, 2.0, 0.5])


@pytest.mark.parametrize(
    ("pooled", "sizes"),
    [
        (lambda w: (w.softmax(0).unsqueeze(-1) * STATES).sum(dim=1), [8, 5]),
        (lambda w: (w.unsqueeze(-1).softmax(dim=0) * STATES).sum(1, keepdim=True), [8, 5, 1]),
        (lambda w: torch.bmm(w.softmax(0).unsqueeze(1), STATES), [8, 5]),
        (lambda w: torch.bmm(F.dropout(w.softmax(0), 0.1).unsqueeze(1), STATES).squeeze(1), [8, 5]),
        (lambda w: torch.bmm(STATES.transpose(1, 2), w.softmax(-2).unsqueeze(2)), [8, 5]),
        (lambda w: (w.softmax(1).unsqueeze(-1) * STATES).sum(dim=1), None),
        (lambda w: torch.bmm(w.softmax(1).unsqueeze(1), STATES), None),
        (lambda w: (w.softmax(0).unsqueeze(-1) * STATES).sum(dim=0), None),  # the time comes first
        (lambda w: torch.bmm(w.t().softmax(0).t().unsqueeze(1), STATES), None),
        (lambda w: (w[:, :1].softmax(0) * STATES[:, 0]).sum(dim=1), None),  # instances of one bag
    ],
)
def test_weights_of_positions_that_are_shared_among_examples(pooled, sizes):
    weights = torch.rand(8, 5, requires_grad=True) * 1.0
    found = [{"operation": "softmax", "from": sizes, "to": sizes}] if sizes else []
    assert over_batch(pooled(weights).square().mean(), {8}) == found
    assert over_batch(pooled(weights).square().mean(), {5}) == []  # shares of five examples in eight groups


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda w: torch.cat([Categorical(w.softmax(0)).log_prob(torch.tensor([i])) for i in range(3)]) * RETURNS, True),
        (lambda w: torch.cat([w.softmax(0).log().gather(1, torch.tensor([[i]])) for i in range(3)]), True),
        (lambda w: Categorical(w.softmax(0)).log_prob(torch.tensor([2])), False),  # a choice of one, once
        (
            lambda w: torch.cat(
                [Categorical(w.expand(rows, 5).softmax(0)[:1]).log_prob(torch.tensor([2])) for rows in (1, 1, 1, 2)]
            ),
            False,
        ),  # of a varying number of candidates
        (lambda w: Categorical(w.softmax(1)).log_prob(torch.tensor([2])), False),
        (lambda w: Categorical(logits=w).log_prob(torch.tensor([2])), False),
        (lambda w: w.softmax(0), False),  # a gate with a single expert
        (lambda w: w.softmax(0) @ STATES[0], False),  # attention to a single key
    ],
)
def test_a_policy_whose_probabilities_are_each_1(made, told):
    scores = torch.rand(1, 5, requires_grad=True) * 1.0
    assert over_one_example(made(scores).sum()) == [{"operation": "alone", "from": [1, 5], "to": [1, 5]}] * told


@pytest.mark.parametrize(("axis", "told"), [(-1, True), (2, True), (1, False)])
def test_weights_of_positions_that_are_each_1(axis, told):
    scores = torch.rand(8, 5, 1, requires_grad=True) * 1.0
    found = over_batch((scores.softmax(axis) * STATES).sum(1).square().mean(), {8})
    assert found == [{"operation": "one", "from": [8, 5, 1], "to": [8, 5, 1]}] * told


@needs_shapes
@pytest.mark.parametrize("pooled", [True, False])
def test_attention_to_one_vector_is_no_mistake(pooled):
    """The weights (examples, queries, 1) of a class or a picture that each position looks at; of 5 that one looks at, it is."""
    weights = (torch.rand(8, 5, 1, requires_grad=True) * 1.0).softmax(-1)
    product = STATES.transpose(1, 2) @ weights if pooled else weights @ STATES[:, :1]
    assert bool(over_batch(product.square().mean(), {8})) == pooled
