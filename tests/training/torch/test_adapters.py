"""Real trainings with Lightning's and Hugging Face's trainers, watched by their callbacks."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import scram_plugin
from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.logs.pairing import training_runs
from scram_plugin.reviews.run import review
from tests.paths import environment
from tests.training.torch.models import IMAGES, LABELS, seed

lightning = pytest.importorskip("lightning")
transformers = pytest.importorskip("transformers")


class Classifier(lightning.LightningModule):
    """As people write it: the step calls a part of the module."""

    def __init__(self, rate=1e-3):
        super().__init__()
        self.rate, self.losses = rate, []
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 10))

    def training_step(self, batch, index):
        loss = F.cross_entropy(self.net(batch[0]), batch[1])
        self.losses.append(loss.item())
        return loss

    def validation_step(self, batch, index):
        self.log("val/loss", F.cross_entropy(self.net(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), self.rate)


class Forward(Classifier):
    """The other way that people write it: the step calls the module itself."""

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, index):
        loss = nn.functional.cross_entropy(self(batch[0]), batch[1])
        self.losses.append(loss.item())
        return loss


def loaders():
    return (
        DataLoader(TensorDataset(IMAGES[:320], LABELS[:320]), 32, shuffle=True),
        DataLoader(TensorDataset(IMAGES[320:480], LABELS[320:480]), 32),
    )


def fit(path, model, epochs=2, **how):
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        default_root_dir=path,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        log_every_n_steps=5,
        **how,
    )
    trainer.fit(model, *loaders())
    return trainer


def only_run(path):
    (run,) = training_runs(scram_plugin.read(path))
    return run


@pytest.mark.filterwarnings("error:SCRAM")
@pytest.mark.parametrize("kind", [Classifier, Forward])
def test_lightning_is_watched_and_not_changed(kind, tmp_path):
    seed(4)
    plain = kind()
    fit(tmp_path / "plain", plain)
    seed(4)
    model = kind()
    callback = scram_plugin.LightningSCRAM(tmp_path / "logs", every=3, print_findings=False)
    fit(tmp_path / "watched", model, callbacks=[callback])
    assert model.losses == plain.losses
    for name, value in plain.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name
    run = only_run(tmp_path / "logs")
    np.testing.assert_array_equal(run.signal("batch loss").values, np.array(model.losses, np.float32))
    assert len(run.signal("validation loss")) == 2
    assert run.facts["loss"]["class"] == "CrossEntropyLoss"
    assert run.facts["fit"]["shuffle"] is True
    columns = run.columns("statistics")
    assert {"layer/net.1/dead", "gradient/net.1/weight/norm", "y0/count/3"} <= set(columns)
    assert run.ended == "finished"


class Unusual(Classifier):
    """Its metric's name does not say that it is of the validation."""

    def __init__(self):
        super().__init__()
        self.told, self.sums = [], []

    def validation_step(self, batch, index):
        loss = F.cross_entropy(self.net(batch[0]), batch[1])
        self.sums.append((loss.item() * len(batch[1]), len(batch[1])))
        self.log("va", loss)

    def on_validation_epoch_end(self):
        self.told.append(sum(s for s, _ in self.sums) / sum(n for _, n in self.sums))
        self.sums = []


@pytest.mark.parametrize("each", [1.0, 0.5])
def test_a_validation_of_lightning_with_a_name_of_its_own(each, tmp_path):
    seed(4)
    model, callback = Unusual(), scram_plugin.LightningSCRAM(tmp_path, print_findings=False)
    fit(tmp_path, model, epochs=4, logger=False, callbacks=[callback], val_check_interval=each, num_sanity_val_steps=0)
    validation, training = only_run(tmp_path).signal("validation loss"), only_run(tmp_path).signal("training loss")
    assert validation.steps.tolist() == training.steps.tolist() == list(range(4))
    if each == 1.0:
        np.testing.assert_allclose(validation.values, model.told, rtol=1e-5)
    rate = only_run(tmp_path).signal("learning rate")
    assert rate.steps.tolist() == list(range(4))


def test_a_rate_that_is_too_high_is_found_in_lightning(tmp_path):
    callback = scram_plugin.LightningSCRAM(tmp_path, print_findings=False)
    seed(4)
    fit(tmp_path, Classifier(rate=3.0), epochs=3, logger=False, callbacks=[callback])
    found = review(only_run(tmp_path), catalogue()).findings
    assert found[0].heuristic == "unconventional-learning-rate"


