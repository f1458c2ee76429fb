"""Places that are drawn from a small part of the data, one batch for all, and values that are cut to whole numbers."""

import numpy as np
import pytest

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.heuristics.edits import lost_values, skipped_data, truncated_values
from scram_plugin.reviews.run import review
from tests.heuristics.edited import changed, facts
from tests.training_runs import training_run

LOADED = "import numpy as np\nimport torch\nx, y = load()\nBATCH, T = 32, 64\nblock_size = 64\n"
LOADED = "from torch.utils.data import DataLoader\n" + LOADED
TRAINS = "    loss = net(xb).mean()\n    loss.backward()\n    optimizer.step()\n"
LOOP = "for step in range(900):\n"
WINDOWS = (
    "def get_batch(split):\n    data = x if split == 'train' else y\n    ix = {}\n"
    "    return torch.stack([data[i:i + block_size] for i in ix])\n"
)
LOADER = "loader = DataLoader(data, batch_size=BATCH{})\n"
FEW = {
    "below the size of a batch": ("few", LOOP + "    at = torch.randint(0, BATCH, (BATCH,))\n    xb = x[at]\n" + TRAINS),
    "of NumPy": ("few", LOOP + "    at = np.random.randint(BATCH, size=BATCH)\n    xb = x[at]\n" + TRAINS),
    "of a generator": (
        "few",
        "rng = np.random.default_rng(0)\n" + LOOP + "    xb = x[rng.integers(0, BATCH, BATCH)]\n" + TRAINS,
    ),
    "in a function": (
        "few",
        "def draw(data):\n    return data[torch.randint(BATCH, (BATCH,))]\n" + LOOP + "    xb = draw(x)\n" + TRAINS,
    ),
    "windows below their length": ("few", WINDOWS.format("torch.randint(block_size, (BATCH,))")),
    "the number of a window": ("few", LOOP + "    at = np.random.randint(0, len(x) // T)\n    xb = x[at:at + T]\n" + TRAINS),
    "one batch, repeated": ("same", LOADER.format(", shuffle=True") + "train_loader = [next(iter(loader))] * len(loader)\n"),
    "the number of batches": (
        "few",
        "n = len(x) // BATCH\n" + LOOP + "    xb = x[np.random.randint(n, size=BATCH)]\n" + TRAINS,
    ),
    "the first ones": (
        "few",
        LOOP + "    at = rng.choice(BATCH, BATCH, replace=False)\n    xb = torch.stack([x[i] for i in at])\n" + TRAINS,
    ),
    "most is held out": ("split", "n_val = int(0.98 * len(x))\nx_val, x_train = x[:n_val], x[n_val:]\n"),
    "one part grows": (
        "renewed",
        "train, val = [], []\nfor region in regions:\n    sites = f(region)\n    train = sites[:80]\n    val += sites[80:]\n",
    ),
}
ENOUGH = {
    "a batch before the loop, perhaps to show": LOADER.format("") + "xb, yb = next(iter(loader))\n" + LOOP + TRAINS,
    "a loader that may draw": LOADER.format("") + LOOP + "    xb, yb = next(iter(loader))\n" + TRAINS,
    "a batch of a step": "def step(both):\n    a, b = both\n    c=a[torch.randint(0, BATCH, (BATCH,))]\n    loss.backward()\n",
    "what an object holds": LOOP + "    out = net(x)\n    other = out.pooled[torch.randint(0, BATCH, (BATCH,))]\n" + TRAINS,
    "rows of a bootstrap": "BATCH, D = x.shape\n" + LOOP + "    xb = x[torch.randint(0, BATCH, (BATCH,))]\n" + TRAINS,
    "data of this size": "z = torch.randn(BATCH, 8)\n" + LOOP + "    xb = z[torch.randint(0, BATCH, (BATCH,))]\n" + TRAINS,
    "a span of what is given": "def mask(ids, k=4):\n    at = random.randrange(len(ids) // k)\n    ids[at:at + k] = 1\n",
    "a header and rows": "head, rows = [], []\nfor path in paths:\n    head = lines[:1]\n    rows += lines[1:]\n",
    "where the validation begins": "val_start = int(0.98 * len(x))\n",
    "a small share to learn from": "n_val = int(0.9 * len(x))\n",
    "below the size of the data": LOOP + "    xb = x[torch.randint(0, len(x), (BATCH,))]\n" + TRAINS,
    "as many as there are": "n = len(x)\n" + LOOP + "    xb = x[torch.randint(0, n, (n,))]\n" + TRAINS,
    "a batch that has the size of the data": "bs = len(x)\n" + LOOP + "    xb = x[torch.randint(0, bs, (bs,))]\n" + TRAINS,
    "partners within a batch": "for xb, yb in loader:\n    other = xb[torch.randint(0, BATCH, (BATCH,))]\n" + TRAINS,
    "partners of what is computed": LOOP
    + "    z = net(x)\n    other = z[torch.randint(0, BATCH, (BATCH,))]\n    xb = x\n"
    + TRAINS,
    "partners in a function": (
        "def mix(xb):\n    return xb[torch.randint(0, BATCH, (BATCH,))]\nfor xb, yb in loader:\n    xb = mix(xb)\n" + TRAINS
    ),
    "partners of outputs in a function": (
        "def f(xb):\n    z = net(xb)\n    return z[torch.randint(0, BATCH, (BATCH,))]\nfor xb, yb in loader:\n    f(xb)\n"
        + TRAINS
    ),
    "an order of a batch": "for xb, yb in loader:\n    xb = xb[rng.choice(BATCH, BATCH, replace=False)]\n" + TRAINS,
    "some of all": LOOP + "    at = rng.choice(len(x), BATCH, replace=False)\n    xb = x[at]\n" + TRAINS,
    "labels": LOOP + "    label = torch.randint(0, BATCH, (BATCH,))\n    xb = embed(label)\n" + TRAINS,
    "windows anywhere": WINDOWS.format("torch.randint(len(data) - block_size, (BATCH,))"),
    "a crop": "def random_crop(x):\n    i = np.random.randint(0, T)\n    return x[i:i + T]\n",
    "the number of a window, multiplied": LOOP
    + "    at = T * np.random.randint(0, len(x) // T)\n    xb = x[at:at + T]\n"
    + TRAINS,
    "a place that is changed": LOOP
    + "    at = np.random.randint(0, len(x) // T)\n    at = at * T\n    xb = x[at:at + T]\n"
    + TRAINS,
    "all batches": LOADER.format(", shuffle=True")
    + "xb, yb = next(iter(loader))\nprint(xb.shape)\nfor xb, yb in loader:\n"
    + TRAINS,
    "the loader is used elsewhere": LOADER.format(", shuffle=True")
    + "xb, yb = next(iter(loader))\nfit(net, loader)\n"
    + LOOP
    + TRAINS,
    "the data as one batch": "loader = DataLoader(data, batch_size=len(data))\nxb, yb = next(iter(loader))\n" + LOOP + TRAINS,
    "a shuffled batch in each step": LOADER.format(", shuffle=True") + LOOP + "    xb, yb = next(iter(loader))\n" + TRAINS,
    "a trial to overfit": "# can it overfit?\n" + LOADER.format("") + "xb, yb = next(iter(loader))\n" + LOOP + TRAINS,
    "batches of one loop": LOADER.format("") + "batches = iter(loader)\n" + LOOP + "    xb, yb = next(batches)\n" + TRAINS,
    "both grow": "train, val = [], []\nfor region in regions:\n    train += sites[:80]\n    val += sites[80:]\n",
    "places of two parts": "n_train = int(0.7 * len(x))\nn_val = int(0.85 * len(x))\nx_val = x[n_train:n_val]\n",
    "little is held out": "n_val = int(0.2 * len(x))\n",
    "a part of each round": "val = []\nfor fold in folds:\n    train = sites[:80]\n    val += sites[80:]\n    fit(train)\n",
}
CHANNELS = "class Net(nn.Module):\n    def forward(self, x):\n        return self.one({}) + self.two({})\n"
CUT = {
    "bytes": ("x = (x / 255).astype(np.uint8)\n", '+ x = (x / 255).astype("float32")'),
    "the type that it had": ("x = (x / 255).astype(x.dtype)\n", '+ x = (x / 255).astype("float32")'),
    "a tensor": (
        "x = torch.tensor(x / x.max(), dtype=torch.long).float()\n",
        "+ x = torch.tensor(x / x.max(), dtype=torch.float32).float()",
    ),
    "a method": ("x = (torch.tensor(x) / 255).long()\n", "+ x = (torch.tensor(x) / 255).float()"),
    "pixels": ("x = (x // 255).astype(np.float32)\n", "+ x = (x / 255).astype(np.float32)"),
    "a scaler": ('x = scaler.fit_transform(x).astype("int32")\n', '+ x = scaler.fit_transform(x).astype("float32")'),
    "scaled before": ('x = (x - low) / (high - low)\nx1 = x.astype("int64")\n', '+ x1 = x.astype("float32")'),
}
KEPT = {
    "pixels divided": "x = x / 255\n",
    "real numbers": "x = (x / 255).astype(np.float32)\n",
    "bytes of pictures": "x = (x / x.max() * 255).astype(np.uint8)\n",
    "rounded": "x = np.round(x / 10).astype(int)\n",
    "classes": "labels = (score / 10).astype(np.int64)\n",
    "bins": "bins = (age / 10).astype(np.int64)\n",
    "tokens": 'x = x.astype("int64")\n',
    "choices": "x = (x / 255 > 0.5).astype(np.int32)\n",
    "draws": "x = torch.bernoulli(x / 255.0).long()\n",
    "cells of a grid": "x_at = (x / size).astype(int)\ngrid[x_at[:, 0]] = 1\n",
    "something else": "half = (lengths / 2).astype(int)\n",
    "the type of a mean": "x = ((x - mu) / sd).astype(mu.dtype)\n",
    "an array like another": "x = np.zeros_like(x)\nfor i, row in enumerate(x):\n    x[i] = row / row.max()\n",
    "an array that is given a type": "out = np.zeros_like(x, dtype=float)\nout[0] = x / 2\n",
    "the type of a layer": "class Norm(nn.Module):\n    def forward(self, x):\n        return (x / x.norm()).to(x.dtype)\n",
    "the type of something else": "x = (x / 255).astype(other.dtype)\n",
    "frames": "at = np.arange(0, n, n / 8).astype(int)\n",
    "codes": 'x = encoder.fit_transform(x).astype("int64")\n',
    "an array of counts": "out = np.zeros_like(x)\nout[0] = 3\n",
}


