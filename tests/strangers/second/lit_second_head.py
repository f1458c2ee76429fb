# A second head on a finished backbone.
# The backbone and the first head (digits of scanner A) are in production and must keep working as they are;
# the new head reads scanner B (negative images, weak contrast; its driver fixes the value range) on top of
# the very same features.
import logging
import warnings

import pytorch_lightning as pl
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

warnings.filterwarnings("ignore")
logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
pl.seed_everything(1234, verbose=False)


def backbone():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(),
    )


class Stage(pl.LightningModule):
    """Trains a head on top of a trunk; the trunk learns too unless it is fixed."""

    def __init__(self, trunk, head, fixed, lr):
        super().__init__()
        self.trunk, self.head, self.fixed, self.lr = trunk, head, fixed, lr
        self.ce = nn.CrossEntropyLoss()
        self.curve = []
        if fixed:
            self.trunk.requires_grad_(False)

    def on_train_epoch_start(self):
        self.train()
        if self.fixed:
            self.trunk.eval()

    def forward(self, x):
        return self.head(self.trunk(x))

    def training_step(self, batch, i):
        x, y = batch
        loss = self.ce(self(x), y)
        self.curve.append(loss.detach())
        return loss

    def on_train_epoch_end(self):
        if self.current_epoch % 5 == 4:
            print(f"  epoch {self.current_epoch + 1:2d}  loss {torch.stack(self.curve).mean():.4f}")
        self.curve.clear()

    def validation_step(self, batch, i):
        x, y = batch
        out = self(x)
        self.log("val_loss", self.ce(out, y), batch_size=len(y))
        self.log("val_acc", (out.argmax(1) == y).float().mean(), batch_size=len(y))

    def configure_optimizers(self):
        return torch.optim.Adam([p for p in self.parameters() if p.requires_grad], lr=self.lr)


def loaders(x, y):
    parts = random_split(TensorDataset(x, y), [0.65, 0.15, 0.2], generator=torch.Generator().manual_seed(8))
    return [DataLoader(p, batch_size=32 if i == 0 else 256, shuffle=i == 0) for i, p in enumerate(parts)]


def accuracy(model, loader):
    model.eval()
    with torch.no_grad():
        hits = sum((model(x).argmax(1) == y).sum().item() for x, y in loader)
    return hits / len(loader.dataset)


def new_trainer(epochs):
    return pl.Trainer(max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False,
                      enable_progress_bar=False, enable_model_summary=False)


digits = load_digits()
x = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 8 - 1
y = torch.tensor(digits.target)
scan_a = loaders(x[:1000], y[:1000])
x_b = 1.6 - 0.35 * x[1000:]
scan_b = loaders(x_b + 0.03 * torch.randn_like(x_b), y[1000:])

print("stage 1: trunk and first head")
trunk = backbone()
first = Stage(trunk, nn.Linear(32 * 16, 10), fixed=False, lr=1e-3)
new_trainer(10).fit(first, scan_a[0], scan_a[1])
before = accuracy(first, scan_a[2])

print("stage 2: second head, trunk fixed")
second = Stage(trunk, nn.Sequential(nn.BatchNorm1d(32 * 16), nn.Dropout(0.3), nn.Linear(32 * 16, 10)), fixed=True, lr=2e-3)
trainer = new_trainer(25)
# WATCH(trainer)
trainer.fit(second, scan_b[0], scan_b[1])
print("  validation:", {k: round(float(v), 4) for k, v in trainer.callback_metrics.items()})

after, fresh = accuracy(first, scan_a[2]), accuracy(second, scan_b[2])
print(f"first head: {before:.4f} before, {after:.4f} after; second head: {fresh:.4f}")
print(f"RESULT {(after + fresh) / 2:.4f} higher")
