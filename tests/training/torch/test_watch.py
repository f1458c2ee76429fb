"""What `watch` logs of a training with PyTorch, and that it leaves nothing behind."""

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, dataloader

import scram_plugin
from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.logs.pairing import training_runs
from scram_plugin.reviews.run import review
from tests.training.torch.models import IMAGES, LABELS, SCALER, Residual, seed


def loader(count=320, batch=32, **how):
    return DataLoader(TensorDataset(IMAGES[:count], LABELS[:count]), batch, **how)


def dense(*last):
    seed(3)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10), *last)


def watch(model, optimizer, path, **how):
    return scram_plugin.watch(model, optimizer, log_dir=path, **{"print_findings": False, "every": 5, **how})


def train(path, model, loss_function=F.cross_entropy, data=None, epochs=1, rate=1e-3, **how):
    """The loss of each step of a training that is watched."""
    optimizer = torch.optim.Adam(model.parameters(), rate)
    losses, data = [], data or loader()
    with watch(model, optimizer, path, **how):
        for _ in range(epochs):
            for x, y in data:
                optimizer.zero_grad()
                loss = loss_function(model(x), y)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
    return losses


def logged(path):
    return scram_plugin.read(path)["scram"]


def facts(path):
    (run,) = training_runs(scram_plugin.read(path))
    return run.facts


def reviewed(path):
    (run,) = training_runs(scram_plugin.read(path))
    return review(run, catalogue())


def test_every_loss_is_there_and_means_are_exact(tmp_path):
    losses = train(tmp_path, dense(), epochs=3)
    run = logged(tmp_path)
    np.testing.assert_array_equal(run["scram/batches/loss"].values, np.array(losses, np.float32))
    batches = [IMAGES[i : i + 32] for _ in range(3) for i in range(0, 320, 32)]
    np.testing.assert_allclose(run["scram/batches/x0/mean"].values, [b.mean() for b in batches], rtol=1e-5)
    labels = [LABELS[i : i + 32] for _ in range(3) for i in range(0, 320, 32)]
    np.testing.assert_allclose(run["scram/batches/y0/mean"].values, [b.float().mean() for b in labels], rtol=1e-5)
    np.testing.assert_array_equal(run["scram/batches/y0/max"].values, [b.max() for b in labels])
    np.testing.assert_array_equal(run["scram/batches/epoch"].values, np.repeat([0, 1, 2], 10))


def test_a_measured_step_is_as_computed_by_hand(tmp_path):
    model = dense()
    twin = dense()
    twin.load_state_dict(model.state_dict())
    train(tmp_path, model, data=loader(64), every=1)  # steps 0 and 1; the second is measured
    optimizer = torch.optim.Adam(twin.parameters(), 1e-3)
    for x, y in loader(64):
        before = [p.detach().clone() for p in twin.parameters()]
        optimizer.zero_grad()
        hidden = torch.relu(twin[1](x.flatten(1)))
        outputs = twin[3](hidden)
        F.cross_entropy(outputs, y).backward()
        gradients = [p.grad.norm().item() for p in twin.parameters()]
        optimizer.step()
    run = logged(tmp_path)

    def last(column):
        return run[f"scram/statistics/{column}"].values[-1]

    names = ["1/weight", "1/bias", "3/weight", "3/bias"]
    np.testing.assert_allclose([last(f"gradient/{n}/norm") for n in names], gradients, rtol=1e-4)
    moved = [(p - b).norm().item() for p, b in zip(twin.parameters(), before, strict=True)]
    np.testing.assert_allclose([last(f"update/{n}/norm") for n in names], moved, rtol=1e-3)
    np.testing.assert_allclose(last("layer/1/mean"), hidden.mean().item(), rtol=1e-4)
    np.testing.assert_allclose(last("layer/1/zero"), (hidden == 0).float().mean().item(), rtol=1e-5)
    np.testing.assert_allclose(last("y_pred0/std"), outputs.std(correction=0).item(), rtol=1e-4)
    counts = [last(f"y0/count/{i}") for i in range(10)]
    np.testing.assert_array_equal(counts, torch.bincount(y, minlength=10))


