#!/usr/bin/env python
"""Mixed precision (bfloat16) on a CPU with torch.autocast, and the one-cycle policy: a small residual network learns weather icons."""
import math
import time

import numpy as np
import torch
import torch.nn as nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, TensorDataset

CONFIG = dict(seed=3, n_train=2400, n_test=800, side=20, batch_size=48, epochs=7, max_lr=0.15, momentum=0.9, weight_decay=5e-4, widths=(12, 24, 40))
ICONS = ["sun", "cloud", "rain", "snow", "storm", "fog", "wind", "moon"]


def draw(kind, side, g):
    y, x = np.mgrid[0:side, 0:side] - (side - 1) / 2
    x, y = x - g.uniform(-2.5, 2.5), y - g.uniform(-2.5, 2.5)
    size = g.uniform(0.75, 1.15)
    x, y = x / size, y / size
    r, a = np.hypot(x, y), np.arctan2(y, x)
    puff = (np.hypot(x + 3, y + 2) < 2.6) | (np.hypot(x - 2.5, y + 2) < 2.6) | (np.hypot(x, y + 3.5) < 3.2) | ((abs(x) < 4) & (abs(y + 1) < 1))
    phase = g.uniform(0, 2 * math.pi)
    if kind == "sun":
        m = (r < 3.2) | ((r > 4.4) & (r < 7) & (np.cos(8 * a + phase) > 0.5))
    elif kind == "cloud":
        m = puff
    elif kind == "rain":
        m = puff | ((y > 1.2) & (y < 6) & (((x + 0.5 * y + phase) % 2.8) < 1) & (abs(x) < 5))
    elif kind == "snow":
        m = puff | ((y > 1.2) & (y < 7) & (((x + phase) % 2.8) < 1.1) & (((y + phase) % 2.6) < 1.1) & (abs(x) < 5))
    elif kind == "storm":
        m = puff | ((abs(x - 1.6 + 0.9 * abs(y - 3)) < 0.9) & (y > 0) & (y < 7))
    elif kind == "fog":
        m = (((y + phase) % 3) < 1.3) & (abs(x) < 7) & (abs(y) < 6.5)
    elif kind == "wind":
        m = (abs((y - 1.2 * np.sin(x * 0.8 + phase)) % 4 - 2) < 0.8) & (abs(x) < 7) & (abs(y) < 6.5)
    else:
        m = (r < 5) & (np.hypot(x - 2.4, y + 1) > 4)
    ink, ground = g.uniform(0.35, 1.0), g.uniform(0, 0.3)
    return ground + ink * m + g.normal(0, 0.22, (side, side))


def icons(n, side, seed):
    g = np.random.default_rng(seed)
    label = g.integers(len(ICONS), size=n)
    image = np.stack([draw(ICONS[k], side, g) for k in label]).astype("float32")
    return torch.from_numpy(image).unsqueeze(1), torch.from_numpy(label)


class Residual(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.conv1 = nn.Conv2d(i, o, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(o)
        self.conv2 = nn.Conv2d(o, o, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(o)
        self.short = nn.Conv2d(i, o, 1, stride=2, bias=False)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        h = self.act(self.bn1(self.conv1(x)))
        return self.act(self.bn2(self.conv2(h)) + self.short(x))


class IconNet(nn.Module):
    def __init__(self, widths, classes):
        super().__init__()
        chain = (1,) + tuple(widths)
        self.stages = nn.ModuleList(Residual(i, o) for i, o in zip(chain[:-1], chain[1:]))
        self.classifier = nn.Linear(widths[-1], classes)

    def forward(self, x):
        for stage in self.stages:
            x = stage(x)
        return self.classifier(x.mean((2, 3)))


def evaluate(model, loader, criterion):
    model.eval()
    loss, right, count = 0.0, 0, 0
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        for x, y in loader:
            out = model(x)
            loss += criterion(out.float(), y).item() * len(y)
            right += (out.argmax(1) == y).sum().item()
            count += len(y)
    return loss / count, right / count


def main(cfg):
    torch.manual_seed(cfg["seed"])
    x, y = icons(cfg["n_train"], cfg["side"], seed=100)
    xt, yt = icons(cfg["n_test"], cfg["side"], seed=200)
    mu, sd = x.mean(), x.std()
    train = DataLoader(TensorDataset((x - mu) / sd, y), cfg["batch_size"], shuffle=True, drop_last=True)
    test = DataLoader(TensorDataset((xt - mu) / sd, yt), 200)

    model = IconNet(cfg["widths"], len(ICONS))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=cfg["max_lr"] / 25, momentum=cfg["momentum"], nesterov=True, weight_decay=cfg["weight_decay"])
    scheduler = OneCycleLR(optimizer, cfg["max_lr"], epochs=cfg["epochs"], steps_per_epoch=len(train))
    print("before: loss %.3f, accuracy %.3f" % evaluate(model, test, criterion))

    # WATCH(model, optimizer)
    for epoch in range(cfg["epochs"]):
        start, seen, total = time.perf_counter(), 0, 0.0
        model.train()
        for xb, yb in train:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                out = model(xb)
                loss = criterion(out, yb)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            scheduler.step()
            total, seen = total + loss.item() * len(yb), seen + len(yb)
        val_loss, val_acc = evaluate(model, test, criterion)
        print(f"[{epoch + 1}/{cfg['epochs']}] train loss {total / seen:.4f}  test loss {val_loss:.4f}  test acc {val_acc:.4f}  "
              f"next lr {scheduler.get_last_lr()[0]:.5f}  ({time.perf_counter() - start:.1f} s)")
    print(f"RESULT {val_acc:.4f} higher")


if __name__ == "__main__":
    main(CONFIG)
