"""Fine-tuning a small "pretrained" convolutional backbone.

Stage one trains a backbone to tell 8 stripe orientations apart on plenty of noisy pictures.
Stage two gives it a new head for a task with few labelled pictures (which of
four motifs is drawn), with a small rate for the backbone and a larger one for the head.
The backbone's batch norm statistics stay those of stage one.
"""
import argparse
import math

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def parse_args():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=11)
    p.add_argument("--pretrain-size", type=int, default=1600)
    p.add_argument("--pretrain-epochs", type=int, default=4)
    p.add_argument("--train-size", type=int, default=320)
    p.add_argument("--epochs", type=int, default=24)
    p.add_argument("--batch-size", type=int, default=16)
    p.add_argument("--lr-head", type=float, default=3e-3)
    p.add_argument("--lr-backbone", type=float, default=3e-4)
    p.add_argument("--size", type=int, default=20)
    return p.parse_args()


def grid(size):
    r = torch.linspace(-1, 1, size)
    return torch.meshgrid(r, r, indexing="ij")


def stripes(n, size, gen):
    """Noisy gratings; the label is the orientation bin."""
    yy, xx = grid(size)
    k = torch.randint(0, 8, (n,), generator=gen)
    theta = math.pi * k / 8
    freq = 5 + 4 * torch.rand(n, generator=gen)
    phase = 2 * math.pi * torch.rand(n, generator=gen)
    arg = freq[:, None, None] * (xx * torch.cos(theta)[:, None, None] + yy * torch.sin(theta)[:, None, None])
    img = torch.sin(arg + phase[:, None, None]) + 0.4 * torch.randn(n, size, size, generator=gen)
    return img.unsqueeze(1), k


def motifs(n, size, gen):
    """Ring, cross, square or diagonal bar, at a random place, in noise. Darker than the stripes."""
    yy, xx = grid(size)
    label = torch.arange(n) % 4
    cy = 0.6 * torch.rand(n, generator=gen) - 0.3
    cx = 0.6 * torch.rand(n, generator=gen) - 0.3
    s = 0.35 + 0.2 * torch.rand(n, generator=gen)
    dy = (yy[None] - cy[:, None, None]) / s[:, None, None]
    dx = (xx[None] - cx[:, None, None]) / s[:, None, None]
    r = torch.sqrt(dx ** 2 + dy ** 2)
    box = torch.maximum(dx.abs(), dy.abs())
    w = 0.22
    shapes = torch.stack([
        (r - 1).abs() < w,
        ((dx.abs() < w) | (dy.abs() < w)) & (box < 1),
        (box - 1).abs() < w,
        ((dx - dy).abs() < 1.5 * w) & (box < 1),
    ])
    img = shapes[label, torch.arange(n)].float() * 1.4 - 0.6
    img = img + 0.55 * torch.randn(n, size, size, generator=gen)
    return img.unsqueeze(1), label


class Backbone(nn.Module):
    out_features = 64

    def __init__(self):
        super().__init__()
        chans = [1, 16, 32, 64]
        self.stages = nn.ModuleList()
        for a, b in zip(chans[:-1], chans[1:]):
            self.stages.append(nn.Sequential(
                nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True), nn.MaxPool2d(2)))

    def forward(self, x):
        for stage in self.stages:
            x = stage(x)
        return x.mean(dim=(2, 3))


class Classifier(nn.Module):
    def __init__(self, backbone, n_classes):
        super().__init__()
        self.backbone = backbone
        self.fc = nn.Linear(backbone.out_features, n_classes)

    def forward(self, x):
        return self.fc(self.backbone(x))


def freeze_bn_stats(module):
    for m in module.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.eval()


@torch.no_grad()
def accuracy(model, x, y):
    model.eval()
    return (model(x).argmax(dim=1) == y).float().mean().item()


def pretrain(args, gen):
    x, y = stripes(args.pretrain_size, args.size, gen)
    xv, yv = stripes(400, args.size, gen)
    net = Classifier(Backbone(), 8)
    opt = torch.optim.Adam(net.parameters(), lr=2e-3)
    loader = DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True)
    for epoch in range(args.pretrain_epochs):
        net.train()
        for xb, yb in loader:
            opt.zero_grad()
            nn.functional.cross_entropy(net(xb), yb).backward()
            opt.step()
        print(f"pretrain epoch {epoch}: orientation accuracy {accuracy(net, xv, yv):.3f}")
    return net


def main():
    args = parse_args()
    torch.manual_seed(args.seed)
    gen = torch.Generator().manual_seed(args.seed)

    net = pretrain(args, gen)

    x_train, y_train = motifs(args.train_size, args.size, gen)
    x_val, y_val = motifs(200, args.size, gen)
    x_test, y_test = motifs(800, args.size, gen)
    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=args.batch_size, shuffle=True)

    net.fc = nn.Linear(net.backbone.out_features, 4)
    optimizer = torch.optim.AdamW([
        {"params": net.backbone.parameters(), "lr": args.lr_backbone},
        {"params": net.fc.parameters(), "lr": args.lr_head},
    ], weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.epochs)
    loss_fn = nn.CrossEntropyLoss()

    # WATCH(net, optimizer)
    for epoch in range(args.epochs):
        net.train()
        freeze_bn_stats(net.backbone)
        total = 0.0
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = loss_fn(net(xb), yb)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(xb)
        schedule.step()
        print(f"finetune epoch {epoch:2d}: loss {total / len(x_train):.4f}  val acc {accuracy(net, x_val, y_val):.3f}")

    print(f"RESULT {accuracy(net, x_test, y_test):.4f} higher")


if __name__ == "__main__":
    main()
