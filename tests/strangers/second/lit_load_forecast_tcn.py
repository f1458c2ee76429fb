import logging
import warnings

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping
from torch import nn
from torch.utils.data import DataLoader, Dataset

warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

CFG = dict(
    seed=8, lookback=48, horizon=3, hours=24 * 250, batch_size=64,
    channels=24, dropout=0.1, lr=1e-3, weight_decay=1e-3, epochs=8,
)


# --------------------------------------------------------------------------- data
def simulate_load(hours, seed):
    """Hourly electricity load of a small town, and the temperature that drives a part of it."""
    rng = np.random.default_rng(seed)
    t = np.arange(hours)
    weather = np.zeros(hours)
    unrest = np.zeros(hours)
    for i in range(1, hours):
        weather[i] = 0.97 * weather[i - 1] + 0.5 * rng.normal()
        unrest[i] = 0.9 * unrest[i - 1] + 1.2 * rng.normal()
    temp = 12 + 1.5 * np.sin(2 * np.pi * t / (24 * 365)) + 4 * np.sin(2 * np.pi * (t - 9) / 24) + weather
    day = 18 * np.sin(2 * np.pi * (t - 7) / 24) + 9 * np.sin(4 * np.pi * (t - 3) / 24)
    weekend = ((t // 24) % 7 >= 5)
    load = 100 + day * np.where(weekend, 0.5, 1.0) - 10 * weekend + 1.6 * np.maximum(15 - temp, 0) + unrest
    hour = 2 * np.pi * (t % 24) / 24
    return np.stack([load, temp, np.sin(hour), np.cos(hour), weekend.astype(float)], axis=1).astype(np.float32)


class Windows(Dataset):
    """lookback hours of all columns -> the load `horizon` hours after the last of them"""

    def __init__(self, table, lookback, horizon):
        self.table = torch.from_numpy(table)
        self.lookback, self.horizon = lookback, horizon

    def __len__(self):
        return len(self.table) - self.lookback - self.horizon + 1

    def __getitem__(self, i):
        x = self.table[i : i + self.lookback]
        y = self.table[i + self.lookback + self.horizon - 1, 0]
        return x, y


class LoadData(pl.LightningDataModule):
    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg

    def setup(self, stage=None):
        c = self.cfg
        table = simulate_load(c["hours"], c["seed"])
        a, b = int(0.7 * len(table)), int(0.85 * len(table))
        self.mean, self.std = table[:a].mean(axis=0), table[:a].std(axis=0)
        table = (table - self.mean) / self.std
        make = lambda part: Windows(part, c["lookback"], c["horizon"])  # noqa: E731
        self.train, self.val, self.test = make(table[:a]), make(table[a:b]), make(table[b:])

    def train_dataloader(self):
        return DataLoader(self.train, self.cfg["batch_size"], shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val, 256)

    def test_dataloader(self):
        return DataLoader(self.test, 256)


# --------------------------------------------------------------------------- model
class CausalBlock(nn.Module):
    def __init__(self, cin, cout, dilation, dropout):
        super().__init__()
        self.pad = nn.ConstantPad1d((2 * dilation, 0), 0.0)
        self.conv = nn.Conv1d(cin, cout, kernel_size=3, dilation=dilation)
        self.drop = nn.Dropout(dropout)
        self.skip = nn.Conv1d(cin, cout, 1) if cin != cout else nn.Identity()

    def forward(self, x):
        return self.skip(x) + self.drop(torch.relu(self.conv(self.pad(x))))


class TCNForecaster(pl.LightningModule):
    def __init__(self, cfg, n_features=5):
        super().__init__()
        self.cfg = cfg
        width = cfg["channels"]
        blocks = [CausalBlock(n_features if i == 0 else width, width, 2**i, cfg["dropout"]) for i in range(5)]
        self.tcn = nn.Sequential(*blocks)
        self.head = nn.Linear(width, 1)
        self.loss = nn.HuberLoss()

    def forward(self, x):
        # (batch, time, feature) -> (batch, feature, time)
        x = x.transpose(1, 2)
        h = self.tcn(x)
        return self.head(h[:, :, -1]).squeeze(-1)

    def training_step(self, batch, _):
        x, y = batch
        loss = self.loss(self(x), y)
        self.log("train_loss", loss, on_epoch=True, on_step=False)
        return loss

    def validation_step(self, batch, _):
        x, y = batch
        self.log("val_loss", self.loss(self(x), y))

    def test_step(self, batch, _):
        x, y = batch
        pred = self(x)
        naive = x[:, -1, 0]
        self.log_dict({"test_mae": (pred - y).abs().mean(), "naive_mae": (naive - y).abs().mean()})

    def on_train_epoch_end(self):
        m = self.trainer.callback_metrics
        print(f"epoch {self.current_epoch}: train {m['train_loss']:.4f}  val {m['val_loss']:.4f}")

    def configure_optimizers(self):
        opt = torch.optim.AdamW(self.parameters(), lr=self.cfg["lr"], weight_decay=self.cfg["weight_decay"])
        sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=self.cfg["epochs"])
        return {"optimizer": opt, "lr_scheduler": {"scheduler": sched, "interval": "epoch"}}


# --------------------------------------------------------------------------- run
if __name__ == "__main__":
    pl.seed_everything(CFG["seed"], verbose=False)
    data = LoadData(CFG)
    model = TCNForecaster(CFG)
    trainer = pl.Trainer(
        max_epochs=CFG["epochs"], accelerator="cpu", gradient_clip_val=1.0, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
        callbacks=[EarlyStopping("val_loss", patience=4)],
    )
    # WATCH(trainer)
    trainer.fit(model, datamodule=data)
    scores = trainer.test(model, datamodule=data, verbose=False)[0]
    unit = float(data.std[0])
    print(f"MAE in MW: model {scores['test_mae'] * unit:.2f}, last value repeated {scores['naive_mae'] * unit:.2f}")
    print(f"RESULT {scores['test_mae'] * unit:.4f} lower")
