"""Segment lichen on rock photographs into three classes with a little U-shaped net.

Every tile is a two channel picture (grey value and near infrared) holding a few round
crustose colonies (class 1) and branching foliose ones (class 2) on textured rock (class 0).
Cross entropy plus a soft Dice term; the score is the mean IoU over held-out tiles.
RESULT miou higher
"""
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset


@dataclass
class Settings:
    tiles: int = 360
    held_out: int = 72
    size: int = 32
    classes: int = 3
    width: int = 12
    batch: int = 16
    epochs: int = 9
    lr: float = 5e-3
    seed: int = 404


def paint_tile(rng, size):
    """One photograph with its mask; grey values run from 0 to 1."""
    yy, xx = np.mgrid[0:size, 0:size]
    rough = rng.normal(size=(size // 4, size // 4)).repeat(4, 0).repeat(4, 1)
    grey = 0.45 + 0.06 * rough + 0.05 * rng.normal(size=(size, size))
    nir = 0.30 + 0.04 * rough + 0.05 * rng.normal(size=(size, size))
    mask = np.zeros((size, size), dtype=np.int64)
    for _ in range(rng.integers(1, 4)):
        cy, cx, r = rng.uniform(4, size - 4, 2).tolist() + [rng.uniform(3, 7)]
        mask[(yy - cy) ** 2 + (xx - cx) ** 2 < r * r] = 1
    for _ in range(rng.integers(1, 3)):
        cy, cx = rng.uniform(8, size - 8, 2)
        r = np.hypot(yy - cy, xx - cx)
        lobes = 6 + 2.5 * np.sin(rng.integers(4, 7) * np.arctan2(yy - cy, xx - cx) + rng.uniform(0, 6))
        mask[r < lobes] = 2
    grey += np.choose(mask, [0.0, 0.18, 0.12]) + 0.09 * (mask == 2) * np.sin(1.9 * (xx + yy))
    nir += np.choose(mask, [0.0, 0.16, 0.20])
    return np.stack([grey, nir]).clip(0, 1).astype(np.float32), mask


class LichenTiles(Dataset):
    def __init__(self, pictures, masks, mean, std, augment=False):
        self.pictures, self.masks = pictures, masks
        self.mean, self.std = mean[:, None, None], std[:, None, None]
        self.augment = augment

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, i):
        picture = torch.as_tensor(self.pictures[i])
        mask = torch.as_tensor(self.masks[i])
        picture = (picture - self.mean) / self.std
        if self.augment:
            k = int(torch.randint(4, ()))
            picture = torch.rot90(picture, k, (1, 2))
            mask = torch.rot90(mask, k, (0, 1))
        return picture, mask


def conv(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU())


class SmallU(nn.Module):
    def __init__(self, w, classes):
        super().__init__()
        self.down1, self.down2, self.bottom = conv(2, w), conv(w, 2 * w), conv(2 * w, 2 * w)
        self.up2, self.up1 = conv(4 * w, w), conv(2 * w, w)
        self.head = nn.Conv2d(w, classes, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        c = self.bottom(F.max_pool2d(b, 2))
        b = self.up2(torch.cat([F.interpolate(c, scale_factor=2.0), b], 1))
        a = self.up1(torch.cat([F.interpolate(b, scale_factor=2.0), a], 1))
        return self.head(a)


class Trainer:
    def __init__(self, cfg):
        self.cfg = cfg
        torch.manual_seed(cfg.seed)
        rng = np.random.default_rng(cfg.seed)
        drawn = [paint_tile(rng, cfg.size) for _ in range(cfg.tiles)]
        x, y = np.stack([d[0] for d in drawn]), np.stack([d[1] for d in drawn])
        n = cfg.tiles - cfg.held_out
        mean, std = (torch.as_tensor(f(x[:n], axis=(0, 2, 3))) for f in (np.mean, np.std))
        self.train_set = LichenTiles(x[:n], y[:n], mean, std, augment=True)
        self.test_set = LichenTiles(x[n:], y[n:], mean, std)
        self.model = SmallU(cfg.width, cfg.classes)
        self.opt = torch.optim.AdamW(self.model.parameters(), lr=cfg.lr, weight_decay=1e-4)
        # WATCH(self.model, self.opt)

    def criterion(self, logits, mask):
        c = self.cfg.classes
        flat = logits.permute(0, 2, 3, 1).reshape(-1, c)
        ce = F.cross_entropy(flat, mask.reshape(-1))
        p = logits.softmax(dim=1)
        hot = F.one_hot(mask, c).permute(0, 3, 1, 2).float()
        overlap = (p * hot).sum((0, 2, 3))
        dice = (2 * overlap + 1) / (p.sum((0, 2, 3)) + hot.sum((0, 2, 3)) + 1)
        return ce + (1 - dice.mean())

    def fit(self):
        loader = DataLoader(self.train_set, batch_size=self.cfg.batch, shuffle=True)
        for epoch in range(self.cfg.epochs):
            self.model.train()
            total = 0.0
            for picture, mask in loader:
                self.opt.zero_grad()
                loss = self.criterion(self.model(picture), mask)
                loss.backward()
                self.opt.step()
                total += loss.item() * len(mask)
            print(f"[{epoch}] loss {total / len(self.train_set):.4f}")
        return self

    @torch.no_grad()
    def evaluate(self):
        self.model.eval()
        c = self.cfg.classes
        confusion = torch.zeros(c * c)
        for picture, mask in DataLoader(self.test_set, batch_size=24):
            guess = self.model(picture).argmax(1)
            confusion += torch.bincount((mask * c + guess).flatten(), minlength=c * c)
        confusion = confusion.view(c, c)
        hit = confusion.diag()
        return (hit / (confusion.sum(0) + confusion.sum(1) - hit)).mean().item()


if __name__ == "__main__":
    print(f"RESULT miou {Trainer(Settings()).fit().evaluate():.4f}")
