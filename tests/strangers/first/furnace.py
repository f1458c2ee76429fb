"""Surrogate model of an annealing furnace.

A table of process settings (temperature set point, line speed, gas flows,
strip thickness ...) and four measured quantities at the exit, each in its own
unit: strip temperature (deg C), energy (kW), hardness (HV), oxide (um). One MLP
predicts all four; score is the mean R^2 over the outputs on held-out runs.

RESULT mean_r2 higher
"""
import copy

import numpy as np
import torch
from torch import nn

CONFIG = dict(
    n_runs=4000,
    hidden=(64, 64),
    lr=3e-3,
    weight_decay=1e-5,
    batch_size=128,
    epochs=60,
    lr_step=20,
    lr_gamma=0.3,
    patience=15,
    jitter=0.1,
    smooth=0.3,
    seed=11,
)
TARGETS = ["strip_temp", "energy", "hardness", "oxide"]


def simulate(n, rng):
    """Settings and exit measurements of n runs."""
    setpoint = rng.uniform(680, 880, n)
    speed = rng.uniform(60, 180, n)
    thick = rng.uniform(0.4, 2.0, n)
    gas = rng.uniform(20, 90, n)
    h2 = rng.uniform(0.02, 0.2, n)
    dew = rng.normal(-35, 8, n)
    load = speed * thick
    temp = setpoint - 0.45 * load * (1 - gas / 180) + 6 * np.sin(setpoint / 25)
    energy = 300 + 9 * load + 0.02 * (setpoint - 600) * speed + 4 * gas
    hardness = 145 - 50 / (1 + np.exp(-(temp - 690) / 25)) + 8 * thick
    oxide = np.exp((dew + 35) / 12 - 8 * h2 + (temp - 700) / 90) * 0.6
    X = np.stack([setpoint, speed, thick, gas, h2, dew], 1)
    Y = np.stack([temp, energy, hardness, oxide], 1)
    Y += rng.normal(size=Y.shape) * np.array([2.0, 25.0, 1.0, 0.03])
    return X, Y


class Scaler:
    def fit(self, a):
        self.mean, self.std = a.mean(0), a.std(0)
        return self

    def transform(self, a):
        return (a - self.mean) / self.std

    def inverse(self, a):
        return a * self.std + self.mean


def mlp(n_in, hidden, n_out):
    layers, width = [], n_in
    for h in hidden:
        layers += [nn.Linear(width, h), nn.SiLU()]
        width = h
    layers += [nn.Linear(width, n_out)]
    return nn.Sequential(*layers)


class Trainer:
    def __init__(self, cfg):
        self.cfg = cfg
        rng = np.random.default_rng(cfg["seed"])
        torch.manual_seed(cfg["seed"])
        X, Y = simulate(cfg["n_runs"], rng)
        a, b = int(0.7 * len(X)), int(0.85 * len(X))
        self.xs, self.ys = Scaler().fit(X[:a]), Scaler().fit(Y[:a])
        X, Y_scaled = self.xs.transform(X), self.ys.transform(Y)
        f = lambda arr: torch.as_tensor(arr, dtype=torch.float32)
        self.train_data = f(X[:a]), f(Y_scaled[:a])
        self.val_data = f(X[a:b]), f(Y_scaled[a:b])
        self.test_x, self.test_y = f(X[b:]), Y[b:]
        self.model = mlp(X.shape[1], cfg["hidden"], Y.shape[1])
        self.optim = torch.optim.AdamW(
            self.model.parameters(), lr=cfg["lr"], weight_decay=cfg["weight_decay"])
        self.sched = torch.optim.lr_scheduler.StepLR(
            self.optim, step_size=cfg["lr_step"], gamma=cfg["lr_gamma"])
        self.best, self.best_state, self.bad = float("inf"), None, 0

    def loss(self, x, y):
        return nn.functional.mse_loss(self.model(x), y)

    def wobble(self, x):
        # sensors are noisy: a small change of the settings may change the output little
        noisy = x + self.cfg["jitter"] * torch.randn_like(x)
        return (self.model(noisy) - self.model(x)).pow(2).mean()

    def train_epoch(self):
        self.model.train()
        x, y = self.train_data
        for idx in torch.randperm(len(x)).split(self.cfg["batch_size"]):
            self.optim.zero_grad(set_to_none=True)
            xb, yb = x[idx], y[idx]
            loss = self.loss(xb, yb) + self.cfg["smooth"] * self.wobble(xb)
            loss.backward()
            self.optim.step()
        self.sched.step()

    @torch.no_grad()
    def validate(self):
        self.model.eval()
        return self.loss(*self.val_data).item()

    def fit(self):
        for epoch in range(self.cfg["epochs"]):
            self.train_epoch()
            v = self.validate()
            if v < self.best:
                self.best, self.bad = v, 0
                self.best_state = copy.deepcopy(self.model.state_dict())
            else:
                self.bad += 1
            if epoch % 10 == 0:
                print(f"{epoch:3d} val {v:.4f} best {self.best:.4f}")
            if self.bad > self.cfg["patience"]:
                break
        self.model.load_state_dict(self.best_state)

    @torch.no_grad()
    def score(self):
        self.model.eval()
        pred = self.ys.inverse(self.model(self.test_x).numpy())
        res = ((self.test_y - pred) ** 2).sum(0)
        tot = ((self.test_y - self.test_y.mean(0)) ** 2).sum(0)
        return 1 - res / tot


if __name__ == "__main__":
    trainer = Trainer(CONFIG)
    # WATCH(trainer.model, trainer.optim)
    trainer.fit()
    r2 = trainer.score()
    print({t: round(float(v), 3) for t, v in zip(TARGETS, r2)})
    print(f"RESULT mean_r2 {r2.mean():.4f}")
