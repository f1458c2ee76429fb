"""SimCLR pre-training on (a piece of) Fashion-MNIST, then a linear probe."""
import os

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

torch.set_num_threads(1)


@dataclass
class Config:
    data: str = os.environ["SCRAM_DATA"] + "/fashion_mnist.npz"
    batch_size: int = 192
    epochs: int = 10
    lr: float = 2e-3
    weight_decay: float = 1e-4
    temperature: float = 0.3
    proj_dim: int = 64
    warmup: int = 30
    seed: int = 7


def augment(x):
    """Random resized crop + flip (one affine warp per image), brightness/contrast, noise."""
    n = x.size(0)
    scale = torch.empty(n).uniform_(0.6, 1.0)
    room = 1 - scale
    tx = (torch.rand(n) * 2 - 1) * room
    ty = (torch.rand(n) * 2 - 1) * room
    flip = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = scale * flip
    theta[:, 1, 1] = scale
    theta[:, 0, 2] = tx
    theta[:, 1, 2] = ty
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, align_corners=False)
    gain = torch.empty(n, 1, 1, 1).uniform_(0.6, 1.4)
    x = (x * gain).clamp(0, 1)
    return x + 0.03 * torch.randn_like(x)


def conv_block(cin, cout, stride):
    return nn.Sequential(
        nn.Conv2d(cin, cout, 3, stride, 1, bias=False),
        nn.BatchNorm2d(cout),
        nn.ReLU(inplace=True),
    )


class SimCLR(nn.Module):
    def __init__(self, proj_dim):
        super().__init__()
        self.encoder = nn.Sequential(
            conv_block(1, 16, 2),
            conv_block(16, 32, 2),
            conv_block(32, 64, 2),
            conv_block(64, 128, 1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.projector = nn.Sequential(
            nn.Linear(128, 128), nn.ReLU(inplace=True), nn.Linear(128, proj_dim)
        )

    def forward(self, x):
        return self.projector(self.encoder(x))


def nt_xent(z1, z2, temperature):
    n = z1.size(0)
    z = F.normalize(torch.cat([z1, z2]), dim=1)
    sim = z @ z.t() / temperature
    sim.fill_diagonal_(float("-inf"))
    target = torch.cat([torch.arange(n, 2 * n), torch.arange(n)])
    loss = F.cross_entropy(sim, target)
    acc = (sim.argmax(1) == target).float().mean()
    return loss, acc


@torch.no_grad()
def features(model, x):
    model.eval()
    f = torch.cat([model.encoder(b) for b in x.split(500)])
    model.train()
    return f.numpy()


def linear_probe(model, xtr, ytr, xte, yte):
    clf = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200, C=0.1))
    clf.fit(features(model, xtr[:2000]), ytr[:2000])
    return clf.score(features(model, xte), yte)


def main(cfg=Config()):
    torch.manual_seed(cfg.seed)
    d = np.load(cfg.data)
    xtr = torch.from_numpy(d["x_train"]).float().unsqueeze(1) / 255
    xte = torch.from_numpy(d["x_test"]).float().unsqueeze(1) / 255
    ytr, yte = d["y_train"], d["y_test"]

    model = SimCLR(cfg.proj_dim)
    probe0 = linear_probe(model, xtr, ytr, xte, yte)
    opt = torch.optim.AdamW(model.parameters(), lr=cfg.lr, weight_decay=cfg.weight_decay)
    steps_per_epoch = len(xtr) // cfg.batch_size
    total = cfg.epochs * steps_per_epoch
    sched = torch.optim.lr_scheduler.LambdaLR(
        opt,
        lambda s: (s + 1) / cfg.warmup if s < cfg.warmup
        else 0.5 * (1 + math.cos(math.pi * (s - cfg.warmup) / (total - cfg.warmup))),
    )

    for epoch in range(cfg.epochs):
        perm = torch.randperm(len(xtr))
        loss_sum = acc_sum = 0.0
        for i in range(steps_per_epoch):
            batch = xtr[perm[i * cfg.batch_size:(i + 1) * cfg.batch_size]]
            n = batch.size(0)
            z = model(torch.cat([augment(batch), augment(batch)]))
            loss, acc = nt_xent(z[:n], z[n:], cfg.temperature)
            opt.zero_grad(set_to_none=True)
            loss.backward()
            opt.step()
            sched.step()
            loss_sum += loss.item()
            acc_sum += acc.item()
        print(f"epoch {epoch + 1:2d} | nt-xent {loss_sum / steps_per_epoch:.4f} "
              f"| positive is top-1 {acc_sum / steps_per_epoch:.3f}")

    probe = linear_probe(model, xtr, ytr, xte, yte)
    print(f"linear probe: random encoder {probe0:.3f} -> SimCLR encoder {probe:.3f} "
          f"(chance loss would be {math.log(2 * cfg.batch_size - 1):.2f})")


if __name__ == "__main__":
    main()
