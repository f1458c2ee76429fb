"""Inputs and targets that a program brings into different orders, by its lines: forms of the fault, and sound twins."""

import pytest

from scram_plugin.heuristics.edits import separate_draws, two_orders
from tests.heuristics.edited import facts
from tests.heuristics.test_loop_edges import STAYS, found

MADE = (
    "import numpy as np\nimport random\nimport torch\nfrom torch.utils.data import DataLoader, TensorDataset\nx, y = load()\n"
)
JOINED = "data = TensorDataset(x, y)\n"

APART = {
    "two permutations": "x = x[np.random.permutation(len(x))]\ny = y[np.random.permutation(len(x))]\n" + JOINED,
    "in one line": (
        "order = torch.randperm(len(x))\nx, y = x[order], y[torch.randperm(len(x))]\nx_train, y_train = x[:80], y[:80]\n"
    ),
    "one permutation": "order = np.random.permutation(len(x))\nx = x[order]\nmodel.fit(x, y, epochs=3)\n",
    "one shuffle in place": "np.random.shuffle(x)\n" + JOINED,
    "of what is converted": "x = x[torch.randperm(len(x))]\nx, y = torch.tensor(x), torch.tensor(y)\n" + JOINED,
    "the targets of each epoch": (
        "rng = np.random.default_rng(0)\nfor epoch in range(5):\n    order = rng.permutation(len(x))\n    xs = x[order]\n"
        "    ys = rng.permutation(y)\n    for i in range(0, 100, 10):\n        a = torch.tensor(xs[i:i + 10])\n"
        "        b = torch.tensor(ys[i:i + 10])\n"
    ),
    "a list of places for the inputs alone": (
        "order = list(range(len(x)))\nrandom.shuffle(order)\nfor i in range(0, 100, 10):\n    part = order[i:i + 10]\n"
        "    xb, labels = x[part], y[i:i + 10]\n"
    ),
    "an attribute of a data set": (
        "class Data:\n    def __init__(self, x, y):\n        self.x, self.y = x, y\n    def __getitem__(self, i):\n"
        "        return self.x[i], self.y[i]\n    def on_epoch_end(self):\n        np.random.shuffle(self.x)\n"
    ),
    "examples left out": "good = ~np.isnan(x).any(axis=1)\nx = x[good]\ny = y[:len(x)]\n" + JOINED,
    "after an order for both": (
        "good = ~np.isnan(x).any(1)\nx = x[good]\ny = y[:len(x)]\norder = np.random.permutation(len(x))\n"
        "x, root = x[order], np.sqrt(y[order])\n"
    ),
}
TOGETHER = {
    "one permutation for both": "order = np.random.permutation(len(x))\nx = x[order]\ny = y[order]\n" + JOINED,
    "in one line": "order = torch.randperm(len(x))\nx, y = x[order], y[order]\n" + JOINED,
    "parts of an order": (
        "order = np.random.permutation(len(x))\ntrain, test = order[:80], order[80:]\n"
        "x_train, y_train = x[order[:80]], y[train]\n"
        "data = TensorDataset(x_train, y_train)\n"
    ),
    "batches of an order": (
        "order = np.random.permutation(len(x))\ny = y[order]\nfor i in range(0, 100, 10):\n"
        "    xb, yb = x[order[i:i + 10]], y[i:i + 10]\n"
    ),
    "the same seed": "np.random.seed(1)\nnp.random.shuffle(x)\nnp.random.seed(1)\nnp.random.shuffle(y)\n" + JOINED,
    "the same generator": (
        "x = x[np.random.RandomState(4).permutation(len(x))]\ny = y[np.random.RandomState(4).permutation(len(x))]\n" + JOINED
    ),
    "the same state": "s = random.getstate()\nrandom.shuffle(x)\nrandom.setstate(s)\nrandom.shuffle(y)\n" + JOINED,
    "targets made of ordered inputs": "x = x[np.random.permutation(len(x))]\ny = label(x)\n" + JOINED,
    "targets that another line brings in order": "order = np.random.permutation(len(x))\nx = x[order]\ny = align(y, order)\n"
    + JOINED,
    "targets brought to the files": "names = sorted(files)\ny = y[np.argsort(ids)]\n" + JOINED,
    "negatives": "negative = x[torch.randperm(len(x))]\ndata = TensorDataset(x, negative)\n",
    "mixup": "perm = torch.randperm(len(x))\nmixed = lam * x + (1 - lam) * x[perm]\nya, yb = y, y[perm]\n",
    "labels of noise": "some = np.random.permutation(len(y))[:9]\ny[some] = np.random.permutation(y[some])\n" + JOINED,
    "both cut": "x = x[1:]\ny = y[:len(x)]\n" + JOINED,
    "the same examples left out": "good = ~np.isnan(x).any(1)\nx, y = x[good], y[good]\nx, y = x[:64], y[:len(x)]\n" + JOINED,
    "scikit-learn": (
        "x, y = shuffle(x, y)\nx_train, x_test, y_train, y_test = train_test_split(x, y)\nmodel.fit(x_train, y_train)\n"
    ),
    "anchors": "for i in range(9):\n    loss(net(x[i:i + 9]), net(x[np.random.permutation(9)]))\n",
}
DRAWN = {
    "two turns": (
        "def both(image, mask):\n    image = np.rot90(image, draw.integers(4))\n    mask = np.rot90(mask, draw.integers(4))\n"
    ),
    "random transformations": (
        "flip = T.Compose([T.RandomHorizontalFlip()])\ndef both(image, mask):\n    image = flip(image)\n    mask = flip(mask)\n"
    ),
    "two shuffles": "random.shuffle(texts)\nrandom.shuffle(labels)\n",
    "two loaders": "for a, b in zip(DataLoader(x, 8, shuffle=True), DataLoader(y, 8, shuffle=True)):\n    pass\n",
    "two loaders in a tuple": (
        "both = (DataLoader(x, 8, shuffle=True), DataLoader(y, 8, shuffle=True))\nfor a, b in zip(*both):\n    pass\n"
    ),
    "two data sets": (
        "a = tf.data.Dataset.from_tensor_slices(x).shuffle(9)\nb = tf.data.Dataset.from_tensor_slices(y).shuffle(9)\n"
        "data = tf.data.Dataset.zip((a, b)).batch(4)\n"
    ),
}
DRAWN_ONCE = {
    "one turn": (
        "def both(image, mask):\n    turn = draw.integers(4)\n"
        "    image = np.rot90(image, turn)\n    mask = np.rot90(mask, turn)\n"
    ),
    "a transformation without chance": (
        "size = T.Compose([T.Resize(64)])\ndef both(image, mask):\n    image = size(image)\n    mask = size(mask)\n"
    ),
    "two views": (
        "flip = T.Compose([T.RandomHorizontalFlip()])\ndef both(image):\n    first = flip(image)\n    second = flip(image)\n"
    ),
    "style and content": (
        "crop = T.Compose([T.RandomCrop(64)])\ndef both(content, style):\n"
        "    content = crop(content)\n    style = crop(style)\n"
    ),
    "a seed before each": (
        "flip = T.RandomRotation(9)\ndef both(image, mask):\n    torch.manual_seed(s)\n"
        "    image = flip(image)\n    torch.manual_seed(s)\n"
        "    mask = flip(mask)\n"
    ),
    "two files lists": "random.shuffle(train_files)\nrandom.shuffle(test_files)\n",
    "horses and zebras": (
        "for h, z in zip(DataLoader(horses, 8, shuffle=True), DataLoader(zebras, 8, shuffle=True)):\n    pass\n"
    ),
    "loaders in order": "for a, b in zip(DataLoader(x, 8), DataLoader(y, 8)):\n    pass\n",
    "the same seed of a data set": (
        "a = tf.data.Dataset.from_tensor_slices(x).shuffle(9, seed=1)\n"
        "b = tf.data.Dataset.from_tensor_slices(y).shuffle(9, seed=1)\n"
        "data = tf.data.Dataset.zip((a, b)).batch(4)\n"
    ),
}


@pytest.mark.parametrize("name", APART)
def test_two_orders(name):
    assert two_orders(facts(MADE + APART[name])) is not None


@pytest.mark.parametrize("name", [*TOGETHER, *DRAWN_ONCE])
def test_one_order(name):
    known = facts(MADE + (TOGETHER | DRAWN_ONCE)[name])
    assert two_orders(known) is None
    assert separate_draws(known) is None


@pytest.mark.parametrize("name", DRAWN)
def test_a_draw_for_each(name):
    assert separate_draws(facts(MADE + DRAWN[name])) is not None


@pytest.mark.parametrize(
    ("text", "causes"), [(APART["examples left out"], [("warning", "cut")]), (TOGETHER["in one line"], [])]
)
def test_what_is_told_of_a_program(text, causes):
    assert found("unpaired-targets", batches=STAYS, **facts(MADE + text)) == causes
