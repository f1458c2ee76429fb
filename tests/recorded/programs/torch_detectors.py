"""A detector of one object in each image, with one fault, and its healthy twin.

It logs as Ultralytics does by default: a ``results.csv``, and no event file.
"""

import csv

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tests.recorded.programs import Programs

SIDE, CLASSES = 24, 3  # pixels of an image, and kinds of objects
COLUMNS = (
    *("epoch", "train/box_loss", "train/cls_loss", "metrics/precision(B)", "metrics/recall(B)", "metrics/mAP50(B)"),
    *("metrics/mAP50-95(B)", "val/box_loss", "val/cls_loss", "lr/pg0", "lr/pg1", "lr/pg2"),
)


def scenes(count, random):
    """Images, shape (count, 1, SIDE, SIDE); boxes (centre and size, as shares of the image), shape (count, 4); classes."""
    images, boxes = random.normal(0, 0.1, (count, 1, SIDE, SIDE)).astype(np.float32), np.zeros((count, 4), np.float32)
    classes = random.integers(0, CLASSES, count)
    for i in range(count):
        width, height = random.integers(7, 13, 2)
        left, top = random.integers(0, SIDE - width), random.integers(0, SIDE - height)
        inside = images[i, 0, top : top + height, left : left + width]
        # a plain one, a striped one, and a frame
        inside += 1.0
        if classes[i] == 1:
            inside[::2] -= 1.0
        if classes[i] == 2:
            inside[2:-2, 2:-2] -= 1.0
        boxes[i] = (left + width / 2) / SIDE, (top + height / 2) / SIDE, width / SIDE, height / SIDE
    return torch.tensor(images), torch.tensor(boxes), torch.tensor(classes)


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU()),
            *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * (SIDE // 4) ** 2, 64), nn.ReLU()),
        )
        self.box, self.kind = nn.Linear(64, 4), nn.Linear(64, CLASSES)

    def forward(self, images):
        seen = self.body(images)
        return torch.sigmoid(self.box(seen)), self.kind(seen)


def overlaps(ours, theirs):
    """Intersection over union of each two boxes, shape (count,)."""
    edges = [(b[:, :2] - b[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2) for b in (ours, theirs)]
    low, high = (choose(edges[0][i], edges[1][i]) for i, choose in enumerate((torch.maximum, torch.minimum)))
    shared = (high - low).clamp(min=0).prod(1)
    return shared / (ours[:, 2:].prod(1) + theirs[:, 2:].prod(1) - shared)


def average_precision(sure, right):
    """The area under precision over recall, of one object in each image."""
    hits = right[torch.argsort(sure, descending=True)].float()
    return float((hits * hits.cumsum(0) / torch.arange(1, len(hits) + 1)).sum() / len(hits))


def losses(model, data):
    images, boxes, classes = data
    found, kinds = model(images)
    return 5 * F.smooth_l1_loss(found, boxes, beta=0.1), F.cross_entropy(kinds, classes)


def train(path, epochs=40, mislabel=lambda boxes, classes: (boxes, classes)):
    """`mislabel`: what the labels of the validation data are made of the true ones."""
    random, model = np.random.default_rng(7), Detector()
    images, boxes, classes = scenes(512, random)
    seen, *labels = scenes(128, random)
    held_out = (seen, *mislabel(*labels))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    with open(path / "results.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for epoch in range(1, epochs + 1):
            told = []
            for part in torch.randperm(len(images)).split(32):
                box, kind = losses(model, (images[part], boxes[part], classes[part]))
                optimizer.zero_grad()
                (box + kind).backward()
                optimizer.step()
                told.append((float(box.detach()), float(kind.detach())))
            with torch.no_grad():
                (found, kinds), missed = model(seen), losses(model, held_out)
            sure, which = kinds.softmax(1).max(1)
            overlap, same = overlaps(found, held_out[1]), which == held_out[2]
            each = [average_precision(sure, same & (overlap > limit)) for limit in np.arange(0.5, 0.96, 0.05)]
            hits = float((same & (overlap > 0.5)).float().mean())
            row = (*np.mean(told, 0), hits, hits, each[0], np.mean(each), *map(float, missed), 1e-3, 1e-3, 1e-3)
            writer.writerow((epoch, *(f"{value:.5g}" for value in row)))


PROGRAMS = Programs()
PROGRAMS.pair(
    "corners for centres",
    lambda path: train(path, mislabel=lambda boxes, classes: (torch.cat([boxes[:, :2] - 1, boxes[:, 2:]], 1), classes)),
    train,
)
PROGRAMS.pair(
    "classes are numbered from 1",
    lambda path: train(path, mislabel=lambda boxes, classes: (boxes, (classes + 1) % CLASSES)),
    lambda path: train(path, epochs=38),
)
