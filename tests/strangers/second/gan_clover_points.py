#!/usr/bin/env python
"""How a GAN learns a clover leaf: a small adversarial pair on points in the plane (blog post companion)."""
import numpy as np
import torch
from torch import nn, optim
import torch.nn.functional as F

torch.manual_seed(99)
gen = np.random.default_rng(99)


def clover(n):
    a = gen.uniform(0, 2 * np.pi, n)
    r = 1.0 + 0.45 * np.cos(3 * a)
    pts = np.stack([r * np.cos(a), r * np.sin(a)], 1) + gen.normal(0, 0.05, (n, 2))
    return torch.tensor(pts, dtype=torch.float32)


def energy_distance(a, b):
    """0 when the two clouds come from one distribution."""
    return (2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean()).item()


NOISE = 8
leaf = clover(10_000)
held_out = clover(2_000)

artist = nn.Sequential(nn.Linear(NOISE, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 2))
critic = nn.Sequential(nn.Linear(2, 96), nn.LeakyReLU(0.2), nn.Linear(96, 96), nn.LeakyReLU(0.2), nn.Linear(96, 1))

artist_opt = optim.Adam(artist.parameters(), lr=5e-4, betas=(0.5, 0.9))
critic_opt = optim.Adam(critic.parameters(), lr=1e-3, betas=(0.5, 0.9))

batch = 128
steps = 2500
averaged = [p.detach().clone() for p in artist.parameters()]
fixed_noise = torch.randn(2_000, NOISE)

# WATCH(artist, artist_opt)
for step in range(1, steps + 1):
    artist_opt.zero_grad()
    critic_opt.zero_grad()
    real = leaf[torch.randint(len(leaf), (batch,))]
    fake = artist(torch.randn(batch, NOISE))

    # the critic learns to tell them apart
    critic_loss = F.softplus(-critic(real)).mean() + F.softplus(critic(fake.detach())).mean()
    critic_loss.backward()
    critic_opt.step()

    # the artist learns to please the critic
    artist_loss = F.softplus(-critic(fake)).mean()
    artist_loss.backward()
    artist_opt.step()

    with torch.no_grad():
        for avg, p in zip(averaged, artist.parameters()):
            avg.lerp_(p, 0.01)
    if step % 250 == 0:
        with torch.no_grad():
            d = energy_distance(artist(fixed_noise), held_out)
        print(f"{step:5d}  critic {critic_loss.item():.3f}  artist {artist_loss.item():.3f}  distance {d:.4f}")

with torch.no_grad():
    for avg, p in zip(averaged, artist.parameters()):
        p.copy_(avg)
    print(f"RESULT {energy_distance(artist(fixed_noise), held_out):.5f} lower")
