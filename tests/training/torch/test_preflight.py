"""What a preflight of a model of PyTorch refuses, with a sentence."""

import json
import subprocess
import sys

import pytest
import torch

import scram_plugin
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from tests.paths import environment

TEXT = {"capture_output": True, "text": True, "check": False}


def test_data_that_would_be_used_up(tmp_path):
    with pytest.raises(ValueError, match="used up"):
        scram_plugin.preflight(torch.nn.Linear(4, 1), iter([]), log_dir=tmp_path)


def test_a_size_of_memory_that_is_none(tmp_path):
    with pytest.raises(ValueError, match="8G"):
        scram_plugin.preflight(torch.nn.Linear(4, 1), [], memory="lots")


class Language(torch.nn.Module):
    """A model of language whose first axis is the time, as `torch.nn.LSTM` has it."""

    def __init__(self):
        super().__init__()
        self.embedding, self.recurrent, self.head = torch.nn.Embedding(20, 8), torch.nn.LSTM(8, 16), torch.nn.Linear(16, 20)

    def forward(self, tokens):
        states, _ = self.recurrent(self.embedding(tokens))
        return self.head(states)


def findings(model, batches, loss, log_dir):
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    reviews = scram_plugin.preflight(model, batches, loss=loss, optimizer=optimizer, log_dir=log_dir)
    return {finding.heuristic for review in reviews for finding in review.findings}


def test_the_time_before_the_batch(tmp_path):
    text = torch.randint(0, 20, (13, 6, 8), generator=torch.Generator().manual_seed(0))
    batches = [(text[:-1, :, i], text[1:, :, i]) for i in range(8)]

    def loss(outputs, targets):
        return torch.nn.functional.cross_entropy(outputs.flatten(0, 1), targets.flatten())

    assert "mixed-samples" not in findings(Language(), batches, loss, tmp_path)


class Backward(torch.nn.Module):
    """Uses the last position of both directions, at which the backward one has run for one step."""

    def __init__(self):
        super().__init__()
        self.recurrent, self.head = torch.nn.GRU(5, 8, batch_first=True, bidirectional=True), torch.nn.Linear(16, 2)

    def forward(self, x):
        states, _ = self.recurrent(x)
        return self.head(states[:, -1])


def test_a_direction_that_runs_for_one_step(tmp_path):
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(64, 7, 5, generator=generator), torch.randint(0, 2, (64,), generator=generator)
    batches = [(x[i : i + 8], y[i : i + 8]) for i in range(0, 64, 8)]
    assert "no-gradient" not in findings(Backward(), batches, torch.nn.functional.cross_entropy, tmp_path)


OTHER_MODEL = """
import torch

torch.manual_seed(0)
make = lambda: torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
model = make()
optimizer = torch.optim.Adam(model.parameters(), 1e-2)
x = torch.randn(512, 8)
y = (x**2).sum(1, keepdim=True)
{again}
for epoch in range(100000):
    for i in range(0, 512, 32):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x[i : i + 32]), y[i : i + 32])
        loss.backward()
        optimizer.step()
"""


@pytest.mark.parametrize(("again", "expected"), [("", []), ("model = make()", ["untrained-parameters"])])
def test_a_loop_whose_optimizer_has_another_model_ends_with_a_finding(tmp_path, again, expected):
    assert flown(tmp_path, OTHER_MODEL.replace("{again}", again))[0] == expected


def flown(tmp_path, text):
    """The findings and the facts of a preflight of a program."""
    (tmp_path / "program.py").write_text(text)
    command = ["preflight", "--seconds", "4", "--format", "json", "--fail-on", "never", "program.py"]
    run = subprocess.run([sys.executable, "-m", "scram_plugin", *command], cwd=tmp_path, env=environment(), timeout=100, **TEXT)
    assert "Traceback" not in run.stderr
    (found,) = json.loads(run.stdout)["runs"]
    (training,) = training_runs(read(tmp_path / "logs" / "preflight"))
    alarms = [f["heuristic"] for f in found["findings"] if f["severity"] != "info" and f["explained_by"] is None]
    return alarms, training.facts["preflight"]


LOOP = """
import torch

torch.manual_seed(0)
{model}
optimizer = torch.optim.Adam(model.parameters(), 1e-2)
{more}
for epoch in range(20):
    for x, y in batches:
        optimizer.zero_grad()
        {loss}.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        for x, y in held_out:
            model(x)
    model.train()
"""
NUMBERS = """
x = torch.randn(640, 8)
y = (x**2).sum(1)
batches = [(x[i : i + 32], y[i : i + 32]) for i in range(0, 512, 32)]
held_out = [(x[512:], y[512:])]
"""
NET = "model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))"


