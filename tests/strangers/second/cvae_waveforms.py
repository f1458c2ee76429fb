#!/usr/bin/env python
# coding: utf-8

# # Practical 7: conditional variational autoencoder
#
# We model short waveforms (40 samples) of four kinds. Frequency, phase and amplitude differ from curve to
# curve; the latent variable has to explain them, the kind is given to both halves of the network.

# In[1]:


import numpy as np
import torch
from torch import nn
import torch.nn.functional as F
from torch.utils.data import TensorDataset, DataLoader

torch.manual_seed(5)
gen = np.random.default_rng(5)

N_KINDS = 4
LENGTH = 40
LATENT = 6


# In[2]:


def waveform(kind, rng):
    t = np.linspace(0, 1, LENGTH)
    freq = rng.uniform(1.0, 1.8)
    phase = rng.uniform(0, 0.4)
    amp = rng.uniform(0.6, 1.6)
    arg = (freq * t + phase) % 1.0
    if kind == 0:
        w = np.sin(2 * np.pi * arg)
    elif kind == 1:
        w = 1.2 * (4 * np.abs(arg - 0.5) - 1)
    elif kind == 2:
        w = 1.1 * np.tanh(2 * np.sin(2 * np.pi * arg))
    else:
        w = 1.8 * np.sin(2 * np.pi * arg) * np.exp(-2 * t)
    return amp * w + rng.normal(0, 0.05, LENGTH)


def sample_set(n, rng):
    kinds = rng.integers(0, N_KINDS, n)
    curves = np.stack([waveform(k, rng) for k in kinds]).astype(np.float32)
    return torch.from_numpy(curves), torch.from_numpy(kinds)


x_train, k_train = sample_set(6000, gen)
x_test, k_test = sample_set(1000, gen)
scale = x_train.std()
x_train, x_test = x_train / scale, x_test / scale
print("train", tuple(x_train.shape), "range", round(x_train.min().item(), 2), "to", round(x_train.max().item(), 2))


# In[3]:


class Encoder(nn.Module):
    def __init__(self, width=128):
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Linear(LENGTH + N_KINDS, width), nn.SiLU(),
            nn.Linear(width, width), nn.SiLU(),
        )
        self.mu = nn.Linear(width, LATENT)
        self.logvar = nn.Linear(width, LATENT)

    def forward(self, x, c):
        h = self.hidden(torch.cat([x, c], dim=1))
        return self.mu(h), self.logvar(h).clamp(-8, 4)


class Decoder(nn.Module):
    def __init__(self, width=128):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(LATENT + N_KINDS, width), nn.SiLU(),
            nn.Linear(width, width), nn.SiLU(),
            nn.Linear(width, LENGTH),
        )

    def forward(self, z, c):
        return self.net(torch.cat([z, c], dim=1))


class CVAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()

    def forward(self, x, kind):
        c = F.one_hot(kind, N_KINDS).float()
        mu, logvar = self.encoder(x, c)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
        return self.decoder(z, c), mu, logvar


# ### The loss
#
# Negative ELBO with a Gaussian decoder of fixed variance; both terms are summed over their dimensions and
# averaged over the batch.

# In[4]:


SIGMA2 = 0.1


def loss_terms(x, x_hat, mu, logvar):
    rec = F.mse_loss(x_hat, x, reduction="sum") / x.size(0) / (2 * SIGMA2)
    kl = -0.5 * torch.sum(1 + logvar - mu ** 2 - logvar.exp()) / x.size(0)
    return rec, kl


def test_error(model):
    """Mean squared error per sample point when held-out curves are encoded (at the mean) and decoded."""
    model.eval()
    with torch.no_grad():
        c = F.one_hot(k_test, N_KINDS).float()
        mu, _ = model.encoder(x_test, c)
        return ((model.decoder(mu, c) - x_test) ** 2).mean().item()


# In[5]:


loader = DataLoader(TensorDataset(x_train, k_train), batch_size=100, shuffle=True)
vae = CVAE()
adam = torch.optim.Adam(vae.parameters(), lr=2e-3)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, T_max=30)

# WATCH(vae, adam)
for epoch in range(30):
    vae.train()
    sums = np.zeros(2)
    for xb, kb in loader:
        xh, mu, logvar = vae(xb, kb)
        rec, kl = loss_terms(xb, xh, mu, logvar)
        loss = rec + kl
        adam.zero_grad()
        loss.backward()
        adam.step()
        sums += rec.item(), kl.item()
    schedule.step()
    if epoch % 4 == 1:
        rec_mean, kl_mean = sums / len(loader)
        print(f"epoch {epoch:3d}   rec {rec_mean:8.3f}   kl {kl_mean:7.3f}   test mse {test_error(vae):.4f}")


# In[6]:


# curves from the prior: how far do they spread, per kind?
with torch.no_grad():
    for k in range(N_KINDS):
        c = F.one_hot(torch.full((200,), k), N_KINDS).float()
        made = vae.decoder(torch.randn(200, LATENT), c)
        real = x_test[k_test == k]
        print(f"kind {k}: std of generated {made.std():.3f}, of real {real.std():.3f}")

print(f"RESULT {test_error(vae):.5f} lower")
