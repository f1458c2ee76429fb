"""Variational auto-encoder for small grey-scale shape renderings."""
from __future__ import annotations

import logging
import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
logger = logging.getLogger("vae")


@dataclass(frozen=True)
class Config:
    image_size: int = 20
    latent_dim: int = 6
    hidden_dim: int = 192
    batch_size: int = 64
    epochs: int = 35
    lr: float = 1e-3
    n_train: int = 3000
    n_test: int = 600
    seed: int = 7


class ShapesDataset(Dataset):
    """Dark ellipses and boxes on white paper, random position and size (uint8 images)."""

    def __init__(self, n: int, size: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        yy, xx = np.mgrid[0:size, 0:size].astype(np.float32)
        images = np.zeros((n, size, size), dtype=np.uint8)
        for i in range(n):
            cx, cy = rng.uniform(6, size - 6, 2)
            rx, ry = rng.uniform(2.5, 5.5, 2)
            level = rng.uniform(0.55, 1.0)
            if rng.random() < 0.5:
                d = ((xx - cx) / rx) ** 2 + ((yy - cy) / ry) ** 2
                mask = 1 / (1 + np.exp(4 * (d - 1)))
            else:
                d = np.maximum(abs(xx - cx) / rx, abs(yy - cy) / ry)
                mask = 1 / (1 + np.exp(8 * (d - 1)))
            images[i] = np.round(255 * (1 - level * mask)).astype(np.uint8)
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return torch.from_numpy(self.images[index]).float().div(255.0).flatten()


class Encoder(nn.Module):
    def __init__(self, in_dim: int, hidden_dim: int, latent_dim: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(in_dim, hidden_dim),
            nn.ReLU(),
            nn.Linear(hidden_dim, hidden_dim),
            nn.ReLU(),
        )
        self.mu = nn.Linear(hidden_dim, latent_dim)
        self.logvar = nn.Linear(hidden_dim, latent_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.body(x)
        return self.mu(h), self.logvar(h)


class Decoder(nn.Module):
    def __init__(self, out_dim: int, hidden_dim: int, latent_dim: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(latent_dim, hidden_dim),
            nn.ReLU(),
            nn.Linear(hidden_dim, hidden_dim),
            nn.ReLU(),
            nn.Linear(hidden_dim, out_dim),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.body(z)


class VAE(nn.Module):
    def __init__(self, cfg: Config) -> None:
        super().__init__()
        dim = cfg.image_size ** 2
        self.encoder = Encoder(dim, cfg.hidden_dim, cfg.latent_dim)
        self.decoder = Decoder(dim, cfg.hidden_dim, cfg.latent_dim)

    @staticmethod
    def reparameterize(mu: Tensor, logvar: Tensor) -> Tensor:
        std = torch.exp(0.5 * logvar)
        return mu + std * torch.randn_like(std)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mu, logvar = self.encoder(x)
        z = self.reparameterize(mu, logvar)
        return self.decoder(z), mu, logvar


def vae_loss(logits: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Negative ELBO per image."""
    bce = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return (bce + kld) / x.size(0)


@torch.no_grad()
def reconstruction_error(model: VAE, loader: DataLoader) -> float:
    model.eval()
    total, count = 0.0, 0
    for x in loader:
        mu, _ = model.encoder(x)
        total += F.mse_loss(torch.sigmoid(model.decoder(mu)), x, reduction="sum").item()
        count += x.numel()
    return math.sqrt(total / count)


def build(cfg: Config) -> tuple[VAE, torch.optim.Optimizer]:
    model = VAE(cfg)
    optimizer = torch.optim.Adam(model.parameters(), lr=cfg.lr)
    return model, optimizer


def main() -> None:
    cfg = Config()
    torch.manual_seed(cfg.seed)
    train_set = ShapesDataset(cfg.n_train, cfg.image_size, seed=cfg.seed)
    test_set = ShapesDataset(cfg.n_test, cfg.image_size, seed=cfg.seed + 1)
    train_loader = DataLoader(train_set, batch_size=cfg.batch_size, shuffle=True)
    test_loader = DataLoader(test_set, batch_size=256)

    model, optimizer = build(cfg)
    logger.info("parameters: %d", sum(p.numel() for p in model.parameters()))

    # WATCH(model, optimizer)
    for epoch in range(1, cfg.epochs + 1):
        model.train()
        running = 0.0
        for x in train_loader:
            optimizer.zero_grad(set_to_none=True)
            logits, mu, logvar = model(x)
            loss = vae_loss(logits, x, mu, logvar)
            loss.backward()
            optimizer.step()
            running += loss.item() * x.size(0)
        if epoch % 5 == 0 or epoch == 1:
            logger.info(
                "epoch %02d  -ELBO %.3f  test rmse %.4f",
                epoch, running / len(train_set), reconstruction_error(model, test_loader),
            )

    print(f"RESULT {reconstruction_error(model, test_loader):.4f} lower")


if __name__ == "__main__":
    main()