def test_a_loss_of_squeezed_outputs_is_known(tmp_path):
    loss = "torch.nn.functional.mse_loss(model(x).squeeze(1), y)"
    alarms, facts = flown(tmp_path, LOOP.format(model=NET, more=NUMBERS, loss=loss))
    assert alarms == []
    assert facts["one_batch"]["last"] < facts["one_batch"]["first"] / 10


def test_a_loss_of_all_words_in_a_row_is_known(tmp_path):
    words = """
text = torch.arange(40).repeat(20) % 13
batches = [(text[i : i + 64].view(4, 16), text[i + 1 : i + 65].view(4, 16)) for i in range(0, 640, 64)]
held_out = [(text[700:732].view(2, 16), text[701:733].view(2, 16))]
"""
    model = "model = torch.nn.Sequential(torch.nn.Embedding(13, 16), torch.nn.Linear(16, 13))"
    loss = "torch.nn.functional.cross_entropy(model(x).view(-1, 13), y.reshape(-1))"
    _, facts = flown(tmp_path, LOOP.format(model=model, more=words, loss=loss))
    assert facts["one_batch"]["examples"] == 4
    assert facts["one_batch"]["last"] < facts["one_batch"]["first"]


def test_a_model_that_begins_at_zero_and_whose_loss_is_its_own_does_not_ignore_its_inputs(tmp_path):
    model = "model = torch.nn.Linear(8, 1)\nfor p in model.parameters(): torch.nn.init.zeros_(p)"
    loss = "torch.log1p((model(x).squeeze(1) - y).abs()).mean()"
    alarms, facts = flown(tmp_path, LOOP.format(model=model, more=NUMBERS, loss=loss))
    assert "ignored-input" not in alarms
    assert "at its start" in facts["inputs"]["reason"]


def test_inputs_that_cannot_be_put_together(tmp_path):
    sparse = """
whole = torch.randn(64, 8).to_sparse()
y = torch.randn(64, 1)
batches = held_out = [(whole, y)]
"""
    loss = "torch.nn.functional.mse_loss(model(x), y)"
    alarms, facts = flown(tmp_path, LOOP.format(model="model = torch.nn.Linear(8, 1)", more=sparse, loss=loss))
    assert alarms == []
    assert facts["one_batch"]["reason"]


def test_examples_that_repeat_anywhere_are_no_leak(tmp_path):
    few = """
draw = torch.randint(0, 4, (4096, 8)).float()  # 65,536 different rows
batches = [(draw[i : i + 64], draw[i : i + 64, :1]) for i in range(0, 3072, 64)]
held_out = [(draw[3072:], draw[3072:, :1])]
"""
    loss = "torch.nn.functional.mse_loss(model(x), y * y)"
    alarms, facts = flown(tmp_path, LOOP.format(model=NET, more=few, loss=loss))
    assert facts["overlap"]["both"] > 0.02 * facts["overlap"]["validation"]
    assert "validation-overlap" not in alarms


def test_a_wrapper_of_an_optimizer_takes_no_hooks(tmp_path):
    wrapped = f"""
class AcceleratedOptimizer(torch.optim.Optimizer):
    def __init__(self, optimizer):
        self.optimizer, self.param_groups = optimizer, optimizer.param_groups

kept = AcceleratedOptimizer(optimizer)
{NUMBERS}"""
    loss = "torch.nn.functional.mse_loss(model(x).squeeze(1), y)"
    assert flown(tmp_path, LOOP.format(model=NET, more=wrapped, loss=loss))[0] == []


IDENTITY = """
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last, self.head = torch.nn.Linear(8, 8), torch.nn.Linear(8, 8), torch.nn.Linear(8, 1)
        torch.nn.init.zeros_(self.last.weight)

    def forward(self, x):
        return self.head(x + self.last(torch.tanh(self.first(x))))

model = Net()
"""


def test_a_model_that_begins_as_the_identity_is_not_linear(tmp_path):
    loss = "torch.nn.functional.mse_loss(model(x).squeeze(1), y)"
    assert "missing-activation" not in flown(tmp_path, LOOP.format(model=IDENTITY, more=NUMBERS, loss=loss))[0]
