"""Forecast the Mackey-Glass series with a temporal convolutional network (Lightning)."""
import logging
import warnings

import lightning as L
import numpy as np
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from torch.utils.data import DataLoader, TensorDataset

warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


def mackey_glass(n, tau=17, seed=0):
    rng = np.random.default_rng(seed)
    x = list(1.2 + 0.1 * rng.standard_normal(tau + 1))
    for _ in range(n + 300):
        x.append(x[-1] + 0.2 * x[-1 - tau] / (1 + x[-1 - tau] ** 10) - 0.1 * x[-1])
    return np.array(x[-n:], dtype="float32")


class SeriesData(L.LightningDataModule):
    WINDOW, AHEAD = 48, 12

    def __init__(self, batch_size=32):
        super().__init__()
        self.batch_size = batch_size

    def windows(self, series):
        x, y = [], []
        for start in range(0, len(series) - self.WINDOW - self.AHEAD):
            stop = start + self.WINDOW
            x.append(series[start:stop])
            y.append(series[stop + self.AHEAD - 1])
        return TensorDataset(torch.tensor(np.array(x))[:, None], torch.tensor(np.array(y)))

    def setup(self, stage=None):
        raw = mackey_glass(3200)
        past, later = raw[:2400], raw[2400:]
        mean, std = past.mean(), past.std()
        self.scale = float(std)
        self.train_set = self.windows((past - mean) / std)
        self.val_set = self.windows((later - mean) / std)

    def train_dataloader(self):
        return DataLoader(self.train_set, batch_size=self.batch_size, shuffle=True, drop_last=True)

    def val_dataloader(self):
        return DataLoader(self.val_set, batch_size=256)


class CausalBlock(nn.Module):
    def __init__(self, channels_in, channels, dilation, kernel=3):
        super().__init__()
        self.pad = nn.ConstantPad1d(((kernel - 1) * dilation, 0), 0.0)
        self.conv_a = weight_norm(nn.Conv1d(channels_in, channels, kernel, dilation=dilation))
        self.conv_b = weight_norm(nn.Conv1d(channels, channels, kernel, dilation=dilation))
        self.act = nn.GELU()
        self.match = nn.Conv1d(channels_in, channels, 1) if channels_in != channels else nn.Identity()

    def forward(self, x):
        h = self.act(self.conv_a(self.pad(x)))
        h = self.act(self.conv_b(self.pad(h)))
        return self.act(h + self.match(x))


class TCNForecaster(L.LightningModule):
    def __init__(self, channels=16, levels=4, max_lr=8e-3):
        super().__init__()
        self.save_hyperparameters()
        blocks = [CausalBlock(1 if k == 0 else channels, channels, 2 ** k) for k in range(levels)]
        self.tcn = nn.Sequential(*blocks)
        self.readout = nn.Linear(channels, 1)
        self.loss = nn.MSELoss()

    def forward(self, x):
        return self.readout(self.tcn(x)[:, :, -1]).squeeze(-1)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = self.loss(self(x), y)
        self.log("train_mse", loss, on_epoch=True, on_step=False)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_mse", self.loss(self(x), y), batch_size=len(y))

    def on_train_epoch_end(self):
        m = self.trainer.callback_metrics
        print(f"epoch {self.current_epoch}: train {m['train_mse']:.4f}  val {m['val_mse']:.4f}")

    def configure_optimizers(self):
        opt = torch.optim.AdamW(self.parameters(), lr=self.hparams.max_lr, weight_decay=1e-4)
        sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=self.hparams.max_lr,
                                                    total_steps=int(self.trainer.estimated_stepping_batches))
        return {"optimizer": opt, "lr_scheduler": {"scheduler": sched, "interval": "step"}}


if __name__ == "__main__":
    L.seed_everything(9, verbose=False)
    data = SeriesData()
    forecaster = TCNForecaster()
    trainer = L.Trainer(max_epochs=7, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
                        enable_model_summary=False, gradient_clip_val=1.0, num_sanity_val_steps=0)
    # WATCH(trainer)
    trainer.fit(forecaster, datamodule=data)
    val = trainer.validate(forecaster, datamodule=data, verbose=False)[0]["val_mse"]
    print(f"RMSE in units of the series: {val ** 0.5 * data.scale:.4f}")
    print(f"RESULT {val ** 0.5:.4f} lower")
