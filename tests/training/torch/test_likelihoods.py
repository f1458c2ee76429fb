"""Likelihoods of normal distributions, in the forms that programs write; and what only looks like one."""

import pytest
import torch
import torch.nn.functional as F
from torch.distributions import Independent, Normal

from scram_plugin.training.torch import patches
from scram_plugin.training.torch.differences import exceeded
from scram_plugin.training.torch.graph import loss_of
from scram_plugin.training.torch.likelihoods import by_hand, taken
from scram_plugin.training.torch.links import unlinked

torch.manual_seed(0)
X, Y, WEIGHTS = torch.randn(16, 5), torch.randn(16, 3), torch.randn(16)
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


@pytest.fixture(autouse=True)
def batch(monkeypatch):
    """The last batch of a loader."""
    given = [X, Y]
    monkeypatch.setattr(patches, "last_batch", lambda: given)
    return given


def outputs():
    return torch.relu(MEAN), F.softplus(SPREAD) + 0.01


@pytest.mark.parametrize("form", FORMS)
def test_targets_are_known(form):
    made = outputs()
    (loss,) = by_hand(FORMS[form](*made), made)
    assert loss.name == "GaussianNLLLoss"
    assert torch.allclose(loss.target, Y, atol=1e-5)
    assert torch.equal(loss.prediction, made[0])
    low, high = Y.flatten().quantile(torch.tensor([0.25, 0.75])).tolist()
    assert exceeded([loss], made) == [{"activation": "relu", "least": low, "most": high}], "quartiles: the noise may lie beyond"


MIXTURES = {
    "distributions": (lambda m, s: Normal(m, s).log_prob(Y[:, :1]), True),
    "by hand": (lambda m, s: -0.5 * ((Y[:, :1] - m) / s) ** 2 - s.log(), True),
    "another target for each": (lambda m, s: Normal(m, s).log_prob(Y), False),
}


@pytest.mark.parametrize("form", MIXTURES)
def test_a_mixture_of_distributions(form, batch):
    batch.clear()  # no loader gives targets
    made, (densities, known) = outputs(), MIXTURES[form]
    found = by_hand(-torch.logsumexp(WEIGHTS[:, None].log_softmax(0) + densities(*made), 1).mean(), made)
    assert [loss.name for loss in found] == ["GaussianNLLLoss"] * known
    assert all(loss.mean and torch.allclose(loss.target, Y[:, 0], atol=1e-5) for loss in found)


def test_what_a_policy_has_done_is_no_target(batch):
    batch[1] = torch.randn(16, 3)
    made = outputs()
    assert by_hand(FORMS["a distribution"](*made), made) == []


def test_batches_of_other_kinds(batch):
    """A sparse tensor with as many values, and an empty batch, whose mean is NaN."""
    batch[:] = [torch.eye(48, 1).to_sparse(), Y]
    made = outputs()
    assert len(by_hand(FORMS["a function"](*made), made)) == 1
    batch[:] = [torch.randn(0, 5), Y[:0]]
    none = made[0][:0], made[1][:0]
    assert by_hand(-Normal(*none).log_prob(Y[:0]).mean(), none) == []


@pytest.mark.parametrize(("form", "mean"), [("a distribution", True), ("summed for each example", False), ("a function", True)])
def test_a_mean_of_single_numbers(form, mean):
    made = outputs()
    (loss,) = by_hand(FORMS[form](*made), made)
    assert loss.mean == mean
    (loss,) = by_hand(FORMS[form](*made) + made[0].square().mean(), made)
    assert not loss.mean


def test_an_exponent_that_is_a_tensor():
    assert by_hand(((MEAN - Y).abs() + 1e-6).pow(torch.tensor([1.0, 2.0, 2.0])).sum(1).mean(), (MEAN,)) == []


@pytest.mark.parametrize("form", OTHERS)
def test_what_is_no_likelihood_of_targets(form):
    made = outputs()
    assert by_hand(OTHERS[form](*made), made) == []


def test_an_elu_with_another_bound_is_not_judged():
    made = torch.nn.functional.selu(MEAN), F.softplus(SPREAD) + 0.01
    assert exceeded(by_hand(FORMS["a function"](*made), made), made) == []


ALONE = torch.eye(20)
NODES = torch.rand(20, 4)
LINKED = ALONE + ALONE.roll(1, 0)
SELF = torch.arange(20).repeat(2, 1)


@pytest.mark.parametrize(
    ("given", "buffers", "nodes"),
    [
        ((NODES, ALONE), [], 20),
        ((NODES, ALONE.to_sparse()), [], 20),
        ((NODES, SELF), [], 20),
        ((NODES,), [ALONE], 20),
        ((NODES, LINKED), [], 0),
        ((NODES, LINKED.to_sparse()), [], 0),
        ((NODES, torch.stack([SELF[0], SELF[0].roll(1)])), [], 0),
        ((NODES, LINKED, ALONE), [], 0),  # several kinds of links
        ((NODES,), [], 0),
        ((ALONE,), [], 0),  # one-hot inputs
    ],
)
def test_a_graph_whose_nodes_are_linked_to_themselves_alone(given, buffers, nodes, monkeypatch):
    monkeypatch.setattr(patches, "last_batch", lambda: None)
    model = torch.nn.Linear(4, 2)
    for i, buffer in enumerate(buffers):
        model.register_buffer(f"adjacency_{i}", buffer)
    assert unlinked((given, {}), model) == nodes