@pytest.mark.parametrize(
    ("loss", "last", "expected"),
    [
        (nn.CrossEntropyLoss(), (), ("CrossEntropyLoss", True)),
        (lambda o, y: F.cross_entropy(o, y, label_smoothing=0.0) * 0.5, (), ("CrossEntropyLoss", True)),
        (nn.NLLLoss(), (nn.LogSoftmax(dim=1),), ("NLLLoss", False)),
        (nn.NLLLoss(), (), ("NLLLoss", False)),
        (lambda o, y: F.nll_loss(F.log_softmax(o, dim=1), y), (), ("CrossEntropyLoss", True)),
        (lambda o, y: F.mse_loss(o, F.one_hot(y, 10).float()), (), ("MSELoss", None)),
        (lambda o, y: F.binary_cross_entropy_with_logits(o, F.one_hot(y, 10).float()), (), ("BCEWithLogitsLoss", True)),
        (lambda o, y: F.binary_cross_entropy(o, F.one_hot(y, 10).float()), (nn.Sigmoid(),), ("BCELoss", False)),
        (lambda o, y: (o.sum() - y.sum()) ** 2, (), (None, None)),
    ],
)
def test_the_loss_is_known_by_what_it_computes(loss, last, expected, tmp_path):
    train(tmp_path, dense(*last), loss)
    assert (facts(tmp_path)["loss"]["class"], facts(tmp_path)["loss"]["from_logits"]) == expected


def test_functions_are_activations_as_modules_are(tmp_path):
    seed(1)
    train(tmp_path, Residual())
    layers = {layer["path"]: layer for layer in facts(tmp_path)["model"]["layers"]}
    assert layers["first"]["activation"] == "relu"
    assert layers["out"]["activation"] is None
    assert "scram/statistics/layer/first/dead" in logged(tmp_path)


def test_a_module_behind_a_layer_is_its_activation(tmp_path):
    train(tmp_path, dense(nn.Softmax(dim=1)))
    layers = {layer["path"]: layer for layer in facts(tmp_path)["model"]["layers"]}
    assert {path: layer["activation"] for path, layer in layers.items()} == {"0": None, "1": "relu", "3": "softmax"}
    assert layers["3"]["from"] == ["1"]
    assert layers["1"]["kernel"] == [64, 32]


def test_what_a_loader_tells(tmp_path):
    train(tmp_path, dense(), data=loader(shuffle=True))
    fit, data = facts(tmp_path)["fit"], facts(tmp_path)["data"]["training"]
    assert (fit["batch_size"], fit["steps"], fit["samples"], fit["shuffle"]) == (32, 10, 320, True)
    assert data["counts"] == torch.bincount(LABELS[:320]).tolist()


def test_epochs_and_validation_as_they_are_logged(tmp_path):
    model = dense()
    optimizer = torch.optim.Adam(model.parameters())
    with watch(model, optimizer, tmp_path) as scram:
        means = []
        for epoch in range(3):
            losses = []
            for x, y in loader():
                optimizer.zero_grad()
                loss = F.cross_entropy(model(x), y)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            means.append(np.mean(losses))
            model.eval()
            with torch.no_grad():
                for x, _ in loader(64):
                    model(x * 3)
            model.train()
            scram.log(accuracy=torch.tensor(0.5), val_loss=1.0 / (epoch + 1))
    logs = scram_plugin.read(tmp_path)
    np.testing.assert_allclose(logs["train"]["epoch_loss"].values, means, rtol=1e-5)
    np.testing.assert_array_equal(logs["train"]["epoch_accuracy"].values, [0.5] * 3)
    np.testing.assert_allclose(logs["validation"]["epoch_loss"].values, [1, 1 / 2, 1 / 3])
    np.testing.assert_array_equal(logs["scram"]["scram/batches/epoch"].values, np.repeat([0, 1, 2], 10))
    assert len(logs["scram"]["scram/validation/x0/mean"]) == 6  # two batches each time
    assert "input-distribution-shift" in [f.heuristic for f in reviewed(tmp_path).findings]


@pytest.mark.skipif(SCALER is None, reason="before PyTorch 2.3 the CPU has no GradScaler")
def test_a_loss_that_a_scaler_multiplies_is_logged_as_it_is(tmp_path):
    model = dense()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    losses = []
    with watch(model, optimizer, tmp_path):
        for x, y in loader():
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            SCALER.scale(loss).backward()
            SCALER.step(optimizer)
            SCALER.update()
            losses.append(loss.item())
    np.testing.assert_allclose(logged(tmp_path)["scram/batches/loss"].values, losses, rtol=1e-6)


def test_parts_of_a_batch_make_one_step(tmp_path):
    model = dense()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    losses = []
    with watch(model, optimizer, tmp_path):
        for number, (x, y) in enumerate(loader()):
            loss = F.cross_entropy(model(x), y) / 2
            loss.backward()
            losses.append(loss.item())
            if number % 2:
                optimizer.step()
                optimizer.zero_grad()
    np.testing.assert_allclose(
        logged(tmp_path)["scram/batches/loss"].values, np.reshape(losses, (-1, 2)).sum(axis=1), rtol=1e-6
    )


