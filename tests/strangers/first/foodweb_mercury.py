"""Mercury in food webs: graph attention over "who eats whom".

Every graph is a lake with 24 species. A species takes up mercury by itself (a humped function of its
temperature and its gill size) and gets more from its prey, weighted by how palatable each prey is to it.
The net has to say for each species whether it ends up low, medium or high. Lakes are split into
training, validation (choice of the epoch) and test; the score is accuracy over species in test lakes.

RESULT test_accuracy higher
"""
import copy
import math
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

CFG = dict(lakes=900, species=24, feats=5, hidden=32, layers=3, lr=4e-3, wd=1e-4, batch=50, epochs=14, seed=5)
TRAINABLE = ("embed", "blocks", "readout")


# ---------------------------------------------------------------- data
def make_lake(rng, n):
    size = np.sort(rng.normal(0, 1, n))                       # small to large
    temp, gill, lipid, taste = rng.normal(0, 1, (4, n))
    eats = np.zeros((n, n), dtype=bool)                       # eats[i, j]: i eats j
    for i in range(3, n):
        for j in rng.choice(i, size=min(i, int(rng.integers(1, 5))), replace=False):
            eats[i, j] = True
    hg = np.zeros(n)
    own = np.exp(-temp ** 2) * 2.0 + np.abs(gill) - 0.4
    for i in range(n):
        prey = np.flatnonzero(eats[i])
        food = 0.0
        if len(prey):
            w = np.exp(1.2 * taste[prey])
            food = (w / w.sum() * hg[prey]).sum()
        hg[i] = own[i] + 0.75 * food
    return np.stack([size, temp, gill, lipid, taste], 1), eats, hg


def build(cfg):
    rng = np.random.default_rng(cfg["seed"])
    x, a, h = map(np.stack, zip(*[make_lake(rng, cfg["species"]) for _ in range(cfg["lakes"])]))
    low, high = np.quantile(h, [1 / 3, 2 / 3])
    y = (h > low).astype(np.int64) + (h > high)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(a), torch.tensor(y)


# ---------------------------------------------------------------- model
class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(dim, dim), nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.own = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, h, adj):
        e = self.q(h) @ self.k(h).transpose(1, 2) / math.sqrt(h.shape[-1])
        e = e.masked_fill(~adj, -1e9)
        alpha = F.softmax(e, dim=-1) * adj.any(-1, keepdim=True)
        return h + F.relu(self.norm(self.own(h) + alpha @ self.v(h)))


class MercuryNet(nn.Module):
    def __init__(self, feats, dim, layers, classes=3):
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(feats, dim), nn.ReLU(), nn.Linear(dim, dim))
        self.blocks = nn.ModuleList([Block(dim) for _ in range(layers)])
        self.readout = nn.Linear(dim, classes)

    def forward(self, x, adj):
        h = self.embed(x)
        for block in self.blocks:
            h = block(h, adj)
        return self.readout(h)


# ---------------------------------------------------------------- run
def accuracy(model, x, a, y):
    model.eval()
    with torch.no_grad():
        return (model(x, a).argmax(-1) == y).float().mean().item()


if __name__ == "__main__":
    torch.manual_seed(CFG["seed"])
    x, a, y = build(CFG)
    tr, va, te = slice(0, 600), slice(600, 750), slice(750, 900)
    x = (x - x[tr].mean((0, 1))) / x[tr].std((0, 1))

    model = MercuryNet(CFG["feats"], CFG["hidden"], CFG["layers"])
    for name, p in model.named_parameters():
        p.requires_grad_(name.startswith(TRAINABLE))
    optimizer = torch.optim.AdamW(model.parameters(), lr=CFG["lr"], weight_decay=CFG["wd"])
    # WATCH(model, optimizer)

    best, best_state = 0.0, None
    for epoch in range(1, CFG["epochs"] + 1):
        model.train()
        saliency = torch.zeros(CFG["feats"])
        for idx in torch.randperm(600).split(CFG["batch"]):
            xb = x[tr][idx].requires_grad_()          # gradients of the inputs tell which features matter
            logits = model(xb, a[tr][idx])
            loss = F.cross_entropy(logits.flatten(0, 1), y[tr][idx].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            saliency += xb.grad.abs().sum((0, 1))
        val = accuracy(model, x[va], a[va], y[va])
        if val > best:
            best, best_state = val, copy.deepcopy(model.state_dict())
        shares = " ".join(f"{n}={s:.2f}" for n, s in zip(("size", "temp", "gill", "lipid", "taste"),
                                                         saliency / saliency.sum()))
        print(f"{epoch:02d} loss {loss.item():.3f} val {val:.3f}  {shares}")

    model.load_state_dict(best_state)
    print(f"RESULT test_accuracy {accuracy(model, x[te], a[te], y[te]):.4f}")