@pytest.mark.parametrize(("mode", "titles"), [("min", []), ("max", ["EarlyStopping takes the highest val/loss for the best"])])
def test_the_direction_of_lightnings_callbacks(mode, titles, tmp_path):
    from lightning.pytorch.callbacks import EarlyStopping

    callback = scram_plugin.LightningSCRAM(tmp_path, print_findings=False)
    seed(4)
    fit(tmp_path, Classifier(), logger=False, callbacks=[EarlyStopping("val/loss", mode=mode, patience=1), callback], epochs=4)
    run = only_run(tmp_path)
    assert [f.title for f in review(run, catalogue(select=["wrong-direction"])).findings] == titles
    assert run.ended == ("stopped" if titles else "finished")


def test_lightning_writes_beside_the_trainers_logs(tmp_path):
    seed(4)
    trainer = fit(tmp_path, Classifier(), callbacks=[scram_plugin.LightningSCRAM(print_findings=False)])
    assert "scram" in scram_plugin.read(trainer.log_dir)


class Adversarial(lightning.LightningModule):
    """A generator and a discriminator, each with its optimizer, in steps of the module's own."""

    def __init__(self, critics=1):
        super().__init__()
        self.automatic_optimization = False
        self.critics, self.losses = critics, []
        self.generator = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 8))
        self.discriminator = nn.Sequential(nn.Linear(8, 16), nn.LeakyReLU(), nn.Linear(16, 1))

    def training_step(self, batch, index):
        of_discriminator, of_generator = self.optimizers()
        real = batch[0].flatten(1)[:, :8]
        for _ in range(self.critics):
            made = self.generator(torch.randn(len(real), 4)).detach()
            scores = self.discriminator(torch.cat([real, made]))
            kinds = torch.cat([torch.ones(len(real), 1), torch.zeros(len(real), 1)])
            self.steps(of_discriminator, F.binary_cross_entropy_with_logits(scores, kinds))
        scores = self.discriminator(self.generator(torch.randn(len(real), 4)))
        self.steps(of_generator, F.binary_cross_entropy_with_logits(scores, torch.ones(len(real), 1)))

    def steps(self, optimizer, loss):
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        self.losses.append(loss.item())

    def validation_step(self, batch, index):
        self.log("val_made", self.generator(torch.randn(32, 4)).mean())

    def configure_optimizers(self):
        parts = (self.discriminator, self.generator)
        return [torch.optim.Adam(part.parameters(), 1e-3, betas=(0.5, 0.999)) for part in parts]


@pytest.mark.filterwarnings("error:SCRAM")
@pytest.mark.parametrize("critics", [1, 3])
def test_manual_optimization_is_watched_and_not_changed(critics, tmp_path):
    seed(4)
    plain = Adversarial(critics)
    fit(tmp_path / "plain", plain, epochs=3)
    seed(4)
    model = Adversarial(critics)
    callback = scram_plugin.LightningSCRAM(tmp_path / "logs", every=3, print_findings=False)
    fit(tmp_path / "watched", model, epochs=3, callbacks=[callback])
    assert model.losses == plain.losses
    for name, value in plain.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name
    run = only_run(tmp_path / "logs")
    assert run.kind == "beside"
    of_steps = np.array(model.losses).reshape(-1, critics + 1).sum(1)  # a step ends when the last optimizer has stepped
    np.testing.assert_allclose(run.signal("batch loss").values, of_steps, rtol=1e-6)
    assert sorted(set(run.statistic("batches", "epoch").values)) == [0, 1, 2]
    columns = set(run.columns("statistics"))
    assert {"gradient/generator.0/weight/norm", "gradient/discriminator.0/weight/norm"} <= columns
    assert {"layer/generator.0/mean", "layer/discriminator.0/mean"} <= columns
    assert run.ended == "finished"
    assert [f.title for f in review(run, catalogue()).findings if f.severity != "info"] == []


def tiny(seed_number):
    seed(seed_number)
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, num_labels=3
    )
    return transformers.BertForSequenceClassification(config)


def sentences(count, start):
    rng = np.random.default_rng(start)
    kinds = rng.integers(0, 3, count)
    return [{"input_ids": torch.tensor(rng.integers(6 * k, 6 * k + 8, 12)), "labels": int(k)} for k in kinds]


