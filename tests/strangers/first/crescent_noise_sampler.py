"""Tiny DDPM on a 2-D toy distribution (three crescents).

Epsilon prediction, linear beta schedule, ancestral sampling.
Quality is measured with the sliced Wasserstein distance between generated points and
held-out points.
"""
import argparse
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


def crescents(n, gen):
    k = torch.randint(0, 3, (n,), generator=gen)
    a = torch.rand(n, generator=gen) * math.pi
    r = 1.0 + 0.06 * torch.randn(n, generator=gen)
    x = torch.stack([r * torch.cos(a), r * torch.sin(a)], 1)
    rot = k * (2 * math.pi / 3)
    c, s = rot.cos(), rot.sin()
    x = torch.stack([c * x[:, 0] - s * x[:, 1], s * x[:, 0] + c * x[:, 1]], 1)
    shift = 1.6 * torch.stack([(rot + 0.4).cos(), (rot + 0.4).sin()], 1)
    return x + shift


class EpsNet(nn.Module):
    def __init__(self, width=80, depth=3, n_freq=8):
        super().__init__()
        self.register_buffer("freq", 2.0 ** torch.arange(n_freq) * math.pi / 4)
        self.inp = nn.Linear(2 + 2 * n_freq, width)
        self.blocks = nn.ModuleList([
            nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width)) for _ in range(depth)
        ])
        self.out = nn.Linear(width, 2)

    def forward(self, x, t):
        # t in [0, 1)
        ang = t[:, None] * self.freq
        h = self.inp(torch.cat([x, ang.sin(), ang.cos()], 1))
        for blk in self.blocks:
            h = h + blk(F.silu(h))
        return self.out(F.silu(h))


class Diffusion:
    def __init__(self, steps):
        self.steps = steps
        self.beta = torch.linspace(1e-3, 0.12, steps)
        self.alpha = 1 - self.beta
        self.abar = torch.cumprod(self.alpha, 0)

    def scaled_time(self, t):
        return t / self.steps

    def noisy(self, x0, t, eps):
        ab = self.abar[t][:, None]
        return ab.sqrt() * x0 + (1 - ab).sqrt() * eps

    def loss(self, net, x0):
        t = torch.randint(0, self.steps, (len(x0),))
        eps = torch.randn_like(x0)
        pred = net(self.noisy(x0, t, eps), self.scaled_time(t))
        return F.mse_loss(pred, eps)

    @torch.no_grad()
    def sample(self, net, n):
        x = torch.randn(n, 2)
        for i in reversed(range(self.steps)):
            t = torch.full((n,), i)
            eps = net(x, self.scaled_time(t))
            x = (x - self.beta[i] / (1 - self.abar[i]).sqrt() * eps) / self.alpha[i].sqrt()
            if i > 0:
                x = x + self.beta[i].sqrt() * torch.randn_like(x)
        return x


def sliced_w(a, b, n_dir=64):
    ang = torch.arange(n_dir) * math.pi / n_dir
    d = torch.stack([ang.cos(), ang.sin()])
    pa, pb = (a @ d).sort(0).values, (b @ d).sort(0).values
    return (pa - pb).abs().mean().item()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--iters", type=int, default=3000)
    p.add_argument("--batch", type=int, default=192)
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--steps", type=int, default=50)
    p.add_argument("--seed", type=int, default=11)
    args = p.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    gen = torch.Generator().manual_seed(args.seed)
    train = crescents(6000, gen)
    test = crescents(3000, gen)
    mu, sd = train.mean(0), train.std()
    train, test = (train - mu) / sd, (test - mu) / sd

    diff = Diffusion(args.steps)
    net = EpsNet()
    opt = torch.optim.AdamW(net.parameters(), lr=args.lr, weight_decay=1e-4)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=args.iters)

    # WATCH(net, opt)
    for it in range(1, args.iters + 1):
        x0 = train[torch.randint(0, len(train), (args.batch,))]
        loss = diff.loss(net, x0)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        opt.step()
        sched.step()
        if it % 500 == 0:
            print(f"it {it} loss {loss.item():.4f}")

    net.eval()
    print("gaussian noise would score", round(sliced_w(torch.randn(len(test), 2), test), 4))
    print(f"RESULT {sliced_w(diff.sample(net, len(test)), test):.4f} lower")


if __name__ == "__main__":
    main()
