#!/usr/bin/env python
"""Metric learning on the 8x8 digits: an embedding in which like glyphs lie close together.

A deep and narrow network is trained with a contrastive loss over all pairs of a small batch;
four small batches make one step.  Nothing is classified at the end: every held-out glyph is a
query against the other held-out ones and the ranking is scored by mean average precision.
RESULT map higher
"""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, Dataset

ACCUMULATE = 4
MARGIN = 1.0


class Glyphs(Dataset):
    def __init__(self, pixels, digit, train_pixels):
        mean, scale = train_pixels.mean(), train_pixels.std()
        self.pixels = torch.tensor((pixels - mean) / scale, dtype=torch.float32)
        self.digit = torch.tensor(digit)

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, item):
        return self.pixels[item], self.digit[item]


class Embedder(nn.Module):
    def __init__(self, depth=5, hidden=64, out=12):
        super().__init__()
        stack, width = [], 64
        for _ in range(depth):
            linear = nn.Linear(width, hidden)
            nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
            nn.init.zeros_(linear.bias)
            stack += [linear, nn.ReLU()]
            width = hidden
        self.stack = nn.Sequential(*stack)
        self.project = nn.Linear(width, out)

    def forward(self, x):
        return nn.functional.normalize(self.project(self.stack(x)), dim=1)


def pair_distances(e):
    gap = e[:, None, :] - e[None, :, :]
    return (gap.pow(2).sum(-1) + 1e-8).sqrt()


def contrastive(e, digit):
    d = pair_distances(e)
    same = (digit[:, None] == digit[None, :]).float()
    other = 1 - same
    same = same - torch.eye(len(digit))
    pull = (same * d.pow(2)).sum() / same.sum().clamp(min=1)
    push = (other * (MARGIN - d).clamp(min=0).pow(2)).sum() / other.sum().clamp(min=1)
    return pull + push


def train(model, loader, optimizer, epoch):
    model.train()
    tally = 0.0
    optimizer.zero_grad()
    for i, (x, digit) in enumerate(loader, start=1):
        loss = contrastive(model(x), digit)
        (loss / ACCUMULATE).backward()
        if i % ACCUMULATE == 0:
            optimizer.step()
            optimizer.zero_grad()
        tally += loss.item()
    if epoch % 10 == 0:
        print(f"Train Epoch: {epoch}\tLoss: {tally / len(loader):.5f}")


def test(model, dataset):
    model.eval()
    with torch.no_grad():
        e = model(dataset.pixels)
        far = torch.cdist(e, e)
    far.fill_diagonal_(float("inf"))
    ranked = far.argsort(dim=1)[:, :-1]
    hit = (dataset.digit[ranked] == dataset.digit[:, None]).float()
    rank = torch.arange(1, hit.size(1) + 1)
    precision = hit.cumsum(1) / rank
    return ((precision * hit).sum(1) / hit.sum(1)).mean().item()


def main():
    torch.manual_seed(9)
    pixels, digit = load_digits(return_X_y=True)
    a, b, da, db = train_test_split(pixels, digit, test_size=0.3, stratify=digit, random_state=9)
    train_set, test_set = Glyphs(a, da, a), Glyphs(b, db, a)
    loader = DataLoader(train_set, batch_size=32, shuffle=True, drop_last=True)

    model = Embedder()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    # WATCH(model, optimizer)
    print(f"untrained map {test(model, test_set):.4f}")
    for epoch in range(1, 61):
        train(model, loader, optimizer, epoch)
    print(f"RESULT map {test(model, test_set):.4f}")


if __name__ == "__main__":
    main()
