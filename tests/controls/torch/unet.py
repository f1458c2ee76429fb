"""Small U-Net for segmenting synthetic shapes in noisy images; BCE + soft Dice."""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

SIZE = 48


def draw_shape(rng, yy, xx):
    kind = rng.integers(3)
    cy, cx = rng.uniform(10, SIZE - 10, 2)
    r = rng.uniform(5, 10)
    if kind == 0:                                       # disc
        return (yy - cy) ** 2 + (xx - cx) ** 2 <= r * r
    a = rng.uniform(0, np.pi)
    u = (xx - cx) * np.cos(a) + (yy - cy) * np.sin(a)
    v = -(xx - cx) * np.sin(a) + (yy - cy) * np.cos(a)
    if kind == 1:                                       # rotated box
        return (np.abs(u) <= r) & (np.abs(v) <= 0.6 * r)
    return (v >= -0.6 * r) & (v <= 1.4 * r - 2.0 * np.abs(u))    # triangle


class ShapesDataset(Dataset):
    def __init__(self, n, seed, flips=False):
        rng = np.random.default_rng(seed)
        yy, xx = np.mgrid[:SIZE, :SIZE]
        self.images = np.empty((n, 1, SIZE, SIZE), np.float32)
        self.masks = np.empty((n, 1, SIZE, SIZE), np.float32)
        for i in range(n):
            mask = np.zeros((SIZE, SIZE), bool)
            gy, gx = rng.uniform(-0.3, 0.3, 2)
            img = 0.4 + gy * (yy / SIZE - 0.5) + gx * (xx / SIZE - 0.5)   # uneven lighting
            for _ in range(rng.integers(1, 4)):
                m = draw_shape(rng, yy, xx)
                img = np.where(m, img + rng.uniform(0.2, 0.4), img)
                mask |= m
            img = img + rng.normal(0, 0.12, img.shape)
            self.images[i, 0] = (img - img.mean()) / img.std()            # per-image standardisation
            self.masks[i, 0] = mask
        self.flips = flips

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        x, y = torch.from_numpy(self.images[i]), torch.from_numpy(self.masks[i])
        if self.flips:
            for d in (1, 2):
                if torch.rand(()) < 0.5:
                    x, y = x.flip(d), y.flip(d)
        return x, y


class DoubleConv(nn.Sequential):
    def __init__(self, i, o):
        super().__init__(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(True),
                         nn.Conv2d(o, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(True))


class UNet(nn.Module):
    def __init__(self, c=8):
        super().__init__()
        self.d1, self.d2, self.d3 = DoubleConv(1, c), DoubleConv(c, 2 * c), DoubleConv(2 * c, 4 * c)
        self.mid = DoubleConv(4 * c, 8 * c)
        self.up3, self.u3 = nn.ConvTranspose2d(8 * c, 4 * c, 2, 2), DoubleConv(8 * c, 4 * c)
        self.up2, self.u2 = nn.ConvTranspose2d(4 * c, 2 * c, 2, 2), DoubleConv(4 * c, 2 * c)
        self.up1, self.u1 = nn.ConvTranspose2d(2 * c, c, 2, 2), DoubleConv(2 * c, c)
        self.out = nn.Conv2d(c, 1, 1)

    def forward(self, x):
        a = self.d1(x)
        b = self.d2(F.max_pool2d(a, 2))
        c = self.d3(F.max_pool2d(b, 2))
        x = self.mid(F.max_pool2d(c, 2))
        x = self.u3(torch.cat([self.up3(x), c], 1))
        x = self.u2(torch.cat([self.up2(x), b], 1))
        x = self.u1(torch.cat([self.up1(x), a], 1))
        return self.out(x)


class BCEDiceLoss(nn.Module):
    def __init__(self, smooth=1.0):
        super().__init__()
        self.bce = nn.BCEWithLogitsLoss()
        self.smooth = smooth

    def forward(self, logits, target):
        p = torch.sigmoid(logits)
        inter = (p * target).sum((1, 2, 3))
        dice = (2 * inter + self.smooth) / (p.sum((1, 2, 3)) + target.sum((1, 2, 3)) + self.smooth)
        return self.bce(logits, target) + (1 - dice).mean()


def iou(logits, target):
    pred, target = logits > 0, target > 0.5
    return ((pred & target).sum((1, 2, 3)) / (pred | target).sum((1, 2, 3)).clamp(min=1)).mean().item()


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    train_dl = DataLoader(ShapesDataset(900, 0, flips=True), 16, shuffle=True, drop_last=True)
    val_dl = DataLoader(ShapesDataset(200, 1), 50)
    net, criterion = UNet(), BCEDiceLoss()
    opt = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-4)
    epochs = 12
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs * len(train_dl))
    for epoch in range(epochs):
        net.train()
        tot = 0.0
        for x, y in train_dl:
            opt.zero_grad()
            loss = criterion(net(x), y)
            loss.backward()
            opt.step()
            sched.step()
            tot += loss.item()
        net.eval()
        vl, vi = 0.0, 0.0
        with torch.no_grad():
            for x, y in val_dl:
                o = net(x)
                vl += criterion(o, y).item() / len(val_dl)
                vi += iou(o, y) / len(val_dl)
        print(f"Epoch {epoch + 1}/{epochs}: train loss {tot / len(train_dl):.4f}, val loss {vl:.4f}, val IoU {vi:.4f}")
    print(f"final val IoU = {vi:.4f}")


if __name__ == "__main__":
    main()
