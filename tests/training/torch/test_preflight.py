"""What a preflight of a model of PyTorch refuses, with a sentence."""

import json
import subprocess
import sys

import pytest
import torch

import scram_plugin
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
    (tmp_path / "program.py").write_text(OTHER_MODEL.replace("{again}", again))
    command = ["preflight", "--seconds", "4", "--format", "json", "--fail-on", "never", "program.py"]
    run = subprocess.run([sys.executable, "-m", "scram_plugin", *command], cwd=tmp_path, env=environment(), timeout=100, **TEXT)
    (found,) = json.loads(run.stdout)["runs"]
    assert [f["heuristic"] for f in found["findings"] if f["severity"] != "info" and f["explained_by"] is None] == expected
