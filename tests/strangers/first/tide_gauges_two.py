"""Forecast the water level at harbour tide gauges six hours ahead with an LSTM.

Usage:
    python tide_gauges.py
    python tide_gauges.py --hidden 64 --epochs 10
"""
import argparse
from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn as nn

torch.set_num_threads(1)


@dataclass
class Config:
    stations: int = 5
    hours: int = 2400
    lookback: int = 36
    horizon: int = 6
    stride: int = 2
    hidden: int = 48
    batch_size: int = 64
    epochs: int = 10
    lr: float = 2e-3
    clip: float = 1.0
    seed: int = 11


def parse_config() -> Config:
    parser = argparse.ArgumentParser(description=__doc__)
    for f in fields(Config):
        parser.add_argument(f"--{f.name}", type=type(f.default), default=f.default)
    return Config(**vars(parser.parse_args()))


def simulate_gauge(rng, hours):
    """Hourly water level (mm), wind (m/s) and air pressure (hPa) of one harbour."""
    t = np.arange(hours)
    tide = np.zeros(hours)
    for period, amp in [(12.42, 900.0), (12.0, 300.0), (23.93, 150.0), (25.82, 110.0)]:
        tide += amp * rng.uniform(0.7, 1.3) * np.cos(2 * np.pi * t / period + rng.uniform(0, 2 * np.pi))
    wind = np.zeros(hours)
    pressure = np.zeros(hours)
    surge = np.zeros(hours)
    for i in range(1, hours):
        wind[i] = 0.97 * wind[i - 1] + rng.normal(0, 1.0)
        pressure[i] = 0.985 * pressure[i - 1] + rng.normal(0, 1.0)
        surge[i] = 0.9 * surge[i - 1] + 8.0 * wind[i - 1] - 1.0 * pressure[i - 1]
    level = 4200.0 + tide + surge + rng.normal(0, 20.0, hours)
    return np.stack([level, wind, pressure + 1013.0], axis=1)


def make_windows(raw, scaled, cfg):
    """Cut one station's series into (lookback -> horizon) pairs."""
    starts = np.arange(0, len(scaled) - cfg.lookback - cfg.horizon, cfg.stride)
    X = np.zeros((len(starts), cfg.lookback, scaled.shape[1]), dtype=np.float32)
    Y = np.zeros((len(starts), cfg.horizon), dtype=np.float32)
    for row, s in enumerate(starts):
        mid = s + cfg.lookback
        X[row, :, :] = scaled[s:mid]
        Y[row] = scaled[mid:mid + cfg.horizon, 0]
    return X, Y


def build_data(cfg):
    rng = np.random.default_rng(cfg.seed)
    series = [simulate_gauge(rng, cfg.hours) for _ in range(cfg.stations)]
    cut = int(0.8 * cfg.hours)
    past = np.concatenate([s[:cut] for s in series])
    mean, std = past.mean(axis=0), past.std(axis=0)
    parts = {"train": [], "valid": []}
    for s in series:
        z = (s - mean) / std
        parts["train"].append(make_windows(s[:cut], z[:cut], cfg))
        parts["valid"].append(make_windows(s[cut:], z[cut:], cfg))
    out = {}
    for name, pairs in parts.items():
        out[name] = tuple(torch.from_numpy(np.concatenate(p)) for p in zip(*pairs))
    return out, float(mean[0]), float(std[0])


class TideLSTM(nn.Module):
    def __init__(self, n_features, hidden, horizon):
        super().__init__()
        self.lstm = nn.LSTM(n_features, hidden, batch_first=True)
        self.head = nn.Sequential(
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, horizon),
        )

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.head(out[:, -1])


@torch.no_grad()
def rmse_mm(model, X, Y, level_mean, level_std):
    model.eval()
    pred = torch.cat([model(xb) for xb in X.split(512)])
    pred_mm = pred * level_std + level_mean
    true_mm = Y * level_std + level_mean
    return torch.sqrt(((pred_mm - true_mm) ** 2).mean()).item()


def main():
    cfg = parse_config()
    torch.manual_seed(cfg.seed)
    data, level_mean, level_std = build_data(cfg)
    X, Y = data["train"]
    Xv, Yv = data["valid"]
    print(f"{len(X)} training windows, {len(Xv)} validation windows")

    model = TideLSTM(X.shape[2], cfg.hidden, cfg.horizon)
    optimizer = torch.optim.Adam(model.parameters(), lr=cfg.lr)
    # WATCH(model, optimizer)
    criterion = nn.MSELoss()

    for epoch in range(1, cfg.epochs + 1):
        model.train()
        perm = torch.randperm(len(X))
        running = 0.0
        for i in range(0, len(X), cfg.batch_size):
            idx = perm[i:i + cfg.batch_size]
            xb, yb = X[idx], Y[idx]
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), cfg.clip)
            optimizer.step()
            running += loss.item() * len(idx)
        score = rmse_mm(model, Xv, Yv, level_mean, level_std)
        print(f"epoch {epoch:2d}  train mse {running / len(X):.4f}  valid rmse {score:.1f} mm")

    print(f"RESULT {score:.2f} lower")


if __name__ == "__main__":
    main()
