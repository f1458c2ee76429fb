# A denoising diffusion model for points in the plane, as small as I could make it.
# Data: a two-armed spiral. Network: MLP with a sinusoidal embedding of the time step.
# Samples are drawn with the exponential moving average of the weights.
import copy
import math

import numpy as np
import torch
from torch import nn

SEED = 7
STEPS = 2500
BATCH = 256
T = 60

torch.manual_seed(SEED)
rng = np.random.default_rng(SEED)


def spiral(n):
    r = np.sqrt(rng.uniform(0.05, 1.0, n))
    arm = rng.integers(0, 2, n) * np.pi
    angle = 1.25 * np.pi * r + arm
    pts = np.stack([r * np.cos(angle), r * np.sin(angle)], 1)
    return pts + 0.03 * rng.normal(size=pts.shape)


train_pts = spiral(6000)
test_pts = spiral(1500)
mu, sd = train_pts.mean(0), train_pts.std(0)
train_x = torch.tensor((train_pts - mu) / sd, dtype=torch.float32)
test_x = torch.tensor((test_pts - mu) / sd, dtype=torch.float32)


class NoiseSchedule:
    def __init__(self, steps):
        # cosine schedule
        s = torch.linspace(0, 1, steps + 1)
        bar = torch.cos((s + 0.008) / 1.008 * math.pi / 2) ** 2
        bar = bar / bar[0]
        self.beta = (1 - bar[1:] / bar[:-1]).clamp(max=0.999)
        self.alpha = 1 - self.beta
        self.alpha_bar = torch.cumprod(self.alpha, 0)

    def diffuse(self, x0, t, eps):
        ab = self.alpha_bar[t].unsqueeze(1)
        return ab.sqrt() * x0 + (1 - ab).sqrt() * eps


class Denoiser(nn.Module):
    def __init__(self, hidden=128, emb=32):
        super().__init__()
        self.register_buffer("freqs", torch.exp(torch.linspace(0, math.log(1000.0), emb // 2)))
        self.inp = nn.Linear(2 + emb, hidden)
        self.mid = nn.ModuleList([nn.Linear(hidden, hidden) for _ in range(3)])
        self.act = nn.SiLU()
        self.out = nn.Linear(hidden, 2)

    def forward(self, x, t):
        ang = (t.float() / T).unsqueeze(1) * self.freqs
        h = torch.cat([x, ang.sin(), ang.cos()], dim=1)
        h = self.act(self.inp(h))
        for layer in self.mid:
            h = h + self.act(layer(h))
        return self.out(h)


class EMA:
    def __init__(self, model, decay=0.995):
        self.decay = decay
        self.shadow = copy.deepcopy(model).eval()
        self.shadow.requires_grad_(False)

    @torch.no_grad()
    def update(self, model):
        for s, p in zip(self.shadow.parameters(), model.parameters()):
            s.lerp_(p, 1 - self.decay)


@torch.no_grad()
def sample(net, schedule, n, gen):
    x = torch.randn(n, 2, generator=gen)
    for k in reversed(range(T)):
        t = torch.full((n,), k, dtype=torch.long)
        eps = net(x, t)
        a, ab, b = schedule.alpha[k], schedule.alpha_bar[k], schedule.beta[k]
        # predict x0, keep it within the data's range, then the posterior mean
        x0 = ((x - (1 - ab).sqrt() * eps) / ab.sqrt()).clamp(-3, 3)
        if k == 0:
            return x0
        ab_prev = schedule.alpha_bar[k - 1]
        mean = (ab_prev.sqrt() * b * x0 + a.sqrt() * (1 - ab_prev) * x) / (1 - ab)
        var = b * (1 - ab_prev) / (1 - ab)
        x = mean + var.sqrt() * torch.randn(n, 2, generator=gen)


def energy_distance(a, b):
    ab = torch.cdist(a, b).mean()
    aa = torch.cdist(a, a).sum() / (len(a) * (len(a) - 1))
    bb = torch.cdist(b, b).sum() / (len(b) * (len(b) - 1))
    return (2 * ab - aa - bb).item()


def nearest(a, b):
    # how far a sample is, on average, from the closest real point
    return torch.cdist(a, b).min(dim=1).values.mean().item()


schedule = NoiseSchedule(T)
model = Denoiser()
ema = EMA(model)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
lr_sched = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=STEPS, eta_min=1e-5)

smooth = None
# WATCH(model, optimizer)
for step in range(1, STEPS + 1):
    x0 = train_x[torch.randint(0, len(train_x), (BATCH,))]
    t = torch.randint(0, T, (BATCH,))
    eps = torch.randn_like(x0)
    pred = model(schedule.diffuse(x0, t, eps), t)
    loss = (pred - eps).pow(2).mean()

    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    lr_sched.step()
    ema.update(model)

    smooth = loss.item() if smooth is None else 0.98 * smooth + 0.02 * loss.item()
    if step % 250 == 0:
        print(f"step {step:5d}   noise mse {smooth:.4f}   lr {lr_sched.get_last_lr()[0]:.2e}")

gen = torch.Generator().manual_seed(123)
made = sample(ema.shadow, schedule, 1500, gen)
print(f"energy distance     {energy_distance(made, test_x):.4f}")
print(f"distance to nearest {nearest(made, test_x):.4f}  (real to real: {nearest(train_x[:1500], test_x):.4f})")
print(f"RESULT {nearest(made, test_x):.4f} lower")
