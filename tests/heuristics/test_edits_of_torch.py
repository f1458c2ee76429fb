"""Edits of PyTorch programs: an optimizer that is made too early, axes that are swapped by a view, a sum beside a mean."""

import pytest

from scram_plugin.heuristics import edits
from tests.heuristics.edited import changed, edited, facts

ADAM = {"framework": "torch", "optimizer": {"class": "Adam"}}
MADE_AGAIN = """\
import torch.optim as optim
model = Net().to(device)
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(
    model.parameters(),
    lr=0.1,
)
{changed}
for x, y in loader:
    optimizer.step()
"""
VAE = """\
from torch.nn import functional as F
def loss_function(recon, x, mu, logvar):
    BCE = F.binary_cross_entropy(recon, x.view(-1, 784))
    return BCE - 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
"""
LANGUAGE = """\
from torch.nn import functional as F
def forward(self, idx, targets):
    y = y.transpose(1, 2).contiguous().view(B, T, C)
    loss = F.cross_entropy(logits.view(b, -1, t), targets, ignore_index=-1)
"""


@pytest.mark.parametrize(
    "statement", ["model = Net().to(device)", "model.fc = nn.Linear(9, 3)", "model = load(path)\nmodel = model.to(device)"]
)
def test_the_optimizer_is_made_last(statement):
    known = facts(MADE_AGAIN.format(changed=statement), **ADAM)
    optimizer = "optimizer = optim.Adam(\n    model.parameters(),\n    lr=0.1,\n)\n"
    (text,) = edited(known, edits.make_optimizer_last(known)).values()
    assert text == MADE_AGAIN.format(changed=statement).replace(optimizer, "").replace("for x,", f"{optimizer}for x,")


@pytest.mark.parametrize(
    "statement",
    [
        "scheduler = StepLR(optimizer)\nmodel = Net().to(device)",  # which would keep the old one
        "other = Net()",
        "print(model)",
    ],
)
def test_the_optimizer_stays_where_moving_it_is_not_sure(statement):
    assert edits.make_optimizer_last(facts(MADE_AGAIN.format(changed=statement), **ADAM)) is None


def test_errors_are_summed_like_the_divergence():
    known = facts(VAE, framework="torch")
    assert changed(known, edits.sum_errors(known)) == [
        "-     BCE = F.binary_cross_entropy(recon, x.view(-1, 784))",
        '+     BCE = F.binary_cross_entropy(recon, x.view(-1, 784), reduction="sum")',
    ]
    known = facts(VAE.replace("784))", '784), reduction="mean")'), framework="torch")
    assert changed(known, edits.sum_errors(known))[1].endswith('reduction="sum")')


@pytest.mark.parametrize(
    "text",
    [
        VAE.replace("784))", '784), reduction="none")'),
        VAE.replace("784))", "784)) + F.mse_loss(recon, x)"),  # which of them?
        VAE.replace("torch.nn", "mine"),
    ],
)
def test_errors_stay_where_it_is_not_sure(text):
    assert edits.sum_errors(facts(text, framework="torch")) is None


def test_axes_are_swapped_and_not_viewed():
    known = facts(LANGUAGE, framework="torch")
    assert changed(known, edits.transpose(known, [12, 64, 28], [12, 28, 64])) == [
        "-     loss = F.cross_entropy(logits.view(b, -1, t), targets, ignore_index=-1)",
        "+     loss = F.cross_entropy(logits.transpose(1, 2), targets, ignore_index=-1)",
    ]
    known = facts(
        "class Net(nn.Module):\n  def forward(self, x):\n    return self.rnn(x.reshape((28, -1, 3)))\n", framework="torch"
    )
    after = changed(known, edits.transpose(known, [5, 28, 3], [28, 5, 3]))[1]
    assert after == "+     return self.rnn(x.transpose(0, 1).contiguous())", "a view may follow"
    assert edits.transpose(known, [10, 28, 3], [28, 5, 6]) is None


