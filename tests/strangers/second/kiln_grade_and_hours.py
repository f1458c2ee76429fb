"""Kiln monitoring: one trunk, two heads.

Head 1 tells the grade of the last firing (four classes), head 2 the hours until the next maintenance.
Usage: python kiln_grade_and_hours.py [--epochs 50] [--lam 1.0] [--seed 3]
"""
import argparse

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

TARGETS = ("grade", "hours")


def simulate(n, rng):
    """A table as a dict of columns."""
    t = {}
    t["peak_temp"] = rng.normal(1180, 45, n)
    t["ramp"] = rng.gamma(4, 25, n)
    t["soak_min"] = rng.uniform(20, 90, n)
    t["humidity"] = rng.beta(2, 3, n)
    t["gas_flow"] = rng.normal(14, 3, n)
    t["firings"] = rng.integers(0, 200, n).astype(float)
    t["vibration"] = np.exp(rng.normal(0, 0.5, n))
    heat = (t["peak_temp"] - 1180) / 45
    soak = (t["soak_min"] - 55) / 20
    score = heat * soak + np.sin(2 * heat) - 1.2 * (t["humidity"] - 0.4) * np.abs(soak) * 3 + 0.08 * rng.standard_normal(n)
    t["grade"] = np.digitize(score, [-1.0, -0.1, 0.8])
    wear = t["firings"] / 200
    t["hours"] = 400 * (1 - wear) / (1 + 0.5 * t["vibration"]) + 35 * heat ** 2 * wear + 25 * np.cos(t["gas_flow"]) + 6 * rng.standard_normal(n)
    return t


class KilnNet(nn.Module):
    def __init__(self, n_in, width, dropout):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Linear(n_in, width), nn.SiLU(), nn.Dropout(dropout),
            nn.Linear(width, width), nn.SiLU(), nn.Dropout(dropout),
        )
        self.grade_head = nn.Linear(width, 4)
        self.hours_head = nn.Sequential(nn.Linear(width, 32), nn.SiLU(), nn.Linear(32, 1))

    def forward(self, x):
        z = self.trunk(x)
        return self.grade_head(z), self.hours_head(z).squeeze(-1)


class Experiment:
    def __init__(self, args):
        self.args = args
        torch.manual_seed(args.seed)
        table = simulate(args.rows, np.random.default_rng(args.seed))
        self.columns = [c for c in table if c not in TARGETS]
        rows_train, rows_test = train_test_split(np.arange(args.rows), test_size=0.25, random_state=args.seed)
        features = np.stack([table[c] for c in self.columns], 1)
        self.x_scaler = StandardScaler().fit(features[rows_train])
        self.h_mean, self.h_std = table["hours"][rows_train].mean(), table["hours"][rows_train].std()

        def pack(rows):
            x = torch.tensor(self.x_scaler.transform(features[rows]), dtype=torch.float32)
            h = torch.tensor((table["hours"][rows] - self.h_mean) / self.h_std, dtype=torch.float32)
            return x, torch.tensor(table["grade"][rows]), h

        self.train_data, self.test_data = pack(rows_train), pack(rows_test)
        self.net = KilnNet(len(self.columns), args.width, args.dropout)
        self.optim = torch.optim.AdamW(self.net.parameters(), lr=args.lr, weight_decay=args.wd)
        self.sched = torch.optim.lr_scheduler.CosineAnnealingLR(self.optim, T_max=args.epochs)

    def losses(self, grade_logits, hours_hat, grade, hours):
        return F.cross_entropy(grade_logits, grade), F.smooth_l1_loss(hours_hat, hours)

    def fit(self):
        x, grade, hours = self.train_data
        net, optim = self.net, self.optim
        # WATCH(net, optim)
        for epoch in range(self.args.epochs):
            net.train()
            sums = np.zeros(2)
            for rows in torch.randperm(len(x)).split(self.args.batch):
                g, h = net(x[rows])
                l_grade, l_hours = self.losses(g, h, grade[rows], hours[rows])
                optim.zero_grad()
                (l_grade + self.args.lam * l_hours).backward()
                optim.step()
                sums += np.array([l_grade.item(), l_hours.item()]) * len(rows)
            self.sched.step()
            if epoch % 10 == 9:
                acc, rmse = self.test()
                print(f"[{epoch + 1:3d}] grade loss {sums[0] / len(x):.4f}  hours loss {sums[1] / len(x):.4f} | test acc {acc:.4f}  rmse {rmse:.2f} h")

    @torch.no_grad()
    def test(self):
        self.net.eval()
        x, grade, hours = self.test_data
        g, h = self.net(x)
        acc = (g.argmax(1) == grade).float().mean().item()
        rmse = ((h - hours) ** 2).mean().sqrt().item() * self.h_std
        return acc, rmse


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--rows", type=int, default=3600)
    p.add_argument("--epochs", type=int, default=50)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--width", type=int, default=96)
    p.add_argument("--dropout", type=float, default=0.05)
    p.add_argument("--lr", type=float, default=4e-3)
    p.add_argument("--wd", type=float, default=1e-3)
    p.add_argument("--lam", type=float, default=1.0)
    p.add_argument("--seed", type=int, default=3)
    exp = Experiment(p.parse_args())
    print("features:", ", ".join(exp.columns))
    exp.fit()
    acc, rmse = exp.test()
    print(f"final: grade accuracy {acc:.4f}, hours rmse {rmse:.2f}")
    print(f"RESULT {rmse:.3f} lower")
