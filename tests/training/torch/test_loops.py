"""Loops that call the model in other ways than once a step, and what the graph of the first step shows of a model."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import scram_plugin

X = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
Y = (X.sum(dim=1) > 0).long()


def network(*hidden, outputs=2):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 32), *hidden, nn.Linear(32, outputs))


def trained(model, loss, log_dir, steps=40, **how):
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    with scram_plugin.watch(model, optimizer, log_dir=log_dir, print_findings=False, **how) as watching:
        for _ in range(steps):
            optimizer.zero_grad()
            loss(model).backward()
            optimizer.step()
    return watching.facts["loop"]


def rolled_out(model, axis):
    """The loss of a rollout of three steps, which ends with the value of its last state."""
    chances, values = [], []
    for _ in range(3):
        made = model(X)
        chances.append(F.log_softmax(made[:, :2], dim=axis)[:, 0])
        values.append(made[:, 2])
    with torch.no_grad():
        last = model(X)[:, 2]
    return -torch.stack(chances).mean() + F.mse_loss(torch.stack(values), last.expand(3, -1))


def test_a_rollout_that_ends_with_an_evaluation_is_a_step(tmp_path):
    loop = trained(network(nn.Tanh(), outputs=3), lambda model: rolled_out(model, 1), tmp_path)
    assert loop["forwards"] == 3 * loop["steps"] > 0
    assert loop["axes"] == []
    assert len(scram_plugin.read(tmp_path)["scram"]["scram/batches/loss"]) == 40


def test_a_softmax_over_the_batch_in_a_rollout(tmp_path):
    axes = trained(network(nn.Tanh(), outputs=3), lambda model: rolled_out(model, 0), tmp_path)["axes"]
    assert {axis["operation"] for axis in axes} == {"softmax"}


def test_a_target_from_the_same_model_within_the_step(tmp_path):
    def loss(model):
        made = model(X)
        with torch.no_grad():
            wanted = model(X.flip(0))
        return F.mse_loss(made, wanted)

    trained(network(nn.ReLU()), loss, tmp_path)
    run = scram_plugin.read(tmp_path)["scram"]
    assert len(run["scram/batches/loss"]) == 40
    assert len(run["scram/batches/y_pred0/mean"])


def derived(model, create_graph):
    x = X.clone().requires_grad_()
    (slope,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), x, create_graph=create_graph, retain_graph=True)
    return (curvature.sum(dim=1) + model(x)[:, 0]).square().mean()


@pytest.mark.parametrize(
    ("activation", "create_graph", "cause"),
    [(nn.Tanh(), True, None), (nn.Tanh(), False, "cut-derivative"), (nn.ReLU(), True, "zero-derivative")],
)
def test_derivatives_of_derivatives(activation, create_graph, cause, tmp_path):
    trained(network(activation), lambda model: derived(model, create_graph), tmp_path)
    (review,) = scram_plugin.review(tmp_path)
    assert [f.causes[0].id for f in review.findings if f.heuristic == "training-loop"] == ([cause] if cause else [])


def test_a_derivative_that_only_an_evaluation_needs(tmp_path):
    count = iter(range(40))

    def loss(model):
        if next(count) % 10 == 9:
            derived(model, False)
        return derived(model, True)

    loop = trained(network(nn.Tanh()), loss, tmp_path)
    assert 0 < loop["cut_derivatives"] < loop["steps"] / 2


class Own(nn.Module):
    def __init__(self, activation):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.activation = nn.Parameter(torch.randn(6, 16)), nn.Linear(16, 2), activation

    def forward(self, x):
        return self.second(self.activation(x @ self.first))


@pytest.mark.parametrize(
    ("model", "linear"),
    [
        (lambda: Own(lambda x: x), True),
        (lambda: Own(torch.relu), False),
        (lambda: Own(torch.tanh), False),
        (lambda: network(nn.Identity()), True),
        (lambda: network(nn.ReLU()), False),
        (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(6, 2)), False),  # one matrix
        (lambda: nn.Sequential(nn.Linear(6, 1), nn.Linear(1, 2)), False),  # narrow on purpose
        (lambda: nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.Linear(16, 2)), True),
    ],
)
def test_a_model_that_is_linear_as_a_whole(model, linear, tmp_path):
    assert trained(model(), lambda m: F.cross_entropy(m(X), Y), tmp_path, steps=1)["linear"] == linear


def test_inputs_far_from_zero_do_not_make_a_relu_linear(tmp_path):
    years = 2000 + X
    assert not trained(network(nn.ReLU()), lambda m: F.cross_entropy(m(years), Y), tmp_path, steps=1)["linear"]


def test_a_layer_with_a_parametrised_weight_is_a_layer(tmp_path):
    model = network(nn.ReLU())
    nn.utils.parametrizations.weight_norm(model[0])
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, every=1, print_findings=False) as watching:
        F.cross_entropy(model(X), Y).backward()
        optimizer.step()
    kinds = [(layer["path"], layer["class"], layer["activation"]) for layer in watching.facts["model"]["layers"]]
    assert kinds[0] == ("0", "Linear", "relu")


class Residual(nn.Module):
    def __init__(self, bias):
        super().__init__()
        torch.manual_seed(0)
        self.inner, self.skip, self.last = nn.Linear(6, 32), nn.Linear(6, 32), nn.Linear(32, 2)
        nn.init.constant_(self.inner.bias, bias)
        self.head = nn.Linear(32, 32)

    def forward(self, x):
        x = F.relu(self.inner(x) + self.skip(x))
        return self.last(F.relu(self.head(x)))


@pytest.mark.parametrize(("bias", "dead"), [(0.0, []), (-50.0, [1, 2])])
def test_a_sum_that_no_relu_passes_on(bias, dead, tmp_path):
    assert trained(Residual(bias), lambda m: F.cross_entropy(m(X), Y), tmp_path)["dead"] == dead
    (review,) = scram_plugin.review(tmp_path)
    assert [f.causes[0].id for f in review.findings if f.heuristic == "dead-relu"] == (["start"] if dead else [])


def test_two_outputs_share_a_relu(tmp_path):
    class Two(Residual):
        def forward(self, x):
            hidden = F.relu(self.head(F.relu(self.inner(x) + self.skip(x))))
            return self.last(hidden), hidden

    assert trained(Two(-50.0), lambda m: F.cross_entropy(m(X)[0], Y), tmp_path)["dead"] == [1, 2]


def test_a_derivative_that_does_not_exist_is_not_zero(tmp_path):
    def loss(model):
        x, other = X.clone().requires_grad_(), X.clone().requires_grad_()
        made = model(x)
        (slope,) = torch.autograd.grad(made.sum(), x, create_graph=True)
        assert torch.autograd.grad(slope.sum(), other, create_graph=True, allow_unused=True) == (None,)
        return made.square().mean()

    assert trained(network(nn.Tanh()), loss, tmp_path)["zero_derivatives"] == 0


CHOSEN = {
    "of a logit, cut at 1": (lambda z: -z.gather(1, Y[:, None]).clamp(1e-6, 1.0).log().mean(), ["log(p)"]),
    "of a logit of the label": (lambda z: -(z[torch.arange(64), Y].abs() + 0 * z[:, 0] + 1).log().mean(), []),
    "of 1 minus a logit": (lambda z: -torch.log((1 - z[:, 0]).clamp(min=1e-6)).mean(), ["log(1 - p)"]),
    "of a softmax": (lambda z: -z.softmax(1).gather(1, Y[:, None]).clamp(1e-6, 1.0).log().mean(), []),
    "of a prediction that is kept above 0": (lambda z: (z[:, :1].clamp(min=1e-6).log() - 1).square().mean(), []),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_logarithms_of_what_is_no_probability(name, tmp_path):
    loss, expected = CHOSEN[name]
    assert trained(network(nn.ReLU()), lambda model: loss(model(X)), tmp_path, steps=1)["raw"] == expected


def test_a_logarithm_of_zero_in_a_step_that_is_recorded_in_brief(tmp_path):
    count = iter(range(60))

    def loss(model):
        p = torch.sigmoid(model(X)[:, 0]) * (0.0 if next(count) == 50 else 1.0)
        return -(0.5 * torch.log(p) + 0.0 * torch.log(1 - p)).mean()

    loop = trained(network(nn.ReLU()), loss, tmp_path, steps=52, every=1000)
    assert loop["singular"] == ["a logarithm of 0"]