@pytest.mark.parametrize(
    ("text", "after"),
    [
        (LANGUAGE.replace("logits.view(b, -1, t)", "logits"), [12, 28 * 64]),  # axes that are joined
        (LANGUAGE.replace("F.cross_entropy(logits.view(b, -1, t)", "own(logits.view(b, -1, t)"), [12, 28, 64]),  # one of two
        ("data = raw.reshape(-1, 28, 28)\n", [12, 28, 64]),  # no part of a model
        (LANGUAGE.replace(".view(B, T, C)", "").replace("logits.view(b, -1, t)", "torch.reshape(x, s)"), [12, 28, 64]),
    ],
)
def test_a_view_stays_where_it_is_not_sure(text, after):
    assert edits.transpose(facts(text, framework="torch"), [12, 64, 28], after) is None


GIVEN_WHOLE = """\
import torch
x_train, x_test, y_train, y_test = load()
loader = DataLoader(TensorDataset(x_train, y_train), batch_size=8)
model = Net()
optimizer = torch.optim.Adam(model.parameters())
for epoch in range(9):
    for x, y in loader:
        loss = criterion(model(x), y)
    outputs = model({given})
"""


@pytest.mark.parametrize("given", ["x_test", "x_test.to(device)", "x_test[:100]"])
def test_inputs_that_the_model_is_given_whole_are_scaled_too(given):
    known = facts(GIVEN_WHOLE.format(given=given), framework="torch")
    assert changed(known, edits.normalize_features(known)) == [
        "+ mean, spread = x_train.mean(axis=0), x_train.std(axis=0) + 1e-8",
        "+ x_train = (x_train - mean) / spread",
        "+ x_test = (x_test - mean) / spread",
    ]


@pytest.mark.parametrize("given", ["x", "batch[0]", "x_train"])
def test_batches_of_the_loader_are_not_scaled_twice(given):
    known = facts(GIVEN_WHOLE.format(given=given), framework="torch")
    assert [line for line in changed(known, edits.normalize_features(known)) if "= (" in line] == [
        "+ x_train = (x_train - mean) / spread"
    ]


def test_targets_stay_where_those_of_inputs_that_are_given_whole_are_not_known():
    known = facts(GIVEN_WHOLE.format(given="x_test"), framework="torch")
    assert edits.change_targets(known, "({0} - {1}.mean()) / {1}.std()") is None


COMPARED = """\
for batch_idx, (x, y) in enumerate(loader):
    loss = loss_function(net(x), y)
    loss.backward()
with torch.no_grad():
    for x, y in test_loader:
        total += loss_function(net(x), {target})
"""


def test_targets_get_their_shape_where_they_are_compared():
    known = facts(COMPARED.format(target="y"), framework="torch")
    assert [line for line in changed(known, edits.change_compared(known, "{0}.unsqueeze(1)")) if line[0] == "+"] == [
        "+     loss = loss_function(net(x), y.unsqueeze(1))",
        "+         total += loss_function(net(x), y.unsqueeze(1))",
    ]
    known = facts(COMPARED.format(target="y.view(-1, 1)"), framework="torch")
    assert len(changed(known, edits.change_compared(known, "{0}.unsqueeze(1)"))) == 2, "the other has its shape"


@pytest.mark.parametrize(
    "more",
    [
        "    extra = class_loss(logits, label)\n",  # two losses
        "    extra = loss_function_of_others(z, y)\n",
    ],
)
def test_targets_keep_their_shape_beside_another_loss(more):
    text = COMPARED.format(target="y").replace("    loss.backward()\n", f"{more}    loss.backward()\n")
    assert edits.change_compared(facts(text, framework="torch"), "{0}.unsqueeze(1)") is None


