"""Which bird is calling?  Audio classification with Lightning: synthetic calls of
six "species" (chirps, trills, two-note songs ...) at random offset, pitch and loudness in noise, a
1-D convolutional network on the log spectrogram. Macro F1 on the test recordings.
"""
import logging
import warnings

import lightning as L
import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

SPECIES = ["rising", "falling", "trill", "two-note", "buzz", "warble"]
RATE, LENGTH = 4000, 2048


def call(kind, rng):
    n = int(rng.integers(900, 1400))
    t = np.arange(n) / RATE
    u = np.linspace(0, 1, n)
    f0 = rng.uniform(500, 1000)
    if kind == 0:
        f = f0 * (1 + 0.5 * u)
    elif kind == 1:
        f = f0 * (1.5 - 0.5 * u)
    elif kind == 2:
        f = f0 * 1.25 * np.ones(n)
    elif kind == 3:
        f = f0 * np.where(u < 0.5, 1.0, 1.45)
    elif kind == 4:
        f = f0 * 1.25 + 200 * rng.normal(size=n).cumsum() / np.sqrt(n)
    else:
        f = f0 * (1.25 + 0.25 * np.sin(2 * np.pi * rng.uniform(9, 14) * t))
    wave = np.sin(2 * np.pi * np.cumsum(f) / RATE)
    if kind == 2:
        wave *= np.sin(2 * np.pi * rng.uniform(12, 20) * t) > 0
    out = rng.normal(scale=rng.uniform(0.1, 0.45), size=LENGTH)
    start = rng.integers(0, LENGTH - n)
    out[start:start + n] += wave * np.hanning(n) ** 0.3
    return out * rng.uniform(0.2, 1.0)


class CallsData(L.LightningDataModule):
    def __init__(self, n=1800, batch_size=32, seed=11):
        super().__init__()
        self.n, self.batch_size, self.seed = n, batch_size, seed

    def setup(self, stage=None):
        rng = np.random.default_rng(self.seed)
        labels = rng.integers(0, len(SPECIES), self.n)
        waves = torch.tensor(np.stack([call(k, rng) for k in labels]), dtype=torch.float32)
        spec = torch.stft(waves, 128, hop_length=64, window=torch.hann_window(128), return_complex=True)
        spec = torch.log(spec.abs() + 1e-2)
        spec = (spec - spec.mean((1, 2), keepdim=True)) / spec.std((1, 2), keepdim=True)
        full = TensorDataset(spec, torch.tensor(labels))
        self.train, self.val, self.test = torch.utils.data.random_split(
            full, [0.6, 0.2, 0.2], generator=torch.Generator().manual_seed(self.seed))

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=self.batch_size, shuffle=True, drop_last=True)

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=128)

    def test_dataloader(self):
        return DataLoader(self.test, batch_size=128)


class CallNet(L.LightningModule):
    def __init__(self, lr=3e-3, width=48):
        super().__init__()
        self.save_hyperparameters()
        self.stem = nn.Conv1d(65, width, 5, padding=2)
        self.blocks = nn.ModuleList([nn.Sequential(
            nn.BatchNorm1d(width), nn.ReLU(), nn.Conv1d(width, width, 3, padding=1)) for _ in range(3)])
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(width, len(SPECIES))

    def forward(self, spec):
        h = self.stem(spec)
        for block in self.blocks:
            h = F.max_pool1d(h + block(h), 2)
        return self.head(self.drop(h.mean(-1)))

    def training_step(self, batch, batch_idx):
        spec, label = batch
        loss = F.cross_entropy(self(spec), label, label_smoothing=0.05)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        spec, label = batch
        logits = self(spec)
        self.log("val_loss", F.cross_entropy(logits, label), on_epoch=True)
        self.log("val_acc", (logits.argmax(1) == label).float().mean(), on_epoch=True)

    def on_validation_epoch_end(self):
        m = self.trainer.callback_metrics
        print(f"epoch {self.current_epoch:2d}  val_loss {m['val_loss']:.3f}  val_acc {m['val_acc']:.3f}")

    def on_test_epoch_start(self):
        self.seen = []

    def test_step(self, batch, batch_idx):
        spec, label = batch
        self.seen.append((self(spec).argmax(1), label))

    def configure_optimizers(self):
        opt = torch.optim.AdamW(self.parameters(), lr=self.hparams.lr, weight_decay=1e-3)
        sched = torch.optim.lr_scheduler.OneCycleLR(
            opt, max_lr=self.hparams.lr, total_steps=self.trainer.estimated_stepping_batches)
        return {"optimizer": opt, "lr_scheduler": {"scheduler": sched, "interval": "step"}}


if __name__ == "__main__":
    L.seed_everything(11, verbose=False)
    data = CallsData()
    net = CallNet()
    trainer = L.Trainer(max_epochs=12, accelerator="cpu", logger=False, enable_checkpointing=False,
                        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0)
    # WATCH(trainer)
    trainer.fit(net, datamodule=data)
    trainer.test(net, datamodule=data, verbose=False)
    guess, truth = (torch.cat(t).numpy() for t in zip(*net.seen))
    print(f"RESULT {f1_score(truth, guess, average='macro'):.4f} higher")
