# %% [markdown]
# # DDPM from scratch on a 2-D point cloud
# Exported from a notebook. Points are positions of street lamps (metres) along a spiral road.

# %%
import math
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)
np.random.seed(0)

# %% data
def make_spiral(n):
    u = np.sqrt(np.random.rand(n))
    theta = u * 3.5 * np.pi
    r = 40 * u + 5
    pts = np.stack([r * np.cos(theta), r * np.sin(theta)], axis=1)
    pts += np.random.randn(n, 2) * 0.8
    return pts + np.array([120.0, -60.0])      # map coordinates, not centred

train_pts = make_spiral(8000)
test_pts = make_spiral(2000)

mu = train_pts.mean(axis=0)
sd = train_pts.std(axis=0)
X = torch.tensor((train_pts - mu) / sd, dtype=torch.float32)
mu_t = torch.tensor(mu, dtype=torch.float32)
sd_t = torch.tensor(sd, dtype=torch.float32)

# %% noise schedule
T = 100
betas = torch.linspace(1e-4, 0.08, T)
alphas = 1.0 - betas
abar = torch.cumprod(alphas, dim=0)

# %% model
class TimeEmbedding(nn.Module):
    def __init__(self, dim):
        super().__init__()
        half = dim // 2
        self.register_buffer("freqs", torch.exp(-math.log(1000) * torch.arange(half) / half))

    def forward(self, t):
        a = t.float()[:, None] * self.freqs[None]
        return torch.cat([a.sin(), a.cos()], dim=-1)

class Denoiser(nn.Module):
    def __init__(self, hidden=128, emb=32):
        super().__init__()
        self.t_emb = TimeEmbedding(emb)
        self.inp = nn.Linear(2 + emb, hidden)
        self.blocks = nn.ModuleList([nn.Linear(hidden + emb, hidden) for _ in range(3)])
        self.out = nn.Linear(hidden, 2)

    def forward(self, x, t):
        e = self.t_emb(t)
        h = F.silu(self.inp(torch.cat([x, e], dim=-1)))
        for blk in self.blocks:
            h = h + F.silu(blk(torch.cat([h, e], dim=-1)))
        return self.out(h)

eps_model = Denoiser()
optim = torch.optim.AdamW(eps_model.parameters(), lr=2e-3, weight_decay=1e-4)
EPOCHS = 60
BS = 256
steps_per_epoch = len(X) // BS
scheduler = torch.optim.lr_scheduler.OneCycleLR(optim, max_lr=2e-3, total_steps=EPOCHS * steps_per_epoch)

# WATCH(eps_model, optim)

# %% training
for epoch in range(EPOCHS):
    perm = torch.randperm(len(X))
    tot = 0.0
    for i in range(steps_per_epoch):
        x0 = X[perm[i * BS:(i + 1) * BS]]
        t = torch.randint(0, T, (x0.shape[0],))
        noise = torch.randn_like(x0)
        a = abar[t][:, None]
        xt = a.sqrt() * x0 + (1 - a).sqrt() * noise
        loss = F.mse_loss(eps_model(xt, t), noise)
        optim.zero_grad(set_to_none=True)
        loss.backward()
        optim.step()
        scheduler.step()
        tot += loss.item()
    if epoch % 8 == 7:
        print(f"[{epoch + 1:3d}/{EPOCHS}] loss={tot / steps_per_epoch:.4f}")

# %% sampling
@torch.no_grad()
def sample(n):
    x = torch.randn(n, 2)
    for step in reversed(range(T)):
        t = torch.full((n,), step, dtype=torch.long)
        eps = eps_model(x, t)
        x = (x - betas[step] / (1 - abar[step]).sqrt() * eps) / alphas[step].sqrt()
        if step > 0:
            x = x + betas[step].sqrt() * torch.randn_like(x)
    return x

torch.manual_seed(1)
gen_pts = sample(1500) * sd_t + mu_t
ref_pts = torch.tensor(test_pts, dtype=torch.float32)

# %% evaluation: log-density of held-out points under a Parzen window (1 m) on the generated ones
h = 1.0
d2 = torch.cdist(ref_pts, gen_pts).pow(2)
logp = torch.logsumexp(-d2 / (2 * h * h), dim=1) - math.log(len(gen_pts) * 2 * math.pi * h * h)
print("generated mean", gen_pts.mean(0).tolist(), "std", gen_pts.std(0).tolist())
print(f"RESULT {logp.mean().item():.4f} higher")
