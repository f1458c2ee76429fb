#!/usr/bin/env python
"""Who is calling?  Embeddings of whale calls for re-identification.

Synthetic hydrophone clips: every animal has its own sweep contour, harmonic
balance and pulse rate; clips differ in onset, loudness and sea noise.  An
x-vector-like network (convolutions over time, statistics pooling) is trained
with a soft batch-hard triplet loss.  Judged by recall@1 among animals the network
has never heard.

RESULT recall_at_1 higher
"""
import argparse
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

ap = argparse.ArgumentParser()
ap.add_argument("--steps", type=int, default=300)
ap.add_argument("--animals", type=int, default=80)
ap.add_argument("--unseen", type=int, default=60)
ap.add_argument("--clips", type=int, default=12)
ap.add_argument("--lr", type=float, default=1e-3)
ap.add_argument("--margin", type=float, default=0.5)
ap.add_argument("--seed", type=int, default=4)
cfg = ap.parse_args()

rng = np.random.default_rng(cfg.seed)
torch.manual_seed(cfg.seed)
SR, DUR, NFFT, HOP, BANDS = 4000, 1.0, 256, 80, 40


def new_animal():
    return dict(f0=rng.uniform(170, 290), sweep=rng.uniform(-90, 110), bend=rng.uniform(-70, 70),
                harm=rng.dirichlet(np.ones(5)), pulse=rng.uniform(3, 14), depth=rng.uniform(0.2, 0.9))


def record(a):
    n = int(SR * DUR)
    t = np.arange(n) / SR
    u = np.clip((t - rng.uniform(0.05, 0.25)) / 0.65, 0, 1)
    f = a["f0"] * rng.normal(1, 0.02) + a["sweep"] * u + a["bend"] * np.sin(np.pi * u)
    ph = 2 * np.pi * np.cumsum(f) / SR
    call = sum(w * np.sin((k + 1) * ph + rng.uniform(0, 6)) for k, w in enumerate(a["harm"]))
    env = ((u > 0) & (u < 1)) * (1 - a["depth"] * (0.5 + 0.5 * np.sin(2 * np.pi * a["pulse"] * t)))
    return rng.uniform(0.5, 2) * call * env + rng.normal(0, 0.2, n)


def spectrogram(wave):
    idx = np.arange(0, len(wave) - NFFT, HOP)[:, None] + np.arange(NFFT)
    mag = np.abs(np.fft.rfft(wave[idx] * np.hanning(NFFT), axis=1))[:, 4:4 + 2 * BANDS]
    db = np.log(mag.reshape(len(mag), BANDS, 2).mean(-1) + 1e-2)
    return ((db - db.mean()) / db.std()).astype("float32")          # time x bands


def catalogue(n):
    out = {}
    for k in range(n):
        a = new_animal()
        out[k] = torch.from_numpy(np.stack([spectrogram(record(a)) for _ in range(cfg.clips)]))
    return out


class CallEncoder(nn.Module):
    def __init__(self, width=64, dim=32):
        super().__init__()
        self.frames = nn.Sequential(
            nn.Conv1d(BANDS, width, 5, padding=2), nn.BatchNorm1d(width), nn.ReLU(),
            nn.Conv1d(width, width, 3, padding=2, dilation=2), nn.BatchNorm1d(width), nn.ReLU(),
            nn.Conv1d(width, width, 3, padding=3, dilation=3), nn.ReLU())
        self.embed = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Dropout(0.1),
                                   nn.Linear(width, dim))

    def forward(self, clips):
        n, t, b = clips.shape
        h = self.frames(clips.transpose(1, 2))
        mean = h.mean(2)
        spread = (h.var(2) + 1e-5).sqrt()
        return F.normalize(self.embed(torch.cat([mean, spread], 1)), dim=1)


def triplet_terms(z, who):
    dist = (2 - 2 * z @ z.t()).clamp(min=1e-6).sqrt()
    same = who[:, None] == who[None, :]
    terms = []
    for i in range(len(z)):
        far = torch.logsumexp(6 * dist[i][same[i]], 0) / 6
        near = -torch.logsumexp(-6 * dist[i][~same[i]], 0) / 6
        terms.append(F.softplus((far - near + cfg.margin) * 4))
    return terms


@torch.no_grad()
def recall_at_1(net, cat):
    net.eval()
    z = torch.cat([net(clips) for clips in cat.values()])
    who = torch.arange(len(cat)).repeat_interleave(cfg.clips)
    sim = z @ z.t()
    sim.fill_diagonal_(-9)
    return (who[sim.argmax(1)] == who).float().mean().item()


known, strangers = catalogue(cfg.animals), catalogue(cfg.unseen)
net = CallEncoder()
opt = torch.optim.Adam(net.parameters(), lr=cfg.lr)
# WATCH(net, opt)

t0 = time.time()
for step in range(1, cfg.steps + 1):
    net.train()
    picks = rng.choice(cfg.animals, 12, replace=False)
    clips = torch.cat([known[k][torch.from_numpy(rng.choice(cfg.clips, 4, replace=False))] for k in picks])
    who = torch.from_numpy(picks).repeat_interleave(4)
    terms = triplet_terms(net(clips), who)
    loss = torch.stack(terms).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 60 == 0:
        print(f"step {step:4d}  loss {loss.item():.4f}  R@1 {recall_at_1(net, strangers):.3f}  {time.time() - t0:.1f}s")

print("RESULT recall_at_1", round(recall_at_1(net, strangers), 4))
