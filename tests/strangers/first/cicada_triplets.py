#!/usr/bin/env python
"""Cicada re-identification by song: a triplet embedding, tested on species never heard in training.

Songs are synthetic log-spectrograms (24 bands x 40 frames): carrier, harmonic, pulse rate, duty
cycle and sweep belong to the species; loudness, phase, rain noise and tempo to the recording.
Metric: rank-1 retrieval among 20 unseen species (1 gallery song per species, 12 queries).

RESULT rank1 higher
"""
import argparse
import random

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

parser = argparse.ArgumentParser()
parser.add_argument("--species", default=60, type=int)
parser.add_argument("--unseen", default=20, type=int)
parser.add_argument("--songs", default=13, type=int)
parser.add_argument("--margin", default=0.3, type=float)
parser.add_argument("--lr", default=1.5e-3, type=float)
parser.add_argument("--steps", default=160, type=int)
args = parser.parse_args([])


def sing(sp, rng):
    f, t = np.meshgrid(np.arange(24), np.arange(40), indexing="ij")
    carrier = sp["carrier"] + rng.normal(0, .35) + sp["sweep"] * (t - 20) / 20
    pulse = ((t * sp["pulse"] * rng.uniform(.95, 1.05) + rng.uniform()) % 1 < sp["duty"]).astype(float)
    s = np.exp(-.5 * ((f - carrier) / sp["bw"]) ** 2) + sp["harm"] * np.exp(-.5 * ((f - carrier - 7) / 1.5) ** 2)
    s = s * (.15 + pulse) * rng.uniform(.6, 1.5)
    return np.log(s + np.abs(rng.normal(0, .12, s.shape)) + .02).astype(np.float32)


class SongBook(Dataset):
    def __init__(self, ids, seed):
        rng = np.random.default_rng(seed)
        self.songs, self.who = [], []
        for i in ids:
            sp = dict(carrier=rng.uniform(4, 15), sweep=rng.normal(0, 2), pulse=rng.uniform(.06, .4),
                      duty=rng.uniform(.3, .8), bw=rng.uniform(.8, 2.5), harm=rng.uniform(0, .8))
            for _ in range(args.songs):
                self.songs.append(sing(sp, rng))
                self.who.append(i)
        self.songs = np.stack(self.songs)

    def __len__(self):
        return len(self.who)

    def __getitem__(self, k):
        return (self.songs[k] - STATS[0]) / STATS[1], self.who[k]


class PxK(Sampler):
    """P species, K songs of each, per batch."""

    def __init__(self, who, p=10, k=4):
        self.by = {}
        for pos, w in enumerate(who):
            self.by.setdefault(w, []).append(pos)
        self.p, self.k = p, k

    def __iter__(self):
        for _ in range(args.steps):
            yield [pos for w in random.sample(list(self.by), self.p) for pos in random.sample(self.by[w], self.k)]

    def __len__(self):
        return args.steps


class Ear(nn.Module):
    def __init__(self, dim=32):
        super().__init__()
        chans = [1, 16, 32, 32]
        self.blocks = nn.ModuleList([
            nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2))
            for a, b in zip(chans, chans[1:])
        ])
        self.embed = nn.Linear(32 * 3 * 5, dim)

    def forward(self, x):
        x = x[:, None]
        for blk in self.blocks:
            x = blk(x)
        return nn.functional.normalize(self.embed(x.flatten(1)))


def pairwise(e):
    sq = (e[:, None] - e[None]).pow(2).sum(-1)
    return (sq + 1e-8).sqrt()


def batch_hard(e, who):
    d = pairwise(e)
    same = who[:, None] == who[None]
    far = d.masked_fill(~same, 0).amax(1)
    near = d.masked_fill(same, 9.).amin(1)
    return torch.relu(far - near + args.margin).mean()


def rank1(ear, book):
    ear.eval()
    with torch.no_grad():
        e = torch.cat([ear(x) for x, _ in DataLoader(book, batch_size=128)])
    who = torch.tensor(book.who)
    gallery = torch.arange(0, len(book), args.songs)
    query = torch.tensor([q for q in range(len(book)) if q % args.songs])
    return (who[gallery][torch.cdist(e[query], e[gallery]).argmin(1)] == who[query]).float().mean().item()


random.seed(5)
torch.manual_seed(5)
known = SongBook(range(args.species), seed=50)
unseen = SongBook(range(args.species, args.species + args.unseen), seed=51)
STATS = known.songs.mean(), known.songs.std()

ear = Ear()
adam = torch.optim.Adam(ear.parameters(), lr=args.lr)
# WATCH(ear, adam)

print("untrained rank-1:", round(rank1(ear, unseen), 3))
ear.train()
for step, (song, who) in enumerate(DataLoader(known, batch_sampler=PxK(known.who)), 1):
    loss = batch_hard(ear(song), who)
    adam.zero_grad()
    loss.backward()
    adam.step()
    if step % 40 == 0:
        print(f"step {step} loss {loss.item():.4f} rank-1 {rank1(ear, unseen):.3f}")
        ear.train()
print("RESULT rank1 %.4f" % rank1(ear, unseen))
