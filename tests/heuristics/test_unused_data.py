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

SKIPPED = {
    "a range of batches": ("range", "for i in range(0, len(x) // size, size):\n    xb = x[i:i + size]\n"),
    "a number of batches": ("range", "n = len(x) // size\nfor i in range(0, n, size):\n    xb = x[i:i + size]\n"),
    "the number of a batch for its place": ("range", "for i in range(len(x) // size):\n    xb = x[i:i + size]\n"),
    "rounded up": ("range", "for i in range(int(np.ceil(len(x) / 32))):\n    xb, yb = x[i:i + 32], y[i:i + 32]\n"),
    "the first batch": ("same", "for i in range(0, len(x), size):\n    xb, yb = x[:size], y[0:size]\n"),
    "the length in batches": ("length", ITEMS.format("len(self.x) // BATCH")),
    "the length of an example": ("length", ITEMS.format("self.x.shape[1]")),
    "the size of a batch": ("length", ITEMS.format("self.batch_size")),
    "the number of columns": ("length", TEXTS.format("self.encodings")),
    "a break": (
        "left",
        "for epoch in range(9):\n    for xb in loader:\n        loss = net(xb).mean()\n" + STEP + "        break\n",
    ),
    "a return": (
        "left",
        "def train():\n    for xb in loader:\n        loss = net(xb).mean()\n" + STEP + "        return loss.item()\n",
    ),
    "a list made anew": (
        "renewed",
        "for name in names:\n    rows = []\n    rows.append(read(name))\ndata = np.stack(rows)\n",
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
    "a range of examples": "for i in range(0, len(x), size):\n    xb = x[i:i + size]\n",
    "numbers of batches": "for i in range(len(x) // size):\n    xb = x[i * size:(i + 1) * size]\n",
    "a place made of a number": "for i in range(len(x) // size):\n    i = i * size\n    xb = x[i:i + size]\n",
    "windows": "for i in range(len(x) - size):\n    xb = x[i:i + size]\n",
    "windows with a stride": "for i in range(0, len(x) // 4, 2):\n    xb = x[i:i + size]\n",
    "a range that names something else": "for i in range(0, len(x) // size, size):\n    print(i)\n",
    "a drawn batch": "for i in range(0, len(x), size):\n    order = torch.randperm(len(x))\n    xb = x[order[:size]]\n",
    "the whole length": ITEMS.format("len(self.x)"),
    "a stride": ITEMS.format("len(self.x) // self.stride"),
    "a length that is given": ITEMS.format("self.length"),
    "the labels": TEXTS.format("self.labels"),
    "windows of a data set": (
        "class Windows:\n    def __len__(self):\n        return len(self.x) // self.batch_size\n    def __getitem__(self, i):\n"
        "        return self.x[i * self.batch_size:(i + 1) * self.batch_size]\n"
    ),
    "a condition": "for xb in loader:\n    loss = net(xb).mean()\n    loss.backward()\n    if loss < 0.1:\n        break\n",
    "a search": "for name in names:\n    found = read(name)\n    break\n",
    "a list for each": (
        "for name in names:\n    rows = []\n    for line in name:\n        rows.append(line)\n    tables.append(rows)\n"
    ),
    "a list for each epoch": (
        "for epoch in range(3):\n    losses = []\n    for xb in loader:\n        losses.append(net(xb))\n"
        "    print(np.mean(losses))\n"
    ),
    "a seed at the beginning": "random.seed(5)\nfor step in range(9):\n    loss = net(draw()).mean()\n    loss.backward()\n",
    "a seed for each epoch": (
        "def order(epoch):\n    g.manual_seed(epoch)\n    return torch.randperm(9, generator=g)\n"
        "for epoch in range(9):\n    loss = net(x[order(epoch)]).mean()\n    loss.backward()\n"
    ),
    "a seed of the evaluation": (
        "def evaluate():\n    torch.manual_seed(0)\n    return net(x[torch.randint(0, 9, (4,))])\n"
        "for epoch in range(9):\n    loss = net(x).mean()\n    loss.backward()\n    evaluate()\n"
    ),
    "a split": "x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2)\n",
    "half of it": "x_train, x_test = train_test_split(x, test_size=0.5)\n",
    "a second split": "x_val, x_test, y_val, y_test = train_test_split(x_test, y_test, test_size=0.7)\n",
    "parts by their names": "x_train, x_val = x[train_idx], x[val_idx]\ntrain_loader = DataLoader(train_data)\n",
    "training data to evaluate on": "train_eval_loader = DataLoader(val_data)\ntrain_acc = evaluate(val_loader)\n",
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


def test_an_edit_counts_examples():
    known = facts(LOADED + SKIPPED["rounded up"][1])
    lines = changed(known, skipped_data(known).edit)
    assert lines == [
        "-     xb, yb = x[i:i + 32], y[i:i + 32]",
        "+     xb, yb = x[i * 32:(i + 1) * 32], y[i * 32:(i + 1) * 32]",
    ]
