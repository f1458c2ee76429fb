"""Recognising noisy shapes with PyTorch Lightning: one-cycle schedule, gradient clipping, batch norm."""
import warnings

import lightning as L
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

warnings.filterwarnings("ignore")

SHAPES = ("disc", "ring", "square", "cross", "stripes")
SIDE = 14


def draw(kind, rng):
    yy, xx = np.mgrid[0:SIDE, 0:SIDE]
    cy, cx = rng.uniform(5, SIDE - 6, 2)
    r = rng.uniform(3.0, 4.6)
    dy, dx = yy - cy, xx - cx
    dist = np.hypot(dy, dx)
    box = np.maximum(abs(dy), abs(dx)) <= r
    if kind == "disc":
        img = dist <= r
    elif kind == "ring":
        img = abs(dist - r) <= 0.9
    elif kind == "square":
        img = box
    elif kind == "cross":
        img = box & (np.minimum(abs(dy), abs(dx)) <= 1.0)
    else:
        img = box & ((xx + rng.integers(0, 4)) % 4 < 2)
    return img * rng.uniform(0.6, 1.3) + rng.normal(0, 0.33, (SIDE, SIDE)) + rng.uniform(-0.2, 0.2)


def shapes_dataset(n, seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, len(SHAPES), n)
    x = np.stack([draw(SHAPES[k], rng) for k in y]).astype("float32")
    return TensorDataset(torch.from_numpy(x)[:, None] - 0.25, torch.from_numpy(y))


class ShapeNet(L.LightningModule):
    def __init__(self, max_lr=5e-3, weight_decay=1e-3):
        super().__init__()
        self.save_hyperparameters()
        self.features = nn.Sequential(
            self.block(1, 12), self.block(12, 24, stride=2), self.block(24, 32, stride=2),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )
        self.classifier = nn.Linear(32, len(SHAPES))

    @staticmethod
    def block(i, o, stride=1):
        return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU())

    def forward(self, x):
        return self.classifier(self.features(x))

    def training_step(self, batch, _):
        x, y = batch
        loss = F.cross_entropy(self(x), y)
        self.log("train_loss", loss, on_epoch=True, on_step=False)
        return loss

    def validation_step(self, batch, _):
        x, y = batch
        out = self(x)
        self.log_dict({"val_loss": F.cross_entropy(out, y), "val_acc": (out.argmax(1) == y).float().mean()})

    def test_step(self, batch, _):
        x, y = batch
        out = self(x)
        self.log_dict({"test_loss": F.cross_entropy(out, y), "test_acc": (out.argmax(1) == y).float().mean()})

    def on_train_epoch_end(self):
        m = self.trainer.callback_metrics
        print(f"epoch {self.current_epoch:2d}  train {m['train_loss']:.4f}  val {m['val_loss']:.4f}  acc {m['val_acc']:.3f}")

    def configure_optimizers(self):
        opt = torch.optim.AdamW(self.parameters(), lr=self.hparams.max_lr, weight_decay=self.hparams.weight_decay)
        sched = torch.optim.lr_scheduler.OneCycleLR(
            opt, max_lr=self.hparams.max_lr, total_steps=self.trainer.estimated_stepping_batches)
        return {"optimizer": opt, "lr_scheduler": {"scheduler": sched, "interval": "step"}}


def main():
    L.seed_everything(404, verbose=False)
    train = DataLoader(shapes_dataset(1600, 1), batch_size=32, shuffle=True)
    val = DataLoader(shapes_dataset(400, 2), batch_size=200)
    test = DataLoader(shapes_dataset(800, 3), batch_size=200)

    net = ShapeNet()
    trainer = L.Trainer(
        max_epochs=8, accelerator="cpu", devices=1, gradient_clip_val=1.0,
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )
    # WATCH(trainer)
    trainer.fit(net, train, val)
    scores = trainer.test(net, test, verbose=False)[0]
    print("test:", {k: round(v, 4) for k, v in scores.items()})
    print(f"RESULT {scores['test_loss']:.4f} lower")


if __name__ == "__main__":
    main()
