"""Likelihoods of normal distributions, in the forms that programs write; and what only looks like one."""

import pytest
import torch
import torch.nn.functional as F
from torch.distributions import Independent, Normal

from scram_plugin.training.torch.differences import exceeded
from scram_plugin.training.torch.likelihoods import by_hand
from scram_plugin.training.torch.links import unlinked

torch.manual_seed(0)
Y, WEIGHTS = torch.randn(16, 3), torch.randn(16)
MEAN, SPREAD = (torch.randn(16, 3, requires_grad=True) for _ in range(2))
FORMS = {
    "a distribution": lambda m, s: -Normal(m, s).log_prob(Y).mean(),
    "summed for each example": lambda m, s: -Normal(m, s).log_prob(Y).sum(1).mean(),
    "independent": lambda m, s: -Independent(Normal(m, s), 1).log_prob(Y).mean(),
    "a function": lambda m, s: F.gaussian_nll_loss(m, Y, s),
    "by hand": lambda m, s: (0.5 * ((Y - m) / s) ** 2 + s.log()).mean(),
    "with a logarithm of the variance": lambda m, s: (0.5 * torch.exp(-s) * (m - Y) ** 2 + 0.5 * s).mean(),
    "a square, divided": lambda m, s: (0.5 * (m - Y).pow(2) / s**2 + torch.log(s)).mean(),
}
OTHERS = {
    "weighed by returns": lambda m, s: -(Normal(m, s).log_prob(Y).sum(1) * WEIGHTS).mean(),
    "a ratio": lambda m, s: -(torch.exp(Normal(m, s).log_prob(Y).sum(1) - 1) * WEIGHTS).mean(),
    "of samples of the model's own": lambda m, s: -Normal(m, s).log_prob(m + s).mean(),
}


def outputs():
    return torch.relu(MEAN), F.softplus(SPREAD) + 0.01


@pytest.mark.parametrize("form", FORMS)
def test_targets_are_known(form):
    made = outputs()
    (loss,) = by_hand(FORMS[form](*made), made)
    assert loss.name == "GaussianNLLLoss"
    assert torch.allclose(loss.target, Y, atol=1e-5)
    assert torch.equal(loss.prediction, made[0])
    assert exceeded([loss]) == [
        {"activation": "relu", "least": pytest.approx(float(Y.min())), "most": pytest.approx(float(Y.max()))}
    ]


@pytest.mark.parametrize("form", OTHERS)
def test_what_is_no_likelihood_of_targets(form):
    made = outputs()
    assert by_hand(OTHERS[form](*made), made) == []


def test_an_elu_with_another_bound_is_not_judged():
    made = torch.nn.functional.selu(MEAN), F.softplus(SPREAD) + 0.01
    assert exceeded(by_hand(FORMS["a function"](*made), made)) == []


X, ALONE = torch.rand(20, 4), torch.eye(20)
LINKED = ALONE + ALONE.roll(1, 0)
SELF = torch.arange(20).repeat(2, 1)


@pytest.mark.parametrize(
    ("given", "buffers", "nodes"),
    [
        ((X, ALONE), [], 20),
        ((X, ALONE.to_sparse()), [], 20),
        ((X, SELF), [], 20),
        ((X,), [ALONE], 20),
        ((X, LINKED), [], 0),
        ((X, LINKED.to_sparse()), [], 0),
        ((X, torch.stack([SELF[0], SELF[0].roll(1)])), [], 0),
        ((X, LINKED, ALONE), [], 0),  # several kinds of links
        ((X,), [], 0),
        ((ALONE,), [], 0),  # one-hot inputs
    ],
)
def test_a_graph_whose_nodes_are_linked_to_themselves_alone(given, buffers, nodes):
    assert unlinked((given, {}), buffers) == nodes
