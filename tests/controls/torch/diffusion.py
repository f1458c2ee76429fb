"""DDPM on 8x8 digits: noise prediction, EMA weights, ancestral sampling."""
import copy
import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split


def timestep_embedding(t, dim):
    half = dim // 2
    freqs = torch.exp(-math.log(10000) * torch.arange(half) / half)
    args = t.float()[:, None] * freqs[None]
    return torch.cat([args.sin(), args.cos()], dim=1)


class ResBlock(nn.Module):
    def __init__(self, ch, emb_dim):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(8, ch), nn.Conv2d(ch, ch, 3, padding=1)
        self.emb = nn.Linear(emb_dim, ch)
        self.norm2, self.conv2 = nn.GroupNorm(8, ch), nn.Conv2d(ch, ch, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.emb(emb)[:, :, None, None]
        return x + self.conv2(F.silu(self.norm2(h)))


class EpsNet(nn.Module):
    """A two-resolution U-Net without attention; quite enough for 8x8."""
    def __init__(self, ch=16, emb_dim=64):
        super().__init__()
        self.emb_dim = emb_dim
        self.time = nn.Sequential(nn.Linear(emb_dim, emb_dim), nn.SiLU(), nn.Linear(emb_dim, emb_dim), nn.SiLU())
        self.inp = nn.Conv2d(1, ch, 3, padding=1)
        self.r1 = ResBlock(ch, emb_dim)
        self.down = nn.Conv2d(ch, 2 * ch, 3, stride=2, padding=1)
        self.m1, self.m2 = ResBlock(2 * ch, emb_dim), ResBlock(2 * ch, emb_dim)
        self.up = nn.ConvTranspose2d(2 * ch, ch, 2, stride=2)
        self.merge = nn.Conv2d(2 * ch, ch, 1)
        self.r2 = ResBlock(ch, emb_dim)
        self.out = nn.Sequential(nn.GroupNorm(8, ch), nn.SiLU(), nn.Conv2d(ch, 1, 3, padding=1))

    def forward(self, x, t):
        e = self.time(timestep_embedding(t, self.emb_dim))
        a = self.r1(self.inp(x), e)
        b = self.m2(self.m1(self.down(a), e), e)
        return self.out(self.r2(self.merge(torch.cat([self.up(b), a], 1)), e))


class EMA:
    def __init__(self, model, decay):
        self.module = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay, self.n = decay, 0

    @torch.no_grad()
    def update(self, model):
        self.n += 1
        d = min(self.decay, (1 + self.n) / (10 + self.n))
        for e, p in zip(self.module.parameters(), model.parameters()):
            e.mul_(d).add_(p, alpha=1 - d)


class Diffusion:
    def __init__(self, T=150):
        self.T = T
        s = torch.arange(T + 1) / T
        f = torch.cos((s + 0.008) / 1.008 * math.pi / 2) ** 2         # cosine schedule
        self.beta = (1 - f[1:] / f[:-1]).clamp(max=0.999)
        self.alpha = 1 - self.beta
        self.abar = torch.cumprod(self.alpha, 0)

    def loss(self, model, x0):
        t = torch.randint(0, self.T, (len(x0),))
        eps = torch.randn_like(x0)
        ab = self.abar[t].view(-1, 1, 1, 1)
        return F.mse_loss(model(ab.sqrt() * x0 + (1 - ab).sqrt() * eps, t), eps)

    @torch.no_grad()
    def sample(self, model, n):
        x = torch.randn(n, 1, 8, 8)
        for t in reversed(range(self.T)):
            eps = model(x, torch.full((n,), t))
            ab, a, b = self.abar[t], self.alpha[t], self.beta[t]
            x0 = ((x - (1 - ab).sqrt() * eps) / ab.sqrt()).clamp(-1, 1)
            ab_prev = self.abar[t - 1] if t else torch.tensor(1.0)
            mean = (ab_prev.sqrt() * b * x0 + a.sqrt() * (1 - ab_prev) * x) / (1 - ab)
            var = b * (1 - ab_prev) / (1 - ab)
            x = mean + var.sqrt() * torch.randn_like(x) if t else mean
        return x


def main(steps=2200, batch_size=64, lr=2e-3):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    digits = load_digits()
    imgs = digits.images.astype(np.float32)[:, None] / 8 - 1
    x_tr, x_va, y_tr, _ = train_test_split(imgs, digits.target, test_size=0.2, random_state=0,
                                           stratify=digits.target)
    x_tr, x_va = torch.from_numpy(x_tr), torch.from_numpy(x_va)

    net, diff = EpsNet(), Diffusion()
    ema = EMA(net, 0.995)
    opt = torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=1e-4)

    def val_loss(model, repeats=10):
        state = torch.get_rng_state()
        torch.manual_seed(99)
        with torch.no_grad():
            v = sum(diff.loss(model, x_va).item() for _ in range(repeats)) / repeats
        torch.set_rng_state(state)
        return v

    step, running = 0, []
    while step < steps:
        for idx in torch.randperm(len(x_tr)).split(batch_size):
            for g in opt.param_groups:
                g["lr"] = lr * min(1.0, (step + 1) / 100, 1.05 - step / steps)
            loss = diff.loss(net, x_tr[idx])
            opt.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            opt.step()
            ema.update(net)
            running.append(loss.item())
            step += 1
            if step % 200 == 0:
                print(f"step {step}: train {np.mean(running[-200:]):.4f}  val {val_loss(net):.4f}  "
                      f"val (ema) {val_loss(ema.module):.4f}")
            if step >= steps:
                break

    samples = diff.sample(ema.module, 200).view(200, -1).numpy()
    clf = LogisticRegression(max_iter=3000).fit(x_tr.view(len(x_tr), -1).numpy(), y_tr)
    prob = clf.predict_proba(samples)
    real = clf.predict_proba(x_va.view(len(x_va), -1).numpy()).max(1).mean()
    print(f"val loss (ema) {val_loss(ema.module):.4f}; classifier confidence on samples {prob.max(1).mean():.3f} "
          f"(held-out digits {real:.3f}); samples per digit {np.bincount(prob.argmax(1), minlength=10).tolist()}")


if __name__ == "__main__":
    main()
