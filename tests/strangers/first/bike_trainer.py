"""Hourly demand at bike rental stations: entity embeddings plus numeric weather features into
an MLP with two heads, one regressing the number of rentals, one classifying "station ran empty".
Trainer class, custom Dataset, early stopping; reports the RMSE of the rentals on the test days.
"""
import copy
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset


@dataclass
class Config:
    n_rows: int = 9000
    n_stations: int = 24
    embed_dim: int = 6
    hidden: int = 64
    batch_size: int = 128
    lr: float = 2e-3
    weight_decay: float = 1e-4
    empty_weight: float = 0.3
    max_epochs: int = 16
    patience: int = 4
    seed: int = 2024


def simulate(cfg):
    rng = np.random.default_rng(cfg.seed)
    day = np.sort(rng.integers(0, 365, cfg.n_rows))
    hour = rng.integers(0, 24, cfg.n_rows)
    station = rng.integers(0, cfg.n_stations, cfg.n_rows)
    temp = 12 + 11 * np.sin(2 * np.pi * (day - 110) / 365) + 3 * rng.normal(size=cfg.n_rows)
    rain = rng.gamma(0.3, 3.0, cfg.n_rows)
    wind = rng.gamma(3.0, 4.0, cfg.n_rows)
    office = rng.random(cfg.n_stations) < 0.5
    size = rng.uniform(20, 90, cfg.n_stations)
    weekend = day % 7 >= 5
    commute = np.exp(-0.5 * ((hour - 8) / 1.5) ** 2) + np.exp(-0.5 * ((hour - 17.5) / 2.0) ** 2)
    leisure = np.exp(-0.5 * ((hour - 14) / 3.5) ** 2)
    shape = np.where(office[station] & ~weekend, commute, leisure)
    rate = size[station] * (0.1 + shape) * np.exp(-0.5 * ((temp - 22) / 10) ** 2) * np.exp(-0.25 * rain)
    rate *= 1 - 0.01 * wind.clip(0, 40)
    rentals = rng.poisson(3 * rate) / 1.0
    empty = (rentals + 8 * rng.normal(size=cfg.n_rows) > 1.2 * size[station]).astype(np.float32)
    numeric = np.stack([temp, rain, wind, day % 7 >= 5], axis=1).astype(np.float32)
    return numeric, hour, station, rentals.astype(np.float32), empty


class RentalDataset(Dataset):
    def __init__(self, numeric, hour, station, rentals, empty, stats):
        self.numeric = (numeric - stats["mean"]) / stats["std"]
        self.hour, self.station = hour, station
        self.rentals = (rentals - stats["y_mean"]) / stats["y_std"]
        self.empty = empty

    def __len__(self):
        return len(self.rentals)

    def __getitem__(self, i):
        return {
            "numeric": torch.from_numpy(self.numeric[i]),
            "hour": int(self.hour[i]),
            "station": int(self.station[i]),
            "rentals": torch.tensor(self.rentals[i]),
            "empty": torch.tensor(self.empty[i]),
        }


class DemandNet(nn.Module):
    def __init__(self, cfg, n_numeric=4):
        super().__init__()
        self.hour = nn.Embedding(24, cfg.embed_dim)
        self.station = nn.Embedding(cfg.n_stations, cfg.embed_dim)
        self.body = nn.Sequential(
            nn.Linear(2 * cfg.embed_dim + n_numeric, cfg.hidden), nn.ReLU(),
            nn.Linear(cfg.hidden, cfg.hidden), nn.ReLU(),
        )
        self.rentals_head = nn.Linear(cfg.hidden, 1)
        self.empty_head = nn.Linear(cfg.hidden, 1)

    def forward(self, batch):
        x = torch.cat([self.hour(batch["hour"]), self.station(batch["station"]), batch["numeric"]], dim=1)
        h = self.body(x)
        return self.rentals_head(h).squeeze(-1), self.empty_head(h).squeeze(-1)


class Trainer:
    def __init__(self, model, cfg, train_loader, valid_loader, stats):
        self.model, self.cfg, self.stats = model, cfg, stats
        self.train_loader, self.valid_loader = train_loader, valid_loader
        self.optimizer = torch.optim.Adam(model.parameters(), lr=cfg.lr, weight_decay=cfg.weight_decay)
        self.regression, self.classification = nn.MSELoss(), nn.BCEWithLogitsLoss()

    def fit(self):
        best, best_state, waited = float("inf"), None, 0
        # WATCH(self.model, self.optimizer)
        for epoch in range(self.cfg.max_epochs):
            self.model.train()
            for batch in self.train_loader:
                rentals, empty = self.model(batch)
                loss = self.regression(rentals, batch["rentals"])
                loss = loss + self.cfg.empty_weight * self.classification(empty, batch["empty"])
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
            rmse, acc = self.evaluate(self.valid_loader)
            print(f"epoch {epoch:2d}  valid rmse {rmse:.2f}  empty acc {acc:.3f}")
            if rmse < best:
                best, best_state, waited = rmse, copy.deepcopy(self.model.state_dict()), 0
            else:
                waited += 1
                if waited >= self.cfg.patience:
                    break
        self.model.load_state_dict(best_state)

    @torch.no_grad()
    def evaluate(self, loader):
        self.model.eval()
        squares, hits, n = 0.0, 0, 0
        for batch in loader:
            rentals, empty = self.model(batch)
            squares += ((rentals - batch["rentals"]) * self.stats["y_std"]).pow(2).sum().item()
            hits += ((empty > 0).float() == batch["empty"]).sum().item()
            n += len(rentals)
        return (squares / n) ** 0.5, hits / n


def main(cfg):
    torch.manual_seed(cfg.seed)
    columns = simulate(cfg)
    idx = np.random.default_rng(cfg.seed + 1).permutation(cfg.n_rows)
    tr, va, te = np.split(idx, [int(0.7 * cfg.n_rows), int(0.85 * cfg.n_rows)])
    numeric, rentals = columns[0][tr], columns[3][tr]
    stats = {"mean": numeric.mean(0), "std": numeric.std(0), "y_mean": rentals.mean(), "y_std": rentals.std()}
    sets = [RentalDataset(*[c[part] for c in columns], stats) for part in (tr, va, te)]
    train_loader = DataLoader(sets[0], batch_size=cfg.batch_size, shuffle=True)
    valid_loader, test_loader = (DataLoader(s, batch_size=512) for s in sets[1:])
    trainer = Trainer(DemandNet(cfg), cfg, train_loader, valid_loader, stats)
    trainer.fit()
    print(f"test rentals std {columns[3][te].std():.2f}")
    rmse, acc = trainer.evaluate(test_loader)
    print(f"test empty acc {acc:.3f}")
    print(f"RESULT {rmse:.4f} lower")


if __name__ == "__main__":
    main(Config())
