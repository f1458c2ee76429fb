"""Learning to rank: in which order do the dog teams of a sled race come in?

Each race has 10 teams described by a training log with gaps (missing entries); a scoring net is trained on
pairs within a race (who beat whom). Held-out races are scored by the mean Kendall tau between the predicted
and the true order (1 = same order, 0 = chance, -1 = reversed).

RESULT kendall_tau higher
"""
import numpy as np
import torch
from scipy.stats import kendalltau
from torch import nn
from torch.nn import functional as F

COLUMNS = ["km_trained", "dogs", "mean_age", "load_kg", "rest_days", "lead_speed", "snow_temp", "bib", "altitude_km"]


class Races:
    """(race, team, column) features as they come from the log, and finishing places (0 = winner)."""

    def __init__(self, n_races, teams=10, seed=0):
        rng = np.random.default_rng(seed)
        shape = (n_races, teams)
        km = rng.gamma(8, 150, shape)
        dogs = rng.integers(8, 17, shape).astype(float)
        age = rng.normal(4.5, 1.0, shape)
        load = rng.normal(180, 25, shape)
        rest = rng.integers(0, 15, shape).astype(float)
        lead = rng.normal(17, 1.5, shape)
        snow = np.repeat(rng.normal(-15, 8, (n_races, 1)), teams, 1)
        alt = rng.gamma(2, 0.5, shape)
        bib = np.argsort(rng.random(shape), 1) + 1.0
        heavy_going = 1 / (1 + np.exp(-(snow + 12) / 3))             # warm, soft snow
        pace = (1.1 * np.log(km) - 0.22 * (age - 4.3) ** 2 - 0.02 * (rest - 5).clip(0) ** 2
                + 0.35 * (lead - 17) * (1 - heavy_going) + heavy_going * (0.22 * (dogs - 12) - 0.022 * (load - 180)))
        hours = 12 - pace + rng.normal(0, 0.22, shape)
        self.place = hours.argsort(1).argsort(1)
        self.x = np.stack([km, dogs, age, load, rest, lead, snow, bib, alt], -1)
        self.x[rng.random(self.x.shape) < 0.02] = np.nan

    def __len__(self):
        return len(self.x)


class Ranker(nn.Module):
    def __init__(self, inputs, hidden=48, dropout=0.1):
        super().__init__()
        self.score = nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Dropout(dropout),
                                   nn.Linear(hidden, hidden), nn.SiLU(), nn.Dropout(dropout),
                                   nn.Linear(hidden, 1))

    def forward(self, x):
        return self.score(x).squeeze(-1)


class Trainer:
    def __init__(self, train, test, epochs=40, batch_races=32, lr=3e-3, weight_decay=1e-3):
        self.mean = np.nanmean(train.x, (0, 1))
        self.std = np.nanstd(train.x, (0, 1))
        self.x, self.place = self.prepare(train)
        self.x_test, self.place_test = self.prepare(test)
        self.model = Ranker(self.x.shape[-1])
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=lr, weight_decay=weight_decay)
        self.epochs, self.batch_races = epochs, batch_races

    def prepare(self, races):
        z = np.nan_to_num((races.x - self.mean) / self.std)          # a gap becomes the mean
        return torch.from_numpy(z).float(), torch.from_numpy(races.place)

    def loss(self, scores, place):
        i, j = torch.triu_indices(scores.shape[1], scores.shape[1], offset=1)
        margin = scores[:, i] - scores[:, j]
        won = (place[:, i] < place[:, j]).float()
        return F.binary_cross_entropy_with_logits(margin, won)

    def fit(self):
        for epoch in range(self.epochs):
            self.model.train()
            losses = []
            for races in torch.randperm(len(self.x)).split(self.batch_races):
                loss = self.loss(self.model(self.x[races]), self.place[races])
                self.optimizer.zero_grad(set_to_none=True)
                loss.backward()
                self.optimizer.step()
                losses.append(loss.item())
            if epoch % 5 == 4:
                print(f"{epoch + 1:3d}: loss {np.mean(losses):.4f}   tau train {self.tau(self.x, self.place):.3f}"
                      f"   tau test {self.tau(self.x_test, self.place_test):.3f}")

    @torch.no_grad()
    def tau(self, x, place):
        self.model.eval()
        scores = self.model(x).numpy()
        return float(np.mean([kendalltau(-s, p).statistic for s, p in zip(scores[:200], place.numpy()[:200])]))


if __name__ == "__main__":
    torch.manual_seed(1)
    train, test = Races(500, seed=1), Races(200, seed=2)
    trainer = Trainer(train, test)
    # WATCH(trainer.model, trainer.optimizer)
    trainer.fit()
    print(f"RESULT kendall_tau {trainer.tau(trainer.x_test, trainer.place_test):.4f}")
