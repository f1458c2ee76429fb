"""Day-ahead forecasting of a synthetic hourly load series with an LSTM."""
import argparse
import copy

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset


def make_series(n_hours, seed):
    rng = np.random.default_rng(seed)
    t = np.arange(n_hours)
    hour, dow = t % 24, (t // 24) % 7
    daily = 12 * np.sin(2 * np.pi * (hour - 7) / 24) + 5 * np.sin(4 * np.pi * (hour - 3) / 24)
    weekend = np.where(dow >= 5, 0.6, 1.0)
    ar = np.zeros(n_hours)
    shock = rng.normal(0, 1.0, n_hours)
    for i in range(1, n_hours):
        ar[i] = 0.95 * ar[i - 1] + shock[i]
    load = 100 + daily * weekend - np.where(dow >= 5, 6, 0) + ar + rng.normal(0, 0.5, n_hours)
    calendar = np.stack([np.sin(2 * np.pi * hour / 24), np.cos(2 * np.pi * hour / 24),
                         (dow >= 5).astype(float), (((t // 24 + 1) % 7) >= 5).astype(float)], 1)
    return load.astype(np.float32), calendar.astype(np.float32)


class WindowDataset(Dataset):
    def __init__(self, load, cal, start, stop, lookback, horizon):
        self.load, self.cal = torch.from_numpy(load), torch.from_numpy(cal)
        self.lookback, self.horizon = lookback, horizon
        self.first, self.n = start, stop - start - lookback - horizon + 1

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        a = self.first + i
        b = a + self.lookback
        x = torch.cat([self.load[a:b, None], self.cal[a:b]], dim=1)
        return x, self.load[b:b + self.horizon]


class Forecaster(nn.Module):
    def __init__(self, n_in, hidden, horizon):
        super().__init__()
        self.lstm = nn.LSTM(n_in, hidden, batch_first=True)
        self.head = nn.Linear(hidden, horizon)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.head(out[:, -1])


def run_epoch(model, loader, loss_fn, opt=None, clip=1.0):
    model.train(opt is not None)
    tot = 0.0
    with torch.set_grad_enabled(opt is not None):
        for x, y in loader:
            loss = loss_fn(model(x), y)
            if opt is not None:
                opt.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), clip)
                opt.step()
            tot += loss.item() * len(x)
    return tot / len(loader.dataset)


def main(a):
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    load, cal = make_series(24 * 365 * 2, a.seed)
    n = len(load)
    i_val, i_test = int(n * 0.7), int(n * 0.85)
    mu, sd = load[:i_val].mean(), load[:i_val].std()
    z = (load - mu) / sd
    L, H = a.lookback, a.horizon
    train_dl = DataLoader(WindowDataset(z, cal, 0, i_val, L, H), a.batch_size, shuffle=True)
    val_dl = DataLoader(WindowDataset(z, cal, i_val, i_test, L, H), 256)
    test_dl = DataLoader(WindowDataset(z, cal, i_test, n, L, H), 256)

    model = Forecaster(1 + cal.shape[1], a.hidden, H)
    opt = torch.optim.Adam(model.parameters(), lr=a.lr)
    sched = torch.optim.lr_scheduler.ReduceLROnPlateau(opt, factor=0.5, patience=1)
    loss_fn = nn.MSELoss()
    best, best_state = float("inf"), None
    for epoch in range(1, a.epochs + 1):
        tr = run_epoch(model, train_dl, loss_fn, opt)
        va = run_epoch(model, val_dl, loss_fn)
        sched.step(va)
        if va < best:
            best, best_state = va, copy.deepcopy(model.state_dict())
        print(f"{epoch:02d} train_mse={tr:.4f} val_mse={va:.4f} lr={opt.param_groups[0]['lr']:.1e}")
    model.load_state_dict(best_state)

    model.eval()
    err, naive = [], []
    with torch.no_grad():
        for x, y in test_dl:
            err.append((model(x) - y).abs())
            naive.append((x[:, -24:, 0].repeat(1, H // 24) - y).abs())
    print(f"test MAE {torch.cat(err).mean() * sd:.3f} vs seasonal-naive {torch.cat(naive).mean() * sd:.3f} "
          f"(series sd {sd:.2f})")


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--lookback", type=int, default=48)
    ap.add_argument("--horizon", type=int, default=24)
    ap.add_argument("--hidden", type=int, default=48)
    ap.add_argument("--batch-size", type=int, default=64)
    ap.add_argument("--epochs", type=int, default=10)
    ap.add_argument("--lr", type=float, default=2e-3)
    ap.add_argument("--seed", type=int, default=5)
    main(ap.parse_args())
