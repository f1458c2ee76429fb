"""Which parameters no optimizer trains, as the graph of the first loss shows."""

import torch
from torch import nn

from scram_plugin.training.torch.ownership import untrained

X = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))


class Scaled(nn.Module):
    """A loss with a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, y):
        return (y * self.scale).pow(2).mean()


def adam(*parameters):
    return torch.optim.Adam([p for some in parameters for p in some], 1e-3)


def test_all_are_trained():
    model = nn.Linear(8, 3)
    found = untrained(model(X).sum(), model, [adam(model.parameters())])
    assert found == {
        **{"parameters": 2, "unregistered": 0, "shapes": [], "forgotten": 0, "names": [], "stale": 0},
        **{"cut": 0, "cut_names": [], "frozen": 0, "fresh": 0, "asleep": 0},
    }


def test_only_the_head_is_trained():
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    found = untrained(model(X).sum(), model, [adam(model[2].parameters())])
    assert (found["forgotten"], sorted(found["names"]), found["stale"]) == (2, ["0.bias", "0.weight"], 0)


def test_frozen_layers_are_not_missed():
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    model[0].requires_grad_(False)
    assert untrained(model(X).sum(), model, [adam(model[2].parameters())])["forgotten"] == 0


def test_another_optimizer_has_them():
    generator, critic = nn.Linear(8, 8), nn.Linear(8, 1)
    own, others = adam(generator.parameters()), adam(critic.parameters())
    found = untrained(critic(generator(X)).mean(), generator, [own])
    assert found["unregistered"] == found["forgotten"] == found["stale"] == 0
    assert others is not None


def test_parameters_of_the_loss():
    model, loss = nn.Linear(8, 3), Scaled()
    assert untrained(loss(model(X)), model, [adam(model.parameters())])["unregistered"] == 1
    found = untrained(loss(model(X)), model, [adam(model.parameters(), loss.parameters())])
    assert found["unregistered"] == found["stale"] == 0


def test_nothing_is_said_without_a_loss_or_an_optimizer():
    model = nn.Linear(8, 3)
    assert untrained(None, model, [adam(model.parameters())]) == {}
    assert untrained(model(X).sum(), model, []) == {}
    assert untrained(X.sum(), model, [adam(model.parameters())]) == {}


def test_inputs_with_gradients_are_no_parameters():
    model, x = nn.Linear(8, 3), X.clone().requires_grad_()
    assert untrained(model(x).sum(), model, [adam(model.parameters())])["unregistered"] == 0


def drawn(initialise):
    """Whether a layer that no optimizer has counts as one with the weights that it was given at first."""
    torch.manual_seed(0)
    body, head = nn.Linear(48, 32), nn.Linear(32, 1)
    initialise(body.weight)
    model = nn.Sequential(body, head)
    found = untrained(model(torch.randn(8, 48)).mean(), model, [torch.optim.Adam(head.parameters())])
    return found["fresh"] == found["asleep"] == 1


def test_weights_as_programs_draw_them():
    assert drawn(lambda weight: None)
    assert drawn(nn.init.orthogonal_)
    assert drawn(lambda weight: nn.init.orthogonal_(weight, gain=2**0.5))
    assert drawn(lambda weight: nn.init.uniform_(weight, -0.07, 0.07))
    assert not drawn(lambda weight: weight.data.pow_(3))  # as after a training
