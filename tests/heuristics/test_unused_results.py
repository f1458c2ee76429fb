"""Values that a program computes and never uses, by its lines: forms of the fault, and sound twins."""

import pytest

from scram_plugin.heuristics.edits import dropped_results, swapped_triplets, unread_values
from tests.heuristics.edited import changed, facts

HEAD = "import numpy as np\nimport torch\nimport torch.nn.functional as F\nfrom torch import nn\n"
MODEL = (
    "class Net(nn.Module):\n    def __init__(self):\n        self.act = nn.ReLU()\n        self.fc = nn.Linear(8, 8)\n"
    "    def forward(self, x):\n"
)

DROPPED = {
    "a function": ("F.relu(x)", MODEL + "        F.relu(x)\n        return self.fc(x)\n"),
    "a layer": ("self.act(x)", MODEL + "        self.act(x)\n        return self.fc(x)\n"),
    "a mask": ("a.masked_fill(m, -1e9)", MODEL + "        a = x @ x.T\n        a.masked_fill(m, -1e9)\n        return a\n"),
    "an array": ("np.clip(x, 0, 1)", "def load(x):\n    np.clip(x, 0, 1)\n    return x\n"),
    "a shape": ("x.unsqueeze(1)", MODEL + "        x.unsqueeze(1)\n        return self.fc(x)\n"),
    "of a script": ("torch.flatten(x, 1)", "x = load()\ntorch.flatten(x, 1)\nprint(x)\n"),
}
KEPT = {
    "in place": MODEL + "        F.relu(x, inplace=True)\n        x.clamp_(0)\n        return self.fc(x)\n",
    "into another array": "np.clip(x, 0, 1, out=x)\n",
    "a method of the program": MODEL + "        self.log(x)\n        self.remember(x)\n        return self.fc(x)\n",
    "no layer": MODEL.replace("nn.ReLU()", "Hook()") + "        self.act(x)\n        return x\n",
    "a layer in place": MODEL.replace("ReLU()", "ReLU(inplace=True)") + "        self.act(x)\n        return self.fc(x)\n",
    "a function in place": MODEL + "        F.relu(x, True)\n        return self.fc(x)\n",
    "an output by its place": "np.clip(x, 0, 1, x)\nnp.squeeze(x, 0, x)\n",
    "a method of another object": "def f(x):\n    viewer.view(x)\n    hook.detach()\n    sock.squeeze(3)\n",
    "hooks": MODEL + "        self.fc.register_forward_hook(keep)\n        self.fc(x)\n        return kept['a']\n",
    "statistics of a norm": MODEL.replace("nn.ReLU()", "nn.BatchNorm1d(8)")
    + "        self.act(x)\n        return self.fc(x)\n",
    "a notebook as a script": "# %% look\nx = load()\ntorch.flatten(x, 1)\n",
    "a warm-up": "for _ in range(10):\n    torch.stack(x)\n",
    "a test": "with np.errstate(all='raise'):\n    if x:\n        np.clip(x, 0, 1)\n",
    "a try": "try:\n    torch.cat([x, y])\nexcept RuntimeError:\n    pass\n",
    "sorted in place": "x.sort()\nx.append(3)\n",
}
UNREAD = {
    "an activation": ("h", MODEL + "        x = self.fc(x)\n        h = self.act(x)\n        return self.fc(x)\n"),
    "the last value": (
        "h",
        MODEL + "        h = self.fc(x)\n        y = self.fc(h)\n        h = F.relu(h)\n        return y\n",
    ),
}
READ = {
    "all": MODEL + "        h = self.act(self.fc(x))\n        return h\n",
    "sizes": MODEL + "        n = x.size(0)\n        mask = torch.ones(3)\n        return self.fc(x)\n",
    "in a loop": MODEL
    + "        h = x\n        for _ in range(3):\n            x = x + h\n            h = self.fc(x)\n        return x\n",
    "a part of several": MODEL + "        out, state = self.rnn(x)\n        _ = self.fc(out)\n        return out\n",
    "in one line": MODEL + "        h = self.fc(x); return h\n",
    "changed in place": MODEL + "        h = self.fc(x)\n        h *= 2\n        return x\n",
    "a global": MODEL + "        global h\n        h = self.fc(x)\n        return x\n",
    "a method of its own": MODEL + "        done = self.enqueue(x)\n        return x\n",
    "no tensor": MODEL + "        device = torch.device('cpu')\n        return x\n",
    "in a function": MODEL + "        h = self.fc(x)\n        def f():\n            return h\n        return f()\n",
    "another method": "class Net(nn.Module):\n    def show(self, x):\n        h = self.fc(x)\n        return x\n",
}


@pytest.mark.parametrize("name", DROPPED)
def test_a_result_is_dropped(name):
    text, program = DROPPED[name]
    known = facts(HEAD + program)
    (line,) = dropped_results(known)
    assert line.text == text
    new = next(d for d in changed(known, line.edit) if d.startswith("+"))
    assert new.strip("+ ").endswith(f" = {text}")


@pytest.mark.parametrize("name", KEPT)
def test_no_result_is_dropped(name):
    assert list(dropped_results(facts(HEAD + KEPT[name]))) == []


@pytest.mark.parametrize("name", UNREAD)
def test_a_value_is_not_read(name):
    variable, program = UNREAD[name]
    assert [line.text for line in unread_values(facts(HEAD + program))] == [variable]


@pytest.mark.parametrize("name", READ)
def test_all_values_are_read(name):
    assert list(unread_values(facts(HEAD + READ[name]))) == []


LOSS = "criterion = nn.TripletMarginLoss(margin=0.5)\n"


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("loss = criterion(za, zn, zp)", "loss = criterion(za, zp, zn)"),
        ("loss = criterion(anchor, negative, positive)", "loss = criterion(anchor, positive, negative)"),
        ("loss = F.triplet_margin_loss(a, neg_1, pos_1)", "loss = F.triplet_margin_loss(a, pos_1, neg_1)"),
    ],
)
def test_a_triplet_in_another_order(line, after):
    known = facts(HEAD + LOSS + line + "\n")
    (found,) = swapped_triplets(known)
    assert changed(known, found.edit) == [f"- {line}", f"+ {after}"]


OTHERS = ("criterion(za, zp, zn)", "criterion(a, b, c)", "other(anchor, negative, positive)", "criterion(pos, anchor, neg)")


@pytest.mark.parametrize("line", OTHERS)
def test_triplets_in_their_order(line):
    assert list(swapped_triplets(facts(HEAD + LOSS + f"loss = {line}\n"))) == []
