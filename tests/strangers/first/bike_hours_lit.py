"""Hourly demand of a bike rental scheme.

Example of a LightningDataModule + LightningModule for tabular regression. The weather station fails now and then
(humidity is NaN), those hours are dropped. Demand is modelled as a standardised square root of the count.
"""
import logging
import warnings

import lightning as L
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


def make_logbook(hours=6000, seed=8):
    rng = np.random.default_rng(seed)
    t = np.arange(hours)
    hour, day = t % 24, t // 24
    workday = (day % 7 < 5).astype(float)
    season = np.sin(2 * np.pi * (day - 100) / 365)
    temp = 12 + 9 * season + 4 * np.sin(2 * np.pi * (hour - 9) / 24) + rng.normal(0, 2, hours)
    humidity = np.clip(65 - 8 * season + rng.normal(0, 14, hours), 20, 100)
    wind = rng.gamma(2.5, 4.0, hours)
    commute = np.exp(-((hour - 8) / 1.6) ** 2) + 1.1 * np.exp(-((hour - 17.5) / 2.0) ** 2)
    leisure = 0.9 * np.exp(-((hour - 14) / 4.0) ** 2)
    shape = 0.06 + workday * commute + (1 - workday) * leisure
    comfort = np.exp(-((temp - 22) / 13) ** 2) * (1 - 0.6 / (1 + np.exp(-(humidity - 82) / 4))) * np.exp(-wind / 45)
    count = rng.poisson(620 * shape * comfort * rng.lognormal(0, 0.12, hours))
    humidity[rng.random(hours) < 0.05] = np.nan
    angle = 2 * np.pi * hour / 24
    table = np.stack([np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle), workday, temp, humidity, wind], 1)
    return table, count


class BikeDataModule(L.LightningDataModule):
    def __init__(self, batch_size=64):
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage=None):
        table, count = make_logbook()
        complete = ~np.isnan(table).any(axis=1)
        table = table[complete]
        count = count[complete]

        order = np.random.default_rng(0).permutation(len(table))
        table, root = table[order], np.sqrt(count[order])
        a, b = int(0.7 * len(table)), int(0.85 * len(table))
        self.mu, self.sigma = root[:a].mean(), root[:a].std()
        x = (table - table[:a].mean(0)) / table[:a].std(0)
        y = (root - self.mu) / self.sigma
        x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
        self.train_set = TensorDataset(x[:a], y[:a])
        self.val_set = TensorDataset(x[a:b], y[a:b])
        self.test_set = TensorDataset(x[b:], y[b:])

    def train_dataloader(self):
        return DataLoader(self.train_set, batch_size=self.batch_size, shuffle=True, drop_last=True)

    def val_dataloader(self):
        return DataLoader(self.val_set, batch_size=512)

    def test_dataloader(self):
        return DataLoader(self.test_set, batch_size=512)


class DemandNet(L.LightningModule):
    def __init__(self, n_features=8, widths=(64, 64), max_lr=8e-3):
        super().__init__()
        self.save_hyperparameters()
        sizes = (n_features, *widths)
        self.hidden = nn.ModuleList(nn.Linear(i, o) for i, o in zip(sizes[:-1], sizes[1:]))
        self.act = nn.SiLU()
        self.drop = nn.Dropout(0.02)
        self.head = nn.Linear(sizes[-1], 1)

    def forward(self, x):
        for layer in self.hidden:
            x = self.drop(self.act(layer(x)))
        return self.head(x).squeeze(-1)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.mse_loss(self(x), y)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_loss", F.mse_loss(self(x), y))

    def on_validation_epoch_end(self):
        print(f"epoch {self.current_epoch:2d}  val_loss {self.trainer.callback_metrics['val_loss']:.4f}")

    def test_step(self, batch, batch_idx):
        x, y = batch
        data = self.trainer.datamodule
        bikes = lambda v: (v * data.sigma + data.mu).clamp(min=0) ** 2
        self.log("test_mae", (bikes(self(x)) - bikes(y)).abs().mean())

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams.max_lr / 25, weight_decay=1e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=self.hparams.max_lr, total_steps=self.trainer.estimated_stepping_batches)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


if __name__ == "__main__":
    L.seed_everything(3, verbose=False)
    data = BikeDataModule()
    net = DemandNet()
    trainer = L.Trainer(max_epochs=14, accelerator="cpu", logger=False, enable_checkpointing=False,
                        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0)
    # WATCH(trainer)
    trainer.fit(net, datamodule=data)
    metrics = trainer.test(net, datamodule=data, verbose=False)[0]
    print(f"mean absolute error {metrics['test_mae']:.1f} bikes per hour")
    print(f"RESULT {metrics['test_mae']:.3f} lower")
