"""Predict how many stars a user gives to a film (matrix factorisation with biases and a bit of side information)."""
import math
from typing import Tuple

import numpy as np
import torch
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader, TensorDataset

N_USERS, N_FILMS, N_GENRES, N_RATINGS = 300, 200, 6, 16000
DIM = 6


def simulate_ratings(seed: int) -> Tuple[Tensor, Tensor]:
    """Rows (user, film, genre) and the stars, as the export of the web shop gives them."""
    rng = np.random.default_rng(seed)
    taste = rng.normal(size=(N_USERS, 3))
    theme = rng.normal(size=(N_FILMS, 3))
    genre = rng.integers(0, N_GENRES, N_FILMS)
    genre_mean = rng.normal(0, 0.3, N_GENRES)
    kind = rng.normal(0, 0.5, N_USERS)
    quality = rng.normal(0, 0.5, N_FILMS)
    u = rng.integers(0, N_USERS, N_RATINGS)
    f = np.minimum(rng.integers(0, N_FILMS, N_RATINGS), rng.integers(0, N_FILMS, N_RATINGS))
    stars = 3.4 + kind[u] + quality[f] + genre_mean[genre[f]] + 0.45 * (taste[u] * theme[f]).sum(1) + rng.normal(0, 0.45, N_RATINGS)
    stars = np.clip(np.round(stars * 2) / 2, 0.5, 5.0)
    export = np.argsort(stars, kind="stable")          # ... ORDER BY stars
    rows = np.stack([u, f, genre[f]], axis=1)[export]
    return torch.as_tensor(rows), torch.as_tensor(stars[export], dtype=torch.float32)


class Factoriser(nn.Module):
    def __init__(self, mean: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean))
        self.user = nn.Embedding(N_USERS, DIM)
        self.film = nn.Embedding(N_FILMS, DIM)
        self.user_bias = nn.Embedding(N_USERS, 1)
        self.film_bias = nn.Embedding(N_FILMS, 1)
        self.genre_bias = nn.Embedding(N_GENRES, 1)
        for e in (self.user, self.film):
            nn.init.normal_(e.weight, std=0.2)
        for e in (self.user_bias, self.film_bias, self.genre_bias):
            nn.init.zeros_(e.weight)

    def forward(self, rows: Tensor) -> Tensor:
        u, f, g = rows.unbind(1)
        bias = self.user_bias(u) + self.film_bias(f) + self.genre_bias(g)
        return self.mean + bias.squeeze(1) + (self.user(u) * self.film(f)).sum(1)


def train_epoch(model: nn.Module, loader: DataLoader, optimizer: optim.Optimizer) -> float:
    model.train()
    total, count = 0.0, 0
    for rows, stars in loader:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(rows), stars)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(stars)
        count += len(stars)
    return math.sqrt(total / count)


@torch.no_grad()
def rmse(model: nn.Module, loader: DataLoader) -> float:
    model.eval()
    total, count = 0.0, 0
    for rows, stars in loader:
        total += nn.functional.mse_loss(model(rows), stars, reduction="sum").item()
        count += len(stars)
    return math.sqrt(total / count)


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(3)
    rows, stars = simulate_ratings(seed=3)
    held_out = torch.rand(len(stars)) < 0.15
    train_rows, train_stars = rows[~held_out], stars[~held_out]
    train_loader = DataLoader(TensorDataset(train_rows, train_stars), batch_size=64, shuffle=True)
    test_loader = DataLoader(TensorDataset(rows[held_out], stars[held_out]), batch_size=1000)

    model = Factoriser(train_stars.mean().item())
    optimizer = optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.2)

    # WATCH(model, optimizer)
    for epoch in range(10):
        fit = train_epoch(model, train_loader, optimizer)
        print(f"epoch {epoch + 1:2d}: train RMSE {fit:.4f}, test RMSE {rmse(model, test_loader):.4f}")

    print(f"RESULT {rmse(model, test_loader):.4f} lower")


if __name__ == "__main__":
    main()
