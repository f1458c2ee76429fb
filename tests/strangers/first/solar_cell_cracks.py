#!/usr/bin/env python
"""Segment micro-cracks in (synthetic) electroluminescence pictures of solar cells.

Usage:  python solar_cell_cracks.py [--epochs 8] [--width 8]
"""
import argparse

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset


def parse():
    p = argparse.ArgumentParser()
    p.add_argument("--train-cells", type=int, default=640)
    p.add_argument("--test-cells", type=int, default=160)
    p.add_argument("--size", type=int, default=32)
    p.add_argument("--width", type=int, default=8)
    p.add_argument("--epochs", type=int, default=8)
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--lr", type=float, default=4e-3)
    p.add_argument("--seed", type=int, default=11)
    return p.parse_args()


def draw_cell(rng, s):
    """One RGB photo (H, W, 3), uint8, and the crack mask (H, W)."""
    glow = rng.uniform(120, 190) + 18 * np.sin(np.linspace(0, rng.uniform(2, 6), s))[:, None]
    img = np.repeat((glow * np.ones((s, s)))[:, :, None], 3, axis=2)
    img *= np.array([1.0, 0.85, 0.6])
    # the fingers and bus bars are dark as well, but they are no cracks
    for x in rng.choice(np.arange(3, s - 3), 2, replace=False):
        img[:, x] *= 0.55
    mask = np.zeros((s, s), dtype=np.float32)
    for _ in range(rng.integers(0, 3)):
        y, x = rng.uniform(4, s - 4, 2)
        a = rng.uniform(0.25, 1.2) * rng.choice([-1, 1])
        for _ in range(rng.integers(10, 24)):
            a += rng.normal(0, 0.15)
            y, x = y + np.sin(a), x + np.cos(a)
            if 0 <= y < s and 0 <= x < s:
                mask[int(y), int(x)] = 1
    img[mask > 0] *= np.array([0.62, 0.62, 0.75])
    img += rng.normal(0, 9, img.shape)
    return img.clip(0, 255).astype(np.uint8), mask


class CellPhotos(Dataset):
    def __init__(self, n, size, seed, augment=False):
        rng = np.random.default_rng(seed)
        pairs = [draw_cell(rng, size) for _ in range(n)]
        self.images = np.stack([a for a, _ in pairs])
        self.masks = np.stack([b for _, b in pairs])
        self.augment = augment
        self.mean = np.array([0.58, 0.50, 0.36], dtype=np.float32)
        self.std = np.array([0.14, 0.12, 0.09], dtype=np.float32)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        img = (self.images[i].astype(np.float32) / 255.0 - self.mean) / self.std
        mask = torch.from_numpy(self.masks[i])
        img = torch.from_numpy(img)
        x = img.permute(2, 0, 1)
        if self.augment and torch.rand(1) < 0.5:
            x, mask = x.flip(-1), mask.flip(-1)
        return x.contiguous(), mask.unsqueeze(0)


def block(i, o):
    return nn.Sequential(
        nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(),
        nn.Conv2d(o, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU())


class LittleUNet(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.down1, self.down2, self.bottom = block(3, w), block(w, 2 * w), block(2 * w, 4 * w)
        self.up2, self.up1 = block(6 * w, 2 * w), block(3 * w, w)
        self.out = nn.Conv2d(w, 1, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        c = self.bottom(F.max_pool2d(b, 2))
        b = self.up2(torch.cat([b, F.interpolate(c, scale_factor=2)], 1))
        a = self.up1(torch.cat([a, F.interpolate(b, scale_factor=2)], 1))
        return self.out(a)


@torch.no_grad()
def evaluate(model, loader):
    model.eval()
    inter = union = 0.0
    for x, y in loader:
        hit = model(x) > 0
        inter += (hit & (y > 0)).sum().item()
        union += (hit | (y > 0)).sum().item()
    return inter / max(union, 1.0)


def main():
    args = parse()
    torch.manual_seed(args.seed)
    train = CellPhotos(args.train_cells, args.size, args.seed, augment=True)
    test = CellPhotos(args.test_cells, args.size, args.seed + 1)
    train_loader = DataLoader(train, batch_size=args.batch, shuffle=True)
    test_loader = DataLoader(test, batch_size=64)

    model = LittleUNet(args.width)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=args.lr, total_steps=args.epochs * len(train_loader))
    # cracks are a few per cent of the pixels: give them some more weight
    share = float(train.masks.mean())
    pos_weight = torch.tensor(((1 - share) / share) ** 0.5)
    criterion = nn.BCEWithLogitsLoss(pos_weight=pos_weight)

    # WATCH(model, optimizer)
    for epoch in range(args.epochs):
        model.train()
        total = 0.0
        for x, y in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            scheduler.step()
            total += loss.item() * len(x)
        print(f"epoch {epoch:2d}  loss {total / len(train):.4f}  IoU {evaluate(model, test_loader):.3f}")

    print(f"RESULT {evaluate(model, test_loader):.4f} higher")


if __name__ == "__main__":
    main()
