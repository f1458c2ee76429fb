"""Binary segmentation of random discs and boxes on a cluttered background.
Mini U-Net, BCE + Dice, RMSprop, ReduceLROnPlateau, EMA of the weights for evaluation."""
import copy
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


def make_shapes(n, size=24, seed=0):
    rng = np.random.RandomState(seed)
    yy, xx = np.mgrid[:size, :size]
    imgs = np.zeros((n, 1, size, size), np.float32)
    masks = np.zeros_like(imgs)
    for k in range(n):
        m = np.zeros((size, size), bool)
        for _ in range(rng.randint(1, 4)):
            cy, cx = rng.randint(4, size - 4, 2)
            r = rng.randint(2, 6)
            if rng.rand() < 0.5:
                m |= (yy - cy) ** 2 + (xx - cx) ** 2 <= r * r
            else:
                m |= (abs(yy - cy) <= r) & (abs(xx - cx) <= rng.randint(2, 6))
        gy, gx = rng.uniform(-0.4, 0.4, 2)
        bg = gy * yy / size + gx * xx / size
        img = bg + rng.uniform(0.6, 1.0) * m + rng.normal(0, 0.25, (size, size))
        for _ in range(3):  # thin distracting lines, not part of the mask
            if rng.rand() < 0.5:
                img[rng.randint(size)] += 0.6
            else:
                img[:, rng.randint(size)] += 0.6
        imgs[k, 0], masks[k, 0] = img, m
    return torch.from_numpy(imgs), torch.from_numpy(masks)


def double_conv(cin, cout):
    return nn.Sequential(
        nn.Conv2d(cin, cout, 3, padding=1, bias=False), nn.BatchNorm2d(cout), nn.ReLU(inplace=True),
        nn.Conv2d(cout, cout, 3, padding=1, bias=False), nn.BatchNorm2d(cout), nn.ReLU(inplace=True))


class UNet(nn.Module):
    def __init__(self, c=8):
        super().__init__()
        self.inc = double_conv(1, c)
        self.down1 = double_conv(c, 2 * c)
        self.down2 = double_conv(2 * c, 4 * c)
        self.up1 = nn.ConvTranspose2d(4 * c, 2 * c, 2, stride=2)
        self.dec1 = double_conv(4 * c, 2 * c)
        self.up2 = nn.ConvTranspose2d(2 * c, c, 2, stride=2)
        self.dec2 = double_conv(2 * c, c)
        self.outc = nn.Conv2d(c, 1, 1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(F.max_pool2d(x1, 2))
        x3 = self.down2(F.max_pool2d(x2, 2))
        y = self.dec1(torch.cat([x2, self.up1(x3)], 1))
        y = self.dec2(torch.cat([x1, self.up2(y)], 1))
        return self.outc(y)


def dice_loss(logits, target, eps=1.0):
    p = torch.sigmoid(logits)
    inter = (p * target).sum((1, 2, 3))
    return (1 - (2 * inter + eps) / (p.sum((1, 2, 3)) + target.sum((1, 2, 3)) + eps)).mean()


class EMA:
    def __init__(self, model, decay=0.97):
        self.decay, self.updates = decay, 0
        self.shadow = copy.deepcopy(model).eval()
        for p in self.shadow.parameters():
            p.requires_grad_(False)

    @torch.no_grad()
    def update(self, model):
        self.updates += 1
        d = min(self.decay, (1 + self.updates) / (10 + self.updates))   # warmup
        own = self.shadow.state_dict()
        for k, v in model.state_dict().items():
            if v.dtype.is_floating_point:       # weights and batch-norm statistics
                own[k].mul_(d).add_(v, alpha=1 - d)
            else:
                own[k].copy_(v)


class Trainer:
    def __init__(self, model, train_dl, val_dl, lr=2e-3):
        self.model, self.train_dl, self.val_dl = model, train_dl, val_dl
        self.optimizer = torch.optim.RMSprop(model.parameters(), lr=lr, momentum=0.0)
        self.scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimizer, mode="max", factor=0.5, patience=1)
        self.ema = EMA(model)

    def loss(self, logits, mask):
        return F.binary_cross_entropy_with_logits(logits, mask) + dice_loss(logits, mask)

    def train_epoch(self):
        self.model.train()
        total = 0.0
        for img, mask in self.train_dl:
            if torch.rand(1).item() < 0.5:
                img, mask = img.flip(-1), mask.flip(-1)
            if torch.rand(1).item() < 0.5:
                img, mask = img.flip(-2), mask.flip(-2)
            self.optimizer.zero_grad()
            loss = self.loss(self.model(img), mask)
            loss.backward()
            self.optimizer.step()
            self.ema.update(self.model)
            total += loss.item() * len(img)
        return total / len(self.train_dl.dataset)

    @torch.no_grad()
    def evaluate(self, net):
        net.eval()
        total, inter, union = 0.0, 0.0, 0.0
        for img, mask in self.val_dl:
            logits = net(img)
            total += self.loss(logits, mask).item() * len(img)
            pred = logits > 0
            inter += (pred & (mask > 0.5)).sum().item()
            union += (pred | (mask > 0.5)).sum().item()
        return total / len(self.val_dl.dataset), inter / union

    def fit(self, epochs):
        # WATCH(self.model, self.optimizer)
        for e in range(epochs):
            tr = self.train_epoch()
            vl, iou = self.evaluate(self.model)
            _, ema_iou = self.evaluate(self.ema.shadow)
            self.scheduler.step(ema_iou)
            print("epoch %d  train %.4f  val %.4f  IoU %.4f  IoU(ema) %.4f  lr %.1e"
                  % (e, tr, vl, iou, ema_iou, self.optimizer.param_groups[0]["lr"]))
        print("RESULT %.4f higher" % ema_iou)


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(5)
    train = TensorDataset(*make_shapes(512, seed=1))
    val = TensorDataset(*make_shapes(128, seed=2))
    Trainer(
        UNet(),
        DataLoader(train, batch_size=32, shuffle=True),
        DataLoader(val, batch_size=64),
    ).fit(8)
