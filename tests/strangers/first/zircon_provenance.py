"""Which river brought this sand?  Detrital zircon provenance as a set problem.

A sand sample is a bag of 12-48 zircon grains; each grain has an U-Pb age (Ma), a Th/U ratio
and a length (um).  Each of six catchments mixes the same crustal age peaks in other proportions,
so no single grain tells the catchment, but the bag does.  Gated attention pooling over grains.

RESULT top1_accuracy higher
"""
from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

PEAKS_MA = np.array([95., 310., 480., 1050., 1850., 2700.])
THU = np.array([.9, .5, .65, .35, .45, .6])


@dataclass(frozen=True)
class Cfg:
    catchments: int = 6
    samples: int = 2400
    max_grains: int = 48
    width: int = 48
    heads: int = 3
    batch: int = 64
    epochs: int = 22
    lr: float = 2e-3
    seed: int = 731


@dataclass
class Bags:
    grains: Tensor   # (N, G, 3)
    present: Tensor  # (N, G) bool
    river: Tensor    # (N,)

    def __len__(self) -> int:
        return len(self.river)

    def take(self, rows: Tensor) -> "Bags":
        return Bags(self.grains[rows], self.present[rows], self.river[rows])


def dig(cfg: Cfg, rng: np.random.Generator) -> Bags:
    recipe = rng.dirichlet(np.full(len(PEAKS_MA), 1.1), size=cfg.catchments)
    grains = np.zeros((cfg.samples, cfg.max_grains, 3), np.float32)
    present = np.zeros((cfg.samples, cfg.max_grains), bool)
    river = rng.integers(cfg.catchments, size=cfg.samples)
    for i, r in enumerate(river):
        n = rng.integers(12, cfg.max_grains + 1)
        local = rng.dirichlet(recipe[r] * 14 + 1e-2)
        which = rng.choice(len(PEAKS_MA), size=n, p=local)
        age = PEAKS_MA[which] * np.exp(rng.normal(0, .06, n))
        grains[i, :n, 0] = age
        grains[i, :n, 1] = THU[which] * np.exp(rng.normal(0, .3, n))
        grains[i, :n, 2] = rng.normal(140 + 10 * (r % 2), 35, n).clip(30)
        present[i, :n] = True
    return Bags(torch.from_numpy(grains), torch.from_numpy(present), torch.from_numpy(river))


def scale_like(ref: Bags, bags: Bags) -> Bags:
    def logs(b: Bags) -> Tensor:
        return torch.cat([b.grains[..., :2].clamp_min(1e-3).log(), b.grains[..., 2:]], -1)
    flat = logs(ref)[ref.present]
    z = (logs(bags) - flat.mean(0)) / flat.std(0)
    return Bags(z * bags.present.unsqueeze(-1), bags.present, bags.river)


class GrainPool(nn.Module):
    def __init__(self, cfg: Cfg):
        super().__init__()
        w = cfg.width
        self.grain = nn.Sequential(nn.Linear(3, w), nn.GELU(), nn.Linear(w, w), nn.GELU())
        self.gate = nn.Linear(w, cfg.heads)
        self.read = nn.Sequential(nn.LayerNorm(w * cfg.heads), nn.Linear(w * cfg.heads, w), nn.GELU(),
                                  nn.Dropout(.1), nn.Linear(w, cfg.catchments))

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        h = self.grain(x)                                        # B G W
        score = self.gate(h).masked_fill(~present[..., None], -1e9)   # B G H
        weight = score.softmax(dim=1)
        pooled = torch.einsum("bgh,bgw->bhw", weight, h)
        return self.read(pooled.flatten(1))


@torch.inference_mode()
def top1(model: nn.Module, bags: Bags) -> float:
    was = model.training
    model.eval()
    hit = model(bags.grains, bags.present).argmax(-1).eq(bags.river).float().mean().item()
    model.train(was)
    return hit


def main(cfg: Cfg = Cfg()) -> None:
    torch.manual_seed(cfg.seed)
    every = dig(cfg, np.random.default_rng(cfg.seed))
    order = torch.randperm(len(every))
    raw_fit, raw_held = every.take(order[:1800]), every.take(order[1800:])
    fit, held = scale_like(raw_fit, raw_fit), scale_like(raw_fit, raw_held)

    model = GrainPool(cfg)
    opt = torch.optim.AdamW(model.parameters(), lr=cfg.lr, weight_decay=1e-3)
    steps = cfg.epochs * math.ceil(len(fit) / cfg.batch)
    sched = torch.optim.lr_scheduler.OneCycleLR(opt, cfg.lr * 2, total_steps=steps)
    # WATCH(model, opt)
    for epoch in range(cfg.epochs):
        model.train()
        losses = []
        for rows in torch.randperm(len(fit)).split(cfg.batch):
            b = fit.take(rows)
            logp = model(b.grains, b.present).log_softmax(-1)
            loss = -logp.gather(1, b.river[:, None]).mean()
            opt.zero_grad(set_to_none=True)
            loss.backward()
            opt.step()
            sched.step()
            losses.append(loss.item())
        if epoch % 3 == 0 or epoch == cfg.epochs - 1:
            print(f"epoch {epoch:2d}  nll {np.mean(losses):.3f}  held-out {top1(model, held):.3f}")
    print(f"RESULT top1_accuracy {top1(model, held):.4f}")


if __name__ == "__main__":
    main()
