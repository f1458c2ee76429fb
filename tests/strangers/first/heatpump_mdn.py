# Mixture density network (Bishop 1994): electric power of a heat pump given outdoor / flow temperature.
# The compressor has modes (off-peak, heating, defrost), so a single Gaussian is not enough.
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.distributions import Normal


@dataclass
class Config:
    n: int = 6000
    components: int = 5
    width: int = 64
    lr: float = 2e-3
    batch: int = 128
    epochs: int = 22
    seed: int = 21


def simulate(cfg):
    r = np.random.default_rng(cfg.seed)
    outdoor = r.normal(4, 7, cfg.n)
    flow = 38 - 0.6 * outdoor + r.normal(0, 2.5, cfg.n)
    humid = r.beta(5, 2, cfg.n)
    lift = flow - outdoor
    heating = 700 + 42 * lift + 30 * np.sin(outdoor / 2)
    idle = 260 + 8 * np.maximum(outdoor, 0)
    defrost = 3300 - 15 * outdoor
    p_frost = 0.5 * humid * np.exp(-((outdoor - 1) / 4) ** 2)
    p_idle = 0.8 / (1 + np.exp(-(outdoor - 8) / 2))
    u = r.random(cfg.n)
    mode = np.where(u < p_frost, 2, np.where(u < p_frost + (1 - p_frost) * p_idle, 0, 1))
    power = np.choose(mode, [idle, heating, defrost]) + r.normal(0, 1, cfg.n) * np.choose(mode, [25, 110, 180])
    return np.stack([outdoor, flow, humid], 1), power


class MDN(nn.Module):
    def __init__(self, d_in, width, k):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(d_in, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.weights = nn.Linear(width, k)
        self.means = nn.Linear(width, k)
        self.log_scales = nn.Linear(width, k)
        nn.init.uniform_(self.means.bias, -1.5, 1.5)

    def forward(self, x):
        h = self.body(x)
        log_pi = self.weights(h).log_softmax(dim=-1)
        scale = self.log_scales(h).clamp(-5, 5).exp()
        return log_pi, self.means(h), scale


def nll(params, y):
    log_pi, mean, scale = params
    comp = Normal(mean, scale).log_prob(y.unsqueeze(-1))
    return -torch.logsumexp(log_pi + comp, dim=-1).mean()


class Experiment:
    def __init__(self, cfg):
        self.cfg = cfg
        torch.manual_seed(cfg.seed)
        X, y = simulate(cfg)
        a, b = int(0.7 * cfg.n), int(0.85 * cfg.n)
        X = (X - X[:a].mean(0)) / X[:a].std(0)
        self.shift, self.unit = y[:a].mean(), y[:a].std()
        X, y = torch.tensor(X, dtype=torch.float32), torch.tensor((y - self.shift) / self.unit, dtype=torch.float32)
        self.train, self.val, self.test = (X[:a], y[:a]), (X[a:b], y[a:b]), (X[b:], y[b:])
        self.net = MDN(X.shape[1], cfg.width, cfg.components)
        self.opt = torch.optim.Adam(self.net.parameters(), lr=cfg.lr)
        self.sched = torch.optim.lr_scheduler.ExponentialLR(self.opt, 0.92)

    @torch.no_grad()
    def score(self, part):
        """nats per reading, for densities per watt"""
        self.net.eval()
        X, y = part
        return nll(self.net(X), y).item() + math.log(self.unit)

    def run(self):
        net, opt, (X, y) = self.net, self.opt, self.train
        # WATCH(net, opt)
        for epoch in range(self.cfg.epochs):
            net.train()
            total = 0.0
            for i in torch.randperm(len(X)).split(self.cfg.batch):
                opt.zero_grad()
                loss = nll(net(X[i]), y[i])
                loss.backward()
                nn.utils.clip_grad_norm_(net.parameters(), 5.0)
                opt.step()
                total += loss.item() * len(i)
            self.sched.step()
            if (epoch + 1) % 5 == 0:
                print(f"epoch {epoch + 1:3d}: train {total / len(X) + math.log(self.unit):.4f}, val {self.score(self.val):.4f}")
        return self.score(self.test)


if __name__ == "__main__":
    torch.set_num_threads(1)
    final = Experiment(Config()).run()
    print(f"RESULT {final:.4f} lower")