def trained(path, model, *callbacks, **how):
    arguments = transformers.TrainingArguments(
        output_dir=str(path),
        num_train_epochs=2,
        per_device_train_batch_size=16,
        learning_rate=1e-3,
        logging_steps=5,
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
        seed=3,
        **({"eval_strategy": "epoch", "save_strategy": "no"} | how),
    )
    data = {"train_dataset": sentences(320, 0), "eval_dataset": sentences(96, 1)}
    transformers.Trainer(model=model, args=arguments, callbacks=list(callbacks), **data).train()
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.filterwarnings("error:SCRAM")
def test_hugging_face_is_watched_and_not_changed(tmp_path):
    plain = trained(tmp_path / "plain", tiny(5))
    callback = scram_plugin.TransformersSCRAM(every=4, print_findings=False)
    watched = trained(tmp_path / "watched", tiny(5), callback)
    for name, value in plain.items():
        assert torch.equal(value, watched[name]), name
    run = only_run(tmp_path / "watched" / "scram")
    assert len(run.signal("batch loss")) == 40
    assert len(run.signal("validation loss")) == 2
    assert run.facts["loss"]["class"] == "CrossEntropyLoss"
    assert run.facts["optimizer"]["schedule"] is True
    assert run.ended == "finished"
    troubles = [f for f in review(run, catalogue()).findings if f.severity != "info"]
    assert troubles == []


@pytest.mark.parametrize(("metric", "best", "count"), [("loss", None, 0), ("loss", True, 1), ("runtime", None, 0)])
def test_the_best_model_of_hugging_face(metric, best, count, tmp_path):
    how = {"load_best_model_at_end": True, "save_strategy": "epoch", "metric_for_best_model": metric, "greater_is_better": best}
    trained(tmp_path, tiny(5), scram_plugin.TransformersSCRAM(every=4, print_findings=False), **how)
    found = review(only_run(tmp_path / "scram"), catalogue(select=["wrong-direction"])).findings
    assert [f.title for f in found] == ["TrainingArguments takes the highest loss for the best"] * count


def test_an_evaluation_after_some_steps_is_no_epoch(tmp_path):
    callback = scram_plugin.TransformersSCRAM(every=4, print_findings=False)
    trained(tmp_path, tiny(5), callback, eval_strategy="steps", eval_steps=8, eval_on_start=True)
    run = only_run(tmp_path / "scram")
    epochs = run.statistic("batches", "epoch")
    assert [int((epochs.values == epoch).sum()) for epoch in (0, 1)] == [20, 20]
    assert len(epochs) == 40
    validation, training = run.signal("validation loss"), run.signal("training loss")
    assert (validation.tag, validation.axis, validation.steps.tolist()) == ("eval/loss", "step", [8, 16, 24, 32, 40])
    assert (training.tag, training.axis, training.steps.tolist()) == ("train/loss", "step", [5, 10, 15, 20, 25, 30, 35, 40])


class Curious(transformers.TrainerCallback):
    """Asks for an evaluation in the middle of each epoch."""

    def on_step_end(self, args, state, control, **kwargs):
        control.should_evaluate |= state.global_step in (7, 27)


def test_an_evaluation_within_an_epoch_is_no_epoch(tmp_path):
    callback = scram_plugin.TransformersSCRAM(every=4, print_findings=False)
    trained(tmp_path, tiny(5), Curious(), callback)
    run = only_run(tmp_path / "scram")
    assert run.signal("validation loss").tag == "epoch_loss"
    assert run.signal("validation loss").steps.tolist() == [0, 1]
    assert run.logged("train")["eval/loss"].steps.tolist() == [7, 20, 27, 40]


PROGRAM = """
import lightning
import torch
from torch.nn import functional as F


class Net(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))

    def training_step(self, batch, number):
        return F.cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 1e-3)


x = torch.randn(320, 8)
data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, x[:, :3].argmax(1)), 32, shuffle=True)
quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
trainer = lightning.Trainer(max_epochs=2, accelerator="cpu", **quiet)
trainer.fit(Net(), data)
"""


def test_a_preflight_of_a_lightning_program(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "scram_plugin", "preflight", "--format", "json", "--output", "found.json", "program.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (run,) = json.loads((tmp_path / "found.json").read_text())["runs"]
    assert [f for f in run["findings"] if f["severity"] != "info"] == []
    assert "no-gradient" in run["passed"]
