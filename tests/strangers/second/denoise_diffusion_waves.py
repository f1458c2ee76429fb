"""Toy diffusion on short waveforms with a single-head attention denoiser. Everything in one file, nothing fancy."""
import math
import numpy as np
import torch
import torch.nn as nn

hp = {
    "length": 32, "patch": 4, "d": 64, "blocks": 2, "T": 200,
    "batch": 96, "steps": 800, "lr": 2e-3, "seed": 17,
}
torch.manual_seed(hp["seed"])
rng = np.random.RandomState(hp["seed"])


def waves(n):
    t = np.arange(hp["length"]) / hp["length"]
    f = rng.choice([1, 2, 3], n)[:, None]
    ph = rng.uniform(0, 2 * np.pi, (n, 1))
    amp = rng.uniform(0.8, 1.4, (n, 1))
    x = amp * np.sin(2 * np.pi * f * t + ph)
    square = rng.rand(n, 1) < 0.4
    x = np.where(square, amp * np.sign(x), x)
    return torch.tensor(x, dtype=torch.float32)


train_waves, test_waves = waves(8000), waves(1000)

betas = torch.linspace(1e-4, 0.04, hp["T"])
alpha_bar = torch.cumprod(1 - betas, 0)


def noised(x0, t, eps):
    a = alpha_bar[t][:, None]
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


def time_features(t, d):
    freqs = torch.exp(-math.log(1000) * torch.arange(d // 2) / (d // 2))
    ang = t[:, None].float() * freqs[None]
    return torch.cat([ang.sin(), ang.cos()], -1)


class Attention(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.qkv = nn.Linear(d, 3 * d)
        self.proj = nn.Linear(d, d)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)
        scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
        weights = torch.softmax(scores, dim=-1)
        return self.proj(weights @ v)


class Block(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.attn = Attention(d)
        self.mlp = nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, d))

    def forward(self, x):
        x = x + self.attn(self.n1(x))
        return x + self.mlp(self.n2(x))


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        d, p = hp["d"], hp["patch"]
        self.inp = nn.Linear(p, d)
        self.pos = nn.Parameter(0.1 * torch.randn(hp["length"] // p, d))
        self.time = nn.Sequential(nn.Linear(d, d), nn.SiLU(), nn.Linear(d, d))
        self.blocks = nn.ModuleList([Block(d) for _ in range(hp["blocks"])])
        self.out = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, p))

    def forward(self, x, t):
        h = self.inp(x.unflatten(1, (-1, hp["patch"]))) + self.pos
        h = h + self.time(time_features(t, hp["d"]))[:, None]
        for b in self.blocks:
            h = b(h)
        return self.out(h).flatten(1)


def held_out_error(model):
    g = torch.Generator().manual_seed(0)
    model.eval()
    with torch.no_grad():
        t = torch.randint(0, hp["T"], (len(test_waves),), generator=g)
        eps = torch.randn(test_waves.shape, generator=g)
        err = ((model(noised(test_waves, t, eps), t) - eps) ** 2).mean().item()
    model.train()
    return err


model = Denoiser()
opt = torch.optim.AdamW(model.parameters(), lr=hp["lr"], weight_decay=1e-4)
warm = lambda s: min(1.0, (s + 1) / 50) * 0.5 * (1 + math.cos(math.pi * s / hp["steps"]))
sched = torch.optim.lr_scheduler.LambdaLR(opt, warm)
smooth = None

# WATCH(model, opt)
for step in range(hp["steps"]):
    x0 = train_waves[torch.randint(0, len(train_waves), (hp["batch"],))]
    t = torch.randint(0, hp["T"], (hp["batch"],))
    eps = torch.randn_like(x0)
    loss = ((model(noised(x0, t, eps), t) - eps) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    opt.step()
    sched.step()
    smooth = loss.item() if smooth is None else 0.95 * smooth + 0.05 * loss.item()
    if (step + 1) % 100 == 0:
        print(f"step {step + 1:4d} | smoothed loss {smooth:.4f} | held-out {held_out_error(model):.4f} | lr {sched.get_last_lr()[0]:.1e}")

print(f"RESULT {held_out_error(model):.5f} lower")
