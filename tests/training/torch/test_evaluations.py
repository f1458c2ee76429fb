"""Evaluations that a program makes and does not log: their losses are those that the program computes."""

from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import scram_plugin
from scram_plugin.training.torch.evaluations import Evaluations

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(800, 12, generator=GENERATOR)
Y = (X @ torch.randn(12, 3, generator=GENERATOR) + torch.randn(800, 3, generator=GENERATOR)).argmax(dim=1)
TRAINING, HELD_OUT = (X[:400], Y[:400]), (X[400:], Y[400:])
EPOCHS = 5


def by_loaders(model, loss, said):
    loader, others = (DataLoader(TensorDataset(*part), 32) for part in (TRAINING, HELD_OUT))

    def evaluate(data):
        model.eval()
        with torch.no_grad():
            total = sum(float(loss(model(x), y)) * len(x) for x, y in data)
        model.train()
        return total / 400

    def epoch():
        yield from loader
        evaluate(loader)
        said.append(evaluate(others))

    return epoch


def by_accuracy(model, loss, said):
    loader, others = (DataLoader(TensorDataset(*part), 32) for part in (TRAINING, HELD_OUT))

    def epoch():
        yield from loader
        model.eval()
        with torch.no_grad():
            sum(int((model(x).argmax(1) == y).sum()) for x, y in others)
            said.append(float(loss(model(HELD_OUT[0]).clone(), HELD_OUT[1])))
        model.train()

    return epoch


def by_tensors(model, loss, said):
    def epoch():
        for at in torch.randperm(400, generator=GENERATOR).split(32):
            yield X[at], Y[at]
        model.eval()
        with torch.no_grad():
            loss(model(TRAINING[0]), TRAINING[1])
            said.append(float(loss(model(HELD_OUT[0]), HELD_OUT[1])))
            model(HELD_OUT[0][:1])
        model.train()

    return epoch


def train(how, log_dir, epochs=EPOCHS, log=False, every=None):
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 3))
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    said = []
    epoch = how(model, nn.CrossEntropyLoss(), said)
    with scram_plugin.watch(model, optimizer, log_dir=log_dir, every=every, print_findings=False) as watch:
        for _ in range(epochs):
            for x, y in epoch():
                optimizer.zero_grad()
                F.cross_entropy(model(x), y).backward()
                optimizer.step()
            if log:
                watch.log(val_loss=0.5)
    return said


def logged(log_dir):
    runs = scram_plugin.read(str(log_dir))
    return {(name, tag): runs[name][tag] for name in runs if name != "scram" for tag in runs[name]}


@pytest.mark.parametrize("every", [None, 10])
@pytest.mark.parametrize("how", [by_loaders, by_accuracy, by_tensors])
def test_the_loss_of_the_held_out_data(how, every, tmp_path):
    said = train(how, tmp_path, every=every)
    curve = logged(tmp_path)["validation", "epoch_loss"]
    assert curve.steps.tolist() == list(range(EPOCHS))
    assert curve.values.tolist() == pytest.approx(said, rel=1e-5)
    assert logged(tmp_path)["train", "epoch_loss"].steps.tolist() == list(range(EPOCHS))


def test_what_the_program_logs_counts(tmp_path):
    train(by_loaders, tmp_path, log=True)
    assert logged(tmp_path)["validation", "epoch_loss"].values.tolist() == [0.5] * EPOCHS


def test_one_evaluation_is_no_curve(tmp_path):
    train(by_tensors, tmp_path, epochs=1)
    assert ("validation", "epoch_loss") not in logged(tmp_path)


def test_scripted_losses_are_pytorchs_own(tmp_path):
    def loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(x, y)

    model = nn.Linear(12, 3)
    with scram_plugin.watch(model, torch.optim.SGD(model.parameters(), 0.1), log_dir=tmp_path, print_findings=False):
        scripted = torch.jit.script(loss)
        assert float(scripted(model(X), Y)) == pytest.approx(float(F.cross_entropy(model(X), Y)))


def test_the_same_tensor_is_looked_at_again_only_after_a_change():
    evaluations, x = Evaluations(), torch.randn(32, 12)
    evaluations.trained([("x0", x)])
    held_out = torch.randn(32, 12)
    with mock.patch.object(Evaluations, "_holds_an_example", autospec=True, side_effect=Evaluations._holds_an_example) as look:
        assert not any(evaluations._is_training(held_out) for _ in range(3))
        assert look.call_count == 1
        held_out[5] = x[0]
        assert evaluations._is_training(held_out)
        held_out[5] = x[1]
        assert not evaluations._is_training(held_out)
        evaluations.trained([("x0", x[1:])])
        assert evaluations._is_training(held_out)
