"""Fixes of programs that use PyTorch: made as a person would write them, or not at all."""

import ast

import pytest

from scram_plugin.heuristics import edits
from scram_plugin.training.torch import loop

SEQUENTIAL = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

x = torch.tensor(table)
y = torch.tensor(labels)
x_train, x_val = x[:100], x[100:]
y_train, y_val = y[:100], y[100:]
model = nn.Sequential(
    nn.Linear(8, 16),
    nn.ReLU(),
    nn.Linear(16, 16),
    nn.Dropout(0.9),
    nn.Linear(16, 3),
    nn.Softmax(dim=1),
)
nn.init.normal_(model[0].weight, std=5.0)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=10.0)
loader = DataLoader(TensorDataset(x_train, y_train), batch_size=16)
val_loader = DataLoader(TensorDataset(x_val, y_val), batch_size=16)
for inputs, targets in loader:
    loss = criterion(model(inputs), targets)
    loss.backward()
    optimizer.step()
"""
LAYERS = [
    {"path": "0", "class": "Linear", "activation": "relu", "activated_by": "1", "kernel": [8, 16]},
    {"path": "2", "class": "Linear", "activation": None, "activated_by": None, "kernel": [16, 16]},
    {"path": "3", "class": "Dropout", "activation": None},
    {"path": "4", "class": "Linear", "activation": "softmax", "activated_by": "5", "kernel": [16, 3]},
]
MODULE = """\
import torch
import torch.nn.functional as F
from torch import nn

