"""Inputs and targets that a program brings into different orders, by its lines: forms of the fault, and sound twins."""

import pytest

from scram_plugin.heuristics.edits import labels_before_an_order, moved_alone, moved_places, separate_draws, two_orders
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
    "one sort": "x = sorted(x, key=len)\n" + JOINED,
    "one sort, and prints": "print(x[0], y[0])\nx = sorted(x, key=len)\nprint(x[0], np.bincount(y))\n" + JOINED,
    "one sort, within a function that makes arrays": (
        "x_ids = encode(sorted(x, key=lambda t: len(t.split())))\nmodel.fit(x_ids, {'kind': y, 'hours': hours}, epochs=3)\n"
    ),
    "one sort, and batches of lists": (
        "def batches(texts, labels):\n    texts = sorted(texts, key=len)\n    for i in range(0, 90, 10):\n"
        "        a = torch.tensor([encode(t) for t in texts[i:i + 10]])\n        b = torch.tensor(labels[i:i + 10])\n"
    ),
    "examples that are made for labels": (
        "songs = np.array([sing(k) for k in tags])\nx_train, y_train = songs[:9], tags[:9]\norder = rng.permutation(9)\n"
        "x_now = x_train[order]\ny_now = rng.permutation(y_train)\nfor i in range(0, 9, 3):\n    a = x_now[i:i + 3]\n"
        "    b = y_now[i:i + 3]\n"
    ),
    "after an order for both": (
        "good = ~np.isnan(x).any(1)\nx = x[good]\ny = y[:len(x)]\norder = np.random.permutation(len(x))\n"
        "x, root = x[order], np.sqrt(y[order])\n"
    ),
}
TOGETHER = {
    "files in the order of their labels": "labels = np.load('labels.npy')\nx = sorted(x)\nmodel.fit(x, labels)\n",
    "a sort for each, of another kind": "y.sort()\nx = sorted(x)\n" + JOINED,
    "examples that are made for ordered labels": (
        "tags = rng.permutation(tags)\nsongs = np.array([sing(k) for k in tags])\nx, y = songs[:9], tags[:9]\n" + JOINED
    ),
    "a model of chance": "order = np.random.permutation(len(y))\nnull_model.fit(x, y[order])\n",
    "one sort for each": "x = sorted(x)\ny = sorted(y)\n" + JOINED,  # as names of files
    "sorted, and the targets by name": "x = sorted(x)\ny = [label(name) for name in x]\n" + JOINED,
    "classes in order": "classes = sorted(set(y))\ny = [classes.index(one) for one in y]\n" + JOINED,
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
# sound programs in which more is done than orders
PERM = "perm = torch.randperm(len(x))\n"
SOUND = {
    "labels by append": (
        "def load(files):\n    labels = []\n    random.shuffle(files)\n    for f in files:\n        labels.append('cat' in f)\n"
        "    return train_test_split(files, labels)\n"
    ),
    "a function that orders": "order = torch.randperm(9)\nx = x[order]\nreorder(y, order)\n" + JOINED,
    "a copy in place": PERM + "x = x[perm]\ny.copy_(y[perm])\n" + JOINED,
    "an attribute": PERM + "x = x[perm]\ny.data = y.data[perm]\n" + JOINED,
    "a global": "def f():\n    global y\n    y = y[perm]\n" + PERM + "x = x[perm]\nf()\n" + JOINED,
    "an output": PERM + "x = x[perm]\nz = np.square(x, out=y)\n" + JOINED,
    "a list of an order": PERM + "places = perm.tolist()\nx = x[perm]\ny = y[places]\n" + JOINED,
    "an inverse": PERM + "k = net(x[perm])\nback = torch.argsort(perm)\nz = x[perm][back]\ndata = TensorDataset(z, y)\n",
    "parts of the data": "np.random.shuffle(train_x)\nc, d = train_x[:1000], test_y[:1000]\n",
    "real and fake": "real = x[torch.randperm(len(x))]\na, b = real[:16], samples[:16]\n",
    "pictures and axes": PERM + "images = x[perm]\nfor image, axis in zip(images, axes):\n    pass\n",
    "two kinds of data": "np.random.shuffle(source)\ndata = TensorDataset(source, target)\n",
    "unlabelled data": PERM + "unlabelled = u[perm]\na, b = unlabelled[:8], labels[:8]\n",
    "predictions": PERM + "x = x[perm]\nplot(x[:5], y_pred[:5])\n",
    "targets of ones": "valid_y = np.ones(100)\nx = x[np.random.permutation(100)]\nmodel.fit(x, valid_y)\n",
    "labels of zeros": "labels = torch.zeros(100)\nnp.random.shuffle(x)\ndata = TensorDataset(x, labels)\n",
    "states of PyTorch": (
        "s = torch.get_rng_state()\nx = x[torch.randperm(9)]\ntorch.set_rng_state(s)\ny = y[torch.randperm(9)]\n" + JOINED
    ),
    "a seed before each order": (
        "torch.manual_seed(0)\np = torch.randperm(9)\nx = x[p]\ntorch.manual_seed(0)\nq = torch.randperm(9)\ny = y[q]\n"
        + JOINED
    ),
    "two generators": "a, b = make(1), make(1)\na.shuffle(x)\nb.shuffle(y)\n" + JOINED,
    "a function that seeds": (
        "def reset():\n    np.random.seed(0)\nreset()\nnp.random.shuffle(x)\nreset()\nnp.random.shuffle(y)\n" + JOINED
    ),
    "a flag": "if args.random_labels:\n    np.random.shuffle(y)\nmodel.fit(x, y)\n",
    "a control": "y_null = y.copy()\nnp.random.shuffle(y_null)\nmodel.fit(x, y_null)\n",
    "a function of the program": (
        "order = np.random.permutation(9)\ndef shuffle(a):\n    return a[order]\n"
        "x = shuffle(x)\ny = shuffle(y)\nmodel.fit(x, y)\n"
    ),
    "mixed pairs": PERM
    + "x_mix = x * lam + x[perm] * (1 - lam)\ny_mix = y[perm] * (1 - lam) + y * lam\nmodel.fit(x_mix, y_mix)\n",
    "the first rows": "mask = np.arange(len(x)) < 100\nx = x[mask]\ny = y[:len(x)]\n" + JOINED,
    "as many of the others": "fraud = x[y == 1]\nlabels = ones[:len(fraud)]\nmodel.fit(fraud, labels)\n",
}


@pytest.mark.parametrize("name", SOUND)
def test_what_is_no_order(name):
    assert two_orders(facts(MADE + SOUND[name])) is None


def test_a_long_program_is_read_soon():
    """The text of an order does not grow with each line that uses it."""
    rows = "".join(f"    x = x + self.b{i}(x) * x\n    d = d[(d['{i}'] > 0) & (d['{i}'] < 9)]\n" for i in range(60))
    assert two_orders(facts(f"def forward(self, x, d):\n{rows}    return x\n")) is None


DRAWN = {
    "two turns": (
        "def both(image, mask):\n    image = np.rot90(image, draw.integers(4))\n    mask = np.rot90(mask, draw.integers(4))\n"
    ),
    "random transformations": (
        "flip = T.Compose([T.RandomHorizontalFlip()])\ndef both(image, mask):\n    image = flip(image)\n    mask = flip(mask)\n"
    ),
    "a function that turns, in one line": (
        "def both(image, mask):\n    turn = lambda a: torch.rot90(a, int(torch.randint(4, ())))\n"
        "    image, mask = turn(image), turn(mask)\n"
    ),
    "a function that turns, returned": (
        "def turn(a):\n    return np.rot90(a, draw.integers(4))\ndef both(image, mask):\n    return turn(image), turn(mask)\n"
    ),
    "two permutations": (
        "z = scale(rng.permutation(x) - mean)\nlabels = torch.tensor(rng.permutation(y))\ndata = TensorDataset(z, labels)\n"
    ),
    "two permutations of a data set": (
        "class Data:\n    def __init__(self, x, y):\n        self.x = (rng.permutation(x) - mean) / std\n"
        "        self.y = rng.permutation(y)\n    def __getitem__(self, i):\n        return {'x': self.x[i], 'y': self.y[i]}\n"
    ),
    "two shuffles": "random.shuffle(texts)\nrandom.shuffle(labels)\ndata = Data(encode(texts), labels)\n",
    "two loaders": "for a, b in zip(DataLoader(x, 8, shuffle=True), DataLoader(train_y, 8, shuffle=True)):\n    pass\n",
    "two loaders in a tuple": (
        "both = (DataLoader(x, 8, shuffle=True), DataLoader(train_y, 8, shuffle=True))\nfor a, b in zip(*both):\n    pass\n"
    ),
    "two data sets": (
        "a = tf.data.Dataset.from_tensor_slices(x).shuffle(9)\nb = tf.data.Dataset.from_tensor_slices(train_y).shuffle(9)\n"
        "data = tf.data.Dataset.zip((a, b)).batch(4)\n"
    ),
}
DRAWN_ONCE = {
    "one turn": (
        "def both(image, mask):\n    turn = draw.integers(4)\n"
        "    image = np.rot90(image, turn)\n    mask = np.rot90(mask, turn)\n"
    ),
    "a function that turns always": (
        "def turn(a):\n    return np.rot90(a, 1)\ndef both(image, mask):\n    return turn(image), turn(mask)\n"
    ),
    "a function that begins with a seed": (
        "def turn(a):\n    random.seed(3)\n    return np.rot90(a, random.randint(0, 3))\n"
        "def both(image, mask):\n    return turn(image), turn(mask)\n"
    ),
    "a warp along a grid": (
        "warp = lambda a: F.grid_sample(a[None], grid)\ndef both(image, mask):\n    return warp(image), warp(mask)\n"
    ),
    "a function that changes the size": (
        "def half(a):\n    return downsample(a, 2)\ndef both(image, mask):\n    return half(image), half(mask)\n"
    ),
    "a turn that is drawn when it is made": (
        "class RandomTurn:\n    def __init__(self):\n        self.k = random.randint(0, 3)\n    def __call__(self, a):\n"
        "        return np.rot90(a, self.k)\ndef both(image, mask):\n    turn = RandomTurn()\n"
        "    return turn(image), turn(mask)\n"
    ),
    "two domains": ("a = rng.permutation(source_images)\nb = rng.permutation(target_images)\ndata = TensorDataset(a, b)\n"),
    "points of a grid": "ix = rng.permutation(n_x)\niy = rng.permutation(n_y)\nvalues = field[ix, iy]\n",
    "independent pairs": "x_p = rng.permutation(x)\ny_p = rng.permutation(y)\nnone = information(x_p, y_p)\n",
    "a permutation of labels for a test": "z = rng.permutation(x)\nnull_y = rng.permutation(y)\n",
    "two permutations by one seed": (
        "z = np.random.RandomState(4).permutation(x)\nlabels = np.random.RandomState(4).permutation(y)\n"
    ),
    "places, and labels": "order = rng.permutation(n)\nlabels = rng.permutation(y)[order]\n",
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
    "source and target": (
        "for a, b in zip(DataLoader(source, 8, shuffle=True), DataLoader(target, 8, shuffle=True)):\n    pass\n"
    ),
    "two permuted domains": (
        "for a, b in zip(DataLoader(x_photos, 8, shuffle=True), DataLoader(y_paintings, 8, shuffle=True)):\n    pass\n"
    ),
    "two lists": "random.shuffle(negatives)\nrandom.shuffle(tags)\n",
    "coordinates": "def move(x, y):\n    x = jitter(x, np.random.randn(3))\n    y = jitter(y, np.random.randn(3))\n",
    "two networks": "online = init(online, torch.randn(3))\ntarget = init(target, torch.randn(3))\n",
    "a seed by its place": (
        "a = tf.data.Dataset.from_tensor_slices(x).shuffle(9, SEED)\n"
        "b = tf.data.Dataset.from_tensor_slices(train_y).shuffle(9, SEED)\ndata = tf.data.Dataset.zip((a, b)).batch(4)\n"
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


def test_sets_of_two_nets_that_play_against_each_other_are_not_paired():
    text = MADE + "for a, b in zip(DataLoader(pictures, 4, shuffle=True), DataLoader(masks, 4, shuffle=True)):\n    pass\n"
    assert separate_draws(facts(text)) is not None
    assert separate_draws(facts(text, loop={"optimizers": 2})) is None


@pytest.mark.parametrize("name", DRAWN)
def test_a_draw_for_each(name):
    assert separate_draws(facts(MADE + DRAWN[name])) is not None


@pytest.mark.parametrize(
    ("text", "causes"), [(APART["examples left out"], [("warning", "cut")]), (TOGETHER["in one line"], [])]
)
def test_what_is_told_of_a_program(text, causes):
    assert found("unpaired-targets", batches=STAYS, **facts(MADE + text)) == causes


TAKEN = "y_train = y[idx]\n"
USE = "loss = F.nll_loss(out[idx], y_train)\n"


@pytest.mark.parametrize(
    "order", ["idx = idx.sort().values\n", "idx = torch.sort(idx)[0]\n", "idx = np.random.permutation(idx)\n"]
)
def test_places_are_brought_into_another_order(order):
    found = moved_places(facts(MADE + TAKEN + order + USE))
    assert (found.cause, found.inputs, found.targets) == ("orders", "out[idx]", "y_train")
    assert "line 7" in found.said


@pytest.mark.parametrize(
    "text",
    [
        TAKEN + USE,
        "idx = idx.sort().values\n" + TAKEN + USE,
        TAKEN + "idx = idx.sort().values\ny_train = y[idx]\n" + USE,
        TAKEN + "idx = idx.to(device)\n" + USE,
        TAKEN + "other = idx.sort().values\n" + USE,
        TAKEN + "idx = idx.sort().values\nprint(out[idx], y)\n",
        TAKEN + "idx = torch.argsort(idx)\n" + USE,  # the way back
        TAKEN + "out = out[idx]\nidx = idx.sort().values\n" + USE,
        TAKEN + "idx = idx.sort().values\nplot(out[idx], y_train)\n",
    ],
)
def test_places_keep_their_order(text):
    assert moved_places(facts(MADE + text)) is None


FILLED = (
    "class Songs:\n    def __init__(self):\n        self.songs, self.who = [], []\n        for i in range(9):\n"
    "            for _ in range(3):\n                self.songs.append(sing(i))\n                self.who.append(i)\n"
)
ITEM = "    def __getitem__(self, k):\n        return (self.songs[k] - 1) / 2, self.who[k]\n"
PICTURES = MADE + "summer, winter = [], []\nfor i in range(9):\n    summer.append(take(i))\n    winter.append(take(i))\n"
GIVEN = MADE + "x_train, y_train = make(90)\n"
ANCHORS = (
    "def triplets(k):\n    a = rng.integers(0, len(x_train), k)\n    p = [rng.choice(members[c]) for c in y_train[a]]\n"
    "    return net(x_train[a]), net(x_train[p])\n"
)
FOUND = MADE + "songs, tags = find()\nrandom.shuffle(songs)\n"
UNLABELLED = MADE + "x_l, y_l, x_u = load()\nrng.shuffle(x_u)\n"
TABLE = MADE + "day, x, price = make()\norder = np.argsort(day)\n"
FOLDS = "train, test = split(x)\na = x[train]\nb = price[train]\n"
LISTS = MADE + "xs, ys = [], []\nfor i in range(9):\n    xs.append(i)\n    ys.append(i % 2)\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (FILLED + "        random.shuffle(self.songs)\n        self.songs = np.stack(self.songs)\n" + ITEM, True),
        (LISTS + "random.shuffle(xs)\ndata = TensorDataset(np.array(xs), np.array(ys))\n", True),
        (LISTS + "ys = rng.permutation(ys)\nfor a, b in zip(xs, ys):\n    pass\n", True),
        (GIVEN + "rng.shuffle(x_train)\n" + ANCHORS, True),
        (GIVEN + ANCHORS, False),
        (GIVEN + "both = rng.permutation(90)\nx_train, y_train = x_train[both], y_train[both]\n" + ANCHORS, False),
        (GIVEN + "rng.shuffle(x_train)\nprint(y_train[0])\n", False),  # nothing is made of both
        (ANCHORS + "rng.shuffle(train)\n", False),
        (FILLED + ITEM, False),
        (
            FILLED + "        random.seed(1)\n        random.shuffle(self.songs)\n        random.seed(1)\n"
            "        random.shuffle(self.who)\n" + ITEM,
            False,
        ),
        (LISTS + "random.shuffle(xs)\nprint(ys)\n", False),  # nothing is made of both
        (LISTS + "random.shuffle(xs)\nys = [label(x) for x in xs]\ndata = list(zip(xs, ys))\n", False),
        (LISTS + "xs, ys = sklearn.utils.shuffle(xs, ys)\ndata = list(zip(xs, ys))\n", False),
        (LISTS + "both = list(zip(xs, ys))\nrandom.shuffle(both)\nxs, ys = zip(*both)\ndata = list(zip(xs, ys))\n", False),
        (LISTS + "control = list(ys)\nrandom.shuffle(control)\ndata = list(zip(xs, ys))\n", False),
        (LISTS + "if args.control:\n    random.shuffle(ys)\ndata = list(zip(xs, ys))\n", False),
        (LISTS + "def other(xs):\n    random.shuffle(xs)\ndata = list(zip(xs, ys))\n", False),
        (LISTS + "data = list(zip(xs, ys))\nrandom.shuffle(xs)\nbackground = xs[:5]\n", False),  # the pairs are made before
        (LISTS + "random.shuffle(xs)\ndata = TensorDataset(a[xs], b[ys])\n", False),  # places of examples
        (LISTS.replace("ys", "negatives") + "random.shuffle(negatives)\ndata = list(zip(xs, negatives))\n", False),
        (PICTURES + "random.shuffle(winter)\ndata = list(zip(summer, winter))\n", False),  # two kinds of pictures, no pairs
        (FOUND + "for i in range(9):\n    x, y = songs[i]\nfor i in range(3):\n    print(tags[i])\n", False),  # names of tags
        (FOUND + "for i in range(9):\n    a = songs[i]\nfor i in range(3):\n    print(tags[i])\n", False),  # another loop
        (FOUND + "for i in range(9):\n    a = songs[i]\n    b = tags[i]\n", True),
        (FOUND.replace("tags", "tag_names") + "for i in range(9):\n    a = songs[i]\n    b = tag_names[i]\n", False),
        (FOUND + "for song, tag in songs:\n    pass\ndata = list(zip(songs, tags))\n", False),  # songs with their tags
        (TABLE + "day, x = day[order], x[order]\n" + FOLDS, True),
        (TABLE + "day, x, price = day[order], x[order], price[order]\n" + FOLDS, False),
        (TABLE + "day, x = day[order], x[order]\nprice = price[order]\n" + FOLDS, False),
        (TABLE + "day, x = day[order], x[order]\nprint(price.mean())\n", False),  # nothing is made of both
        (TABLE + "day, x = day[order], x[order]\nprice.sort()\n" + FOLDS, False),
        (TABLE.replace("price", "w") + "day, x = day[order], x[order]\nk = 5\nprint(x[:k], w[:k])\n", False),  # true weights
        (TABLE.replace("argsort(day)", "load('places.npy')") + "day, x = day[order], x[order]\n" + FOLDS, False),
        (UNLABELLED + "for i in range(9):\n    batch = x_l[i], y_l[i], x_u[i]\n", False),
    ],
)
def test_lists_that_are_filled_side_by_side(text, told):
    assert (moved_alone(facts(text)) is not None) == told


COLLATE = "def collate(batch):\n"
LABELS_OF = "    labels = torch.tensor([y for _, y in batch])\n"
BY_LENGTH = "    batch = sorted(batch, key=lambda b: -len(b[0]))\n"
PADDED = "    x = pad([x for x, _ in batch])\n"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (LABELS_OF + BY_LENGTH + PADDED + "    return x, labels\n", True),
        ("    _, labels = zip(*batch)\n    batch.sort(key=len)\n" + PADDED + "    return x, torch.tensor(labels)\n", True),
        (BY_LENGTH + LABELS_OF + PADDED + "    return x, labels\n", False),
        (LABELS_OF + BY_LENGTH + PADDED + "    labels = torch.tensor([y for _, y in batch])\n    return x, labels\n", False),
        (LABELS_OF + PADDED + BY_LENGTH + "    print(len(batch))\n    return x, labels\n", False),
        (LABELS_OF + BY_LENGTH + PADDED + "    return x\n", False),
        (LABELS_OF + BY_LENGTH + PADDED + "    labels.copy_(in_order(labels))\n    return x, labels\n", False),
        (
            "    labels = sorted({y for _, y in batch})\n" + BY_LENGTH + PADDED + "    return x, labels\n",
            False,
        ),  # names of classes
        (LABELS_OF.replace("labels", "lengths") + BY_LENGTH + PADDED + "    return x, lengths\n", False),
    ],
)
def test_labels_that_are_taken_before_a_batch_is_sorted(body, told):
    assert (labels_before_an_order(facts(MADE + COLLATE + body)) is not None) == told


