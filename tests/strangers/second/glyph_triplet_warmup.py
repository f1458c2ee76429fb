"""
Metric learning on drawn glyphs.

A small convnet maps 20x20 glyph images on the unit sphere, trained with a triplet loss.
The classes of the test are never seen in training, so it is the distance that has to be learned.
"""
import math
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass
class Config:
    seed: int = 11
    size: int = 20
    train_classes: int = 300
    test_classes: int = 24
    per_class: int = 8
    p: int = 12               # classes per batch
    k: int = 4                # images per class in a batch
    iterations: int = 400
    warmup: int = 60
    lr: float = 2e-3
    weight_decay: float = 1e-2
    margin: float = 0.4
    dim: int = 32
    eval_every: int = 50


def make_glyph(gen, strokes=4):
    """A glyph is a few strokes (line segments) in the unit square."""
    pts = torch.rand(strokes + 1, 2, generator=gen) * 1.4 - 0.7
    return pts[:-1], pts[1:]


def draw(glyph, size, gen):
    """Rasterise with a random small rotation, scale, shift and noise."""
    a, b = glyph
    angle = (torch.rand(1, generator=gen).item() - 0.5) * 0.8
    scale = 0.85 + 0.3 * torch.rand(1, generator=gen).item()
    shift = (torch.rand(2, generator=gen) - 0.5) * 0.35
    rot = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]) * scale
    wobble = 0.05 * torch.randn(a.shape, generator=gen)
    a, b = (a + wobble) @ rot.T + shift, (b + wobble) @ rot.T + shift
    axis = torch.linspace(-1, 1, size)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1).reshape(-1, 1, 2)
    d = b - a
    t = (((grid - a) * d).sum(-1) / (d * d).sum(-1).clamp(min=1e-6)).clamp(0, 1)
    dist2 = (grid - (a + t.unsqueeze(-1) * d)).pow(2).sum(-1).min(dim=1).values
    image = torch.exp(-dist2 / 0.008).reshape(1, size, size)
    return image + 0.2 * torch.randn(image.shape, generator=gen)


def make_split(n_classes, cfg, gen):
    images, labels = [], []
    for c in range(n_classes):
        glyph = make_glyph(gen)
        images += [draw(glyph, cfg.size, gen) for _ in range(cfg.per_class)]
        labels += [c] * cfg.per_class
    return torch.stack(images), torch.tensor(labels)


class PKSampler:
    """Batches of P classes with K images each."""

    def __init__(self, labels, p, k):
        self.by_class = [torch.nonzero(labels == c).squeeze(1) for c in labels.unique()]
        self.p, self.k = p, k

    def batch(self):
        chosen = torch.randperm(len(self.by_class))[: self.p]
        return torch.cat([self.by_class[c][torch.randperm(len(self.by_class[c]))[: self.k]] for c in chosen])


class EmbeddingNet(nn.Module):
    def __init__(self, dim):
        super().__init__()

        def stage(cin, cout):
            return [nn.Conv2d(cin, cout, 3, padding=1, bias=False), nn.BatchNorm2d(cout), nn.ReLU(), nn.MaxPool2d(2)]

        self.trunk = nn.Sequential(*stage(1, 16), *stage(16, 32), nn.Conv2d(32, 48, 3, padding=1), nn.ReLU(),
                                   nn.Flatten(), nn.Dropout(0.2))
        self.head = nn.Linear(48 * 25, dim)

    def forward(self, x):
        return F.normalize(self.head(self.trunk(x)), dim=1)


def pairwise_distance(z):
    sq = (2.0 - 2.0 * z @ z.T).clamp(min=0.0)
    return torch.sqrt(sq + 1e-8)


def triplet_loss(z, y, margin, temperature=0.1):
    """All triplets of the batch, with a soft hinge, so that the hard ones weigh most."""
    dist = pairwise_distance(z)
    same = y.unsqueeze(0) == y.unsqueeze(1)
    pos = (same & ~torch.eye(len(y), dtype=torch.bool)).float()
    neg = (~same).float()
    valid = pos.unsqueeze(2) * neg.unsqueeze(1)
    gap = dist.unsqueeze(2) - dist.unsqueeze(1) + margin
    return temperature * (F.softplus(gap / temperature) * valid).sum() / valid.sum()


@torch.no_grad()
def recall_at_1(model, x, y):
    model.eval()
    z = model(x)
    sim = z @ z.T
    sim.fill_diagonal_(-2.0)
    hit = y[sim.argmax(dim=1)] == y
    model.train()
    return hit.float().mean().item()


def lr_lambda(cfg):
    def factor(it):
        if it < cfg.warmup:
            return (it + 1) / cfg.warmup
        progress = (it - cfg.warmup) / (cfg.iterations - cfg.warmup)
        return 0.5 * (1 + math.cos(math.pi * progress)) + 0.01
    return factor


def main(cfg):
    torch.manual_seed(cfg.seed)
    gen = torch.Generator().manual_seed(cfg.seed)
    x_train, y_train = make_split(cfg.train_classes, cfg, gen)
    x_test, y_test = make_split(cfg.test_classes, cfg, gen)
    mean, std = x_train.mean(), x_train.std()
    x_train, x_test = (x_train - mean) / std, (x_test - mean) / std

    model = EmbeddingNet(cfg.dim)
    print(f"recall@1 before training: {recall_at_1(model, x_test, y_test):.3f}")
    optimizer = torch.optim.AdamW(model.parameters(), lr=cfg.lr, weight_decay=cfg.weight_decay)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lr_lambda(cfg))
    sampler = PKSampler(y_train, cfg.p, cfg.k)
    losses = []

    model.train()
    # WATCH(model, optimizer)
    for it in range(1, cfg.iterations + 1):
        idx = sampler.batch()
        loss = triplet_loss(model(x_train[idx]), y_train[idx], cfg.margin)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
        if it % cfg.eval_every == 0:
            recent = sum(losses[-cfg.eval_every:]) / cfg.eval_every
            print(f"it {it:4d}  loss {recent:.4f}  recall@1 on new classes {recall_at_1(model, x_test, y_test):.3f}")

    print(f"RESULT {recall_at_1(model, x_test, y_test):.4f} higher")


if __name__ == "__main__":
    main(Config())
