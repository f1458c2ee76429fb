# -*- coding: utf-8 -*-
"""Three tide gauges of an estuary, hour by hour: a small causal transformer learns the next hour
and is then rolled forward twelve hours on its own predictions.

The level (cm) is M2 + S2 + K1 + O1 constituents with a delay and an amplification per gauge, a
storm surge (AR(2), travels up the estuary) and instrument noise.  The last quarter is the test.
Skill = 1 - MSE(12 h rollout) / variance of the level.

RESULT skill higher
"""
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

CONFIG = {
    "data": {"hours": 6000, "seed": 12},
    "net": {"dim": 32, "heads": 4, "layers": 2, "context": 48},
    "train": {"batch": 24, "iters": 320, "lr": 3e-3, "warmup": 30, "clip": 1.0},
    "horizon": 12,
}


def estuary(hours, seed):
    rng = np.random.default_rng(seed)
    t = np.arange(hours + 10, dtype=float)
    surge = np.zeros_like(t)
    for k in range(2, len(t)):
        surge[k] = 1.86 * surge[k - 1] - .87 * surge[k - 2] + rng.normal(0, .9)
    out = []
    for delay, amp in ((0, 1.), (1.7, 1.25), (4.2, .8)):
        level = sum(a * np.cos(2 * np.pi * (t - delay) / p + ph)
                    for a, p, ph in ((120, 12.42, .3), (40, 12., 1.1), (22, 23.93, 2.), (15, 25.82, .7)))
        out.append(amp * level + np.roll(surge, int(delay)) + rng.normal(0, 2.5, len(t)))
    return np.stack(out, 1)[10:].astype("float32")


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.n1, self.n2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.ff = nn.Sequential(nn.Linear(dim, 3 * dim), nn.GELU(), nn.Linear(3 * dim, dim))

    def split(self, z):
        B, T, C = z.shape
        return z.reshape(B, T, self.heads, C // self.heads).transpose(1, 2)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = map(self.split, self.qkv(self.n1(x)).chunk(3, -1))
        att = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        later = torch.ones(T, T, dtype=torch.bool).triu(1)
        att = att.masked_fill(later, float("-inf")).softmax(-1)
        x = x + self.proj((att @ v).transpose(1, 2).reshape(B, T, C))
        return x + self.ff(self.n2(x))


class TideNet(nn.Module):
    def __init__(self, dim, heads, layers, context, gauges=3):
        super().__init__()
        self.context = context
        self.lift = nn.Linear(gauges, dim)
        self.pos = nn.Parameter(torch.randn(context, dim) * .02)
        self.blocks = nn.Sequential(*[Block(dim, heads) for _ in range(layers)])
        self.head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, gauges))

    def forward(self, x):
        return self.head(self.blocks(self.lift(x) + self.pos[:x.shape[1]]))


class Forecaster:
    def __init__(self, cfg):
        self.cfg, tc = cfg, cfg["train"]
        torch.manual_seed(0)
        level = torch.from_numpy(estuary(**cfg["data"]))
        cut = len(level) * 3 // 4
        self.mean, self.std = level[:cut].mean(0), level[:cut].std(0)
        z = (level - self.mean) / self.std
        self.past, self.future = z[:cut], z[cut:]
        self.net = TideNet(**cfg["net"])
        self.optim = torch.optim.AdamW(self.net.parameters(), lr=tc["lr"], weight_decay=.01)
        self.warm = torch.optim.lr_scheduler.LambdaLR(
            self.optim, lambda i: min((i + 1) / tc["warmup"], .5 + .5 * math.cos(math.pi * i / tc["iters"])))
        self.curve = []

    def windows(self):
        L = self.cfg["net"]["context"]
        at = torch.randint(0, len(self.past) - L - 1, (self.cfg["train"]["batch"], 1))
        w = self.past[at + torch.arange(L + 1)]
        return w[:, :-1], w[:, 1:]

    def fit(self):
        net, optim = self.net, self.optim
        # WATCH(net, optim)
        net.train()
        for it in range(self.cfg["train"]["iters"]):
            x, y = self.windows()
            pred = net(x)
            loss = F.mse_loss(pred, y)
            optim.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), self.cfg["train"]["clip"])
            optim.step()
            self.warm.step()
            self.curve.append(loss.item())
            if it % 80 == 79:
                print(f"it {it + 1} mse {sum(self.curve[-80:]) / 80:.4f} skill {self.skill():.4f}")
        return self

    @torch.no_grad()
    def skill(self):
        self.net.eval()
        L, H = self.cfg["net"]["context"], self.cfg["horizon"]
        starts = torch.arange(0, len(self.future) - L - H, 17)[:, None]
        x, truth = self.future[starts + torch.arange(L)], self.future[starts + L + torch.arange(H)]
        for _ in range(H):
            x = torch.cat([x, self.net(x[:, -L:])[:, -1:]], 1)
        self.net.train()
        return 1 - ((x[:, L:] - truth) ** 2).mean().item() / self.future.var().item()


if __name__ == "__main__":
    print(f"RESULT skill {Forecaster(CONFIG).fit().skill():.4f}")
