# %% [markdown]
# # Handwritten digits baseline (8x8) - small CNN, OneCycle, label smoothing
# v7: random shifts, best checkpoint on valid accuracy, test at the end

# %%
import os
import random
import tempfile
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, Dataset


@dataclass
class CFG:
    seed: int = 2024
    epochs: int = 20
    bs: int = 64
    max_lr: float = 6e-3
    wd: float = 1e-2
    smoothing: float = 0.1
    shift_prob: float = 0.5
    width: int = 16


def seed_everything(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


# %%
class DigitsDataset(Dataset):
    def __init__(self, images, labels, mean, std, augment=False):
        self.images = images.astype("float32")
        self.labels = labels
        self.mean = mean
        self.std = std
        self.augment = augment

    def __len__(self):
        return len(self.labels)

    def shift(self, img):
        dy, dx = random.choice([(0, 1), (0, -1), (1, 0), (-1, 0)])
        out = np.zeros_like(img)
        ys, yd = (slice(0, 8 - dy), slice(dy, 8)) if dy >= 0 else (slice(-dy, 8), slice(0, 8 + dy))
        xs, xd = (slice(0, 8 - dx), slice(dx, 8)) if dx >= 0 else (slice(-dx, 8), slice(0, 8 + dx))
        out[yd, xd] = img[ys, xs]
        return out

    def __getitem__(self, i):
        img = self.images[i] / 16.0
        if self.augment and random.random() < CFG.shift_prob:
            img = self.shift(img)
        img = (img - self.mean) / self.std
        return torch.from_numpy(img).unsqueeze(0), int(self.labels[i])


# %%
class ConvBlock(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(cout)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class DigitNet(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.features = nn.Sequential(
            ConvBlock(1, w), ConvBlock(w, w), nn.MaxPool2d(2),
            ConvBlock(w, 2 * w), nn.MaxPool2d(2))
        self.drop = nn.Dropout(0.25)
        self.head = nn.Linear(2 * w * 4, 10)

    def forward(self, x):
        x = self.features(x).flatten(1)
        return self.head(self.drop(x))


def valid_fn(loader, model, criterion):
    model.eval()
    total, hits, n = 0.0, 0, 0
    with torch.no_grad():
        for xb, yb in loader:
            out = model(xb)
            total += criterion(out, yb).item() * len(yb)
            hits += (out.argmax(1) == yb).sum().item()
            n += len(yb)
    return total / n, hits / n


# %%
seed_everything(CFG.seed)
digits = load_digits()
X_tr, X_te, y_tr, y_te = train_test_split(
    digits.images, digits.target, test_size=0.2, stratify=digits.target, random_state=CFG.seed)
X_tr, X_va, y_tr, y_va = train_test_split(
    X_tr, y_tr, test_size=0.2, stratify=y_tr, random_state=CFG.seed)
MEAN, STD = float((X_tr / 16.0).mean()), float((X_tr / 16.0).std())
print(f"train {len(y_tr)} valid {len(y_va)} test {len(y_te)} mean {MEAN:.3f} std {STD:.3f}")

train_loader = DataLoader(DigitsDataset(X_tr, y_tr, MEAN, STD, augment=True), batch_size=CFG.bs, shuffle=True, drop_last=True)
valid_loader = DataLoader(DigitsDataset(X_va, y_va, MEAN, STD), batch_size=256)
test_loader = DataLoader(DigitsDataset(X_te, y_te, MEAN, STD), batch_size=256)

# %%
model = DigitNet(CFG.width)
criterion = nn.CrossEntropyLoss(label_smoothing=CFG.smoothing)
optimizer = torch.optim.AdamW(model.parameters(), lr=CFG.max_lr / 25, weight_decay=CFG.wd)
scheduler = torch.optim.lr_scheduler.OneCycleLR(
    optimizer, max_lr=CFG.max_lr, epochs=CFG.epochs, steps_per_epoch=len(train_loader))

best_acc = 0.0
with tempfile.TemporaryDirectory() as tmp:
    ckpt = os.path.join(tmp, "best.pth")
    # WATCH(model, optimizer)
    for epoch in range(CFG.epochs):
        model.train()
        run_loss = 0.0
        for images, labels in train_loader:
            optimizer.zero_grad()
            preds = model(images)
            loss = criterion(preds, labels)
            loss.backward()
            optimizer.step()
            scheduler.step()
            run_loss += loss.item()
        va_loss, va_acc = valid_fn(valid_loader, model, criterion)
        lr_now = optimizer.param_groups[0]["lr"]
        print(f"[{epoch + 1:02d}/{CFG.epochs}] train {run_loss / len(train_loader):.4f} | "
              f"valid {va_loss:.4f} acc {va_acc:.4f} | lr {lr_now:.2e}")
        if va_acc > best_acc:
            best_acc = va_acc
            torch.save(model.state_dict(), ckpt)
    model.load_state_dict(torch.load(ckpt))

_, test_acc = valid_fn(test_loader, model, criterion)
print(f"best valid acc {best_acc:.4f}")
print(f"RESULT {test_acc:.4f} higher")
