"""Semantic segmentation of synthetic shapes with a small U-Net.

Images are 24x24 RGB with discs, rings and, in some of the images only, triangles on a shaded background.
Four classes: background, disc, ring, triangle.
"""
from __future__ import print_function
import argparse

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.utils.data import Dataset, DataLoader

NAMES = ("background", "disc", "ring", "triangle")


class Shapes(Dataset):
    def __init__(self, n, seed, size=24):
        rng = np.random.RandomState(seed)
        self.images = np.zeros((n, 3, size, size), np.float32)
        self.masks = np.zeros((n, size, size), np.int64)
        yy, xx = np.mgrid[:size, :size]
        for i in range(n):
            base = rng.uniform(0.2, 0.5, (3, 1, 1))
            ramp = rng.uniform(-0.15, 0.15) * (xx / size) + rng.uniform(-0.15, 0.15) * (yy / size)
            img = base + ramp
            kinds = [1] * rng.randint(0, 3) + [2] * rng.randint(0, 3) + [3] * int(rng.rand() < 0.25)
            rng.shuffle(kinds)
            for kind in kinds:
                cy, cx, r = rng.uniform(5, size - 5), rng.uniform(5, size - 5), rng.uniform(3.5, 5.5)
                r += 1.5 * (kind == 3)
                if kind == 1:
                    region = (yy - cy) ** 2 + (xx - cx) ** 2 <= r ** 2
                elif kind == 2:
                    region = abs(np.hypot(yy - cy, xx - cx) - r) <= 1.1
                else:
                    region = (yy - cy <= r) & (2 * abs(xx - cx) <= yy - cy + r)
                img = np.where(region, rng.uniform(0.45, 1.0, (3, 1, 1)), img)
                self.masks[i][region] = kind
            self.images[i] = img + rng.normal(0, 0.05, img.shape)
        self.images = (self.images - 0.5) / 0.25

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return torch.from_numpy(self.images[i]), torch.from_numpy(self.masks[i])


def double_conv(cin, cout):
    return nn.Sequential(
        nn.Conv2d(cin, cout, 3, padding=1, bias=False), nn.BatchNorm2d(cout), nn.ReLU(inplace=True),
        nn.Conv2d(cout, cout, 3, padding=1, bias=False), nn.BatchNorm2d(cout), nn.ReLU(inplace=True))


class UNet(nn.Module):
    def __init__(self, width=8, num_classes=len(NAMES)):
        super(UNet, self).__init__()
        self.down1 = double_conv(3, width)
        self.down2 = double_conv(width, 2 * width)
        self.bottom = double_conv(2 * width, 4 * width)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.dec2 = double_conv(4 * width, 2 * width)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.dec1 = double_conv(2 * width, width)
        self.classify = nn.Conv2d(width, num_classes, 1)

    def forward(self, x):
        d1 = self.down1(x)
        d2 = self.down2(F.max_pool2d(d1, 2))
        b = self.bottom(F.max_pool2d(d2, 2))
        u2 = self.dec2(torch.cat([self.up2(b), d2], dim=1))
        u1 = self.dec1(torch.cat([self.up1(u2), d1], dim=1))
        return self.classify(u1)


def criterion(output, target):
    """Cross entropy over all pixels, plus extra weight on the triangles, which are rare."""
    pixel = F.cross_entropy(output, target, reduction="none")
    rare = (target == 3).float()
    return pixel.mean() + 0.2 * (pixel * rare).sum() / rare.sum().clamp(min=1)


def train(args, model, loader, optimizer, epoch):
    model.train()
    for batch_idx, (data, target) in enumerate(loader):
        optimizer.zero_grad()
        loss = criterion(model(data), target)
        loss.backward()
        optimizer.step()
        if batch_idx % args.log_interval == 0:
            print("Train Epoch: {} [{}/{}]\tLoss: {:.5f}".format(
                epoch, batch_idx * args.batch_size, len(loader.dataset), loss.item()))


def test(model, loader):
    model.eval()
    inter = torch.zeros(len(NAMES))
    union = torch.zeros(len(NAMES))
    ce = 0.0
    with torch.no_grad():
        for data, target in loader:
            output = model(data)
            ce += F.cross_entropy(output, target).item() * len(data)
            pred = output.argmax(1)
            for c in range(len(NAMES)):
                inter[c] += ((pred == c) & (target == c)).sum()
                union[c] += ((pred == c) | (target == c)).sum()
    iou = inter / union.clamp(min=1)
    print("Test set: cross entropy {:.4f}, IoU {}".format(
        ce / len(loader.dataset), ", ".join("%s %.3f" % (n, v) for n, v in zip(NAMES, iou.tolist()))))
    return iou.mean().item()


def main():
    parser = argparse.ArgumentParser(description="U-Net on shapes")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--lr", type=float, default=4e-3)
    parser.add_argument("--gamma", type=float, default=0.7)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log-interval", type=int, default=40)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    train_loader = DataLoader(Shapes(640, args.seed), batch_size=args.batch_size, shuffle=True)
    test_loader = DataLoader(Shapes(200, args.seed + 1000), batch_size=50)

    model = UNet()
    optimizer = optim.Adam(model.parameters(), lr=args.lr)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=args.gamma)
    miou = 0.0
    # WATCH(model, optimizer)
    for epoch in range(1, args.epochs + 1):
        train(args, model, train_loader, optimizer, epoch)
        miou = test(model, test_loader)
        scheduler.step()
    print("RESULT {:.4f} higher".format(miou))


if __name__ == "__main__":
    main()