@pytest.mark.parametrize(
    "other",
    [
        torch.eye(20, dtype=torch.bool),  # a mask
        torch.zeros(20, 20).fill_diagonal_(-torch.inf),
        torch.nested.nested_tensor([torch.rand(2, 3), torch.rand(4, 3)]),
        torch.empty(20, 20, device="meta"),
    ],
)
def test_what_is_no_graph(other, monkeypatch):
    monkeypatch.setattr(patches, "last_batch", lambda: None)
    assert unlinked(((NODES, other), {}), torch.nn.Linear(4, 2)) == 0


def test_rows_of_a_loader_are_examples():
    assert unlinked(((NODES, ALONE), {}), torch.nn.Linear(4, 2)) == 0


LABELS = torch.randint(0, 3, (16,))


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        (lambda made: -made.gather(1, LABELS[:, None]).mean(), "NLLLoss"),
        (lambda made: (-made.gather(1, LABELS.unsqueeze(1)).squeeze(1)).mean(), "NLLLoss"),
        (lambda made: -made[torch.arange(16), LABELS].mean(), "NLLLoss"),
        (lambda made: -made.log_softmax(-1).gather(1, LABELS[:, None]).mean(), None),
        (lambda made: -(made - made.logsumexp(1, keepdim=True)).gather(1, LABELS[:, None]).mean(), None),
        (lambda made: made.gather(1, LABELS[:, None]).mean(), None),  # a critic is to be small
        (lambda made: -made.mean(), None),
        (lambda made: -made[:, 0].mean(), None),
        (lambda made: -made[LABELS > 0].mean(), None),
        (lambda made: -(made.gather(1, LABELS[:, None])[:, 0] * WEIGHTS).mean(), None),  # as a policy
    ],
)
def test_outputs_that_are_taken_for_logarithms(loss, name):
    made = torch.nn.Linear(5, 3)(X)
    found = taken(loss(made))
    assert [one.name for one in found] == ([name] if name else [])
    assert all(torch.equal(one.target, LABELS) for one in found)


def test_a_layer_that_is_not_trained_gives_no_logarithms():
    """The input is what is trained, so that a frozen classifier sees a class in it."""
    x, layer = X.clone().requires_grad_(), torch.nn.Linear(5, 3).requires_grad_(False)
    made = layer(x)
    assert by_hand(-made.gather(1, LABELS[:, None]).mean(), made) == []


CLASSES, OF_CLASSES = torch.arange(16) % 3, torch.tensor([0.2, 0.3, 0.5])


def chosen(logits):
    return logits.log_softmax(1).gather(1, CLASSES[:, None])[:, 0]


def focal_of(taken, factor=1.0):
    return (-factor * (1 - taken.exp()) ** 2 * taken).mean()


def cross_entropies(logits):
    each = F.cross_entropy(logits, CLASSES, reduction="none")
    return ((1 - torch.exp(-each)) ** 2 * each).mean()


FOCAL = {
    "the mean alone": lambda made: -chosen(made).mean(),
    "gathered": lambda made: focal_of(chosen(made)),
    "by places": lambda made: focal_of(made.log_softmax(1)[torch.arange(16), CLASSES]),
    "with one factor": lambda made: focal_of(chosen(made), 0.25),
    "with weights of classes": lambda made: focal_of(chosen(made), OF_CLASSES[CLASSES]),
}
OF_A_POLICY = {
    "weighed by returns": lambda made: -(chosen(made) * WEIGHTS).mean(),
    "a ratio": lambda made: -(torch.exp(chosen(made) - chosen(made).detach()) * WEIGHTS).mean(),
    "with an entropy": lambda made: -(chosen(made)).mean() + 0.01 * (made.softmax(1) * made.log_softmax(1)).sum(1).mean(),
}


@pytest.mark.parametrize("form", FOCAL)
def test_the_labels_of_a_focal_loss(form):
    made = torch.randn(16, 3, requires_grad=True) * 1
    (loss,) = by_hand(FOCAL[form](made), made)
    assert torch.equal(loss.target, CLASSES)
    assert torch.allclose(loss.prediction, made.log_softmax(1))


def test_a_focal_loss_of_cross_entropies_is_one_loss():
    made = torch.randn(16, 3, requires_grad=True) * 1
    (loss,) = loss_of(cross_entropies(made))
    assert torch.equal(loss.target, CLASSES)


@pytest.mark.parametrize("form", OF_A_POLICY)
def test_actions_are_no_labels(form):
    made = torch.randn(16, 3, requires_grad=True) * 1
    assert by_hand(OF_A_POLICY[form](made), made) == []