class Net(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.first = nn.Linear(8, width)
        self.drop = nn.Dropout(p=0.9)
        self.second = nn.Linear(width, 3)

    def forward(self, x):
        h = self.drop(self.first(x))
        return F.softmax(self.second(h), dim=1)

class Other(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(99, 99)

net = Net()
optimizer = torch.optim.SGD(net.parameters(), 5.0)
loss = F.nll_loss(net(x), y)
"""
OF_MODULE = [
    {"path": "first", "class": "Linear", "activation": None, "kernel": [8, 16]},
    {"path": "drop", "class": "Dropout", "activation": None},
    {"path": "second", "class": "Linear", "activation": "softmax", "activated_by": None, "kernel": [16, 3]},
]


def facts(program, layers=(), **others):
    tree, lines = ast.parse(program), program.splitlines()
    statements = [
        {"role": role, "line": node.lineno, "text": "\n".join(lines[node.lineno - 1 : node.end_lineno])}
        for node, role in loop.roles(tree, len(lines))
    ]
    source = {"file": "train.py", "line": 1, "statements": statements, "files": [{"file": "train.py", "text": program}]}
    return {"framework": "torch", "source": source, "model": {"layers": list(layers)}, **others}


def changes(program, edit):
    """The lines that an edit takes away, and those that it puts in their place; the program must still be one."""
    lines = program.splitlines()
    before, at = edit.before.splitlines(), edit.line - 1
    assert lines[at : at + len(before)] == before
    after = edit.after.splitlines()
    ast.parse("\n".join([*lines[:at], *after, *lines[at + len(before) :]]))
    return [line.strip() for line in before if line not in after], [line.strip() for line in after if line not in before]


ADAM = {"optimizer": {"class": "Adam", "learning_rate": 10.0}}


@pytest.mark.parametrize(
    ("fix", "gone", "new"),
    [
        (lambda f: edits.set_learning_rate(f, "Adam", 10.0, 0.001), ["lr=10.0"], ["lr=0.001"]),
        (lambda f: edits.set_in_layers(f, ["2"], "activation", '"relu"'), [], ["nn.ReLU(),"]),
        (lambda f: edits.set_in_layers(f, ["4"], "activation", None), ["nn.Softmax(dim=1),"], []),
        (lambda f: edits.set_in_layers(f, ["4"], "activation", '"log_softmax"'), ["nn.Softmax"], ["nn.LogSoftmax(dim=-1),"]),
        (lambda f: edits.set_in_layers(f, ["3"], "rate", "0.3"), ["nn.Dropout(0.9),"], ["nn.Dropout(0.3),"]),
        (lambda f: edits.remove_layer(f, "3"), ["nn.Dropout(0.9),"], []),
        (
            lambda f: edits.set_in_layers(f, ["0"], "kernel_initializer", None),
            ["normal_"],
            ["kaiming_uniform_(model[0].weight"],
        ),
        (lambda f: edits.set_loss(f, "binary_crossentropy"), ["nn.CrossEntropyLoss()"], ["nn.BCELoss()"]),
        (lambda f: edits.set_loss(f, "binary_crossentropy", logits=True), ["nn.Cross"], ["nn.BCEWithLogitsLoss()"]),
        (lambda f: edits.take_probabilities(f, "4"), ["nn.Softmax(dim=1),"], []),
        (lambda f: edits.weaken_penalty(f, ["0"]), ["lr=10.0)"], ["weight_decay=0.0001)"]),
        (edits.shuffle, ["batch_size=16)"], ["shuffle=True)"]),
        (edits.clear_gradients, [], ["optimizer.zero_grad()"]),
        (edits.clip_gradients, [], ["clip_grad_norm_(model.parameters(), 1.0)"]),
        (lambda f: edits.rescale_inputs(f, "255", False, None), [], ["x_train = x_train / 255", "x_val = x_val / 255"]),
        (lambda f: edits.change_targets(f, "{0} - 1"), [], ["y_train = y_train - 1", "y_val = y_val - 1"]),
        (edits.normalize_features, [], ["x_train.mean(axis=0)", "(x_val - mean) / spread"]),
        (edits.keep_finite_targets, [], ["kept = torch.isfinite(y_train)", "x_train, y_train = x_train[kept], y_train[kept]"]),
        (edits.replace_missing_inputs, [], ["x_train = torch.nan_to_num(x_train)"]),
        (lambda f: edits.change_validation(f, "{} / 255"), [], ["x_val = x_val / 255"]),
        (
            lambda f: edits.weigh_classes(f, {0: 1.0, 1: 2.0, 2: 0.5}),
            ["CrossEntropyLoss()"],
            ["weight=torch.tensor([1.0, 2.0, 0.5])"],
        ),
    ],
)
def test_a_program_with_a_sequential(fix, gone, new):
    edit = fix(facts(SEQUENTIAL, LAYERS, **ADAM))
    before, after = changes(SEQUENTIAL, edit)
    assert all(any(text in line for line in before) for text in gone)
    assert all(any(text in line for line in after) for text in new), after
    assert len(before) == len(gone) or not gone


@pytest.mark.parametrize(
    ("fix", "gone", "new"),
    [
        (lambda f: edits.set_learning_rate(f, "SGD", 5.0, 0.01), "net.parameters(), 5.0", "net.parameters(), 0.01"),
        (lambda f: edits.set_in_layers(f, ["first"], "activation", '"relu"'), "self.first(x)", "torch.relu(self.first(x))"),
        (lambda f: edits.set_in_layers(f, ["second"], "activation", None), "F.softmax", "return self.second(h)"),
        (lambda f: edits.set_in_layers(f, ["second"], "activation", '"log_softmax"'), "F.softmax(", "F.log_softmax("),
        (lambda f: edits.set_in_layers(f, ["drop"], "rate", "0.3"), "p=0.9", "p=0.3"),
        (lambda f: edits.set_loss(f, "sparse_categorical_crossentropy"), "F.nll_loss", "F.cross_entropy"),
    ],
)
def test_a_program_with_a_module_of_its_own(fix, gone, new):
    edit = fix(facts(MODULE, OF_MODULE, optimizer={"class": "SGD", "learning_rate": 5.0}))
    (before,), (after,) = changes(MODULE, edit)
    assert gone in before
    assert new in after


@pytest.mark.parametrize(
    ("program", "fix"),
    [
        (SEQUENTIAL.replace("nn.Sequential(", "nn.Sequential(*layers, "), lambda f: edits.remove_layer(f, "3")),
        (SEQUENTIAL + SEQUENTIAL, edits.shuffle),
        (SEQUENTIAL + SEQUENTIAL, edits.clear_gradients),
        (SEQUENTIAL.replace("TensorDataset(x_train, y_train)", "made(x)"), edits.normalize_features),
        (
            MODULE.replace("self.first(x)", "self.first(self.first(x))"),
            lambda f: edits.set_in_layers(f, ["first"], "activation", '"relu"'),
        ),
        ("optimizer = make(Adam)", lambda f: edits.set_learning_rate(f, "Adam", 10.0, 0.001)),
        ("pass", lambda f: edits.add_dropout(f, 0.5)),
    ],
)
def test_no_edit_where_it_is_not_clear(program, fix):
    assert fix(facts(program, [*LAYERS, *OF_MODULE], **ADAM)) is None
