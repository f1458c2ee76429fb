# Biased matrix factorisation on synthetic star ratings, sparse embedding gradients + SparseAdam.
import numpy as np
import torch
from torch import nn

torch.set_num_threads(1)
torch.manual_seed(0)
rng = np.random.default_rng(0)

USERS, ITEMS, RANK, N = 1200, 600, 6, 280_000
NOISE = 0.45


def make_ratings():
    P = rng.normal(size=(USERS, RANK))
    Q = rng.normal(size=(ITEMS, RANK))
    bu, bi = rng.normal(0, 0.35, USERS), rng.normal(0, 0.5, ITEMS)
    popularity = 1.0 / (np.arange(ITEMS) + 40.0)
    popularity /= popularity.sum()
    u = rng.integers(0, USERS, 2 * N)
    i = rng.choice(ITEMS, 2 * N, p=popularity)
    _, keep = np.unique(u * ITEMS + i, return_index=True)        # no duplicate (user, item)
    keep = rng.permutation(keep)[:N]
    u, i = u[keep], i[keep]
    r = 3.4 + bu[u] + bi[i] + 0.7 * (P[u] * Q[i]).sum(1) / np.sqrt(RANK) + rng.normal(0, NOISE, len(u))
    return torch.from_numpy(u), torch.from_numpy(i), torch.from_numpy(np.clip(r, 0.5, 5.5)).float()


class BiasedMF(nn.Module):
    def __init__(self, n_users, n_items, k, mean):
        super().__init__()
        self.user = nn.Embedding(n_users, k, sparse=True)
        self.item = nn.Embedding(n_items, k, sparse=True)
        self.user_bias = nn.Embedding(n_users, 1, sparse=True)
        self.item_bias = nn.Embedding(n_items, 1, sparse=True)
        self.mean = mean
        nn.init.normal_(self.user.weight, std=0.1)
        nn.init.normal_(self.item.weight, std=0.1)
        nn.init.zeros_(self.user_bias.weight)
        nn.init.zeros_(self.item_bias.weight)

    def forward(self, u, i):
        p, q = self.user(u), self.item(i)
        bu, bi = self.user_bias(u).squeeze(1), self.item_bias(i).squeeze(1)
        pred = self.mean + bu + bi + (p * q).sum(1)
        reg = p.pow(2).sum(1) + q.pow(2).sum(1) + bu.pow(2) + bi.pow(2)
        return pred, reg.mean()


u, i, r = make_ratings()
n_val = len(u) // 10
train, val = slice(n_val, None), slice(0, n_val)
tu, ti, tr = u[train], i[train], r[train]
vu, vi, vr = u[val], i[val], r[val]
print(f"{len(tu)} training ratings, {len(vu)} validation, {len(tu) / USERS:.0f} per user")

model = BiasedMF(USERS, ITEMS, k=6, mean=tr.mean().item())
opt = torch.optim.SparseAdam(list(model.parameters()), lr=1.5e-3)
BATCH, EPOCHS, LAMBDA = 256, 13, 0.02


def rmse(uu, ii, rr):
    with torch.no_grad():
        return (model(uu, ii)[0] - rr).pow(2).mean().sqrt().item()


for epoch in range(EPOCHS):
    if epoch == 9:
        for g in opt.param_groups:
            g["lr"] *= 0.3
    order = torch.randperm(len(tu))
    running = 0.0
    for b in order.split(BATCH):
        pred, reg = model(tu[b], ti[b])
        mse = (pred - tr[b]).pow(2).mean()
        loss = mse + LAMBDA * reg
        opt.zero_grad()
        loss.backward()
        opt.step()
        running += mse.item() * len(b)
    print(f"epoch {epoch:2d}  train rmse {(running / len(tu)) ** 0.5:.4f}  val rmse {rmse(vu, vi, vr):.4f}")

base = (vr - tr.mean()).pow(2).mean().sqrt().item()
print(f"final val RMSE {rmse(vu, vi, vr):.4f}; predicting the mean {base:.4f}; noise floor ~{NOISE}")
