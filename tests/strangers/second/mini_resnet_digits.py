"""
Small pre-activation-free ResNet on the 8x8 sklearn digits.

usage: python mini_resnet_digits.py --epochs 14 --lr 0.1
"""
import argparse
import random
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, Dataset


def get_args():
    p = argparse.ArgumentParser()
    p.add_argument("--epochs", type=int, default=14)
    p.add_argument("--batch-size", type=int, default=128)
    p.add_argument("--lr", type=float, default=0.1)
    p.add_argument("--momentum", type=float, default=0.9)
    p.add_argument("--weight-decay", type=float, default=5e-4)
    p.add_argument("--label-smoothing", type=float, default=0.1)
    p.add_argument("--width", type=int, default=16)
    p.add_argument("--seed", type=int, default=1)
    return p.parse_args()


class BasicBlock(nn.Module):
    def __init__(self, cin, cout, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.shortcut = nn.Sequential()
        if stride != 1 or cin != cout:
            self.shortcut = nn.Sequential(
                nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout)
            )

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.shortcut(x))


class MiniResNet(nn.Module):
    def __init__(self, width=16, num_classes=10):
        super().__init__()
        w = width
        self.stem = nn.Sequential(
            nn.Conv2d(1, w, 3, padding=1, bias=False), nn.BatchNorm2d(w), nn.ReLU(inplace=True)
        )
        self.layer1 = BasicBlock(w, w)
        self.layer2 = BasicBlock(w, 2 * w, stride=2)
        self.layer3 = BasicBlock(2 * w, 4 * w, stride=2)
        self.fc = nn.Linear(4 * w, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, nn.BatchNorm2d):
                nn.init.ones_(m.weight)
                nn.init.zeros_(m.bias)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(self.stem(x))))
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)
        return self.fc(x)


class DigitSet(Dataset):
    def __init__(self, images, labels, mean, std, augment=False):
        self.images = torch.tensor((images - mean) / std, dtype=torch.float32).unsqueeze(1)
        self.labels = torch.tensor(labels, dtype=torch.long)
        self.pad_value = float(-mean / std)
        self.augment = augment

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        x = self.images[i]
        if self.augment:  # random crop after padding by one pixel
            x = F.pad(x, (1, 1, 1, 1), value=self.pad_value)
            top, left = random.randint(0, 2), random.randint(0, 2)
            x = x[:, top:top + 8, left:left + 8]
        return x, self.labels[i]


@torch.no_grad()
def evaluate(net, loader):
    net.eval()
    loss, correct, n = 0.0, 0, 0
    for x, y in loader:
        out = net(x)
        loss += F.cross_entropy(out, y, reduction="sum").item()
        correct += (out.argmax(1) == y).sum().item()
        n += len(y)
    return loss / n, correct / n


def main():
    args = get_args()
    torch.set_num_threads(1)
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)

    d = load_digits()
    xtr, xte, ytr, yte = train_test_split(
        d.images / 16.0, d.target, test_size=0.2, stratify=d.target, random_state=args.seed
    )
    mean, std = xtr.mean(), xtr.std()
    train_loader = DataLoader(
        DigitSet(xtr, ytr, mean, std, augment=True),
        batch_size=args.batch_size, shuffle=True, drop_last=True,
    )
    test_loader = DataLoader(DigitSet(xte, yte, mean, std), batch_size=256)

    net = MiniResNet(args.width)
    print(f"params: {sum(p.numel() for p in net.parameters()) / 1e3:.1f}k")
    criterion = nn.CrossEntropyLoss(label_smoothing=args.label_smoothing)
    optimizer = torch.optim.SGD(
        net.parameters(), lr=args.lr, momentum=args.momentum,
        weight_decay=args.weight_decay, nesterov=True,
    )
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=args.lr, epochs=args.epochs, steps_per_epoch=len(train_loader)
    )

    # WATCH(net, optimizer)
    for epoch in range(1, args.epochs + 1):
        t0 = time.time()
        net.train()
        running, correct, seen = 0.0, 0, 0
        for x, y in train_loader:
            optimizer.zero_grad()
            out = net(x)
            loss = criterion(out, y)
            loss.backward()
            optimizer.step()
            scheduler.step()
            running += loss.item() * len(y)
            correct += (out.argmax(1) == y).sum().item()
            seen += len(y)
        te_loss, te_acc = evaluate(net, test_loader)
        print(
            f"[{epoch:02d}/{args.epochs}] lr {scheduler.get_last_lr()[0]:.4f} "
            f"train loss {running / seen:.3f} acc {correct / seen:.3f} | "
            f"test loss {te_loss:.3f} acc {te_acc:.4f} | {time.time() - t0:.1f}s"
        )
    print("final test accuracy: %.4f" % te_acc)
    print("RESULT %.4f higher" % te_acc)


if __name__ == "__main__":
    main()
