"""
Lab 4 - Segmenting two kinds of cells with a (very) small U-Net.

The "microscope plates" are generated below: bright filled cells (class 1),
ring shaped cells (class 2), uneven illumination and sensor noise.
"""
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import Dataset, DataLoader

torch.manual_seed(7)
torch.set_num_threads(1)

SIZE = 40
N_PLATES = 480
N_TEST = 96
BATCH = 16
EPOCHS = 9
NAMES = ["background", "filled", "ring"]


# --------------------------------------------------------------------------
# data
# --------------------------------------------------------------------------
def draw_plate(rng):
    yy, xx = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    gx, gy = rng.uniform(-0.25, 0.25, 2)
    img = 0.35 + gx * (xx / SIZE - 0.5) + gy * (yy / SIZE - 0.5)
    mask = np.zeros((SIZE, SIZE), np.int64)
    n_filled, n_ring = rng.integers(0, 4), rng.integers(0, 3)
    for kind in [1] * n_filled + [2] * n_ring:
        r = rng.uniform(4, 7)
        cy, cx = rng.uniform(r, SIZE - r, 2)
        d = np.sqrt((yy - cy) ** 2 + (xx - cx) ** 2)
        inside = d < r
        level = rng.uniform(0.15, 0.35)
        if kind == 1:
            img[inside] += level
        else:
            img[inside & (d > r - 2.0)] += level
        mask[inside] = kind
    img = img + rng.normal(0, 0.09, img.shape)
    return img.astype(np.float32), mask


def make_plates(n, seed=0):
    """Looks like a folder with images and a folder with masks."""
    rng = np.random.default_rng(seed)
    images, masks = {}, {}
    for i in range(n):
        img, mask = draw_plate(rng)
        images[f"plate_{i}.png"] = img
        masks[f"plate_{i}_mask.png"] = mask
    return images, masks


class CellDataset(Dataset):
    def __init__(self, images, masks, train):
        image_names = sorted(images)
        mask_names = [n.replace(".png", "_mask.png") for n in image_names]
        pairs = list(zip(image_names, mask_names))
        np.random.default_rng(1).shuffle(pairs)
        pairs = pairs[:-N_TEST] if train else pairs[-N_TEST:]
        self.x = [(images[a] - 0.4) / 0.2 for a, _ in pairs]
        self.y = [masks[b] for _, b in pairs]

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return torch.from_numpy(self.x[i])[None], torch.from_numpy(self.y[i])


# --------------------------------------------------------------------------
# model
# --------------------------------------------------------------------------
def double_conv(cin, cout):
    return nn.Sequential(
        nn.Conv2d(cin, cout, 3, padding=1, bias=False), nn.BatchNorm2d(cout), nn.ReLU(inplace=True),
        nn.Conv2d(cout, cout, 3, padding=1, bias=False), nn.BatchNorm2d(cout), nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    def __init__(self, classes, width=8):
        super().__init__()
        self.down1 = double_conv(1, width)
        self.down2 = double_conv(width, 2 * width)
        self.bottom = double_conv(2 * width, 4 * width)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.dec2 = double_conv(4 * width, 2 * width)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.dec1 = double_conv(2 * width, width)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x):
        d1 = self.down1(x)
        d2 = self.down2(F.max_pool2d(d1, 2))
        b = self.bottom(F.max_pool2d(d2, 2))
        u2 = self.dec2(torch.cat([self.up2(b), d2], dim=1))
        u1 = self.dec1(torch.cat([self.up1(u2), d1], dim=1))
        return F.log_softmax(self.head(u1), dim=1)


def segmentation_loss(logp, target, smooth=1.0):
    """Pixel-wise NLL plus the negative log of the soft dice score of every class."""
    nll = F.nll_loss(logp, target)
    p = logp.exp()
    onehot = F.one_hot(target, p.shape[1]).permute(0, 3, 1, 2).float()
    inter = (p * onehot).sum(dim=(2, 3))
    total = p.sum(dim=(2, 3)) + onehot.sum(dim=(2, 3))
    dice = (2 * inter + smooth) / (total + smooth)
    return nll - 0.3 * torch.log(dice).mean()


@torch.no_grad()
def evaluate(model, loader):
    model.eval()
    inter = np.zeros(3)
    union = np.zeros(3)
    for x, y in loader:
        pred = model(x).argmax(dim=1)
        for c in range(3):
            inter[c] += ((pred == c) & (y == c)).sum().item()
            union[c] += ((pred == c) | (y == c)).sum().item()
    return inter / np.maximum(union, 1)


def main():
    images, masks = make_plates(N_PLATES)
    train_loader = DataLoader(CellDataset(images, masks, train=True), batch_size=BATCH, shuffle=True)
    test_loader = DataLoader(CellDataset(images, masks, train=False), batch_size=32)

    unet = UNet(classes=3)
    opt = torch.optim.SGD(unet.parameters(), lr=0.03, momentum=0.9, weight_decay=1e-4)
    # WATCH(unet, opt)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=EPOCHS)
    print("parameters:", sum(p.numel() for p in unet.parameters()))

    for epoch in range(EPOCHS):
        unet.train()
        start, running = time.time(), 0.0
        for x, y in train_loader:
            opt.zero_grad()
            loss = segmentation_loss(unet(x), y)
            loss.backward()
            opt.step()
            running += loss.item()
        sched.step()
        iou = evaluate(unet, test_loader)
        print(f"[{epoch + 1}/{EPOCHS}] loss {running / len(train_loader):.4f}  "
              + "  ".join(f"{n} {v:.3f}" for n, v in zip(NAMES, iou))
              + f"  ({time.time() - start:.1f}s)")

    print(f"RESULT {iou[1:].mean():.4f} higher")


if __name__ == "__main__":
    main()
