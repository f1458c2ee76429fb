"""Kaggle-kernel style: a variational autoencoder on the bundled 8x8 digits.

Bernoulli pixels, 6 latent numbers, ELBO objective with a short KL warm-up. Tensors stay on one device and
batches are index slices. Scored by the negative ELBO per image (nats) on held-out digits, and as
a sanity check by a nearest-neighbour classifier in the latent space and by the spread of samples from the prior.

"""
import math
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

CFG = dict(latent=6, width=192, lr=1.5e-3, batch=64, epochs=90, warmup=12, seed=42)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def seed_everything(seed):
    np.random.seed(seed)
    torch.manual_seed(seed)


seed_everything(CFG["seed"])

# ---------------------------------------------------------------- data
images, labels = load_digits(return_X_y=True)
images = (images / 16.0).astype(np.float32)            # pixel shares in [0, 1]
x_tr, x_va, y_tr, y_va = train_test_split(images, labels, test_size=0.25, stratify=labels, random_state=CFG["seed"])
x_tr = torch.from_numpy(x_tr).to(device)
x_va = torch.from_numpy(x_va).to(device)
pixel_mean = x_tr.mean()
print("train", tuple(x_tr.shape), "valid", tuple(x_va.shape), "mean pixel %.3f" % pixel_mean.item())


# ---------------------------------------------------------------- model
def mlp(*sizes):
    layers = []
    for a, b in zip(sizes[:-1], sizes[1:]):
        layers += [nn.Linear(a, b), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


class VAE(nn.Module):
    def __init__(self, latent, width):
        super().__init__()
        self.encoder = mlp(64, width, width, 2 * latent)
        self.decoder = mlp(latent, width, width, 64)

    def encode(self, x):
        mu, logvar = self.encoder(x - pixel_mean).chunk(2, dim=1)
        return mu, logvar

    def decode(self, z):
        return torch.sigmoid(self.decoder(z))

    def forward(self, x):
        mu, logvar = self.encode(x)
        std = torch.exp(0.5 * logvar)
        z = mu + std * torch.randn_like(std)
        return self.decode(z), mu, logvar


def elbo_terms(x, probs, mu, logvar):
    probs = probs.clamp(1e-6, 1 - 1e-6)
    rec = -(x * torch.log(probs) + (1 - x) * torch.log(1 - probs)).sum(dim=1)
    kl = -0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum(dim=1)
    return rec.mean(), kl.mean()


model = VAE(CFG["latent"], CFG["width"]).to(device)
opt = torch.optim.Adam(model.parameters(), lr=CFG["lr"])
lr_at = lambda e: 0.5 * (1 + math.cos(math.pi * e / CFG["epochs"]))
sched = torch.optim.lr_scheduler.LambdaLR(opt, lr_at)


# ---------------------------------------------------------------- validation
@torch.no_grad()
def validate(repeats=5):
    model.eval()
    rec, kl = 0.0, 0.0
    for _ in range(repeats):
        r, k = elbo_terms(x_va, *model(x_va))
        rec += r.item() / repeats
        kl += k.item() / repeats
    return rec, kl


# ---------------------------------------------------------------- training loop
# WATCH(model, opt)
tic = time.time()
for epoch in range(CFG["epochs"]):
    model.train()
    beta = min(1.0, (epoch + 1) / CFG["warmup"])
    order = torch.randperm(len(x_tr), device=device)
    total = 0.0
    for idx in order.split(CFG["batch"]):
        x = x_tr[idx]
        probs, mu, logvar = model(x)
        rec, kl = elbo_terms(x, probs, mu, logvar)
        loss = rec + beta * kl
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item() * len(idx)
    sched.step()
    if epoch % 10 == 9:
        rec, kl = validate()
        print(f"epoch {epoch + 1:3d}  train {total / len(x_tr):.3f}  valid rec {rec:.3f} kl {kl:.3f}  "
              f"-elbo {rec + kl:.3f}  {time.time() - tic:.1f}s")

# ---------------------------------------------------------------- what has it learnt?
with torch.no_grad():
    codes_tr, codes_va = model.encode(x_tr)[0].cpu(), model.encode(x_va)[0].cpu()
    samples = model.decode(torch.randn(500, CFG["latent"], device=device))
knn = KNeighborsClassifier(5).fit(codes_tr, y_tr)
print("kNN accuracy in the latent space: %.3f" % knn.score(codes_va, y_va))
print("pixel std of samples %.3f, of data %.3f" % (samples.std(0).mean().item(), x_va.std(0).mean().item()))
rec, kl = validate(20)
base = F.binary_cross_entropy(x_tr.mean(0).clamp(1e-6, 1 - 1e-6).expand_as(x_va), x_va, reduction="none").sum(1).mean()
print("always the mean image would give %.3f" % base.item())
print(f"RESULT {rec + kl:.4f} lower")
