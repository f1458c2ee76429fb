#!/usr/bin/env python
"""Gait re-identification from a 6-axis motion sensor (synthetic), batch-hard triplet loss.

All walkers share a basic movement and deviate from it in their own way; recordings differ in
phase, cadence, gain of each axis and noise. The network embeds a recording on the unit sphere. It is trained on some walkers and
judged on walkers it never saw: is the nearest other recording from the same person?
RESULT recall_at_1 higher
"""
import argparse

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

T, C, HARMONICS = 64, 6, 5


def record(rng, coef, n):
    """n recordings of one walker, (n, T, C) float32, time first as the logger writes it."""
    t = np.arange(T) / T
    phase = rng.uniform(0, 2 * np.pi, n)[:, None]
    cadence = rng.uniform(1.7, 2.3, n)[:, None]
    k = np.arange(1, HARMONICS + 1)
    arg = k * (2 * np.pi * cadence * t + phase)[..., None]            # n, T, H
    clean = np.cos(arg) @ coef[0] + np.sin(arg) @ coef[1]              # n, T, C
    strength = rng.uniform(0.6, 1.6, (n, 1, C))
    return (strength * clean + 0.7 * rng.normal(size=clean.shape)).astype(np.float32)


class GaitSet(Dataset):
    def __init__(self, walkers, each, seed, stats=None):
        rng = np.random.default_rng(seed)
        decay = (1 / np.arange(1, HARMONICS + 1) ** 0.7)[None, :, None]
        common = np.random.default_rng(0).normal(size=(2, HARMONICS, C))
        coefs = [(common + 0.4 * rng.normal(size=common.shape)) * decay for _ in range(walkers)]
        x = np.concatenate([record(rng, c, each) for c in coefs])
        y = np.repeat(np.arange(walkers), each)
        self.stats = stats or (x.mean((0, 1)), x.std((0, 1)))
        order = rng.permutation(len(x))
        self.x = torch.from_numpy((x[order] - self.stats[0]) / self.stats[1])
        self.y = torch.from_numpy(y[order])

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return {"signal": self.x[i], "walker": self.y[i]}


class PKSampler(Sampler):
    """Batches of p walkers with k recordings each."""

    def __init__(self, labels, p, k, batches):
        self.labels, self.p, self.k, self.batches = labels.numpy(), p, k, batches

    def __len__(self):
        return self.batches

    def __iter__(self):
        ids = np.unique(self.labels)
        for _ in range(self.batches):
            chosen = np.random.choice(ids, self.p, replace=False)
            yield [int(i) for w in chosen for i in np.random.choice(
                np.flatnonzero(self.labels == w), self.k, replace=False)]


class GaitNet(nn.Module):
    def __init__(self, dim=32, width=32):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv1d(C, width, 7, padding=3), nn.BatchNorm1d(width), nn.ReLU(), nn.MaxPool1d(2),
            nn.Conv1d(width, 2 * width, 5, padding=2), nn.BatchNorm1d(2 * width), nn.ReLU(),
            nn.Conv1d(2 * width, 2 * width, 5, padding=2), nn.BatchNorm1d(2 * width), nn.ReLU())
        self.out = nn.Linear(2 * width, dim)

    def forward(self, x):
        x = x.permute(0, 2, 1)
        h = self.conv(x).mean(-1)
        return nn.functional.normalize(self.out(h), dim=1)


def batch_hard(emb, labels, margin):
    d2 = (emb[:, None] - emb[None]).pow(2).sum(-1)
    dist = (d2 + 1e-8).sqrt()
    same = labels[:, None] == labels[None]
    pos = (dist * same).max(1).values
    neg = (dist + 10.0 * same).min(1).values
    return nn.functional.softplus((pos - neg + margin) * 4).mean() / 4


class Trainer:
    def __init__(self, cfg):
        self.cfg = cfg
        self.train_set = GaitSet(cfg.walkers, 24, seed=1)
        self.test_set = GaitSet(40, 10, seed=2, stats=self.train_set.stats)
        self.loader = DataLoader(self.train_set, batch_sampler=PKSampler(
            self.train_set.y, cfg.p, cfg.k, cfg.batches))
        self.model = GaitNet()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=cfg.lr, weight_decay=1e-3)
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, step_size=5, gamma=0.3)

    def fit(self):
        # WATCH(self.model, self.optimizer)
        for epoch in range(self.cfg.epochs):
            loss = self.one_epoch()
            self.scheduler.step()
            if (epoch + 1) % 4 == 0:
                print(f"[{epoch + 1:02d}] loss {loss:.4f} recall@1 {self.recall():.3f}")

    def one_epoch(self):
        self.model.train()
        total = 0.0
        for batch in self.loader:
            emb = self.model(batch["signal"])
            loss = batch_hard(emb, batch["walker"], self.cfg.margin)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            total += loss.item()
        return total / len(self.loader)

    @torch.no_grad()
    def recall(self):
        self.model.eval()
        emb = self.model(self.test_set.x)
        sim = emb @ emb.T
        sim.fill_diagonal_(-2)
        return (self.test_set.y[sim.argmax(1)] == self.test_set.y).float().mean().item()


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--walkers", type=int, default=80)
    ap.add_argument("--epochs", type=int, default=16)
    ap.add_argument("--batches", type=int, default=25)
    ap.add_argument("--p", type=int, default=12)
    ap.add_argument("--k", type=int, default=4)
    ap.add_argument("--lr", type=float, default=2e-3)
    ap.add_argument("--margin", type=float, default=0.3)
    cfg = ap.parse_args()
    torch.manual_seed(0)
    np.random.seed(0)
    trainer = Trainer(cfg)
    print(f"recall@1 before training {trainer.recall():.3f}")
    trainer.fit()
    print(f"RESULT recall_at_1 {trainer.recall():.4f}")
