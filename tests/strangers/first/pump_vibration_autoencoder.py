"""Anomaly detection for a pump: an autoencoder learns windows of healthy vibration, bad windows rebuild badly."""
from dataclasses import dataclass
import math

import numpy as np
import torch
import torch.nn as nn
from sklearn.metrics import roc_auc_score
from torch.utils.data import DataLoader, TensorDataset


@dataclass
class Settings:
    seed: int = 17
    window: int = 64
    code: int = 6
    epochs: int = 30
    batch_size: int = 64
    lr: float = 2e-3
    idle_share: float = 0.05       # windows in which the machine stands still


def vibration(n, cfg, rng, kind="healthy"):
    """n windows of raw sensor counts (12-bit, around 2048)."""
    t = np.arange(cfg.window) / cfg.window
    speed = rng.uniform(2.5, 3.5, n)[:, None]
    phase = rng.uniform(0, 2 * np.pi, n)[:, None]
    amp = rng.uniform(250, 400, n)[:, None]
    turn = 2 * np.pi * speed * t + phase
    s = amp * np.sin(turn) + 0.4 * amp * np.sin(2 * turn + 0.5)
    if kind == "bearing":
        s += 0.10 * amp * np.sin(5.3 * turn)
    elif kind == "knock":
        at = rng.integers(4, cfg.window - 4, n)
        s[np.arange(n), at] += rng.choice([-1, 1], n) * rng.uniform(90, 260, n)
    elif kind == "imbalance":
        s += 0.14 * amp * np.sin(0.5 * turn)
    s += rng.normal(0, 25, s.shape)
    if kind == "healthy":
        s[rng.random(n) < cfg.idle_share] = 0.0
    return np.round(s + 2048).astype("float32")


class ConvAutoencoder(nn.Module):
    def __init__(self, window, code):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv1d(1, 12, 5, stride=2, padding=2), nn.LeakyReLU(0.1),
            nn.Conv1d(12, 24, 5, stride=2, padding=2), nn.LeakyReLU(0.1),
            nn.Flatten(), nn.Linear(24 * window // 4, 64), nn.LeakyReLU(0.1), nn.Linear(64, code))
        self.decoder = nn.Sequential(
            nn.Linear(code, 64), nn.LeakyReLU(0.1), nn.Linear(64, 24 * window // 4), nn.LeakyReLU(0.1),
            nn.Unflatten(1, (24, window // 4)),
            nn.ConvTranspose1d(24, 12, 4, stride=2, padding=1), nn.LeakyReLU(0.1),
            nn.ConvTranspose1d(12, 1, 4, stride=2, padding=1))

    def forward(self, x):
        z = self.encoder(x)
        return self.decoder(z), z


def spectrum(x):
    return torch.fft.rfft(x, dim=-1, norm="ortho").abs()


def reconstruction_loss(rebuilt, x):
    """time domain plus a little of the magnitude spectrum"""
    return nn.functional.mse_loss(rebuilt, x) + 0.3 * nn.functional.mse_loss(spectrum(rebuilt), spectrum(x))


@torch.no_grad()
def anomaly_score(model, x):
    model.eval()
    rebuilt, _ = model(x)
    return (rebuilt - x).pow(2).mean(dim=(1, 2))


def main():
    cfg = Settings()
    torch.manual_seed(cfg.seed)
    rng = np.random.default_rng(cfg.seed)

    train_raw = vibration(2400, cfg, rng)
    val_raw = vibration(400, cfg, rng)
    test_raw = np.concatenate([vibration(600, cfg, rng)] + [vibration(80, cfg, rng, k) for k in ("bearing", "knock", "imbalance")])
    is_bad = np.r_[np.zeros(600), np.ones(240)]

    offset, scale = train_raw.mean(), train_raw.std()
    print(f"counts: offset {offset:.1f} scale {scale:.1f}")
    prepare = lambda raw: torch.from_numpy((raw - offset) / scale).unsqueeze(1)
    x_train, x_val, x_test = prepare(train_raw), prepare(val_raw), prepare(test_raw)

    model = ConvAutoencoder(cfg.window, cfg.code)
    optimizer = torch.optim.Adam(model.parameters(), lr=cfg.lr)
    loader = DataLoader(TensorDataset(x_train), batch_size=cfg.batch_size, shuffle=True)
    total_steps = cfg.epochs * len(loader)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(s, total_steps) / total_steps)))

    # WATCH(model, optimizer)
    for epoch in range(1, cfg.epochs + 1):
        model.train()
        running = 0.0
        for (xb,) in loader:
            optimizer.zero_grad()
            rebuilt, _ = model(xb)
            loss = reconstruction_loss(rebuilt, xb)
            loss.backward()
            optimizer.step()
            scheduler.step()
            running += loss.item() * len(xb)
        if epoch % 3 == 0:
            print(f"epoch {epoch:2d}  train loss {running / len(x_train):.5f}  healthy val error {anomaly_score(model, x_val).mean():.5f}")

    scores = anomaly_score(model, x_test).numpy()
    limit = np.quantile(anomaly_score(model, x_val).numpy(), 0.99)
    print(f"alarms above {limit:.4f}: {np.mean(scores[:600] > limit):.3f} of the healthy, {np.mean(scores[600:] > limit):.3f} of the bad windows")
    print(f"RESULT {roc_auc_score(is_bad, scores):.4f} higher")


if __name__ == "__main__":
    main()
