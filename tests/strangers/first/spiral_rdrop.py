# R-Drop on the three-arm spiral.  (https://arxiv.org/abs/2106.14448, toy version)
# every batch goes through the net twice, dropout gives two different outputs,
# and a symmetric KL pulls them together.
import argparse
import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset


def get_args():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=7)
    p.add_argument("--arms", type=int, default=3)
    p.add_argument("--points", type=int, default=1200, help="points per arm")
    p.add_argument("--noise", type=float, default=0.28)
    p.add_argument("--hidden", type=int, default=128)
    p.add_argument("--dropout", type=float, default=0.15)
    p.add_argument("--alpha", type=float, default=0.5, help="weight of the R-Drop term")
    p.add_argument("--test-size", type=float, default=0.3)
    p.add_argument("--weight-decay", type=float, default=1e-4)
    p.add_argument("--lr", type=float, default=3e-3)
    p.add_argument("--batch-size", type=int, default=64)
    p.add_argument("--epochs", type=int, default=40)
    return p.parse_args()


def make_spirals(arms, points, noise, rng):
    xs, ys = [], []
    for k in range(arms):
        t = np.sqrt(rng.uniform(0.02, 1.0, size=points)) * 2.2 * math.pi
        phase = 2 * math.pi * k / arms
        arm = np.stack([t * np.cos(t + phase), t * np.sin(t + phase)], axis=1)
        arm += rng.normal(scale=noise * 1.5, size=arm.shape)
        xs.append(arm)
        ys.append(np.full(points, k))
    return np.concatenate(xs).astype("float32"), np.concatenate(ys).astype("int64")


class SpiralNet(nn.Module):
    def __init__(self, hidden, n_classes, p_drop):
        super().__init__()
        self.fc1 = nn.Linear(2, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.fc3 = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, n_classes)
        self.drop = nn.Dropout(p_drop)

    def forward(self, x):
        x = self.drop(F.relu(self.fc1(x)))
        x = self.drop(F.relu(self.fc2(x)))
        x = self.drop(F.relu(self.fc3(x)))
        return self.out(x)


def sym_kl(p_logits, q_logits):
    p, q = F.log_softmax(p_logits, dim=-1), F.log_softmax(q_logits, dim=-1)
    a = F.kl_div(p, q, reduction="batchmean", log_target=True)
    b = F.kl_div(q, p, reduction="batchmean", log_target=True)
    return 0.5 * (a + b)


@torch.no_grad()
def accuracy(model, x, y):
    model.eval()
    return (model(x).argmax(1) == y).float().mean().item()


def main():
    args = get_args()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)

    X, y = make_spirals(args.arms, args.points, args.noise, rng)
    Xtr, Xte, ytr, yte = train_test_split(
        X, y, test_size=args.test_size, stratify=y, random_state=args.seed)
    mu, sd = Xtr.mean(0), Xtr.std(0)
    Xtr, Xte = torch.from_numpy((Xtr - mu) / sd), torch.from_numpy((Xte - mu) / sd)
    ytr, yte = torch.from_numpy(ytr), torch.from_numpy(yte)
    loader = DataLoader(TensorDataset(Xtr, ytr), batch_size=args.batch_size, shuffle=True)

    model = SpiralNet(args.hidden, args.arms, args.dropout)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=args.weight_decay)
    # WATCH(model, optimizer)

    for epoch in range(1, args.epochs + 1):
        model.train()
        ce_sum = kl_sum = 0.0
        for xb, yb in loader:
            logits1, logits2 = model(xb), model(xb)
            ce = 0.5 * (F.cross_entropy(logits1, yb) + F.cross_entropy(logits2, yb))
            kl = sym_kl(logits1, logits2)
            loss = ce + args.alpha * kl
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            ce_sum += ce.item()
            kl_sum += kl.item()
        if epoch % 5 == 0 or epoch == 1:
            n = len(loader)
            print(f"epoch {epoch:3d}  ce {ce_sum / n:.4f}  kl {kl_sum / n:.4f}  "
                  f"train acc {accuracy(model, Xtr, ytr):.3f}")

    print(f"RESULT {accuracy(model, Xte, yte):.4f} higher")


if __name__ == "__main__":
    main()
