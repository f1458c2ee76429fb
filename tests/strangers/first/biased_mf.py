#!/usr/bin/env python3
# Biased matrix factorisation (Koren et al. 2009) in PyTorch on simulated film ratings.
import time
import numpy as np
import torch
import torch.nn as nn

CFG = dict(
    n_users=800,
    n_items=500,
    n_ratings=60000,
    dim=8,
    lam=0.06,
    lr=0.005,
    batch=512,
    epochs=25,
    seed=11,
)


def simulate(cfg):
    g = np.random.default_rng(cfg["seed"])
    d = 5
    P = g.normal(0, 0.55, (cfg["n_users"], d))
    Q = g.normal(0, 0.55, (cfg["n_items"], d))
    bu = g.normal(0, 0.4, cfg["n_users"])
    bi = g.normal(0, 0.5, cfg["n_items"])
    popularity = 1.0 / np.arange(1, cfg["n_items"] + 1) ** 0.6
    popularity = g.permutation(popularity / popularity.sum())
    users = g.integers(0, cfg["n_users"], cfg["n_ratings"] * 2)
    items = g.choice(cfg["n_items"], cfg["n_ratings"] * 2, p=popularity)
    pairs = np.unique(np.stack([users, items], 1), axis=0)
    pairs = g.permutation(pairs)[: cfg["n_ratings"]]
    u, i = pairs[:, 0], pairs[:, 1]
    score = 3.5 + bu[u] + bi[i] + (P[u] * Q[i]).sum(1) + g.normal(0, 0.4, len(u))
    stars = np.clip(np.round(score * 2) / 2, 0.5, 5.0)
    return u, i, stars.astype(np.float32)


class BiasedMF(nn.Module):
    def __init__(self, n_users, n_items, dim, mean):
        super().__init__()
        self.user_vec = nn.Embedding(n_users, dim)
        self.item_vec = nn.Embedding(n_items, dim)
        self.user_bias = nn.Embedding(n_users, 1)
        self.item_bias = nn.Embedding(n_items, 1)
        self.register_buffer("mean", torch.tensor(mean))
        nn.init.normal_(self.user_vec.weight, std=0.1)
        nn.init.normal_(self.item_vec.weight, std=0.1)
        nn.init.zeros_(self.user_bias.weight)
        nn.init.zeros_(self.item_bias.weight)

    def forward(self, u, i):
        p, q = self.user_vec(u), self.item_vec(i)
        bu, bi = self.user_bias(u).squeeze(-1), self.item_bias(i).squeeze(-1)
        pred = self.mean + bu + bi + (p * q).sum(-1)
        penalty = p.pow(2).sum(-1) + q.pow(2).sum(-1) + bu.pow(2) + bi.pow(2)
        return pred, penalty


def batches(u, i, r, size):
    order = torch.randperm(len(r))
    for chunk in order.split(size):
        yield u[chunk], i[chunk], r[chunk]


def rmse(model, u, i, r):
    model.eval()
    with torch.no_grad():
        pred, _ = model(u, i)
    return (pred.clamp(0.5, 5.0) - r).pow(2).mean().sqrt().item()


def run(cfg):
    torch.manual_seed(cfg["seed"])
    u, i, r = simulate(cfg)
    n_test = len(r) // 5
    u, i, r = torch.as_tensor(u), torch.as_tensor(i), torch.as_tensor(r)
    test = (u[:n_test], i[:n_test], r[:n_test])
    train = (u[n_test:], i[n_test:], r[n_test:])

    mf = BiasedMF(cfg["n_users"], cfg["n_items"], cfg["dim"], train[2].mean().item())
    opt = torch.optim.Adam(mf.parameters(), lr=cfg["lr"])
    # WATCH(mf, opt)
    tic = time.time()
    for ep in range(cfg["epochs"]):
        mf.train()
        sq_sum = 0.0
        for bu, bi, br in batches(*train, cfg["batch"]):
            pred, penalty = mf(bu, bi)
            err = (pred - br).pow(2).mean()
            loss = err + cfg["lam"] * penalty.mean()
            opt.zero_grad()
            loss.backward()
            opt.step()
            sq_sum += (pred - br).detach().pow(2).sum().item()
        if ep % 5 == 4:
            print("epoch %d train rmse %.4f  (%.1fs)" % (ep + 1, (sq_sum / len(train[2])) ** 0.5, time.time() - tic))
    base = (test[2] - mf.mean).pow(2).mean().sqrt().item()
    print("predict-the-mean rmse %.4f" % base)
    return rmse(mf, *test)


if __name__ == "__main__":
    print("RESULT %.4f lower" % run(CFG))
