# %% [markdown]
# # Heart beats: four kinds, one lead
# 1D convnet, mixup, class-balanced batches. Step-based training, as in the paper.

# %%
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset, Sampler

SEED = 1234
gen = np.random.default_rng(SEED)
torch.manual_seed(SEED)
torch.set_num_threads(1)

# %% synthetic beats: sum of P, QRS and T bumps, 96 samples
grid = np.linspace(-0.4, 0.6, 96)
KINDS = ["normal", "ventricular", "atrial", "blocked"]
PROPORTIONS = [0.55, 0.2, 0.15, 0.10]


def bump(center, width, height):
    return height * np.exp(-0.5 * ((grid - center) / width) ** 2)


def beat(kind):
    j = lambda v, s=0.15: v * (1 + s * gen.standard_normal())
    p, pr, q, t = j(0.18), j(-0.17), j(0.018), j(0.3)
    if kind == 1:      # no P wave, wide QRS
        p, q, t = 0.25 * p, 1.9 * q, j(0.1, 0.6)
    elif kind == 2:    # early, sharp P wave
        pr, p = j(-0.24), j(0.22)
    elif kind == 3:    # wider, notched QRS
        q = 1.35 * q
    x = bump(pr, 0.03, p) + bump(0, q, j(1.0)) - bump(0.05, q, j(0.25)) + bump(0.28, 0.06, t)
    if kind == 3:
        x += bump(0.055, 0.015, j(0.4))
    drift = 0.2 * np.sin(2 * np.pi * (gen.uniform(0.3, 0.8) * grid + gen.uniform()))
    return x + drift + 0.13 * gen.standard_normal(96)


labels = gen.choice(4, size=2600, p=PROPORTIONS)
signals = np.stack([beat(k) for k in labels])
signals = (signals - signals.mean(1, keepdims=True)) / signals.std(1, keepdims=True)
X = torch.tensor(signals, dtype=torch.float32).unsqueeze(1)
Y = torch.tensor(labels)
N_TRAIN = 1800
X_train, Y_train, X_test, Y_test = X[:N_TRAIN], Y[:N_TRAIN], X[-800:], Y[-800:]


# %% batches with the same number of every kind
class BalancedBatches(Sampler):
    def __init__(self, y, per_class, n_batches, seed):
        self.pools = [torch.nonzero(y == c).flatten() for c in range(4)]
        self.per_class, self.n_batches, self.seed, self.epoch = per_class, n_batches, seed, 0

    def __len__(self):
        return self.n_batches

    def __iter__(self):
        g = torch.Generator().manual_seed(self.seed + self.epoch)
        for _ in range(self.n_batches):
            picks = [pool[torch.randint(len(pool), (self.per_class,), generator=g)] for pool in self.pools]
            yield torch.cat(picks).tolist()
        self.epoch += 1


loader = DataLoader(TensorDataset(X_train, Y_train), batch_sampler=BalancedBatches(Y_train, 12, 40, SEED))


def endless(dl):
    while True:
        yield from dl


# %% mixup
def mixup(x, y, alpha=0.2):
    lam = float(np.random.default_rng(torch.randint(1 << 30, ()).item()).beta(alpha, alpha))
    perm = torch.randperm(len(x))
    target = F.one_hot(y, 4).float()
    return lam * x + (1 - lam) * x[perm], lam * target + (1 - lam) * target[perm]


# %% model
WIDTH, DROPOUT, STEPS = 12, 0.2, 400
net = nn.Sequential(
    nn.Conv1d(1, WIDTH, 7, padding=3), nn.BatchNorm1d(WIDTH), nn.ReLU(), nn.MaxPool1d(2),
    nn.Conv1d(WIDTH, 2 * WIDTH, 5, padding=2), nn.BatchNorm1d(2 * WIDTH), nn.ReLU(), nn.MaxPool1d(2),
    nn.Conv1d(2 * WIDTH, 2 * WIDTH, 5, padding=2), nn.BatchNorm1d(2 * WIDTH), nn.ReLU(), nn.MaxPool1d(2),
    nn.Flatten(), nn.Dropout(DROPOUT), nn.Linear(2 * WIDTH * 12, 4))
optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
# WATCH(net, optimizer)


# %% evaluation: cross-entropy and recall, averaged over the four kinds
def evaluate():
    net.eval()
    with torch.no_grad():
        logits = net(X_test)
    net.train()
    nll = np.mean([F.cross_entropy(logits[Y_test == c], Y_test[Y_test == c]).item() for c in range(4)])
    recall = np.mean([(logits[Y_test == c].argmax(1) == c).float().mean().item() for c in range(4)])
    return nll, recall


# %% training
source = endless(loader)
history = []
for step in range(1, STEPS + 1):
    x, y = next(source)
    x, target = mixup(x, y)
    loss = F.cross_entropy(net(x), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    history.append(loss.item())
    if step % 50 == 0:
        nll, recall = evaluate()
        print(f"{step:4d}  loss {np.mean(history[-50:]):.4f}  test loss {nll:.4f}  balanced accuracy {recall:.4f}")

# %%
print(f"RESULT {evaluate()[0]:.4f} lower")
