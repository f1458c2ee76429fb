"""Targets that a program makes, mixes or draws otherwise than the inputs beside them, and sound twins."""

import pytest

from scram_plugin.heuristics.edits import labels_before_an_order, targets_apart
from tests.heuristics.edited import facts

BEGIN = "import random\nimport numpy as np\nimport torch\nimport torch.nn.functional as F\n"
CLASSES = "images = [draw(c) for c in range(k) for _ in range(n)]\nlabels = {}\n"
TURNS = "images = []\nfor _ in range(n):\n    for c in range(k):\n        images.append(draw(c))\nlabels = {}\n"
MIXED = "def mixup(x, y):\n    at = torch.randperm(len(x))\n    return a * x + (1 - a) * x[at], {}\n"
MEMORY = (
    "def batch(self, n):\n    drawn = Step(*zip(*random.sample(self.steps, n)))\n    rewards = {}\n    return drawn, rewards\n"
)
DIFFUSION = (
    "def loss(net, x, t):\n    eps = torch.randn_like(x)\n    out = net(noisy(x, t, {}), t)\n    return F.mse_loss(out, eps)\n"
)
PLACES = "{}order = rng.permutation(len(x))\nx, ids = x[order], ids[order]\n{}"
MEMBERS = "members = [np.flatnonzero(ids == m) for m in range(9)]\n"
APART = {
    "tiled": CLASSES.format("np.tile(np.arange(k), n)"),
    "tiled in loops": "for c in range(12):\n    for _ in range(n):\n        r.append(c)\nhours = np.tile(np.arange(12), n)\n",
    "repeated": TURNS.format("np.repeat(np.arange(k), n)"),
    "columns": "train = rng.permuted(np.array(rows), axis=0)\n",
    "mixed the other way round": MIXED.format("(1 - a) * y + a * y[at]"),
    "losses mixed the other way round": (
        "at = torch.randperm(len(x))\none, other = y, y[at]\nmixed = a * x + (1 - a) * x[at]\n"
        "loss = (1 - a) * F.cross_entropy(net(mixed), one) + a * F.cross_entropy(net(mixed), other)\n"
    ),
    "drawn anew": MEMORY.format("[step.reward for step in random.sample(self.steps, n)]"),
    "other noise": DIFFUSION.format("torch.randn_like(x)"),
}
TOGETHER = {
    "repeated as they are made": CLASSES.format("np.repeat(np.arange(k), n)"),
    "tiled as they are made": TURNS.format("np.tile(np.arange(k), n)"),
    "two tutorials' tensors": "x = torch.randn(64, 10)\ny = torch.randn(64, 3)\nloss = F.mse_loss(net(x), y)\n",
    "mixtures of both shares": (
        "def mix(x, y):\n    p = torch.randperm(9)\n    return a * x + (1 - a) * x[p], (1 - a) * x + a * x[p], "
        "a * y + (1 - a) * y[p], (1 - a) * y + a * y[p]\n"
    ),
    "the same field twice": (
        "def f():\n    one = [s.obs for s in random.sample(m, n)]\n    two = [s.obs for s in random.sample(m, n)]\n"
    ),
    "labels that are permuted to compare": "y_train = rng.permuted(y_train, axis=0)\n",
    "a plot": "for i in range(k):\n    for j in range(n):\n        show(i, j)\ncols = np.tile(np.arange(k), n)\n",
    "places of a grid": "grid = [(i, j) for i in range(k) for j in range(n)]\nrows = np.repeat(np.arange(k), n)\n",
    "tiled without such loops": "labels = np.tile(np.arange(k), n)\n",
    "rows": "train = rng.permutation(np.array(rows), axis=0)\n",
    "a feature that is permuted": "broken = rng.permuted(x, axis=0)\n",
    "mixed alike": MIXED.format("a * y + (1 - a) * y[at]"),
    "losses mixed alike": (
        "at = torch.randperm(len(x))\none, other = y, y[at]\nmixed = a * x + (1 - a) * x[at]\n"
        "loss = a * F.cross_entropy(net(mixed), one) + (1 - a) * F.cross_entropy(net(mixed), other)\n"
    ),
    "half and half": MIXED.format("0.5 * y + 0.5 * y[at]"),
    "drawn once": MEMORY.format("torch.tensor(drawn.reward)"),
    "two batches": "def batch(self, n):\n    return random.sample(self.steps, n), random.sample(self.steps, n)\n",
    "the same noise": DIFFUSION.format("eps"),
    "a prior": "def loss(net, x):\n    z = torch.randn_like(x)\n    y = net(x + torch.randn_like(x))\n    return mmd(y, z)\n",
}


@pytest.mark.parametrize("name", APART)
def test_targets_that_are_made_apart(name):
    found = targets_apart(facts(BEGIN + APART[name]))
    assert found is not None
    assert found.cause in ("orders", "draws")


@pytest.mark.parametrize("name", TOGETHER)
def test_targets_that_are_made_alike(name):
    assert targets_apart(facts(BEGIN + TOGETHER[name])) is None


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (MEMBERS, "", True),
        ("", MEMBERS, False),
        (MEMBERS, MEMBERS, False),
        ("", "", False),
        ("n = [len(np.where(ids == c)[0]) for c in range(9)]\n", "", False),
        (MEMBERS + "show(x[members[0]])\n", "", False),
    ],
)
def test_places_in_an_old_order(before, after, told):
    assert (labels_before_an_order(facts(BEGIN + PLACES.format(before, after))) is not None) == told
