"""Logs that the frameworks themselves write, as they are installed: `pip install 'tensorboard-plugin-scram[frameworks]'`.

Without them the names of their tags are tested (`test_conventions.py`), and the logs of ../shared.
"""

import os
import subprocess
import sys

import pytest

from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from tests.training.torch.models import SQUARES

REASON = "needs torch, lightning and transformers"
torch = pytest.importorskip("torch", reason=REASON)
lightning = pytest.importorskip("lightning", reason=REASON)
transformers = pytest.importorskip("transformers", reason=REASON)

X = torch.linspace(-1, 1, 64)[:, None]
Y = (X > 0).long()[:, 0]


def tags_of(directory):
    """training run -> signal -> tag"""
    runs = training_runs(read(directory))
    return {run.name: {s: curve.tag for s in run.signals if (curve := run.signal(s)) is not None} for run in runs}


def test_the_writer_of_pytorch(tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path / "single") as writer:
        for step in range(8):
            writer.add_scalar("Loss/train", 1 / (step + 1), step)
            writer.add_scalar("Loss/test", 2 / (step + 1), step)
        writer.add_hparams({"lr": 0.1}, {"accuracy": 0.5})
    with SummaryWriter(tmp_path / "together") as writer:
        for step in range(8):
            writer.add_scalars("loss", {"train": 1 / (step + 1), "valid": 2 / (step + 1)}, step)
    found = tags_of(tmp_path)
    assert found["single"] == {"training loss": "Loss/train", "validation loss": "Loss/test"}
    assert found["together"] == {"training loss": "loss", "validation loss": "loss"}
    assert set(found) == {"single", "together"}, "the results of hyperparameters are no run of their own"


def test_lightning(tmp_path):
    from lightning.pytorch.callbacks import LearningRateMonitor
    from lightning.pytorch.loggers import TensorBoardLogger

    class Model(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(1, 2)

        def training_step(self, batch, index):
            loss = torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1])
            self.log("train_loss", loss, on_step=True, on_epoch=True)
            return loss

        def validation_step(self, batch, index):
            scores = self.layer(batch[0])
            self.log("val_loss", torch.nn.functional.cross_entropy(scores, batch[1]))
            self.log("val_acc", (scores.argmax(1) == batch[1]).float().mean())

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), 0.1)

    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, Y), batch_size=8)
    trainer = lightning.Trainer(
        max_epochs=4,
        accelerator="cpu",
        logger=TensorBoardLogger(tmp_path),
        callbacks=[LearningRateMonitor()],
        log_every_n_steps=2,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.fit(Model(), data, data)
    (run,) = training_runs(read(tmp_path))
    assert run.framework == "lightning"
    (tags,) = tags_of(tmp_path).values()
    assert tags == {
        "batch loss": "train_loss_step",
        "training loss": "train_loss_epoch",
        "validation loss": "val_loss",
        "validation accuracy": "val_acc",
        "learning rate": "lr-Adam",
        "epoch": "epoch",
    }


def test_transformers(tmp_path):
    config = transformers.GPT2Config(vocab_size=16, n_positions=8, n_embd=8, n_layer=1, n_head=1)
    data = [{"input_ids": (ids := torch.arange(i, i + 8) % 16), "labels": ids} for i in range(32)]
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path),  # with the logs in runs/, whatever the version
        report_to="tensorboard",
        num_train_epochs=3,
        logging_steps=2,
        eval_strategy="epoch",
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
    )
    model = transformers.GPT2LMHeadModel(config)
    transformers.Trainer(model=model, args=arguments, train_dataset=data, eval_dataset=data).train()
    (run,) = training_runs(read(tmp_path))
    assert run.framework == "hugging face"
    (tags,) = tags_of(tmp_path).values()
    wanted = {"training loss": "train/loss", "validation loss": "eval/loss", "learning rate": "train/learning_rate"}
    assert {signal: tags[signal] for signal in wanted} == wanted


YOLO = (
    SQUARES
    + """\
how = dict(epochs=4, imgsz=64, batch=4, device="cpu", workers=0, plots=False, amp=False, exist_ok=True)
YOLO("yolo11n.yaml").train(data=str(top / "data.yaml"), project=str(top / "runs"), name="squares", **how)
"""
)


def test_yolo(tmp_path):
    pytest.importorskip("ultralytics", reason=REASON)
    (tmp_path / "program.py").write_text(YOLO)
    # while pytest runs it writes no logs
    environment = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    environment |= {"YOLO_CONFIG_DIR": str(tmp_path), "YOLO_OFFLINE": "true"}
    command = [sys.executable, "program.py", str(tmp_path / "logs")]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = training_runs(read(tmp_path / "logs"))
    assert run.framework == "yolo"
    assert run.languages == ("torch",)
    (tags,) = tags_of(tmp_path / "logs").values()
    assert tags["training loss"].startswith("train/box_loss")
    assert tags["validation loss"].startswith("val/box_loss")
    assert tags["learning rate"] == "lr/pg1"  # that of the weights; the first group are the biases
    assert any(signal.startswith("validation map") for signal in tags)
