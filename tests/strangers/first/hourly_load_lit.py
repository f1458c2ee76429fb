"""Probabilistic forecast of the electric load of the next six hours (synthetic), Lightning.

A day of hourly load and temperature plus calendar embeddings goes into a small GRU; the
head gives mean and spread for each of the next hours (Gaussian likelihood, standardised
targets). Reported: error in MW on the last part of the series, against its spread.
RESULT test_r2 higher
"""
import logging
import warnings

import lightning as L
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
PAST, FUTURE = 24, 6


def make_series(hours=24 * 7 * 30, seed=11):
    rng = np.random.default_rng(seed)
    t = np.arange(hours)
    hour, day = t % 24, (t // 24) % 7
    weather = np.zeros(hours)
    for i in range(1, hours):
        weather[i] = 0.97 * weather[i - 1] + 0.25 * rng.normal()
    temp = 12 + 4 * weather + 5 * np.sin(2 * np.pi * (hour - 9) / 24)
    profile = np.exp(-(hour - 8) ** 2 / 8) + 1.4 * np.exp(-(hour - 19) ** 2 / 10)
    weekend = (day >= 5).astype(float)
    load = (900 + 400 * profile * (1 - 0.45 * weekend) + 18 * np.maximum(0, 15 - temp)
            + 30 * np.maximum(0, temp - 20) + 25 * rng.normal(size=hours))
    return load, temp, hour, day


class Windows(Dataset):
    def __init__(self, series, first, last, stats):
        self.load, self.temp, self.hour, self.day = series
        self.starts, self.stats = np.arange(first, last - PAST - FUTURE), stats

    def __len__(self):
        return len(self.starts)

    def __getitem__(self, i):
        a = self.starts[i]
        b, c = a + PAST, a + PAST + FUTURE
        s = self.stats
        past = np.stack([(self.load[a:b] - s["load_mean"]) / s["load_std"],
                         (self.temp[a:b] - s["temp_mean"]) / s["temp_std"]], axis=1)
        target = (self.load[b:c] - s["load_mean"]) / s["load_std"]
        return {"past": past.astype(np.float32), "hour": self.hour[b], "day": self.day[b],
                "target": target.astype(np.float32)}


class LoadData(L.LightningDataModule):
    def setup(self, stage=None):
        series = make_series()
        n = len(series[0])
        self.cut = int(0.7 * n), int(0.85 * n), n
        tr = slice(0, self.cut[0])
        self.stats = {"load_mean": series[0][tr].mean(), "load_std": series[0][tr].std(),
                      "temp_mean": series[1][tr].mean(), "temp_std": series[1][tr].std()}
        self.train = Windows(series, 0, self.cut[0], self.stats)
        self.val = Windows(series, self.cut[0], self.cut[1], self.stats)
        self.test = Windows(series, self.cut[1], self.cut[2], self.stats)

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=64, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=256)

    def test_dataloader(self):
        return DataLoader(self.test, batch_size=256)


class Forecaster(L.LightningModule):
    def __init__(self, hidden=32, emb=6, lr=4e-3, mw=1.0):
        super().__init__()
        self.save_hyperparameters()
        self.rnn = nn.GRU(2, hidden, batch_first=True)
        self.calendar = nn.ModuleDict({"hour": nn.Embedding(24, emb), "day": nn.Embedding(7, emb)})
        width = hidden + 2 * emb
        self.hidden = nn.ModuleList([nn.Linear(width, 48), nn.Linear(48, 48)])
        self.mean = nn.Linear(48, FUTURE)
        self.spread = nn.Sequential(nn.Linear(48, FUTURE), nn.Softplus())
        self.seen = []

    def forward(self, batch):
        _, h = self.rnn(batch["past"])
        z = torch.cat([h[-1]] + [e(batch[k]) for k, e in self.calendar.items()], dim=1)
        for layer in self.hidden:
            z = torch.relu(layer(z))
        return self.mean(z), self.spread(z) + 1e-2

    def nll(self, batch):
        mean, std = self(batch)
        return -torch.distributions.Normal(mean, std).log_prob(batch["target"]).mean()

    def training_step(self, batch, _):
        return self.nll(batch)

    def validation_step(self, batch, _):
        self.log("val_nll", self.nll(batch), batch_size=len(batch["target"]))

    def on_validation_epoch_end(self):
        print(f"epoch {self.current_epoch} val_nll {self.trainer.callback_metrics['val_nll']:.3f}")

    def test_step(self, batch, _):
        mean, std = self(batch)
        self.seen.append((mean, std, batch["target"]))

    def on_test_epoch_end(self):
        mean, std, y = (torch.cat(p) for p in zip(*self.seen))
        err = mean - y
        self.r2 = 1 - (err.pow(2).mean() / y.var()).item()
        self.mae_mw = err.abs().mean().item() * self.hparams.mw
        self.inside = (err.abs() < 1.645 * std).float().mean().item()

    def configure_optimizers(self):
        opt = torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
        sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=self.trainer.max_epochs)
        return [opt], [sched]


def main():
    L.seed_everything(3, verbose=False)
    data = LoadData()
    data.setup()
    model = Forecaster(mw=float(data.stats["load_std"]))
    trainer = L.Trainer(max_epochs=7, accelerator="cpu", gradient_clip_val=1.0, logger=False,
                        enable_checkpointing=False, enable_progress_bar=False,
                        enable_model_summary=False, num_sanity_val_steps=0)
    # WATCH(trainer)
    trainer.fit(model, train_dataloaders=data.train_dataloader(),
                val_dataloaders=data.val_dataloader())
    trainer.test(model, dataloaders=data.test_dataloader(), verbose=False)
    print(f"MAE {model.mae_mw:.1f} MW, 90% interval covers {model.inside:.3f}")
    print(f"RESULT test_r2 {model.r2:.4f}")


if __name__ == "__main__":
    main()