def against_each_other(path, epochs, **how):
    seed(1)
    one, other = nn.Linear(4, 64), nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 1))
    optimizers = [torch.optim.Adam(m.parameters(), 1e-3) for m in (one, other)]
    wanted = {"one": [], "other": []}
    with watch(one, optimizers[0], path / "one", **how), watch(other, optimizers[1], path / "other", **how):
        for x, _ in (batch for _ in range(epochs) for batch in loader()):
            fake = one(torch.randn(32, 4))
            optimizers[1].zero_grad()
            judged = other(torch.cat([x.flatten(1), fake.detach()]))
            loss = F.binary_cross_entropy_with_logits(judged, torch.cat([torch.ones(32, 1), torch.zeros(32, 1)]))
            loss.backward()
            optimizers[1].step()
            wanted["other"].append(loss.item())
            optimizers[0].zero_grad()
            loss = F.binary_cross_entropy_with_logits(other(fake), torch.ones(32, 1))
            loss.backward()
            optimizers[0].step()
            wanted["one"].append(loss.item())
    for name, losses in wanted.items():
        np.testing.assert_allclose(logged(path / name)["scram/batches/loss"].values, losses, rtol=1e-5)


def test_two_models_that_train_against_each_other(tmp_path):
    against_each_other(tmp_path, 1)
    for name in ("one", "other"):
        assert facts(tmp_path / name)["beside"]
        review = reviewed(tmp_path / name)
        assert review.alone == []  # neither that all labels of one are 1, nor that the other's gradients are still there
        assert any("another model is trained together" in entry.reason for entry in review.inconclusive)


def test_a_model_that_is_trained_before_another_is_alone(tmp_path):
    """And whose watch nobody has closed."""
    teacher, student = dense(), dense()
    optimizers = [torch.optim.Adam(m.parameters(), 1e-3) for m in (teacher, student)]
    watching = watch(teacher, optimizers[0], tmp_path)
    for model, optimizer in zip((teacher, student), optimizers, strict=True):
        for x, y in loader():
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    watching.close()
    assert "beside" not in facts(tmp_path)


def test_a_buffer_that_is_filled_anew_each_time(tmp_path):
    model = dense()
    optimizer = torch.optim.Adam(model.parameters())
    buffer, means = torch.empty(32, 8, 8), []
    with watch(model, optimizer, tmp_path):
        for x, y in loader(1600):
            buffer.copy_(x)
            means.append(x.mean().item())
            optimizer.zero_grad()
            F.cross_entropy(model(buffer), y).backward()
            optimizer.step()
    np.testing.assert_allclose(logged(tmp_path)["scram/batches/x0/mean"].values, means, rtol=1e-5)


class Poison(nn.Module):
    """Gives NaN from a call on."""

    def __init__(self, call):
        super().__init__()
        self.call, self.calls = call, 0

    def forward(self, x):
        self.calls += 1
        return x * float("nan") if self.calls > self.call else x


def test_the_layer_where_nan_is_born_is_named(tmp_path):
    model = dense()
    model.insert(3, Poison(7))
    train(tmp_path, model)
    found = [f for f in reviewed(tmp_path).findings if f.heuristic == "nonfinite-origin"]
    assert [f.bad_step for f in found] == [7]
    assert "in `3`" in found[0].title


def test_a_gradient_that_is_nan_is_told_of_its_own_step(tmp_path):
    class Root(nn.Module):
        def forward(self, x):
            return torch.sqrt(x * 0)  # of finite value, and infinite slope

    model = dense()
    model.append(Root())
    train(tmp_path, model)
    (found,) = [f for f in reviewed(tmp_path).findings if f.heuristic == "nonfinite-origin"]
    assert found.bad_step == 0
    assert "in the backward pass" in found.title


def test_a_step_that_fails_leaves_its_labels(tmp_path):
    model = dense()
    data = DataLoader(TensorDataset(IMAGES[:320], LABELS[:320] + 1), 32)
    with pytest.raises(IndexError):
        train(tmp_path, model, data=data)
    (found,) = [f for f in reviewed(tmp_path).findings if f.heuristic == "label-range"]
    assert found.causes[0].id == "from-one"
    assert training_runs(scram_plugin.read(tmp_path))[0].ended == "IndexError"


