import logging, warnings, torch, lightning as L, torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split
warnings.filterwarnings("ignore"); logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

L.seed_everything(77, verbose=False)

# second-hand sailing boats: length (m), age (y), engine hours, berths, hull (4 kinds), asking price (EUR)
n = 4000
ft = torch.rand(n) * 9 + 5
age = torch.rand(n) * 40
hrs = torch.rand(n) * age * 90
berths = (ft / 2 + torch.randn(n)).round().clamp(1, 10)
hull = torch.randint(0, 4, (n,))
eur = 900 * ft ** 1.75 * torch.tensor([1.0, 1.5, 0.75, 1.15])[hull] * (0.25 + 0.75 * torch.exp(-age / 14)) * (1 - 0.25 * (hrs / 3600)) + 600 * berths
eur = eur * (1 + 0.05 * torch.randn(n))
x = torch.stack([ft, age, hrs, berths], 1)
tr, va, te = random_split(range(n), [3000, 400, 600])
tr, va, te = list(tr), list(va), list(te)
x = (x - x[tr].mean(0)) / x[tr].std(0)
x = torch.cat([x, F.one_hot(hull, 4).float()], 1)
m, s = eur[tr].mean(), eur[tr].std()
y = (eur - m) / s


class Net(L.LightningModule):
    def __init__(self, d=64, p=0.1):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(8, d), nn.BatchNorm1d(d), nn.ReLU(), nn.Linear(d, d), nn.BatchNorm1d(d), nn.ReLU(), nn.Dropout(p), nn.Linear(d, 1))

    def forward(self, x): return self.f(x).squeeze(1)

    def training_step(self, b, i): return F.smooth_l1_loss(self(b[0]), b[1])

    def validation_step(self, b, i): self.log("va", F.smooth_l1_loss(self(b[0]), b[1]))

    def on_validation_epoch_end(self): print(self.current_epoch, "%.4f" % self.trainer.callback_metrics["va"])

    def configure_optimizers(self):
        o = torch.optim.AdamW(self.parameters(), 5e-3, weight_decay=1e-2)
        return [o], [torch.optim.lr_scheduler.CosineAnnealingLR(o, self.trainer.max_epochs)]


net = Net()
trainer = L.Trainer(max_epochs=20, limit_train_batches=1.0, accelerator="cpu", logger=False, enable_checkpointing=False,
                    enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0)
# WATCH(trainer)
trainer.fit(net, DataLoader(TensorDataset(x[tr], y[tr]), 64, shuffle=True, drop_last=True), DataLoader(TensorDataset(x[va], y[va]), 400))

net.eval()
with torch.no_grad():
    p = torch.cat([net(b) for b in x[te].split(10)]) * s + m
mae = (p - eur[te]).abs().mean().item()
print("mean price %.0f, mean error %.0f" % (eur[te].mean(), mae))
print("RESULT %.1f lower" % mae)
