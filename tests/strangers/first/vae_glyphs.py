"""Variational autoencoder on the 8x8 digits of scikit-learn, written as a notebook.

Pixels in [0, 1], Bernoulli decoder (logits), Gaussian latent of 10 dimensions, KL warm-up
over the first epochs. Held-out images are encoded, decoded from the posterior mean, and the
share of the pixel variance that the reconstruction explains is reported.
RESULT recon_r2 higher
"""
# %% [markdown]
# ## 1. Imports and data

# %%
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(7)
np.random.seed(7)

LATENT, HIDDEN, BATCH, EPOCHS = 10, 128, 64, 60

digits = load_digits()
pixels = (digits.data / 16.0).astype(np.float32)
tr, te, _, te_lab = train_test_split(pixels, digits.target, test_size=0.2,
                                     random_state=7, stratify=digits.target)
tr, te = torch.from_numpy(tr), torch.from_numpy(te)
loader = DataLoader(TensorDataset(tr), batch_size=BATCH, shuffle=True, drop_last=True)
print(tr.shape, te.shape, float(tr.min()), float(tr.max()))


# %% [markdown]
# ## 2. The two halves

# %%
class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(64, HIDDEN), nn.SiLU(),
                                   nn.Linear(HIDDEN, HIDDEN), nn.SiLU())
        self.mu = nn.Linear(HIDDEN, LATENT)
        self.logvar = nn.Linear(HIDDEN, LATENT)

    def forward(self, x):
        h = self.trunk(x)
        return self.mu(h), self.logvar(h)


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        self.decoder = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.SiLU(),
                                     nn.Linear(HIDDEN, HIDDEN), nn.SiLU(),
                                     nn.Linear(HIDDEN, 64))

    def sample(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        return mu + eps * std

    def forward(self, x):
        mu, logvar = self.encoder(x)
        z = self.sample(mu, logvar)
        return self.decoder(z), mu, logvar


vae = VAE()
opt = torch.optim.Adam(vae.parameters(), lr=2e-3)
# WATCH(vae, opt)


# %% [markdown]
# ## 3. Negative ELBO, in nats for each image

# %%
def nelbo(logits, x, mu, logvar, beta=1.0):
    rec = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
    kl = -0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum() / len(x)
    return rec + beta * kl, rec, kl


# %%
curve = []
for epoch in range(EPOCHS):
    vae.train()
    beta = min(1.0, (epoch + 1) / 10)
    tot = np.zeros(3)
    for (x,) in loader:
        logits, mu, logvar = vae(x)
        loss, rec, kl = nelbo(logits, x, mu, logvar, beta)
        opt.zero_grad()
        loss.backward()
        opt.step()
        tot += [loss.item(), rec.item(), kl.item()]
    curve.append(tot / len(loader))
    if epoch % 10 == 9:
        vae.eval()
        with torch.no_grad():
            val = nelbo(*(lambda o: (o[0], te, o[1], o[2]))(vae(te)))[0].item()
        print(f"epoch {epoch + 1:3d}  loss {curve[-1][0]:.2f}  rec {curve[-1][1]:.2f}  "
              f"kl {curve[-1][2]:.2f}  held-out -ELBO {val:.2f}")

# %% [markdown]
# ## 4. How well are unseen digits reconstructed?

# %%
vae.eval()
with torch.no_grad():
    mu, _ = vae.encoder(te)
    recon = torch.sigmoid(vae.decoder(mu))
    err = (recon - te).pow(2).sum()
    base = (te - tr.mean(0)).pow(2).sum()
    r2 = 1 - (err / base).item()
    per_digit = [((recon - te)[te_lab == d] ** 2).mean().item() for d in range(10)]
print("mse by digit", np.round(per_digit, 4))
print("RESULT recon_r2", round(r2, 4))
