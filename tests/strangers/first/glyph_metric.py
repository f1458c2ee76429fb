"""Deep metric learning on invented glyphs: triplets within the batch, tested by retrieval among glyphs never seen in training."""
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Settings:
    seed: int = 5
    size: int = 16
    train_glyphs: int = 150
    test_glyphs: int = 30
    per_glyph: int = 12
    glyphs_per_batch: int = 16
    views_per_glyph: int = 4
    steps: int = 500
    lr: float = 2e-3
    weight_decay: float = 1e-4
    margin: float = 0.4
    dim: int = 32


def render_glyphs(n_glyphs: int, per_glyph: int, size: int, gen: torch.Generator) -> tuple[Tensor, Tensor]:
    """A glyph is a curve through five points; a drawing of it moves, turns, stretches and shakes the points."""
    skeleton = torch.rand(n_glyphs, 1, 5, 2, generator=gen) * 1.5 - 0.75
    points = skeleton + 0.06 * torch.randn(n_glyphs, per_glyph, 5, 2, generator=gen)
    angle = 0.22 * torch.randn(n_glyphs, per_glyph, generator=gen)
    scale = 1 + 0.1 * torch.randn(n_glyphs, per_glyph, generator=gen)
    c, s = angle.cos() * scale, angle.sin() * scale
    turn = torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2)
    points = points @ turn + 0.2 * torch.randn(n_glyphs, per_glyph, 1, 2, generator=gen)
    u = torch.linspace(0, 1, 8).view(1, 1, 1, 8, 1)
    curve = points[:, :, :-1, None] * (1 - u) + points[:, :, 1:, None] * u
    curve = curve.reshape(n_glyphs * per_glyph, -1, 2)
    axis = torch.linspace(-1.25, 1.25, size)
    gx = torch.exp(-((curve[..., 0, None] - axis) / 0.12) ** 2)
    gy = torch.exp(-((curve[..., 1, None] - axis) / 0.12) ** 2)
    image = torch.einsum("npx,npy->nyx", gx, gy).clamp(max=1.0)
    image = image + 0.1 * torch.randn(image.shape, generator=gen)
    labels = torch.arange(n_glyphs).repeat_interleave(per_glyph)
    return ((image - 0.25) / 0.35)[:, None], labels


class Embedder(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for c_in, c_out in ((1, 16), (16, 32), (32, 48)):
            layers += [nn.Conv2d(c_in, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(), nn.MaxPool2d(2)]
        self.trunk = nn.Sequential(*layers, nn.Flatten())
        self.project = nn.Linear(48 * 4, dim)

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(self.project(self.trunk(x)), dim=-1)


def pairwise_distance(a: Tensor, b: Tensor) -> Tensor:
    squared = (a[:, None] - b[None]).pow(2).sum(-1)
    return (squared + 1e-8).sqrt()


def triplet_loss(emb: Tensor, labels: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """Mean hinge over the triplets that violate the margin (all of them in the batch), and their share."""
    dist = pairwise_distance(emb, emb)
    same = labels[:, None] == labels[None]
    positive = same & ~torch.eye(len(labels), dtype=torch.bool)
    valid = positive[:, :, None] & ~same[:, None, :]
    hinge = F.relu(dist[:, :, None] - dist[:, None, :] + margin)[valid]
    violated = (hinge > 0).sum()
    return hinge.sum() / violated.clamp_min(1), violated / valid.sum()


class PKSampler:
    def __init__(self, labels: Tensor, p: int, k: int) -> None:
        self.by_label = [torch.nonzero(labels == c).squeeze(1) for c in labels.unique()]
        self.p, self.k = p, k

    def draw(self) -> Tensor:
        chosen = torch.randperm(len(self.by_label))[: self.p].tolist()
        return torch.cat([self.by_label[c][torch.randperm(len(self.by_label[c]))[: self.k]] for c in chosen])


def shift(images: Tensor) -> Tensor:
    dy, dx = torch.randint(-2, 3, (2,)).tolist()
    return torch.roll(images, (dy, dx), (-2, -1)) + 0.05 * torch.randn_like(images)


@torch.no_grad()
def recall_at_1(net: nn.Module | None, images: Tensor, labels: Tensor) -> float:
    if net is None:
        emb = images.flatten(1)
    else:
        net.eval()
        emb = net(images)
        net.train()
    dist = torch.cdist(emb, emb)
    dist.fill_diagonal_(float("inf"))
    return (labels[dist.argmin(1)] == labels).float().mean().item()


def main(cfg: Settings) -> None:
    torch.manual_seed(cfg.seed)
    gen = torch.Generator().manual_seed(cfg.seed)
    images, labels = render_glyphs(cfg.train_glyphs, cfg.per_glyph, cfg.size, gen)
    dev_images, dev_labels = render_glyphs(cfg.test_glyphs, cfg.per_glyph, cfg.size, gen)
    test_images, test_labels = render_glyphs(cfg.test_glyphs, cfg.per_glyph, cfg.size, gen)
    print(f"R@1 on raw pixels, unseen glyphs: {recall_at_1(None, test_images, test_labels):.3f}")

    embedder = Embedder(cfg.dim)
    optimiser = torch.optim.AdamW(embedder.parameters(), lr=cfg.lr, weight_decay=cfg.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, cfg.steps)
    sampler = PKSampler(labels, cfg.glyphs_per_batch, cfg.views_per_glyph)

    embedder.train()
    # WATCH(embedder, optimiser)
    for step in range(1, cfg.steps + 1):
        idx = sampler.draw()
        loss, active = triplet_loss(embedder(shift(images[idx])), labels[idx], cfg.margin)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 50 == 0:
            dev = recall_at_1(embedder, dev_images, dev_labels)
            print(f"step {step:4d} | loss {loss.item():.4f} | active {active.item():.2f} | dev R@1 {dev:.3f}")

    print(f"RESULT {recall_at_1(embedder, test_images, test_labels):.4f} higher")


if __name__ == "__main__":
    main(Settings())
