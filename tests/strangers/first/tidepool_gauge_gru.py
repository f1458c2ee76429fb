"""Forecast the water level of a tide pool gauge, six hours ahead.

usage: python tidepool_gauge_gru.py
"""
import logging
import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(levelname)s %(message)s")
log = logging.getLogger("gauge")

WINDOW = 36       # hours seen
HORIZON = 6       # hours to predict
BATCH_SIZE = 64
EPOCHS = 8


def simulate_gauge(hours: int, seed: int = 99) -> np.ndarray:
    """Hourly level in millimetres above the gauge zero."""
    rng = np.random.default_rng(seed)
    t = np.arange(hours)
    spring = 1 + 0.45 * np.cos(2 * np.pi * t / (24 * 14.77))
    tide = 620 * spring * np.sin(2 * np.pi * t / 12.42) + 210 * np.sin(2 * np.pi * t / 23.93 + 1.0)
    surge = np.zeros(hours)
    push = 0.0
    for i in range(1, hours):
        if rng.random() < 0.01:
            push = rng.normal(0, 60)
        push *= 0.93
        surge[i] = 0.965 * surge[i - 1] + push + rng.normal(0, 8)
    level = 3400 + tide + surge + rng.normal(0, 12, hours)
    return level.astype(np.float32)


class GaugeWindows(Dataset):
    """All windows (start = 0, 1, 2 ...) of a series; past and future are both scaled."""

    def __init__(self, series: np.ndarray, offset: float, scale: float):
        self.series = torch.from_numpy(series)
        self.offset, self.scale = offset, scale

    def __len__(self):
        return len(self.series) - (WINDOW + HORIZON) + 1

    def __getitem__(self, i):
        past = self.series[i:i + WINDOW]
        future = self.series[i + WINDOW:i + WINDOW + HORIZON]
        x = (past - self.offset) / self.scale
        y = (future - self.offset) / self.scale
        return x.unsqueeze(-1), y


class Forecaster(nn.Module):
    def __init__(self, hidden=48):
        super().__init__()
        self.gru = nn.GRU(1, hidden, batch_first=True)
        self.head = nn.Sequential(
            nn.Linear(hidden, 64),
            nn.ReLU(),
            nn.Linear(64, HORIZON),
        )

    def forward(self, x):
        _, h = self.gru(x)
        return self.head(h[-1])


@torch.no_grad()
def rmse(model, loader, scale):
    """RMSE in millimetres"""
    model.eval()
    se, n = 0.0, 0
    for x, y in loader:
        err = (model(x) - y) * scale
        se += err.square().sum().item()
        n += err.numel()
    return (se / n) ** 0.5


def main():
    torch.set_num_threads(1)
    torch.manual_seed(1)

    level = simulate_gauge(24 * 330)
    cut_a, cut_b = int(len(level) * 0.7), int(len(level) * 0.85)
    offset, scale = float(level[:cut_a].mean()), float(level[:cut_a].std())

    train_dl = DataLoader(GaugeWindows(level[:cut_a], offset, scale), batch_size=BATCH_SIZE, shuffle=True, drop_last=True)
    val_dl = DataLoader(GaugeWindows(level[cut_a:cut_b], offset, scale), batch_size=256)
    test_dl = DataLoader(GaugeWindows(level[cut_b:], offset, scale), batch_size=256)

    naive = np.mean([(level[cut_b + WINDOW + h:][:800] - level[cut_b + WINDOW - 1:][:800]) ** 2
                     for h in range(HORIZON)]) ** 0.5
    log.info("persistence rmse %.1f mm", naive)

    model = Forecaster()
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    loss_fn = nn.MSELoss()

    # WATCH(model, optimizer)
    for epoch in range(EPOCHS):
        model.train()
        losses = []
        for x, y in train_dl:
            loss = loss_fn(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
        scheduler.step()
        log.info("epoch %d loss %.4f val rmse %.1f mm", epoch + 1, np.mean(losses), rmse(model, val_dl, scale))

    print(f"RESULT {rmse(model, test_dl, scale):.2f} lower")


if __name__ == "__main__":
    main()