@pytest.mark.parametrize("name", FEW)
def test_few_are_drawn(name):
    cause, text = FEW[name]
    known = facts(LOADED + text)
    found = skipped_data(known)
    assert found is not None
    assert (found.cause, str(found.line) in found.said) == (cause, True)
    if cause in ("few", "renewed") and name != "the first ones":
        assert changed(known, found.edit)


@pytest.mark.parametrize("name", ENOUGH)
def test_all_are_drawn(name):
    assert skipped_data(facts(LOADED + ENOUGH[name])) is None


@pytest.mark.parametrize(
    ("one", "two", "told"),
    [
        ("x[:, :3]", "x[:, 2:3]", True),
        ("x[:, :3]", "x[:, :3]", False),
        ("x[:, :3]", "x[:, 3:]", False),
        ("x[:, :2]", "x[:, 2:3]", False),  # a part that is left out, perhaps on purpose
        ("x[:, :3]", "self.net(x)", False),
        ("x[:, :3]", "x[:, self.k:]", False),
    ],
)
def test_channels_that_are_never_read(one, two, told):
    known = facts(CHANNELS.format(one, two)) | {"model": {"class": "Net", "inputs": [{"name": "0", "shape": [None, 4, 8, 8]}]}}
    found = skipped_data(known)
    assert (found is not None and found.cause == "unread") == told
    assert not told or "channel 3 of 4" in found.said


