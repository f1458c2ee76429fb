import argparse

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset


def get_args():
    p = argparse.ArgumentParser("Segment roofs in aerial tiles (colour + surface height)")
    p.add_argument("--tiles", type=int, default=480)
    p.add_argument("--size", type=int, default=24)
    p.add_argument("--epochs", type=int, default=10)
    p.add_argument("--bs", type=int, default=16)
    p.add_argument("--lr", type=float, default=4e-3)
    p.add_argument("--wd", type=float, default=1e-4)
    p.add_argument("--ch", type=int, default=10)
    p.add_argument("--seed", type=int, default=42)
    return p.parse_args()


class TileMaker:
    """Grass, trees (green, high), parking lots (grey, low) and roofs (grey or red, high). uint8, like the TIFFs."""

    def __init__(self, size, seed):
        self.size, self.rng = size, np.random.default_rng(seed)

    def _box(self):
        w, h = self.rng.integers(4, 10, 2)
        x, y = self.rng.integers(0, self.size - w), self.rng.integers(0, self.size - h)
        return slice(y, y + h), slice(x, x + w)

    def tile(self):
        r = self.rng
        img = np.empty((self.size, self.size, 4))
        img[..., :3] = np.array([70, 130, 60]) + r.normal(0, 10, 3)
        img[..., 3] = 40
        mask = np.zeros((self.size, self.size), np.float32)
        for _ in range(r.integers(1, 4)):                       # parking lots
            b = self._box()
            img[b + (slice(0, 3),)] = r.uniform(90, 190)
            img[b + (3,)] = 40
        for _ in range(r.integers(1, 4)):                       # trees
            b = self._box()
            img[b + (slice(0, 3),)] = np.array([60, 110, 50]) + r.normal(0, 12, 3)
            img[b + (3,)] = r.uniform(90, 180)
        for _ in range(r.integers(1, 4)):                       # roofs
            b = self._box()
            grey = r.uniform(90, 190)
            img[b + (slice(0, 3),)] = (grey, grey, grey) if r.random() < 0.6 else (grey, grey * 0.6, grey * 0.5)
            img[b + (3,)] = r.uniform(90, 180)
            mask[b] = 1
        img += r.normal(0, 14, img.shape)
        return img.clip(0, 255).astype(np.uint8), mask


class RoofDataset(Dataset):
    def __init__(self, items, augment, seed=0):
        self.items, self.augment = items, augment
        self.rng = np.random.default_rng(seed)

    def __len__(self):
        return len(self.items)

    def random_turn(self):
        return self.rng.integers(4)

    def __getitem__(self, idx):
        img, mask = self.items[idx]
        if self.augment:
            turn = self.random_turn()
            img = np.rot90(img, turn)
            mask = np.rot90(mask, turn)
        x = torch.from_numpy((img / 255).astype(np.float32)).permute(2, 0, 1)
        x = (x - 0.4) / 0.2
        return x, torch.from_numpy(mask.copy()).unsqueeze(0)


def conv(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True))


class TwoStreamNet(nn.Module):
    """One encoder for the colours, one for the heights; fused, then decoded with a skip."""

    def __init__(self, ch):
        super().__init__()
        self.rgb1, self.rgb2 = conv(3, ch), conv(ch, 2 * ch)
        self.dsm1, self.dsm2 = conv(1, ch), conv(ch, 2 * ch)
        self.mid = conv(4 * ch, 2 * ch)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.dec = conv(2 * ch + 2 * ch, ch)
        self.cls = nn.Conv2d(ch, 1, 1)

    def forward(self, x):
        rgb, dsm = x[:, :3], x[:, 3:]
        r1 = self.rgb1(rgb)
        r2 = self.rgb2(F.max_pool2d(r1, 2))
        d1 = self.dsm1(dsm)
        d2 = self.dsm2(F.max_pool2d(d1, 2))
        deep = self.up(self.mid(torch.cat([r2, d2], 1)))
        return self.cls(self.dec(torch.cat([deep, r1, d1], 1)))


def iou(model, loader):
    model.eval()
    inter = union = 0
    with torch.no_grad():
        for x, m in loader:
            p = model(x) > 0
            m = m > 0.5
            inter += (p & m).sum().item()
            union += (p | m).sum().item()
    return inter / max(union, 1)


def main(a):
    torch.manual_seed(a.seed)
    torch.set_num_threads(1)
    maker = TileMaker(a.size, a.seed)
    items = [maker.tile() for _ in range(a.tiles)]
    cut = int(0.8 * len(items))
    train_dl = DataLoader(RoofDataset(items[:cut], augment=True, seed=a.seed), batch_size=a.bs, shuffle=True)
    val_dl = DataLoader(RoofDataset(items[cut:], augment=False), batch_size=48)

    model = TwoStreamNet(a.ch)
    optim = torch.optim.AdamW(model.parameters(), lr=a.lr, weight_decay=a.wd)
    sched = torch.optim.lr_scheduler.OneCycleLR(optim, a.lr, total_steps=a.epochs * len(train_dl))
    # WATCH(model, optim)
    for ep in range(a.epochs):
        model.train()
        running = 0.0
        for x, m in train_dl:
            loss = F.binary_cross_entropy_with_logits(model(x), m)
            optim.zero_grad(set_to_none=True)
            loss.backward()
            optim.step()
            sched.step()
            running += loss.item()
        print(f"[{ep + 1:02d}/{a.epochs}] loss {running / len(train_dl):.4f}  val IoU {iou(model, val_dl):.4f}")
    print(f"RESULT {iou(model, val_dl):.4f} higher")


if __name__ == "__main__":
    main(get_args())
