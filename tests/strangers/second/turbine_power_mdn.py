"""Conditional density of turbine output given wind speed and air density, with a mixture density network.

Part of the time the grid operator curtails the park, which makes p(power | wind) two-moded; a plain regression
would answer with the mean of the two modes, where hardly any observation lies.
"""
import argparse
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn


@dataclass
class Sites:
    x: torch.Tensor
    y: torch.Tensor

    def __len__(self):
        return len(self.x)


def simulate(n, rng):
    wind = rng.weibull(2.1, n) * 9.0
    density = rng.normal(1.22, 0.04, n)
    curve = 1.0 / (1.0 + np.exp(-(wind - 8.5) / 1.3))
    power = 2.0 * curve * density / 1.22
    curtailed = rng.random(n) < 0.35
    power = np.where(curtailed, np.minimum(power, 0.7) * 0.9, power)
    power = power + rng.normal(0, 0.03, n) + rng.normal(0, 0.05, n) * curve
    return np.stack([wind, density], 1), power[:, None]


class MixtureHead(nn.Module):
    def __init__(self, width, k):
        super().__init__()
        self.weights = nn.Linear(width, k)
        self.means = nn.Linear(width, k)
        self.scales = nn.Linear(width, k)

    def forward(self, h):
        log_pi = torch.log_softmax(self.weights(h), dim=-1)
        mu = self.means(h)
        sigma = nn.functional.softplus(self.scales(h)) + 1e-2
        return log_pi, mu, sigma


class MDN(nn.Module):
    def __init__(self, d_in, width, k):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(d_in, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.head = MixtureHead(width, k)

    def forward(self, x):
        return self.head(self.trunk(x))


def negative_log_likelihood(log_pi, mu, sigma, y):
    z = (y - mu) / sigma
    log_normal = -0.5 * z ** 2 - torch.log(sigma) - 0.5 * math.log(2 * math.pi)
    return -torch.logsumexp(log_pi + log_normal, dim=-1).mean()


@torch.no_grad()
def evaluate(net, data):
    net.eval()
    out = negative_log_likelihood(*net(data.x), data.y).item()
    net.train()
    return out


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--components", type=int, default=4)
    ap.add_argument("--width", type=int, default=64)
    ap.add_argument("--lr", type=float, default=3e-3)
    ap.add_argument("--batch", type=int, default=256)
    ap.add_argument("--epochs", type=int, default=45)
    ap.add_argument("--seed", type=int, default=11)
    cfg = ap.parse_args()

    torch.manual_seed(cfg.seed)
    rng = np.random.default_rng(cfg.seed)
    splits = {}
    for name, n in (("train", 8000), ("valid", 1500), ("test", 3000)):
        splits[name] = simulate(n, rng)
    xm, xs = splits["train"][0].mean(0), splits["train"][0].std(0)
    ym, ys = splits["train"][1].mean(0), splits["train"][1].std(0)
    data = {k: Sites(torch.tensor((x - xm) / xs, dtype=torch.float32), torch.tensor((y - ym) / ys, dtype=torch.float32))
            for k, (x, y) in splits.items()}

    net = MDN(2, cfg.width, cfg.components)
    optim = torch.optim.Adam(net.parameters(), lr=cfg.lr)
    n_batches = math.ceil(len(data["train"]) / cfg.batch)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(optim, T_max=cfg.epochs * n_batches)

    # WATCH(net, optim)
    for epoch in range(1, cfg.epochs + 1):
        order = torch.randperm(len(data["train"]))
        running = 0.0
        for idx in order.split(cfg.batch):
            loss = negative_log_likelihood(*net(data["train"].x[idx]), data["train"].y[idx])
            optim.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optim.step()
            sched.step()
            running += loss.item() * len(idx)
        if epoch % 5 == 0:
            print(f"[{epoch:03d}] nll train {running / len(data['train']):+.4f}  valid {evaluate(net, data['valid']):+.4f}")

    print(f"RESULT {evaluate(net, data['test']):.4f} lower")


if __name__ == "__main__":
    main()
