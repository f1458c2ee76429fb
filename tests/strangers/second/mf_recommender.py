"""Matrix factorization with biases plus a small side-information term.

The id embeddings are sparse (SparseAdam), all the rest is dense (Adam), so there
are two optimizers for one model, as one does for large catalogs.
Ratings are generated from a rank-4 ground truth, with noise of std 0.35.
"""
import math

import numpy as np
import torch
from torch import nn

SEED = 11
N_USERS, N_ITEMS, RANK = 400, 250, 4
NOISE = 0.35


def make_ratings(rng):
    u = rng.normal(0, 0.7, (N_USERS, RANK))
    v = rng.normal(0, 0.7, (N_ITEMS, RANK))
    bu, bi = rng.normal(0, 0.3, N_USERS), rng.normal(0, 0.4, N_ITEMS)
    side = rng.normal(0, 1, (N_ITEMS, 3))                 # e.g. price, age, length
    full = 3.4 + u @ v.T + bu[:, None] + bi[None] + (side @ np.array([0.3, -0.2, 0.1]))[None]
    mask = rng.random((N_USERS, N_ITEMS)) < 0.4
    ui, ii = np.nonzero(mask)
    r = full[ui, ii] + rng.normal(0, NOISE, len(ui))
    return ui, ii, r.astype(np.float32), side.astype(np.float32)


class MF(nn.Module):
    def __init__(self, n_users, n_items, side, dim, mu):
        super().__init__()
        self.user = nn.Embedding(n_users, dim, sparse=True)
        self.item = nn.Embedding(n_items, dim, sparse=True)
        self.user_bias = nn.Embedding(n_users, 1, sparse=True)
        self.item_bias = nn.Embedding(n_items, 1, sparse=True)
        self.side_head = nn.Linear(side.shape[1], 1)
        self.register_buffer("side", side)
        self.register_buffer("mu", torch.tensor(mu))
        nn.init.normal_(self.user.weight, std=0.1)
        nn.init.normal_(self.item.weight, std=0.1)
        nn.init.zeros_(self.user_bias.weight)
        nn.init.zeros_(self.item_bias.weight)

    def forward(self, u, i):
        pu, qi = self.user(u), self.item(i)
        bu, bi = self.user_bias(u).squeeze(-1), self.item_bias(i).squeeze(-1)
        pred = self.mu + (pu * qi).sum(-1) + bu + bi + self.side_head(self.side[i]).squeeze(-1)
        reg = pu.pow(2).sum(-1).mean() + qi.pow(2).sum(-1).mean() + bu.pow(2).mean() + bi.pow(2).mean()
        return pred, reg


def rmse(model, u, i, r):
    model.eval()
    with torch.no_grad():
        return math.sqrt((model(u, i)[0] - r).pow(2).mean().item())


def main():
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    ui, ii, r, side = make_ratings(rng)
    order = rng.permutation(len(r))
    n_val = len(r) // 10
    val, tst, trn = order[:n_val], order[n_val:2 * n_val], order[2 * n_val:]
    T = lambda idx: (torch.from_numpy(ui[idx]), torch.from_numpy(ii[idx]), torch.from_numpy(r[idx]))
    trn, val, tst = T(trn), T(val), T(tst)
    print(f"{len(trn[0])} train / {len(val[0])} val / {len(tst[0])} test ratings")

    mu = trn[2].mean().item()
    model = MF(N_USERS, N_ITEMS, torch.from_numpy(side), dim=6, mu=mu)
    emb_params = [p for n, p in model.named_parameters() if not n.startswith("side_head")]
    opt_sparse = torch.optim.SparseAdam(emb_params, lr=0.01)
    opt_dense = torch.optim.Adam(model.side_head.parameters(), lr=0.005)
    scheds = [torch.optim.lr_scheduler.StepLR(o, step_size=4, gamma=0.5) for o in (opt_sparse, opt_dense)]
    lam, bs = 0.01, 512

    print(f"global mean baseline: val RMSE {math.sqrt((val[2] - mu).pow(2).mean().item()):.4f}   noise floor {NOISE}")
    # WATCH(model, [opt_sparse, opt_dense])
    for epoch in range(1, 16):
        model.train()
        perm = torch.randperm(len(trn[0]))
        se = 0.0
        for idx in perm.split(bs):
            u, i, y = trn[0][idx], trn[1][idx], trn[2][idx]
            pred, reg = model(u, i)
            mse = (pred - y).pow(2).mean()
            loss = mse + lam * reg
            opt_sparse.zero_grad()
            opt_dense.zero_grad()
            loss.backward()
            opt_sparse.step()
            opt_dense.step()
            se += mse.item() * len(idx)
        for s in scheds:
            s.step()
        print(f"epoch {epoch:2d}  train RMSE {math.sqrt(se / len(perm)):.4f}  val RMSE {rmse(model, *val):.4f}")
    print(f"test RMSE {rmse(model, *tst):.4f}")
    print(f"RESULT {rmse(model, *tst):.4f} lower")


if __name__ == "__main__":
    main()