def test_who_watches_what_is_not_trained_is_told(tmp_path):
    model, other = dense(), dense()
    optimizer = torch.optim.Adam(other.parameters())
    scram = watch(model, optimizer, tmp_path)
    for x, y in loader():
        optimizer.zero_grad()
        F.cross_entropy(other(x), y).backward()
        optimizer.step()
    with pytest.warns(UserWarning, match="seen no training step") as told:
        scram.close()
    assert told[0].filename == __file__


def test_nothing_is_left_behind(tmp_path):
    model = dense()
    before = torch.autograd.backward, dataloader._BaseDataLoaderIter.__next__
    train(tmp_path, model)
    assert (torch.autograd.backward, dataloader._BaseDataLoaderIter.__next__) == before
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in model.modules())


def test_an_error_inside_costs_one_warning(tmp_path, monkeypatch):
    wanted = train(tmp_path / "sound", dense())

    def fail(*args):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("scram_plugin.training.torch.statistics.activation", fail)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert train(tmp_path / "broken", dense()) == wanted
    assert [str(w.message).partition(":")[0] for w in caught if "SCRAM" in str(w.message)] == ["SCRAM stopped recording"]


def test_findings_are_told_while_it_trains(tmp_path, capsys):
    told = []
    model = dense(nn.Softmax(dim=1))
    optimizer = torch.optim.Adam(model.parameters())
    scram = scram_plugin.watch(model, optimizer, log_dir=tmp_path, on_finding=told.append, stop_on="error")
    for x, y in loader():
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    scram.log()
    assert "output-activation-mismatch" in [f["heuristic"] for f in told]
    assert not scram.should_stop
    scram.close()
    assert "applied twice" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"model": 3}, "give the torch.nn.Module"),
        ({"optimizer": "adam"}, "give a torch.optim.Optimizer"),
        ({"log_dir": None}, "log_dir is None: give the path of a directory"),
        ({"every": 0}, "at least 1"),
        ({"stop_on": "warning"}, 'give "error" or None'),
    ],
)
def test_arguments_that_make_no_sense(arguments, said, tmp_path):
    model = dense()
    given = {"model": model, "optimizer": torch.optim.Adam(model.parameters()), "log_dir": tmp_path, **arguments}
    with pytest.raises((TypeError, ValueError), match=said):
        scram_plugin.watch(**given)


@pytest.fixture
def short_steps(monkeypatch):
    """As if steps were so short that what is recorded of them is felt."""
    monkeypatch.setattr("scram_plugin.training.torch.pace.SHARE", 1e-9)
    monkeypatch.setattr("scram_plugin.training.torch.pace.MEASURING", 1e-9)


def test_of_short_steps_every_loss_is_recorded_and_the_rest_now_and_then(short_steps, tmp_path):
    losses = train(tmp_path, dense(), epochs=60, every=None)
    run = logged(tmp_path)
    np.testing.assert_array_equal(run["scram/batches/loss"].values, np.array(losses, np.float32))
    np.testing.assert_array_equal(run["scram/batches/loss"].steps, np.arange(600))
    np.testing.assert_array_equal(run["scram/batches/epoch"].values, np.repeat(np.arange(60), 10))
    some = run["scram/batches/x0/mean"]
    assert 64 < len(some) < 300
    batches = [IMAGES[32 * (i % 10) :][:32] for i in some.steps]
    np.testing.assert_allclose(some.values, [b.mean() for b in batches], rtol=1e-5)
    assert [f.heuristic for f in reviewed(tmp_path).findings if f.severity == "error"] == []


def test_of_short_steps_the_layer_where_nan_is_born_is_named_too(short_steps, tmp_path):
    model = dense()
    model.insert(3, Poison(201))
    train(tmp_path, model, epochs=30, every=None)
    (found,) = [f for f in reviewed(tmp_path).findings if f.heuristic == "nonfinite-origin"]
    assert found.bad_step == 201
    assert "in `3`" in found.title


def test_losses_of_two_models_that_train_against_each_other_in_short_steps(short_steps, tmp_path):
    against_each_other(tmp_path, 30, every=None)


@pytest.mark.skipif(SCALER is None, reason="before PyTorch 2.3 the CPU has no GradScaler")
def test_a_step_that_a_scaler_skips_has_no_loss_in_short_steps_either(short_steps, tmp_path):
    model = dense()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    losses, skipped = [], 0
    with watch(model, optimizer, tmp_path, every=None):
        for step, (x, y) in enumerate(batch for _ in range(30) for batch in loader()):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            scaler.scale(loss).backward()
            if step in (70, 111, 112, 250):
                next(model.parameters()).grad.fill_(float("inf"))
            before = scaler.get_scale()
            scaler.step(optimizer)
            scaler.update()
            if scaler.get_scale() < before:
                skipped += 1
            else:
                losses.append(loss.item())
    assert skipped == 4
    np.testing.assert_allclose(logged(tmp_path)["scram/batches/loss"].values, losses, rtol=1e-6)


