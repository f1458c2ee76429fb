"""Held-out data that are prepared otherwise than the training data, and parts that the program leaves out: sound twins, too."""

import numpy as np
import pytest

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.heuristics.edits import prepared_apart, skipped_data, targets_anew
from scram_plugin.reviews.run import review
from tests.heuristics.edited import changed, facts
from tests.training_runs import training_run

BEGIN = "import numpy as np\nimport torch\nfrom sklearn.preprocessing import StandardScaler\nscaler = StandardScaler()\n"
APART = {
    "a scaler fitted again": "x_train = scaler.fit_transform(x_train)\nx_test = scaler.fit_transform(x_test)\n",
    "short names": "Xtr = scaler.fit_transform(a)\nXte = scaler.fit_transform(b)\n",
    "another object": "z_tr = StandardScaler().fit_transform(x_tr)\nz_va = StandardScaler().fit_transform(x_va)\n",
}
ALIKE = {
    "a scaler": "x_train = scaler.fit_transform(x_train)\nx_test = scaler.transform(x_test)\n",
    "what learns nothing": "x_train = Normalizer().fit_transform(a)\nx_test = Normalizer().fit_transform(b)\n",
    "a target": "trainY = MinMaxScaler().fit_transform(a)\ntestY = MinMaxScaler().fit_transform(b)\n",
    "each example": "x_train = scaler.fit_transform(x_train.T).T\nx_test = scaler.fit_transform(x_test.T).T\n",
    "a map for each": "z_train = TSNE(2).fit_transform(x_train)\nz_test = TSNE(2).fit_transform(x_test)\n",
    "other scalers": "x_train = StandardScaler().fit_transform(a)\ny_test = MinMaxScaler().fit_transform(b)\n",
    "an augmentation": "train_texts = [augment(t) for t in train]\ntest_texts = [t for t in test]\n",
    "a shuffle": "train_rows = shuffle(train)\ntest_rows = test\n",
    "later": "x_train = np.log1p(a_train)\nx_test = a_test\nx_test = np.log1p(x_test)\n",
    "in the call": "x_train = np.log1p(a_train)\nx_test = a_test\nscore(net, np.log1p(x_test))\n",
    "other data": "train_set = load(train, 200, seed=0)\ntest_set = load(test, 50, seed=1)\n",
}
EPOCHS = (
    "for epoch in range(9):\n    for step, (x, y) in enumerate(loader):\n"
    "        loss = net(x).mean()\n        loss.backward()\n"
)
ITEMS = (
    "class Data:\n    def __len__(self):\n        return len({})\n"
    "    def __getitem__(self, i):\n        return read(self.samples[i])\n"
)
OUT = {
    "folds": ("split", "folds = KFold(5)\nfor k, (val, train) in enumerate(folds.split(x)):\n    fit(x[train])\n"),
    "steps": ("range", "model.fit(ds, epochs=9, steps_per_epoch=BATCH_SIZE)\n"),
    "weights": (
        "few",
        "class_weights = 1 / counts\nsampler = WeightedRandomSampler(class_weights, 900)\n"
        "loader = DataLoader(data, sampler=sampler)\n",
    ),
    "progress": ("left", EPOCHS + "        if step % 50 == 0:\n            print(loss)\n            break\n"),
    "a remainder": ("same", "for step in range(9):\n    at = (step * batch_size) % batch_size\n"),
}
USED = {
    "the last losses": (
        "def fit():\n    for e in range(9):\n        losses = []\n        for b in data:\n            losses.append(b)\n"
        "    return losses\n"
    ),
    "classes of episodes": ITEMS.format("self.classes").replace("samples", "episodes"),
    "weights that a function makes": "class_weights = weigh(labels)\nsampler = WeightedRandomSampler(class_weights, 900)\n",
    "folds": "folds = KFold(5)\nfor train, val in folds.split(x):\n    fit(x[train])\n",
    "parts": "val_idx, train_idx = order[:n_val], order[n_val:]\n",
    "a number for the training": "train_idx, val_idx = order[:n_train], order[n_train:]\n",
    "steps": "model.fit(ds, epochs=9, steps_per_epoch=n // BATCH_SIZE)\n",
    "samples": ITEMS.format("self.samples"),
    "weights of examples": "sampler = WeightedRandomSampler(class_weights[labels], 900)\n",
    "weights by labels": "class_weights = [w[y] for y in labels]\nsampler = WeightedRandomSampler(class_weights, 900)\n",
    "progress": EPOCHS + "        if step % 50 == 0:\n            print(loss)\n",
    "a virtual epoch": EPOCHS + "        if (step + 1) % steps_per_epoch == 0:\n            print(loss)\n            break\n",
    "weights that grow": (
        "class_weights = []\nfor _, y in data:\n    class_weights.append(w[y])\n"
        "loader = DataLoader(data, sampler=WeightedRandomSampler(class_weights, 900))\n"
    ),
    "weights that are looked up": (
        "class_weights = 1 / counts\nclass_weights = class_weights[labels]\n"
        "loader = DataLoader(data, sampler=WeightedRandomSampler(class_weights, 900))\n"
    ),
    "a number of batches": "n_batch = len(x) // 32\nmodel.fit(ds, epochs=9, steps_per_epoch=n_batch)\n",
    "two folds": "for val, train in KFold(n_splits=2).split(x):\n    fit(x[train])\n",
    "a share": "at = int((shift * seq_len) % seq_len)\n",
    "a limit": EPOCHS + "        if step >= 50:\n            break\n",
    "a remainder": "at = (step * batch_size) % n\n",
    "a list": "def last(names):\n    for name in names:\n        rows = []\n        rows.append(name)\n    return rows\n",
}
ANEW = {
    "repeated": "xa = np.repeat(x, k, axis=0)\nya = np.tile(y, k)\n",
    "split": "a, b = train_test_split(x, random_state=0)\nc, d = train_test_split(y, random_state=1)\n",
    "collated": (
        "def collate(batch):\n    ordered = sorted(batch, key=size)\n    xs = [b[0] for b in ordered]\n"
        "    labels = torch.tensor([b[1] for b in batch])\n    return pad(xs), labels, xs\n"
    ),
    "flipped": ("if random.random() < 0.5:\n    img = np.flip(img)\nif random.random() < 0.5:\n    mask = np.flip(mask)\n"),
    "cut": "ok = np.isfinite(z)\nx = x[ok]\ny = y[:len(x)]\n",
}
PAIRED = {
    "repeated": "xa = np.repeat(x, k, axis=0)\nya = np.repeat(y, k)\n",
    "split": "a, b = train_test_split(x, random_state=0)\nc, d = train_test_split(y, random_state=0)\n",
    "all pairs": "xi, xj = np.repeat(x, n, axis=0), np.tile(x, n)\nyi, yj = np.repeat(y, n), np.tile(y, n)\n",
    "pictures split apart": (
        "a, b = train_test_split(x_paths, random_state=0)\nc, d = train_test_split(y_paths, random_state=1)\n"
    ),
    "sorted for a score": (
        "def average_precision(dets):\n    ranked = sorted(dets, key=score)\n    hits = [d.tp for d in ranked]\n"
        "    labels = [d.gt for d in dets]\n    return area(hits) / sum(labels), hits, labels\n"
    ),
    "conditions left out": (
        "if random.random() < 0.1:\n    text = torch.zeros_like(text)\n"
        "if random.random() < 0.1:\n    seg = torch.zeros_like(seg)\n"
    ),
    "a seed for each": (
        "if random.random() < 0.5:\n    img = np.flip(img)\nrandom.seed(s)\n"
        "if random.random() < 0.5:\n    mask = np.flip(mask)\n"
    ),
    "a channel": "wave = wave[channel]\ny = y[:len(wave)]\n",
    "split in order": "a, b = train_test_split(x, shuffle=False)\nc, d = train_test_split(y, shuffle=False)\n",
    "collated": (
        "def collate(batch):\n    ordered = sorted(batch, key=size)\n    xs = [b[0] for b in ordered]\n"
        "    labels = torch.tensor([b[1] for b in ordered])\n    return pad(xs), labels\n"
    ),
    "mixed": "def mixup(x, y):\n    at = torch.randperm(9)\n    return lam * x + x[at], y[at]\n",
    "flipped": "flip = random.random() < 0.5\nif flip:\n    img = np.flip(img)\nif flip:\n    mask = np.flip(mask)\n",
    "cut": "x = x[:len(y)]\ny = y[:len(x)]\n",
}