def test_other_calls_with_a_loss_in_their_name_stay():
    known = facts(COMPARED.format(target="y_val") + "plot_loss(epoch, loss)\n", framework="torch")
    assert [line[0] for line in changed(known, edits.change_compared(known, "{0}.unsqueeze(1)"))] == ["-", "+"]


def test_what_a_generator_is_given_is_not_scaled():
    text = GIVEN_WHOLE.format(given="x_test").replace("model = Net()", "model, other = Net(), Net()")
    known = facts(f"{text}second = torch.optim.Adam(other.parameters())\n", framework="torch")
    assert not [line for line in changed(known, edits.normalize_features(known)) if "x_test" in line]


def test_an_optimizer_is_not_moved_behind_what_may_use_it():
    known = facts(MADE_AGAIN.format(changed="model.fc = nn.Linear(9, 3)\ntrain()\nmodel.history = make()"), **ADAM)
    (text,) = edited(known, edits.make_optimizer_last(known)).values()
    assert text.index("model.fc") < text.index("optim.Adam") < text.index("train()")


def test_targets_keep_their_shape_where_the_loss_of_the_training_is_not_known():
    text = COMPARED.format(target="y").replace("loss = loss_function(net(x), y)", "loss = (net(x) - y).pow(2).mean()")
    known = facts(text, framework="torch")
    assert edits.change_compared(known, "{0}.unsqueeze(1)") is None


CONFIGURED = """\
class Net(pl.LightningModule):
    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
{rest}
"""


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        (
            "        return [optimizer], [OneCycleLR(optimizer, 0.1)]",
            '+         return [optimizer], [{"scheduler": OneCycleLR(optimizer, 0.1), "interval": "step"}]',
        ),
        (
            '        return {"optimizer": optimizer, "lr_scheduler": StepLR(optimizer)}',
            '+         return {"optimizer": optimizer, "lr_scheduler": {"scheduler": StepLR(optimizer), "interval": "step"}}',
        ),
        (
            '        d = {\n            "scheduler": StepLR(optimizer),\n        }\n'
            '        return {"optimizer": optimizer, "lr_scheduler": d}',
            '+             "interval": "step",',
        ),
        (
            '        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": s, "interval": "epoch"}}',
            '+         return {"optimizer": optimizer, "lr_scheduler": {"scheduler": s, "interval": "step"}}',
        ),
    ],
)
def test_lightning_calls_a_scheduler_in_each_step(rest, expected):
    known = facts(CONFIGURED.format(rest=rest), framework="torch")
    assert [line for line in changed(known, edits.call_scheduler(known, False)) if line[0] == "+"] == [expected]


@pytest.mark.parametrize(
    "rest",
    [
        "        return optimizer",
        "        return [optimizer], [a(optimizer), b(optimizer)]",
        '        self.log_dict({"scheduler": 1.0})\n        return [optimizer]',
        '        return {"optimizer": optimizer, "lr_scheduler": None}',
        '        return {"optimizer": optimizer, "lr_scheduler": self.scheduler_config()}',
    ],
)
def test_schedulers_of_lightning_stay_where_it_is_not_sure(rest):
    known = facts(CONFIGURED.format(rest=rest), framework="torch")
    assert edits.call_scheduler(known, False) is None


TRANSFORMS = """\
transform_train = transforms.Compose([
    transforms.RandomHorizontalFlip(),
    transforms.ToTensor(),
    transforms.Normalize(MEAN, SPREAD),
])
transform_test = transforms.Compose([
    transforms.ToTensor(),
])
"""


def test_a_step_that_the_transforms_of_the_validation_lack():
    known = facts(TRANSFORMS, framework="torch")
    assert changed(known, edits.add_missing_step(known)) == ["+     transforms.Normalize(MEAN, SPREAD),"]
    known = facts(TRANSFORMS.replace("    transforms.Normalize(MEAN, SPREAD),\n", ""), framework="torch")
    assert edits.add_missing_step(known) is None