def test_parts_of_a_batch_make_one_step_in_short_steps_too(short_steps, tmp_path):
    """Also those of a step in the middle of which the data begin anew, and validation data are looked at."""
    model = dense()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    losses = []
    with watch(model, optimizer, tmp_path, every=None):
        for epoch in range(60):
            model.train()
            for x, y in loader():
                loss = F.cross_entropy(model(x), y) / 4
                loss.backward()
                losses.append(loss.item())
                if len(losses) % 4 == 0:
                    optimizer.step()
                    optimizer.zero_grad()
            if epoch > 30:
                model.eval()
                with torch.no_grad():
                    for x, _ in loader(64):
                        model(x)
    run = logged(tmp_path)
    np.testing.assert_allclose(run["scram/batches/loss"].values, np.reshape(losses, (-1, 4)).sum(axis=1), rtol=1e-6)
    assert len(run["scram/validation/x0/mean"]) == 8


@pytest.mark.parametrize("other_first", [True, False])
def test_without_an_optimizer_a_step_in_brief_ends_with_the_way_back(other_first, short_steps, tmp_path):
    seed(1)
    model, other = dense(), nn.Linear(64, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    losses = []
    with watch(model, None, tmp_path, every=None):
        for step, (x, y) in enumerate(batch for _ in range(30) for batch in loader()):
            if other_first and step % 2:
                other(x.flatten(1)).square().mean().backward()
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    np.testing.assert_array_equal(logged(tmp_path)["scram/batches/loss"].values, np.array(losses, np.float32))


def test_the_way_back_of_another_model_is_none_of_this_one_in_short_steps_either(short_steps, tmp_path):
    seed(1)
    model, other = dense(), nn.Linear(64, 1)
    optimizers = [torch.optim.Adam(m.parameters(), 1e-3) for m in (model, other)]
    losses = []
    with watch(model, optimizers[0], tmp_path, every=None):
        for x, y in loader(1600, batch=4):
            optimizers[1].zero_grad()
            other(x.flatten(1)).square().mean().backward()
            optimizers[1].step()
            optimizers[0].zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizers[0].step()
            losses.append(loss.item())
    np.testing.assert_array_equal(logged(tmp_path)["scram/batches/loss"].values, np.array(losses, np.float32))


def test_targets_that_are_learned_too_are_measured_in_short_steps(short_steps, tmp_path):
    targets = torch.randn(320, 10, requires_grad=True)
    data = DataLoader(TensorDataset(IMAGES[:320], targets), 32)
    losses = train(tmp_path, dense(), lambda outputs, y: (outputs - y).abs().pow(1.5).mean(), data, epochs=60, every=None)
    run = logged(tmp_path)
    np.testing.assert_array_equal(run["scram/batches/loss"].values, np.array(losses, np.float32))
    assert run["scram/batches/y0/mean"].steps[-1] > 400


def test_a_loss_that_makes_nan_of_sound_outputs_is_named_in_short_steps_too(short_steps, tmp_path):
    calls = iter(range(1000))

    def loss(outputs, targets):
        return F.cross_entropy(outputs, targets) * (float("nan") if next(calls) == 201 else 1.0)

    train(tmp_path, dense(), loss, epochs=30, every=None)
    (found,) = [f for f in reviewed(tmp_path).findings if f.heuristic == "nonfinite-origin"]
    assert found.bad_step == 201
    assert "in the loss" in found.title


def test_the_precision_is_that_of_the_forward_pass(tmp_path):
    model = dense()
    optimizer = torch.optim.Adam(model.parameters())
    with watch(model, optimizer, tmp_path):
        for x, y in loader():
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
    assert facts(tmp_path)["dtype_policy"] == "mixed_bfloat16"


def test_validation_data_are_measured_once(tmp_path):
    model = dense()
    optimizer = torch.optim.Adam(model.parameters())
    with watch(model, optimizer, tmp_path):
        for _ in range(2):
            model.train()
            for x, y in loader():
                optimizer.zero_grad()
                F.cross_entropy(model(x), y).backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                for x, _ in loader(480):
                    model(x)
    assert len(logged(tmp_path)["scram/validation/x0/mean"]) == 8
