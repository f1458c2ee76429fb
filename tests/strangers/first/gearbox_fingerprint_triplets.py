# Metric learning for gearbox vibration "fingerprints".
# Train on some machines, then check that recordings of *unseen* machines can be matched (recall@1).
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass
class Cfg:
    seed: int = 5
    n_train_machines: int = 60
    n_test_machines: int = 40
    per_machine: int = 24
    length: int = 256
    dim: int = 24
    machines_per_batch: int = 8
    margin: float = 0.3
    lr: float = 1e-3
    iters: int = 900


cfg = Cfg()
torch.set_num_threads(1)
torch.manual_seed(cfg.seed)
rng = np.random.default_rng(cfg.seed)


def record_machine():
    """all recordings of one machine: three tooth-mesh tones, random phases/gain, load-dependent noise"""
    freqs = rng.uniform(4, 50, 3)
    levels = rng.uniform(0.5, 1.2, 3)
    t = np.arange(cfg.length) / cfg.length
    out = []
    for _ in range(cfg.per_machine):
        jitter = 1 + 0.012 * rng.standard_normal()
        ph = rng.uniform(0, 2 * np.pi, 3)
        lev = levels * rng.uniform(0.6, 1.4, 3)
        s = (lev[:, None] * np.sin(2 * np.pi * freqs[:, None] * jitter * t + ph[:, None])).sum(0)
        s = s + rng.uniform(0.4, 1.0) * rng.standard_normal(cfg.length)
        s = (s - s.mean()) / s.std()
        out.append(s)
    return np.stack(out).astype(np.float32)


def record_fleet(n):
    sig = np.concatenate([record_machine() for _ in range(n)])
    ids = np.repeat(np.arange(n), cfg.per_machine)
    return sig, ids


class Encoder(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv1d(1, 32, 31, stride=4, padding=15), nn.BatchNorm1d(32), nn.ReLU(),
            nn.Conv1d(32, 64, 9, stride=2, padding=4), nn.BatchNorm1d(64), nn.ReLU(),
        )
        self.head = nn.Sequential(nn.Linear(128, 96), nn.ReLU(), nn.Linear(96, dim))

    def forward(self, x):
        h = self.conv(x[:, None, :])
        h = torch.cat([h.mean(-1), h.amax(-1)], 1)
        return F.normalize(self.head(h), dim=1)


sig, ids = record_fleet(cfg.n_train_machines)
order = rng.permutation(len(sig))
sig, ids = torch.from_numpy(sig[order]), ids[order]
members = [np.flatnonzero(ids == m) for m in range(cfg.n_train_machines)]

test_sig, test_ids = record_fleet(cfg.n_test_machines)
test_sig, test_ids = torch.from_numpy(test_sig), torch.from_numpy(test_ids)


def batch_hard(z, lab):
    """hardest positive, hardest negative within the batch (Hermans et al.) - softplus free version"""
    d = torch.cdist(z, z)
    same = lab[:, None] == lab[None, :]
    pos = d.masked_fill(~same, 0).amax(1)
    neg = d.masked_fill(same, 9.0).amin(1)
    return F.relu(pos - neg + cfg.margin).mean()


def recall_at_1(enc):
    enc.eval()
    with torch.no_grad():
        z = enc(test_sig)
    d = torch.cdist(z, z)
    d.fill_diagonal_(float("inf"))
    return (test_ids[d.argmin(1)] == test_ids).float().mean().item()


enc = Encoder(cfg.dim)
opt = torch.optim.Adam(enc.parameters(), lr=cfg.lr)
print("untrained recall@1: %.3f" % recall_at_1(enc))

# WATCH(enc, opt)
for it in range(cfg.iters):
    enc.train()
    picked = rng.choice(cfg.n_train_machines, cfg.machines_per_batch, replace=False)
    rows = np.concatenate([rng.choice(members[m], 6, replace=False) for m in picked])
    lab = torch.from_numpy(np.repeat(picked, 6))
    z = enc(sig[rows])
    loss = batch_hard(z, lab)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if (it + 1) % 150 == 0:
        print("it %4d  loss %.3f  recall@1 %.3f" % (it + 1, loss.item(), recall_at_1(enc)))

print(f"RESULT {recall_at_1(enc):.4f} higher")
