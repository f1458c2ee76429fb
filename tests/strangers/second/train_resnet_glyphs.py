# Small residual network on procedurally drawn glyphs (eight classes, 16x16 grey images).
import argparse

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

CLASSES = ["plus", "cross", "ring", "disc", "hbars", "vbars", "corner", "chevron"]


class GlyphFactory:
    """Draws noisy glyphs with random position, size and stroke."""

    def __init__(self, size=16, noise=0.3, seed=0):
        self.size, self.noise = size, noise
        self.rng = np.random.default_rng(seed)

    def draw(self, label):
        r = self.rng
        s = self.size
        yy, xx = np.mgrid[0:s, 0:s].astype(np.float32)
        cy, cx = r.uniform(5.5, s - 6.5, 2)
        dy, dx = yy - cy, xx - cx
        rad = r.uniform(3.0, 5.0)
        w = r.uniform(0.7, 1.3)
        box = (np.abs(dy) <= rad) & (np.abs(dx) <= rad)
        dist = np.sqrt(dy ** 2 + dx ** 2)
        name = CLASSES[label]
        if name == "plus":
            m = box & ((np.abs(dy) < w) | (np.abs(dx) < w))
        elif name == "cross":
            m = box & ((np.abs(dy - dx) < 1.4 * w) | (np.abs(dy + dx) < 1.4 * w))
        elif name == "ring":
            m = np.abs(dist - rad) < w
        elif name == "disc":
            m = dist < 0.8 * rad
        elif name == "hbars":
            m = box & (np.abs(np.abs(dy) - 0.6 * rad) < w)
        elif name == "vbars":
            m = box & (np.abs(np.abs(dx) - 0.6 * rad) < w)
        elif name == "corner":
            m = box & ((np.abs(dy - rad + w) < w) | (np.abs(dx + rad - w) < w))
        else:
            m = box & (np.abs(dy - np.abs(dx) + 0.4 * rad) < 1.3 * w)
        img = m * r.uniform(0.6, 1.0) + r.normal(0, self.noise, (s, s))
        return img.astype(np.float32)

    def make(self, per_class):
        images, labels = [], []
        for label in range(len(CLASSES)):
            for _ in range(per_class):
                images.append(self.draw(label))
                labels.append(label)
        return torch.from_numpy(np.stack(images))[:, None], torch.tensor(labels)


class BasicBlock(nn.Module):
    def __init__(self, c_in, c_out, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.shortcut = nn.Identity()
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x):
        h = torch.relu(self.bn1(self.conv1(x)))
        h = self.bn2(self.conv2(h))
        return torch.relu(h + self.shortcut(x))


class GlyphResNet(nn.Module):
    def __init__(self, n_classes, widths=(12, 24, 48)):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU())
        stages, c = [], widths[0]
        for i, w in enumerate(widths):
            stages.append(BasicBlock(c, w, stride=1 if i == 0 else 2))
            c = w
        self.stages = nn.Sequential(*stages)
        self.fc = nn.Linear(c, n_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):
        h = self.stages(self.stem(x))
        return self.fc(h.mean(dim=(2, 3)))


class Trainer:
    def __init__(self, args):
        self.args = args
        x_train, y_train = GlyphFactory(seed=args.seed).make(args.per_class)
        x_test, y_test = GlyphFactory(seed=args.seed + 1).make(100)
        mean, std = x_train.mean(), x_train.std()
        self.train_loader = DataLoader(TensorDataset((x_train - mean) / std, y_train),
                                       batch_size=args.batch_size, shuffle=True, drop_last=True)
        self.test_loader = DataLoader(TensorDataset((x_test - mean) / std, y_test), batch_size=200)
        self.net = GlyphResNet(len(CLASSES))
        self.criterion = nn.CrossEntropyLoss(label_smoothing=0.05)
        self.optim = torch.optim.SGD(self.net.parameters(), lr=args.max_lr / 25, momentum=0.9,
                                     weight_decay=5e-4, nesterov=True)
        self.sched = torch.optim.lr_scheduler.OneCycleLR(
            self.optim, max_lr=args.max_lr, epochs=args.epochs, steps_per_epoch=len(self.train_loader))

    def train_epoch(self):
        self.net.train()
        total, hits, n = 0.0, 0, 0
        for x, y in self.train_loader:
            self.optim.zero_grad()
            out = self.net(x)
            loss = self.criterion(out, y)
            loss.backward()
            self.optim.step()
            self.sched.step()
            total += loss.item() * len(y)
            hits += (out.argmax(1) == y).sum().item()
            n += len(y)
        return total / n, hits / n

    @torch.no_grad()
    def test(self):
        self.net.eval()
        hits = sum((self.net(x).argmax(1) == y).sum().item() for x, y in self.test_loader)
        return hits / len(self.test_loader.dataset)

    def run(self):
        print(f"untrained accuracy {self.test():.3f}")
        # WATCH(self.net, self.optim)
        for epoch in range(1, self.args.epochs + 1):
            loss, acc = self.train_epoch()
            print(f"[{epoch:2d}/{self.args.epochs}] lr={self.sched.get_last_lr()[0]:.4f} "
                  f"loss={loss:.4f} train_acc={acc:.4f} test_acc={self.test():.4f}")
        return self.test()


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--epochs", type=int, default=9)
    p.add_argument("--batch-size", type=int, default=64)
    p.add_argument("--per-class", type=int, default=300)
    p.add_argument("--max-lr", type=float, default=0.04)
    p.add_argument("--seed", type=int, default=11)
    args = p.parse_args()
    torch.manual_seed(args.seed)
    print(f"RESULT {Trainer(args).run():.4f} higher")
