import argparse
import logging

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

log = logging.getLogger("leaves")


def parse():
    p = argparse.ArgumentParser(description="Triplet embedding of leaf outlines; retrieval among species that were not trained on.")
    p.add_argument("--iterations", type=int, default=700)
    p.add_argument("--species-per-batch", type=int, default=16)
    p.add_argument("--leaves-per-species", type=int, default=4)
    p.add_argument("--margin", type=float, default=0.3)
    p.add_argument("--dim", type=int, default=32)
    p.add_argument("--width", type=int, default=32)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--wd", type=float, default=1e-4)
    p.add_argument("--seed", type=int, default=5)
    return p.parse_args()


class OutlineBank:
    """Outlines as 64 polar samples: radius, and its change from point to point. The first point is arbitrary (the leaf lies anyhow)."""

    POINTS = 64

    def __init__(self, n_species, n_leaves, seed):
        gen = np.random.default_rng(seed)
        theta = np.linspace(0, 2 * np.pi, self.POINTS, endpoint=False)
        data = np.empty((n_species, n_leaves, 2, self.POINTS), np.float32)
        for s in range(n_species):
            lobes = gen.integers(2, 8)
            amp, teeth_amp = gen.uniform(0.1, 0.4), gen.uniform(0.0, 0.12)
            teeth = gen.integers(9, 16)
            long_axis, heart = gen.uniform(0.0, 0.45), gen.uniform(0.0, 0.35)
            sharp = gen.uniform(0.6, 2.2)
            for i in range(n_leaves):
                jit = lambda v, sd: v * (1 + sd * gen.normal())
                lobe = np.abs(np.cos(lobes * theta / 2)) ** jit(sharp, 0.1)
                r = 1 + jit(long_axis, 0.12) * np.cos(2 * theta) + jit(heart, 0.12) * np.cos(theta)
                r = r + jit(amp, 0.12) * lobe + jit(teeth_amp, 0.12) * np.cos(teeth * theta)
                r = r + 0.03 * gen.normal(size=self.POINTS)
                r = np.roll(r / r.mean(), gen.integers(self.POINTS))
                data[s, i, 0] = (r - 1) / 0.3
                data[s, i, 1] = (np.roll(r, -1) - r) / 0.15
        self.data = torch.from_numpy(data)

    def batch(self, n_species, n_leaves, generator):
        s = torch.randperm(len(self.data), generator=generator)[:n_species]
        leaf = torch.stack([torch.randperm(self.data.shape[1], generator=generator)[:n_leaves] for _ in s])
        return self.data[s[:, None], leaf]                          # species, leaves, 2, points


class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv = nn.Conv1d(cin, cout, 5, stride=stride, padding=2, padding_mode="circular")
        self.skip = nn.Conv1d(cin, cout, 1, stride=stride)

    def forward(self, x):
        return F.relu(self.conv(x) + self.skip(x))


class OutlineNet(nn.Module):
    def __init__(self, width, dim):
        super().__init__()
        self.blocks = nn.ModuleList([Block(2, width, 1), Block(width, width, 2), Block(width, 2 * width, 2), Block(2 * width, 2 * width, 2)])
        self.out = nn.Linear(4 * width, dim)
        for m in self.modules():
            if isinstance(m, nn.Conv1d):
                nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
                nn.init.constant_(m.bias, 0.0)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        pooled = torch.cat([x.mean(-1), x.amax(-1)], dim=1)
        return F.normalize(self.out(pooled), dim=1)


def triplet_loss(z, margin):
    """z: species, leaves, dim. Each leaf is an anchor; its partner is the next of its species; the negative is semi-hard."""
    s, k, d = z.shape
    flat = z.reshape(s * k, d)
    species = torch.arange(s).repeat_interleave(k)
    sim = flat @ flat.T
    dist = (2 - 2 * sim).clamp_min(0)                                # squared, of unit vectors
    positive = dist.view(s, k, s * k).gather(2, torch.roll(torch.arange(s * k).view(s, k), -1, 1).unsqueeze(2)).reshape(-1)
    other = species[:, None] != species[None, :]
    allowed = other & (dist > positive[:, None])
    masked = torch.where(allowed, dist, torch.full_like(dist, 9.0))
    hardest = torch.where(other, dist, torch.full_like(dist, -1.0)).amax(1)
    negative = torch.where(allowed.any(1), masked.amin(1), hardest)
    return F.relu(positive - negative + margin).mean()


@torch.no_grad()
def retrieval(net, bank):
    """share of leaves whose nearest other leaf is of the same species"""
    net.eval()
    s, k = bank.data.shape[:2]
    z = net(bank.data.flatten(0, 1))
    sim = z @ z.T
    sim.fill_diagonal_(-2)
    species = torch.arange(s).repeat_interleave(k)
    net.train()
    return (species[sim.argmax(1)] == species).float().mean().item()


def main():
    args = parse()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.manual_seed(args.seed)
    generator = torch.Generator().manual_seed(args.seed)
    train_bank, val_bank = OutlineBank(160, 20, seed=21), OutlineBank(60, 10, seed=22)
    net = OutlineNet(args.width, args.dim)
    opt = torch.optim.AdamW(net.parameters(), lr=args.lr, weight_decay=args.wd)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, args.iterations)
    log.info("%d parameters, recall@1 before training %.3f", sum(p.numel() for p in net.parameters()), retrieval(net, val_bank))

    smooth = None
    # WATCH(net, opt)
    for it in range(1, args.iterations + 1):
        leaves = train_bank.batch(args.species_per_batch, args.leaves_per_species, generator)
        s, k = leaves.shape[:2]
        z = net(leaves.flatten(0, 1)).view(s, k, -1)
        loss = triplet_loss(z, args.margin)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        opt.step()
        sched.step()
        smooth = loss.item() if smooth is None else 0.95 * smooth + 0.05 * loss.item()
        if it % 100 == 0:
            log.info("iteration %4d  loss %.4f  recall@1 %.3f", it, smooth, retrieval(net, val_bank))
    print("RESULT %.4f higher" % retrieval(net, val_bank))


if __name__ == "__main__":
    main()