@pytest.mark.parametrize("name", CUT)
def test_values_that_are_cut(name):
    text, line = CUT[name]
    known = facts(LOADED + text)
    found = truncated_values(known)
    assert found is not None
    assert line in changed(known, found.edit)


LOST = {
    "a time": (
        "t = torch.randint(0, steps, (9,))\nabar = torch.cumprod(1 - beta, 0)\ndef scaled(t):\n    return t // steps\n",
        True,
    ),
    "a time with an axis": ("t = torch.randint(T, (9,))\nabar = torch.cumprod(1 - beta, 0)\nu = t[:, None] // T * 20\n", True),
    "a time that is real": ("abar = torch.cumprod(1 - beta, 0)\nu = t[:, None] / T * 20\n", False),
    "an hour": ("abar = torch.cumprod(1 - beta, 0)\nday = t // 24\n", False),
    "an update": ("abar = np.cumprod(gamma)\nfor t in range(900):\n    update = t // n_steps\n", False),
    "rows and columns": ("abar = torch.cumprod(a, 0)\nk = torch.randint(T, (9,))\nrow, col = t // T, t % T\n", False),
    "noise": ("adv = x + grad.clamp(0, 1) / 255\n", False),
    "a sign": ("x = x.clamp(-1.0, 1.0) / 255\n", False),
    "no diffusion": ("segment = t // T\n", False),
    "cut before": ("x = x.clamp(0, 1) / 255\n", True),
    "cut before, of NumPy": ("x = np.clip(x, 0.0, 1.0) / 255.0\n", True),
    "cut behind": ("x = (x / 255).clamp(0, 1)\n", False),
    "cut to bytes": ("x = x.clamp(0, 255) / 255\n", False),
}


@pytest.mark.parametrize("name", LOST)
def test_lines_that_leave_one_value(name):
    text, told = LOST[name]
    assert (lost_values(facts(LOADED + text)) is not None) == told


@pytest.mark.parametrize("name", KEPT)
def test_values_that_are_kept(name):
    assert truncated_values(facts(LOADED + KEPT[name])) is None


@pytest.mark.parametrize(
    ("high", "zero", "line", "late", "told"),
    [
        (1.0, 0.97, "x = (x / 255).astype(np.uint8)\n", 0.8, True),
        (1.0, 0.97, "x = (x / 255).astype(np.uint8)\n", 0.1, False),  # it learns from them
        (0.98, 0.97, "x = (x / 255).astype(np.uint8)\n", 0.8, False),
        (9.0, 0.2, "x = (x / 255).astype(np.uint8)\n", 0.8, False),
        (1.0, 0.97, "x = (x / 255).astype(np.float32)\n", 0.8, False),
    ],
)
def test_inputs_that_were_cut(high, zero, line, late, told):
    ends = {"mean": 0.03, "std": 0.17, "min": 0.0, "max": high, "zero": zero}
    known = facts(LOADED + line)
    batches = {"loss": np.geomspace(1.0, late, 400)}
    run = training_run({}, {f"x0/{k}": [v] * 8 for k, v in ends.items()}, known, batches)
    found = review(run, catalogue(select=["constant-inputs"])).findings
    assert any("most values become 0" in one.title for one in found) == told
