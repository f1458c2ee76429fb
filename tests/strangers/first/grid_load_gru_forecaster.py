"""Hourly electricity load, 6 hours ahead, from the last 36 hours - GRU with early stopping."""
import os
import tempfile
import time

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

LOOKBACK, HORIZON = 36, 6


def simulate_load(hours, seed):
    g = np.random.default_rng(seed)
    t = np.arange(hours)
    weekday = (t // 24) % 7
    day = 900 * np.sin(2 * np.pi * (t % 24 - 8) / 24) + 350 * np.sin(4 * np.pi * (t % 24) / 24)
    week = np.where(weekday >= 5, -700.0, 0.0)
    drift = np.zeros(hours)
    for i in range(1, hours):
        drift[i] = 0.97 * drift[i - 1] + g.normal(0, 60)
    return 5200 + day * np.where(weekday >= 5, 0.6, 1.0) + week + drift + g.normal(0, 40, hours), t


class LoadWindows(Dataset):
    def __init__(self, load, hour, mean, std):
        z = (load - mean) / std
        ang = 2 * np.pi * (hour % 24) / 24
        wk = ((hour // 24) % 7 >= 5).astype(float)
        self.feats = torch.tensor(np.stack([z, np.sin(ang), np.cos(ang), wk], 1), dtype=torch.float32)
        self.target = self.feats[:, 0]

    def __len__(self):
        return len(self.feats) - LOOKBACK - HORIZON + 1

    def __getitem__(self, i):
        return self.feats[i:i + LOOKBACK], self.target[i + LOOKBACK:i + LOOKBACK + HORIZON]


class GRUForecaster(nn.Module):
    def __init__(self, n_in=4, hidden=32):
        super().__init__()
        self.gru = nn.GRU(n_in, hidden, batch_first=True)
        self.head = nn.Sequential(nn.Linear(hidden, 32), nn.ReLU(), nn.Linear(32, HORIZON))

    def forward(self, x):
        out, _ = self.gru(x)
        return x[:, -1:, 0] + self.head(out[:, -1])       # change against the last known value


class EarlyStopping:
    def __init__(self, path, patience=5, delta=1e-4):
        self.path, self.patience, self.delta = path, patience, delta
        self.best, self.counter, self.stop = float("inf"), 0, False

    def __call__(self, val_loss, model):
        if val_loss < self.best - self.delta:
            self.best, self.counter = val_loss, 0
            torch.save({"model": model.state_dict(), "val_loss": val_loss}, self.path)
        else:
            self.counter += 1
            self.stop = self.counter >= self.patience


class Trainer:
    def __init__(self, model, train_loader, val_loader, lr):
        self.model = model
        self.train_loader, self.val_loader = train_loader, val_loader
        self.loss_fn = nn.MSELoss()
        self.optimizer = torch.optim.Adam(model.parameters(), lr=lr)
        self.scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(self.optimizer, factor=0.3, patience=1)
        self.history = {"train": [], "val": []}

    def train_epoch(self):
        self.model.train()
        epoch_loss = 0
        for x, y in self.train_loader:
            self.optimizer.zero_grad()
            loss = self.loss_fn(self.model(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            epoch_loss += loss.item()
        return epoch_loss / len(self.train_loader)

    @torch.no_grad()
    def evaluate(self, loader):
        self.model.eval()
        se, n = 0.0, 0
        for x, y in loader:
            se += ((self.model(x) - y) ** 2).sum().item()
            n += y.numel()
        return se / n

    def fit(self, epochs, stopper):
        # WATCH(self.model, self.optimizer)
        for epoch in range(epochs):
            start = time.time()
            train_loss = self.train_epoch()
            val_loss = self.evaluate(self.val_loader)
            self.scheduler.step(val_loss)
            self.history["train"].append(train_loss)
            self.history["val"].append(val_loss)
            print(f"Epoch {epoch + 1:02d} train {train_loss:.5f} val {val_loss:.5f} "
                  f"lr {self.optimizer.param_groups[0]['lr']:.1e} ({time.time() - start:.1f}s)")
            stopper(val_loss, self.model)
            if stopper.stop:
                print("early stop")
                break


def main():
    torch.manual_seed(8)
    load, hour = simulate_load(24 * 7 * 22, seed=8)
    a, b = 24 * 7 * 15, 24 * 7 * 18
    mean, std = load[:a].mean(), load[:a].std()
    print(f"load mean {mean:.0f} std {std:.0f}")
    train = LoadWindows(load[:a], hour[:a], mean, std)
    val = LoadWindows(load[a:b], hour[a:b], mean, std)
    test = LoadWindows(load[b:], hour[b:], mean, std)

    trainer = Trainer(GRUForecaster(), DataLoader(train, batch_size=64, shuffle=True),
                      DataLoader(val, batch_size=256), lr=4e-3)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "gru.pt")
        trainer.fit(14, EarlyStopping(path))
        trainer.model.load_state_dict(torch.load(path)["model"])
    rmse = trainer.evaluate(DataLoader(test, batch_size=256)) ** 0.5 * std
    print(f"test RMSE in MW: {rmse:.1f}")
    print(f"RESULT {rmse:.3f} lower")


if __name__ == "__main__":
    main()