@pytest.mark.parametrize("call", ["fit(train_loader, test_loader, model)", "trainer.fit(module, loader)"])
def test_the_fit_of_a_program_or_a_trainer_holds_nothing_out(call):
    known = facts(f"import torch\nfrom trainer import fit\n{call}\n", framework="torch")
    assert edits.hold_out(known) is None


DATA = """\
import torch
from torch.utils.data import TensorDataset
def load():
    train = TensorDataset(torch.tensor(X_train), torch.tensor(y_train))
    return train, TensorDataset(torch.tensor(X_test), torch.tensor(y_test))
"""
TRAIN = f"""\
import torch
from model import load
{"# a line" * 20}
optimizer = torch.optim.Adam(model.parameters())
"""


def test_data_in_another_file_than_the_model():
    known = facts(TRAIN, DATA, framework="torch")
    told = edited(known, edits.change_targets(known, "({0} + 1) / 2"))
    assert told["train.py"] == TRAIN
    assert "TensorDataset(torch.tensor(X_train), (torch.tensor(y_train) + 1) / 2)" in told["model.py"]


def test_nothing_is_measured_of_a_name_that_only_the_loop_gives():
    known = facts(
        "import torch\nfor epoch in range(3):\n    for x, y in loader:\n        loss = criterion(model(x), y)\n"
        "        loss.backward()\noptimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n",
        framework="torch",
    )
    assert edits.normalize_features(known) is None


APPENDED = """\
from torch import nn
layers = []
layers.append(nn.Linear(4, 8))
layers.append(nn.Sigmoid())
layers.append(nn.Linear(8, 2))
model = nn.Sequential(*layers)
"""


def test_two_modules_are_appended_one_by_one():
    layer = {"class": "Linear", "path": "0", "activation": "sigmoid", "activated_by": "1", "kernel": [4, 8]}
    known = facts(APPENDED, framework="torch", model={"layers": [layer]})
    found = edits.set_in_layers(known, ["0"], "activation", '"relu"', normalized="yes")
    (text,) = edited(known, found).values()
    assert text == APPENDED.replace("layers.append(nn.Sigmoid())", "layers.append(nn.BatchNorm1d(8))\nlayers.append(nn.ReLU())")


LOGITS = """\
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self):
        self.head = nn.Linear(4, 1)
    def forward(self, x):
        return self.head(x).squeeze(-1){given}
criterion = nn.{loss}()
optimizer = torch.optim.Adam(model.parameters())
def evaluate(model, loader):
    for x, y in loader:
        logits = model(x)
        hits = ((logits > {limit}) == (y > 0.5)).sum()
"""


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("0", {"given": "", "loss": "BCEWithLogitsLoss"}), ("0.5", {"given": ".sigmoid()", "loss": "BCELoss"})],
)
def test_the_sigmoid_is_where_the_program_reads_it(limit, expected):
    """An accuracy of ``logits > 0`` would be wrong with probabilities, and one of 0.5 with logits."""
    model = {"layers": [{"class": "Linear", "path": "head", "activation": "sigmoid"}]}
    twice = {"framework": "torch", "model": model, "loss": {"class": "BCEWithLogitsLoss"}}
    known = facts(LOGITS.format(given=".sigmoid()", loss="BCEWithLogitsLoss", limit=limit), **twice)
    (text,) = edited(known, edits.take_probabilities(known, "head")).values()
    assert text == LOGITS.format(limit=limit, **expected)


def test_the_loss_takes_logits_where_the_program_reads_them():
    model = {"layers": [{"class": "Linear", "path": "head", "activation": "None"}]}
    missing = {"framework": "torch", "model": model, "loss": {"class": "BCELoss"}}
    known = facts(LOGITS.format(given="", loss="BCELoss", limit="0"), **missing)
    (text,) = edited(known, edits.make_probabilities(known, "head")).values()
    assert text == LOGITS.format(given="", loss="BCEWithLogitsLoss", limit="0")
