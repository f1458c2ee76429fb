# river level two hours ahead, from the last day of rain and level (lightning)
import logging, warnings
import numpy as np
import torch
from torch import nn
import pytorch_lightning as pl
from torch.utils.data import TensorDataset, DataLoader

warnings.filterwarnings("ignore")
logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
pl.seed_everything(5, verbose=False)
rng = np.random.default_rng(5)

# ---- a river: showers -> soil -> level, and a gauge which drops out now and then
T = 6000
rain = np.zeros(T)
t = 0
while t < T:
    t += int(rng.exponential(30)) + 1
    for k in range(int(rng.integers(2, 9))):
        if t + k < T:
            rain[t + k] = rng.gamma(2.0, 1.6)
soil, level = np.zeros(T), np.zeros(T)
for i in range(1, T):
    soil[i] = 0.93 * soil[i - 1] + rain[i - 1]
    level[i] = 0.92 * level[i - 1] + 0.012 * soil[i - 1] + 0.0002 * soil[i - 1] ** 2 + rng.normal(0, 0.02)
gauge = level + rng.normal(0, 0.03, T)
for start in rng.integers(0, T - 8, 25):
    gauge[start:start + rng.integers(1, 7)] = np.nan

# ---- scale with the first 70 percent (real measurements only), split in time order later
n_train, n_val = int(0.7 * T), int(0.15 * T)
series = np.stack([np.sqrt(rain), gauge], 1)
mu, sd = np.nanmean(series[:n_train], 0), np.nanstd(series[:n_train], 0)
series = ((series - mu) / sd).astype("float32")

# ---- while the gauge is silent, its last word counts
hours = np.arange(T)
last = np.maximum.accumulate(np.where(np.isfinite(gauge), hours, 0))
series[:, 1] = series[last, 1]

PAST, AHEAD = 24, 2


def windows(a, b):
    ends = np.arange(a + PAST, b - AHEAD)
    x = np.stack([series[e - PAST:e] for e in ends])
    return TensorDataset(torch.from_numpy(x), torch.from_numpy(series[ends + AHEAD - 1, 1]))


train = DataLoader(windows(0, n_train), batch_size=64, shuffle=True)
val = DataLoader(windows(n_train, n_train + n_val), batch_size=256)
test = DataLoader(windows(n_train + n_val, T), batch_size=256)


class River(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(2, 32, batch_first=True)
        self.out = nn.Linear(32, 1)

    def forward(self, x):
        h, _ = self.rnn(x)
        return self.out(h[:, -1])

    def training_step(self, batch, _):
        x, y = batch
        loss = nn.functional.smooth_l1_loss(self(x).squeeze(1), y)
        self.log("train", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, _):
        x, y = batch
        pred = self(x).squeeze(1)
        self.log("val", nn.functional.smooth_l1_loss(pred, y))
        self.log("val_mae", (pred - y).abs().mean() * sd[1])

    def test_step(self, batch, _):
        x, y = batch
        pred = self(x).squeeze(1)
        self.log("mae", (pred - y).abs().mean() * sd[1])
        self.log("naive", (x[:, -1, 1] - y).abs().mean() * sd[1])

    def configure_optimizers(self):
        opt = torch.optim.AdamW(self.parameters(), lr=4e-3, weight_decay=1e-3)
        steps = self.trainer.estimated_stepping_batches
        sched = torch.optim.lr_scheduler.OneCycleLR(opt, 4e-3, total_steps=steps)
        return [opt], [{"scheduler": sched, "interval": "step"}]


class Report(pl.Callback):
    def on_train_epoch_end(self, trainer, module):
        m = trainer.callback_metrics
        print("%2d  train %.5f  val %.5f  val mae %.4f m" % (
            trainer.current_epoch + 1, m["train"], m["val"], m["val_mae"]))


river = River()
trainer = pl.Trainer(max_epochs=12, accelerator="cpu", logger=False, enable_progress_bar=False,
                     enable_checkpointing=False, enable_model_summary=False, num_sanity_val_steps=0,
                     gradient_clip_val=1.0, callbacks=[Report()])
# WATCH(trainer)
trainer.fit(river, train, val)
res = trainer.test(river, test, verbose=False)[0]
print("naive (level stays as it is): %.4f m" % res["naive"])
print("RESULT %.5f lower" % res["mae"])
