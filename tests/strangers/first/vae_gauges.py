# # Variational autoencoder from scratch: pictures of analogue gauges
#
# *Notebook export.* We write both parts of the ELBO ourselves so that nothing stays hidden in a library call.

# %%
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(3)
np.random.seed(3)

# %% [markdown]
# ## Pictures
# A 16x16 dial with a white frame, a needle at some angle and a tick mark of some height.

# %%
SIDE = 16


def draw_gauge(angle, tick, thick):
    yy, xx = np.mgrid[0:SIDE, 0:SIDE] - (SIDE - 1) / 2
    along = xx * np.cos(angle) + yy * np.sin(angle)
    across = -xx * np.sin(angle) + yy * np.cos(angle)
    img = ((np.abs(across) < thick) & (along > -1) & (along < 6)).astype(np.float32)
    img[0, :] = img[-1, :] = img[:, 0] = img[:, -1] = 1.0
    img[tick:tick + 2, 1:3] = 1.0
    return img


def make_pictures(n):
    angles = np.random.uniform(0, 2 * np.pi, n)
    ticks = np.random.randint(2, SIDE - 4, n)
    thick = np.random.uniform(0.7, 1.4, n)
    return torch.tensor(np.stack([draw_gauge(*p).ravel() for p in zip(angles, ticks, thick)]))


train_images = make_pictures(6000)
test_images = make_pictures(1000)
print("train", tuple(train_images.shape), "test", tuple(test_images.shape), "ink", train_images.mean().item())


# %% [markdown]
# ## The network

# %%
class GaugeVAE(nn.Module):
    def __init__(self, n_latent=8, n_hidden=200):
        super().__init__()
        self.enc1 = nn.Linear(SIDE * SIDE, n_hidden)
        self.enc_mu = nn.Linear(n_hidden, n_latent)
        self.enc_logvar = nn.Linear(n_hidden, n_latent)
        self.dec1 = nn.Linear(n_latent, n_hidden)
        self.dec2 = nn.Linear(n_hidden, n_hidden)
        self.dec3 = nn.Linear(n_hidden, SIDE * SIDE)

    def encode(self, x):
        h = F.relu(self.enc1(x))
        return self.enc_mu(h), self.enc_logvar(h)

    def sample(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        return mu + std * torch.randn_like(std)

    def decode(self, z):
        h = F.relu(self.dec1(z))
        h = F.relu(self.dec2(h))
        return torch.sigmoid(self.dec3(h))

    def forward(self, x):
        mu, logvar = self.encode(x)
        z = self.sample(mu, logvar)
        return self.decode(z), mu, logvar


# %% [markdown]
# ## Loss
# Negative log-likelihood of the pixels and the divergence from the prior, both summed within one picture and then averaged over pictures.
# The divergence is faded in during the first epochs, which keeps the code in use while the decoder is still poor.

# %%
EPS = 1e-6


def pixel_loss(p, x):
    ll = x * torch.log(p + EPS) + (1 - x) * torch.log(1 - p + EPS)
    return -ll.sum(dim=1).mean()


def divergence(mu, logvar):
    kl = 0.5 * (mu ** 2 + logvar.exp() - 1 - logvar)
    return kl.sum(dim=1).mean()


# %%
vae = GaugeVAE()
opt = torch.optim.Adam(vae.parameters(), lr=2e-3)
n_epochs, batch_size = 30, 128
fade_in = 10

# WATCH(vae, opt)
for epoch in range(n_epochs):
    vae.train()
    beta = min(1.0, (epoch + 1) / fade_in)
    perm = torch.randperm(len(train_images))
    rec_sum, kl_sum, n_steps = 0.0, 0.0, 0
    for i in range(0, len(perm), batch_size):
        batch = train_images[perm[i:i + batch_size]]
        recon, mu, logvar = vae(batch)
        rec = pixel_loss(recon, batch)
        kl = divergence(mu, logvar)
        loss = rec + beta * kl
        opt.zero_grad()
        loss.backward()
        opt.step()
        rec_sum += rec.item()
        kl_sum += kl.item()
        n_steps += 1
    if epoch % 3 == 2:
        print(f"epoch {epoch + 1:2d}: reconstruction {rec_sum / n_steps:.2f} nats, divergence {kl_sum / n_steps:.2f} nats")

# %% [markdown]
# ## How well does it draw gauges it has not seen?

# %%
vae.eval()
with torch.no_grad():
    mu, _ = vae.encode(test_images)
    wrong = ((vae.decode(mu) > 0.5).float() != test_images).float().sum(1).mean().item()
print("wrong pixels per unseen picture:", wrong)
print(f"RESULT {wrong:.4f} lower")
