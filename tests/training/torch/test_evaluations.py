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


def after_the_block(model, loss, said):
    """Gradients are on where the loss is computed, of outputs without any."""

    def epoch():
        yield from DataLoader(TensorDataset(*TRAINING), 32)
        model.eval()
        with torch.no_grad():
            outputs = model(HELD_OUT[0])
        said.append(float(loss(outputs, HELD_OUT[1])))
        model.train()

    return epoch


def in_one_line(model, loss, said):
    """Python looks the function up before it calls the model."""

    def epoch():
        yield from DataLoader(TensorDataset(*TRAINING), 32)
        model.eval()
        with torch.no_grad():
            said.append(float(F.cross_entropy(model(HELD_OUT[0]), HELD_OUT[1])))
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
@pytest.mark.parametrize("how", [by_loaders, by_accuracy, by_tensors, after_the_block, in_one_line])
def test_the_loss_of_the_held_out_data(how, every, tmp_path):
    said = train(how, tmp_path, every=every)
    curve = logged(tmp_path)["validation", "epoch_loss"]
    assert curve.steps.tolist() == list(range(EPOCHS))
    assert curve.values.tolist() == pytest.approx(said, rel=1e-5)
    assert logged(tmp_path)["train", "epoch_loss"].steps.tolist() == list(range(EPOCHS))


LABELS = {"cross_entropy": Y, "binary_cross_entropy_with_logits": (Y == 0).float(), "mse_loss": X.sum(1) / 3}
COMPARED = {
    "answers": ("cross_entropy", lambda made, y: (made.argmax(1) == y).float().mean()),
    "answers in a column": ("cross_entropy", lambda made, y: made.argmax(1, keepdim=True).eq(y.view(-1, 1)).sum()),
    "a score above 0": ("binary_cross_entropy_with_logits", lambda made, y: ((made > 0) == y).float().mean()),
    "differences": ("mse_loss", lambda made, y: (made - y).abs().mean()),
    "targets that are made anew": ("mse_loss", lambda made, y: (made - y.clone()).abs().mean()),
    "what was cut off": ("mse_loss", lambda made, y: (made.clamp(-0.1, 9.0) - y).abs().mean()),
    "what was made of them": ("mse_loss", lambda made, y: (made * 2 - y).abs().mean()),
}


@pytest.mark.parametrize("name", COMPARED)
@pytest.mark.parametrize("stays", [True, False])
def test_what_is_compared_with_data_that_stay(name, stays, tmp_path):
    function, compare = COMPARED[name]
    loss, y = getattr(F, function), LABELS[function]
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3 if y is Y else 1), nn.Flatten(0 if y is not Y else 1))
    optimizer, said = torch.optim.Adam(model.parameters(), 3e-3), []
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False):
        for _ in range(EPOCHS):
            for at in torch.arange(400).split(50):
                optimizer.zero_grad()
                loss(model(X[at]), y[at]).backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                compare(model(X[400:] if stays else X[400:].clone()), y[400:])
                said.append(float(loss(model(X[400:]).clone(), y[400:])))
            model.train()
    curve = logged(tmp_path).get(("validation", "epoch_loss"))
    if not stays or name in ("what was cut off", "what was made of them", "targets that are made anew"):
        assert curve is None
    else:  # the first time it is not known that the data stay
        assert curve.values.tolist() == pytest.approx(said[1:], rel=1e-5)


@pytest.mark.parametrize("part", [slice(0, 300), slice(300, 800)])
def test_rows_of_outputs_that_are_held_out(part, tmp_path):
    """As the nodes of a graph: all of them are inputs, and some of them have labels in the training."""
    of_training, chosen = torch.zeros(800, dtype=torch.bool), torch.zeros(800, dtype=torch.bool)
    of_training[:300], chosen[part] = True, True
    model = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))
    optimizer, said = torch.optim.Adam(model.parameters(), 3e-3), []
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False):
        for _ in range(EPOCHS):
            optimizer.zero_grad()
            F.cross_entropy(model(X)[of_training], Y[of_training]).backward()
            optimizer.step()
            with torch.no_grad():
                outputs = model(X)
                said.append(float(F.cross_entropy(outputs[chosen], Y[chosen])))
    curve = logged(tmp_path).get(("validation", "epoch_loss"))
    assert curve is None if part.start == 0 else curve.values.tolist() == pytest.approx(said, rel=1e-5)


def test_what_the_program_logs_counts(tmp_path):
    train(by_loaders, tmp_path, log=True)
    assert logged(tmp_path)["validation", "epoch_loss"].values.tolist() == [0.5] * EPOCHS


def test_one_evaluation_is_no_curve(tmp_path):
    train(by_tensors, tmp_path, epochs=1)
    assert ("validation", "epoch_loss") not in logged(tmp_path)


@pytest.mark.parametrize("goes_on", [False, True])
def test_an_evaluation_after_the_last_step_is_a_fact(goes_on, tmp_path):
    torch.manual_seed(1)
    model, x, y = nn.Linear(12, 3), torch.randn(90, 12), torch.randint(0, 3, (90,))
    optimizer, held_out = torch.optim.Adam(model.parameters(), 3e-3), DataLoader(TensorDataset(x[60:], y[60:]), 10)

    def step():
        optimizer.zero_grad()
        F.cross_entropy(model(x[:60]), y[:60]).backward()
        optimizer.step()

    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False) as watch:
        for _ in range(20):
            step()
        model.eval()
        with torch.no_grad():
            right = sum(int((model(a).argmax(1) == b).sum()) for a, b in held_out)
            made = model(x[60:])
            loss = float(F.cross_entropy(made, y[60:]))
        model.train()
        if goes_on:
            step()
        answers, classes = (t.bincount(minlength=3) for t in (made.argmax(1), y[60:]))
    known = {"loss": pytest.approx(loss), "examples": 30, "right": right / 30, "chance": float((answers * classes).sum()) / 900}
    assert watch.facts["loop"].get("after") == (None if goes_on else known)


ANSWERS = {
    "cut off": (lambda made: made.clamp(-0.6, 0.6), lambda y: y, True),
    "scaled": (lambda made: made * 3 + 20, lambda y: y * 3 + 20, True),
    "scaled alone": (lambda made: made * 3 + 20, lambda y: y, False),
    "in another order": (lambda made: made.flip(0), lambda y: y, False),
    "curved": (lambda made: made.exp(), lambda y: y.exp(), False),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_the_only_evaluation_of_numbers_is_a_fact(name, tmp_path):
    torch.manual_seed(2)
    answer, unit, known = ANSWERS[name]
    model, x, y = nn.Linear(12, 1), torch.randn(90, 12), torch.randn(90)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    with scram_plugin.watch(model, optimizer, log_dir=tmp_path, print_findings=False) as watch:
        for _ in range(20):
            optimizer.zero_grad()
            F.mse_loss(model(x[:60])[:, 0], y[:60]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            made = model(x[60:])[:, 0]
            error = answer(made) - unit(y[60:])
    loss = float((made - y[60:]).square().mean())
    assert len(error) == 30
    assert watch.facts["loop"].get("after") == ({"loss": pytest.approx(loss, rel=1e-3), "examples": 30} if known else None)


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
