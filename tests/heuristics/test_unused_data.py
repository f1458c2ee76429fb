"""Data that a program has and does not train on, by its lines: forms of the fault, and sound twins."""

import pytest

from scram_plugin.heuristics.edits import skipped_data
from tests.heuristics.edited import changed, facts

STEP = "        loss.backward()\n        optimizer.step()\n"
LOADED = "import numpy as np\nimport random\nimport torch\nx, y = load()\n"
ITEMS = (
    "class Data(torch.utils.data.Dataset):\n    def __init__(self, x, y):\n        self.x, self.y = x, y\n"
    "    def __len__(self):\n        return {}\n    def __getitem__(self, i):\n        return self.x[i], self.y[i]\n"
)
TEXTS = (
    "class Texts(torch.utils.data.Dataset):\n    def __len__(self):\n        return len({})\n    def __getitem__(self, i):\n"
    "        item = {{k: torch.tensor(v[i]) for k, v in self.encodings.items()}}\n        item['labels'] = self.labels[i]\n"
    "        return item\n"
)

TRAINS = "    loss = net(xb).mean()\n    loss.backward()\n    optimizer.step()\n"
BATCHES = (
    "class Batches(keras.utils.PyDataset):\n    def __len__(self):\n        return int(np.ceil(len(self.x) / BATCH))\n"
    "    def __getitem__(self, i):\n{}"
)
SKIPPED = {
    "the number of a batch for its place in a data set": (
        "range",
        BATCHES.format("        low = i\n        high = low + BATCH\n        return self.x[low:high], self.y[low:high]\n"),
    ),
    "the same in one line": ("range", BATCHES.format("        return self.x[i:i + BATCH], self.y[i:i + BATCH]\n")),
    "a range of batches": (
        "range",
        "for i in range(0, len(x) // batch_size, batch_size):\n    xb = x[i:i + batch_size]\n" + TRAINS,
    ),
    "a number of batches": ("range", "n = len(x) // bs\nfor i in range(0, n, bs):\n    xb = x[i:i + bs]\n" + TRAINS),
    "the number of a batch for its place": ("range", "for i in range(len(x) // BATCH):\n    xb = x[i:i + BATCH]\n" + TRAINS),
    "rounded up": ("range", "for i in range(int(np.ceil(len(x) / bs))):\n    xb, yb = x[i:i + bs], y[i:i + bs]\n" + TRAINS),
    "batches that are taken for examples": ("range", "train = Dataset.zip((a, b)).take(N // 32)\ntrain = train.batch(32)\n"),
    "in a function": (
        "range",
        "def step(xb):\n" + TRAINS + "for i in range(0, len(x) // bs, bs):\n    step(x[i:i + bs])\n",
    ),
    "the first batch": ("same", "for i in range(0, len(x), size):\n    xb, yb = x[:size], y[0:size]\n" + TRAINS),
    "the length in batches": ("length", ITEMS.format("len(self.x) // BATCH")),
    "the length of an example": ("length", ITEMS.format("self.x.shape[1]")),
    "the number of columns": ("length", TEXTS.format("self.encodings")),
    "a break": (
        "left",
        "for epoch in range(9):\n    for xb in loader:\n        loss = net(xb).mean()\n" + STEP + "        break\n",
    ),
    "a return": (
        "left",
        "def train():\n    for xb in loader:\n        loss = net(xb).mean()\n"
        + STEP
        + "        return loss.item()\nfor epoch in range(9):\n    train()\n",
    ),
    "a list made anew": (
        "renewed",
        "for name in names:\n    rows = []\n    rows.append(read(name))\ndata = np.stack(rows)\n",
    ),
    "two lists made anew": (
        "renewed",
        "def scale(past):\n    return np.array(past) / 2\nfor series in canteens:\n    past, future = [], []\n"
        "    one, other = windows(series)\n    past += one\n    future += other\nx, y = scale(past), np.array(future)\n",
    ),
    "a seed in the draw": (
        "seeded",
        "def draw():\n    random.seed(5)\n    return random.choice(lines)\ndef train(xb):\n"
        "    loss = net(xb).mean()\n    loss.backward()\nfor step in range(99):\n    train(draw())\n",
    ),
    "parts by each other's names": ("split", "x_test, x_train, y_test, y_train = train_test_split(x, y, test_size=0.2)\n"),
    "most is held out": ("split", "x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.8)\n"),
    "the index of the validation": ("swapped", "x_train, y_train = x[val_idx], y[val_idx]\n"),
    "the loader of the validation": ("swapped", "train_loader = DataLoader(val_data, batch_size=32, shuffle=True)\n"),
    "the subset of the test": ("swapped", "train_set = Subset(data, test_idx)\n"),
}
USED = {
    "the place of a batch in a data set": (
        BATCHES.format(
            "        low = i * BATCH\n        high = low + BATCH\n        return self.x[low:high], self.y[low:high]\n"
        )
    ),
    "the number of a batch, multiplied": BATCHES.format("        i = i * BATCH\n        return self.x[i:i + BATCH]\n"),
    "windows of a series": BATCHES.replace("len(self.x) / BATCH", "len(self.x)").format("        return self.x[i:i + BATCH]\n"),
    "few examples": "few = data.take(N // 10).batch(32)\n",
    "batches that are repeated": "ds = ds.batch(b)\nds = ds.repeat()\nds = ds.take(n // b)\n",
    "the least of a list": "low = np.sort(values).take(len(values) // 10)\n",
    "batches that are taken": "train = data.batch(32).take(N // 32)\n",
    "a part that is held out": "train, val = data.skip(N // 10), data.take(N // 10)\n",
    "a first part": "half = data.take(N // 2)\n",
    "a range of examples": "for i in range(0, len(x), bs):\n    xb = x[i:i + bs]\n" + TRAINS,
    "numbers of batches": "for i in range(len(x) // bs):\n    xb = x[i * bs:(i + 1) * bs]\n" + TRAINS,
    "a place made of a number": "for i in range(len(x) // bs):\n    i = i * bs\n    xb = x[i:i + bs]\n" + TRAINS,
    "windows": "for i in range(len(x) - bs):\n    xb = x[i:i + bs]\n" + TRAINS,
    "windows of a part": "for i in range(len(x) // 2):\n    xb = x[i:i + 2]\n" + TRAINS,
    "frames": "for t in range(0, len(audio) // hop, hop):\n    xb = feats[t:t + hop]\n" + TRAINS,
    "no training": "for i in range(0, len(x) // bs, bs):\n    show(x[i:i + bs])\n",
    "a range that names something else": "for i in range(0, len(x) // bs, bs):\n    xb = draw()\n" + TRAINS,
    "a queue": "for i in range(0, len(x), bs):\n    xb = x[:bs]\n    x = x[bs:]\n" + TRAINS,
    "hard examples": "for i in range(0, len(x), bs):\n    xb = x[losses.argsort()[:bs]]\n" + TRAINS,
    "noise that stays": "for i in range(0, len(x), bs):\n    xb = fixed_noise[:bs]\n" + TRAINS,
    "a drawn batch": "for i in range(0, len(x), bs):\n    order = torch.randperm(len(x))\n    xb = x[order[:bs]]\n" + TRAINS,
    "the whole length": ITEMS.format("len(self.x)"),
    "a stride": ITEMS.format("len(self.x) // self.stride"),
    "a length that is given": ITEMS.format("self.length"),
    "a length of a method": ITEMS.format("self.x.ceil()") + ITEMS.format("int()"),
    "the labels": TEXTS.format("self.labels"),
    "a table": (
        "class Table:\n    def __len__(self):\n        return len(self.df)\n    def __getitem__(self, i):\n"
        "        return self.df['text'][i], self.df.iloc[i]\n"
    ),
    "windows of a data set": (
        "class Windows:\n    def __len__(self):\n        return len(self.x) // self.batch_size\n    def __getitem__(self, i):\n"
        "        return self.x[i * self.batch_size:(i + 1) * self.batch_size]\n"
    ),
    "windows whose place is changed": (
        "class Windows:\n    def __len__(self):\n        return len(self.x) // self.batch_size\n    def __getitem__(self, i):\n"
        "        i *= self.batch_size\n        return self.x[i:i + self.batch_size]\n"
    ),
    "a condition": "for xb in loader:\n    loss = net(xb).mean()\n    loss.backward()\n    if loss < 0.1:\n        break\n",
    "a search": "for name in names:\n    found = read(name)\n    break\n",
    "a trial beside the loop": (
        "def sanity_check():\n    for xb in loader:\n        loss = net(xb).mean()\n" + STEP + "        return\n"
        "for epoch in range(9):\n    for xb in loader:\n        loss = net(xb).mean()\n" + STEP
    ),
    "a list for each": (
        "for name in names:\n    rows = []\n    for line in name:\n        rows.append(line)\n    tables.append(rows)\n"
    ),
    "lists for each": (
        "for series in canteens:\n    past, future = [], []\n    past += windows(series)\n    sets.append((past, future))\n"
    ),
    "a list for each epoch": (
        "for epoch in range(3):\n    losses = []\n    losses.append(train_one_epoch(net, epoch))\nprint(np.array(losses))\n"
    ),
    "a list of the last": "for name in names:\n    found = []\n    found.extend(evaluate(net))\nprint(np.array(found))\n",
    "a seed at the beginning": "random.seed(5)\nfor step in range(9):\n    loss = net(draw()).mean()\n    loss.backward()\n",
    "a seed for each epoch": (
        "def draw_order(epoch):\n    g.manual_seed(epoch)\n    return random.sample(range(9), 9)\n"
        "for epoch in range(9):\n    loss = net(x[draw_order(epoch)]).mean()\n    loss.backward()\n"
    ),
    "a seed of the folds": (
        "def random_fold(k):\n    random.seed(0)\n    return random.sample(range(9), 9)[k]\n"
        "for k in range(9):\n    loss = net(x[random_fold(k)]).mean()\n    loss.backward()\n"
    ),
    "a seed of the evaluation": (
        "def evaluate():\n    torch.manual_seed(0)\n    return net(x[torch.randint(0, 9, (4,))])\n"
        "for epoch in range(9):\n    loss = net(x).mean()\n    loss.backward()\n    evaluate()\n"
    ),
    "a seed of pictures": (
        "def sample_images():\n    random.seed(0)\n    return random.choice(x)\n"
        "for epoch in range(9):\n    loss = net(x).mean()\n    loss.backward()\n    sample_images()\n"
    ),
    "a split": "x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2)\n",
    "half of it": "x_train, x_test = train_test_split(x, test_size=0.5)\n",
    "a second split": "x_val, x_test, y_val, y_test = train_test_split(x_test, y_test, test_size=0.7)\n",
    "a split by its sizes": "x_val, x_train = train_test_split(x, test_size=0.8)\n",
    "a small part": "train_small, _ = train_test_split(x, test_size=0.9)\n",
    "three parts": "x_train, x_rest = train_test_split(x, test_size=0.6)\n",
    "parts by their names": "x_train, x_val = x[train_idx], x[val_idx]\ntrain_loader = DataLoader(train_data)\n",
    "what is not held out": "x_train = x[not_test]\ntrain_loader = DataLoader(dev_set)\n",
    "each half in its turn": "x_train, x_test = x[train_idx], x[test_idx]\nx_train, x_test = x[test_idx], x[train_idx]\n",
    "training data to evaluate on": "train_eval_loader = DataLoader(val_data)\ntrain_acc = evaluate(val_loader)\n",
    "metrics": "train_metrics = metrics[val]\n",
}


@pytest.mark.parametrize("name", SKIPPED)
def test_what_is_left_out(name):
    cause, text = SKIPPED[name]
    known = facts(LOADED + text)
    found = skipped_data(known)
    assert found is not None
    assert (found.cause, str(found.line) in found.said) == (cause, True)
    if cause in ("range", "length"):
        assert changed(known, found.edit)


@pytest.mark.parametrize("name", USED)
def test_what_is_used(name):
    assert skipped_data(facts(LOADED + USED[name])) is None


@pytest.mark.parametrize("kept", [6_000, None])
def test_the_last_axis_as_the_length(kept):
    """Of an array with one axis it is that of the examples: the recorder saw whether there are more rows."""
    known = facts(LOADED + ITEMS.format("self.x.shape[-1]")) | {"data": {"training": {"samples": 24, "kept": kept}}}
    assert (skipped_data(known) is not None) == bool(kept)


def test_an_edit_counts_examples():
    known = facts(LOADED + SKIPPED["rounded up"][1])
    lines = changed(known, skipped_data(known).edit)
    assert lines == [
        "-     xb, yb = x[i:i + bs], y[i:i + bs]",
        "+     xb, yb = x[i * bs:(i + 1) * bs], y[i * bs:(i + 1) * bs]",
    ]