FILLED = "    x, y = pad(batch), pad(tags(batch))\n    lengths = count(batch)\n"
TORCH_SORT = "    lengths, order = lengths.sort(descending=True)\n"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (TORCH_SORT + "    x = x[order]\n    return x, y, lengths\n", True),
        ("    lengths, order = torch.sort(lengths, descending=True)\n    x = x[order]\n    return x, y\n", True),
        ("    order = np.argsort(-lengths)\n    x = x[order]\n    lengths = lengths[order]\n    return x, lengths, y\n", True),
        (TORCH_SORT + "    x = x[order]\n    y = y[order]\n    return x, y, lengths\n", False),
        (TORCH_SORT + "    x, y = x[order], y[order]\n    return x, y, lengths\n", False),
        (TORCH_SORT + "    x = x[order]\n    return x, y, lengths, order\n", False),
        (TORCH_SORT + "    x = x[order]\n    y = y.index_select(0, order)\n    return x, y\n", False),
        (TORCH_SORT + "    x = x[order]\n    return x, lengths\n", False),
        (TORCH_SORT + "    y = y[order]\n    return x, y\n", False),  # the inputs may come in that order
    ],
)
def test_inputs_that_are_sorted_alone(body, told):
    assert (labels_before_an_order(facts(MADE + COLLATE + FILLED + body)) is not None) == told