@pytest.mark.parametrize("name", APART)
def test_data_that_are_prepared_apart(name):
    known = facts(BEGIN + APART[name])
    found = prepared_apart(known)
    assert found is not None
    assert str(found.line) in found.said
    run = training_run({}, {}, known, {"loss": np.geomspace(1.0, 0.1, 60)})
    told = review(run, catalogue(select=["input-distribution-shift"])).findings
    assert [(f.severity, f.causes[0].id) for f in told] == [("warning", "preprocessing")]


@pytest.mark.parametrize("name", ALIKE)
def test_data_that_are_prepared_alike(name):
    assert prepared_apart(facts(BEGIN + ALIKE[name])) is None


def test_the_scaler_of_the_training_is_used():
    known = facts(BEGIN + APART["a scaler fitted again"])
    assert changed(known, prepared_apart(known).edit) == [
        "- x_test = scaler.fit_transform(x_test)",
        "+ x_test = scaler.transform(x_test)",
    ]


@pytest.mark.parametrize("name", OUT)
def test_what_is_left_out(name):
    cause, text = OUT[name]
    found = skipped_data(facts(BEGIN + text))
    assert found is not None
    assert found.cause == cause


@pytest.mark.parametrize("name", USED)
def test_what_is_used(name):
    assert skipped_data(facts(BEGIN + USED[name])) is None


@pytest.mark.parametrize("name", ANEW)
def test_targets_with_an_order_of_their_own(name):
    assert targets_anew(facts(BEGIN + ANEW[name])) is not None


@pytest.mark.parametrize("name", PAIRED)
def test_targets_beside_their_inputs(name):
    assert targets_anew(facts(BEGIN + PAIRED[name])) is None
