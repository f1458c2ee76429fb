"""Texture recognition with PyTorch Lightning.

Six kinds of procedurally generated 16x16 textures, a small convnet, SGD whose rate decays a little
after every epoch. Data, model and training are kept in three separate pieces.
"""
import logging
import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
import lightning as L
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

warnings.filterwarnings("ignore")
for name in ("lightning.pytorch", "lightning.fabric"):
    logging.getLogger(name).setLevel(logging.ERROR)


@dataclass
class Config:
    n_train: int = 2400
    n_val: int = 480
    n_test: int = 900
    side: int = 16
    batch_size: int = 40
    max_epochs: int = 12
    lr: float = 0.02
    momentum: float = 0.9
    weight_decay: float = 5e-4
    decay: float = 0.75
    seed: int = 11


KINDS = ("rows", "columns", "diagonal", "checker", "rings", "speckle")


def texture(kind: str, side: int, rng: np.random.Generator) -> np.ndarray:
    yy, xx = np.mgrid[:side, :side].astype(float)
    freq, phase = rng.uniform(0.9, 1.7), rng.uniform(0, 2 * math.pi)
    if kind == "rows":
        img = np.sin(freq * yy + phase)
    elif kind == "columns":
        img = np.sin(freq * xx + phase)
    elif kind == "diagonal":
        img = np.sin(freq * (xx + rng.choice([-1, 1]) * yy) / 1.41 + phase)
    elif kind == "checker":
        img = np.sin(freq * xx + phase) * np.sin(freq * yy + rng.uniform(0, 6.28)) * 1.4
    elif kind == "rings":
        cy, cx = rng.uniform(4, 12, 2)
        img = np.sin(freq * np.hypot(yy - cy, xx - cx) + phase)
    else:
        img = rng.normal(0, 0.7, (side, side))
        img = (img + np.roll(img, 1, 0) + np.roll(img, 1, 1)) / 1.5
    return img * rng.uniform(0.5, 1.0) + rng.normal(0, 0.75, img.shape)


class TextureData(L.LightningDataModule):
    def __init__(self, cfg: Config):
        super().__init__()
        self.cfg = cfg

    def _make(self, n, rng):
        labels = rng.permutation(np.arange(n) % len(KINDS))
        images = np.stack([texture(KINDS[k], self.cfg.side, rng) for k in labels])
        return TensorDataset(torch.tensor(images, dtype=torch.float32)[:, None], torch.tensor(labels))

    def setup(self, stage=None):
        if hasattr(self, "train"):
            return
        rng = np.random.default_rng(self.cfg.seed)
        self.train, self.val, self.test = (self._make(n, rng) for n in (self.cfg.n_train, self.cfg.n_val, self.cfg.n_test))

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=self.cfg.batch_size, shuffle=True, drop_last=True)

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=240)

    def test_dataloader(self):
        return DataLoader(self.test, batch_size=300)


class TextureNet(nn.Module):
    def __init__(self, classes: int):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 12, 5, padding=2, bias=False), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(12, 24, 3, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(24 * 16, classes))

    def forward(self, x):
        return self.classifier(self.features(x))


class LitTextures(L.LightningModule):
    def __init__(self, cfg: Config):
        super().__init__()
        self.cfg = cfg
        self.net = TextureNet(len(KINDS))
        self.running = []

    def forward(self, x):
        return self.net(x)

    def _loss_and_hits(self, batch):
        x, y = batch
        out = self(x)
        return F.cross_entropy(out, y), (out.argmax(1) == y).float().mean()

    def training_step(self, batch, batch_idx):
        loss, _ = self._loss_and_hits(batch)
        self.running.append(loss.detach())
        return loss

    def validation_step(self, batch, batch_idx):
        loss, hits = self._loss_and_hits(batch)
        self.log_dict({"val_loss": loss, "val_acc": hits})

    def test_step(self, batch, batch_idx):
        loss, hits = self._loss_and_hits(batch)
        self.log_dict({"test_loss": loss, "test_acc": hits})

    def on_train_epoch_end(self):
        m = self.trainer.callback_metrics
        print(f"epoch {self.current_epoch:2d}  train {torch.stack(self.running).mean():.4f}"
              f"  val {m['val_loss']:.4f}  acc {m['val_acc']:.4f}")
        self.running.clear()

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=self.cfg.lr, momentum=self.cfg.momentum,
                                    weight_decay=self.cfg.weight_decay, nesterov=True)
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=self.cfg.decay)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}


def main():
    cfg = Config()
    L.seed_everything(cfg.seed, verbose=False)
    data, model = TextureData(cfg), LitTextures(cfg)
    trainer = L.Trainer(
        max_epochs=cfg.max_epochs, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
    )
    # WATCH(trainer)
    trainer.fit(model, datamodule=data)
    result = trainer.test(model, datamodule=data, verbose=False)[0]
    print(f"test accuracy {result['test_acc']:.4f}")
    print(f"RESULT {result['test_loss']:.4f} lower")


if __name__ == "__main__":
    main()
