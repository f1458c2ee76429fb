#!/usr/bin/env python
"""Example: single-object detection (class + bounding box) with two heads.

Usage::

    python box_detector.py --epochs 7 --batch-size 32
"""
from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset, random_split

SHAPES = ("square", "disc", "triangle", "cross")
SIDE = 40


@dataclass
class Config:
    samples: int = 3000
    val_fraction: float = 0.2
    batch_size: int = 32
    epochs: int = 7
    lr: float = 1e-3
    box_weight: float = 20.0
    seed: int = 11


def synthetic_scenes(n: int, seed: int) -> TensorDataset:
    """Images with one object; boxes are (cx, cy, w, h) in pixels."""
    rng = np.random.default_rng(seed)
    yy, xx = np.mgrid[0:SIDE, 0:SIDE]
    images = rng.normal(0.0, 0.15, (n, 1, SIDE, SIDE))
    labels = rng.integers(0, len(SHAPES), n)
    boxes = np.zeros((n, 4))
    for i, c in enumerate(labels):
        w, h = rng.uniform(12, 24, 2)
        cx, cy = rng.uniform(w / 2, SIDE - w / 2), rng.uniform(h / 2, SIDE - h / 2)
        u, v = (xx - cx) / (w / 2), (yy - cy) / (h / 2)
        inside = (np.abs(u) <= 1) & (np.abs(v) <= 1)
        if SHAPES[c] == "disc":
            inside = u ** 2 + v ** 2 <= 1
        elif SHAPES[c] == "triangle":
            inside &= np.abs(u) <= (v + 1) / 2
        elif SHAPES[c] == "cross":
            inside &= (np.abs(u) < 0.25) | (np.abs(v) < 0.25)
        images[i, 0][inside] += rng.uniform(0.7, 1.3)
        # some distracting clutter
        for _ in range(4):
            a, b = rng.integers(0, SIDE - 3, 2)
            images[i, 0, a:a + 2, b:b + 2] += 0.8
        boxes[i] = cx, cy, w, h
    return TensorDataset(
        torch.tensor(images, dtype=torch.float32),
        torch.tensor(labels),
        torch.tensor(boxes / SIDE, dtype=torch.float32),
    )


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """Row-wise IoU of two sets of (cx, cy, w, h) boxes."""
    a1, a2 = a[:, :2] - a[:, 2:] / 2, a[:, :2] + a[:, 2:] / 2
    b1, b2 = b[:, :2] - b[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2
    inter = (torch.minimum(a2, b2) - torch.maximum(a1, b1)).clamp(min=0).prod(dim=1)
    return inter / (a[:, 2:].prod(dim=1) + b[:, 2:].prod(dim=1) - inter + 1e-9)


class Detector(nn.Module):
    def __init__(self, num_classes: int, width: int = 10) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        c = 1
        for out in (width, 2 * width, 3 * width):
            layers += [nn.Conv2d(c, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)]
            c = out
        self.trunk = nn.Sequential(*layers, nn.Flatten(), nn.Linear(c * 25, 128), nn.ReLU(), nn.Dropout(0.3))
        self.cls_head = nn.Linear(128, num_classes)
        self.box_head = nn.Linear(128, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = self.trunk(x)
        return self.cls_head(z), self.box_head(z).sigmoid()


class Trainer:
    def __init__(self, cfg: Config) -> None:
        self.cfg = cfg
        data = synthetic_scenes(cfg.samples, cfg.seed)
        n_val = int(cfg.samples * cfg.val_fraction)
        train_set, val_set = random_split(
            data, [cfg.samples - n_val, n_val], generator=torch.Generator().manual_seed(cfg.seed)
        )
        self.train_loader = DataLoader(train_set, batch_size=cfg.batch_size, shuffle=True)
        self.val_loader = DataLoader(val_set, batch_size=cfg.batch_size)
        self.cls_loss = nn.CrossEntropyLoss()
        self.box_loss = nn.MSELoss()

    def fit(self, model: Detector) -> float:
        optimizer = torch.optim.Adam(model.parameters(), lr=self.cfg.lr)
        # WATCH(model, optimizer)
        score = 0.0
        for epoch in range(1, self.cfg.epochs + 1):
            model.train()
            total = 0.0
            for images, labels, boxes in self.train_loader:
                logits, pred = model(images)
                loss = self.cls_loss(logits, labels) + self.cfg.box_weight * self.box_loss(pred, boxes)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.item()
            accuracy, iou, score = self.validate(model)
            print(f"epoch {epoch}: loss={total / len(self.train_loader):.4f} acc={accuracy:.3f} "
                  f"iou={iou:.3f} detected={score:.3f}")
        return score

    def validate(self, model: Detector) -> tuple[float, float, float]:
        model.eval()
        right, ious = [], []
        with torch.no_grad():
            for images, labels, boxes in self.val_loader:
                logits, pred = model(images)
                right.append(logits.argmax(dim=1) == labels)
                ious.append(box_iou(pred, boxes))
        ok, iou = torch.cat(right), torch.cat(ious)
        return ok.float().mean().item(), iou.mean().item(), (ok & (iou > 0.6)).float().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=Config.epochs)
    parser.add_argument("--batch-size", type=int, default=Config.batch_size)
    args = parser.parse_args()
    cfg = Config(epochs=args.epochs, batch_size=args.batch_size)
    torch.set_num_threads(1)
    torch.manual_seed(cfg.seed)
    score = Trainer(cfg).fit(Detector(len(SHAPES)))
    print(f"RESULT {score:.4f} higher")


if __name__ == "__main__":
    main()
