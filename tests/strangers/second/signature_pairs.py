"""
Assignment 4 -- who signed this?
A siamese network (Hadsell et al., 2006) on pairs of synthetic signatures. Each writer owns a closed pen stroke given by a few
Fourier coefficients; every signature of the writer is the stroke with some wobble, slant and shift. The test writers have never been
seen in training, so the network has to learn what makes two signatures similar, not who the writers are.
"""
import random
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score
from torch.utils.data import DataLoader, Dataset

SEED = 11
random.seed(SEED)
np.random.seed(SEED)
torch.manual_seed(SEED)

SIDE = 24


def new_writer(rng):
    decay = 1.0 / np.arange(1, 6) ** 0.9
    return rng.normal(size=(4, 5)) * decay


def sign(coef, rng):
    """one signature of the writer: an image with values in 0..255"""
    c = coef + rng.normal(size=coef.shape) * 0.09 / np.arange(1, 6) ** 0.5
    t = np.linspace(0, 2 * np.pi, 90)
    k = np.arange(1, 6)[:, None]
    x = c[0] @ np.cos(k * t) + c[1] @ np.sin(k * t)
    y = c[2] @ np.cos(k * t) + c[3] @ np.sin(k * t)
    x = x + rng.normal() * 0.08 * y                                   # slant
    scale = max(np.ptp(x), np.ptp(y))
    x = (x - x.mean()) / scale * 18 + SIDE / 2 + rng.uniform(-1.5, 1.5)
    y = (y - y.mean()) / scale * 18 + SIDE / 2 + rng.uniform(-1.5, 1.5)
    grid = np.arange(SIDE)
    gx = np.exp(-((grid[None, :] - x[:, None]) ** 2) / 0.9)
    gy = np.exp(-((grid[None, :] - y[:, None]) ** 2) / 0.9)
    ink = np.minimum(1.0, np.einsum("pi,pj->ij", gy, gx))
    paper = rng.uniform(0, 25, size=(SIDE, SIDE))
    return np.clip(230 * ink + paper, 0, 255).astype(np.uint8)


class SignatureBook:
    def __init__(self, writers, per_writer, seed):
        rng = np.random.default_rng(seed)
        self.images = np.stack([[sign(w, rng) for _ in range(per_writer)] for w in
                                [new_writer(rng) for _ in range(writers)]])
        self.writers, self.per_writer = writers, per_writer

    def pairs(self, count, seed):
        """half genuine (1), half of two different writers (0)"""
        rng = np.random.default_rng(seed)
        left, right, same = [], [], []
        for i in range(count):
            w = rng.integers(self.writers)
            a, b = rng.choice(self.per_writer, 2, replace=False)
            genuine = i % 2
            v = w if genuine else (w + rng.integers(1, self.writers)) % self.writers
            left.append(self.images[w, a])
            right.append(self.images[v, b])
            same.append(genuine)
        return np.stack(left), np.stack(right), np.array(same, dtype=np.float32)


class PairSet(Dataset):
    def __init__(self, left, right, same):
        self.left = self.prepare(left)
        self.right = self.prepare(right)
        self.same = torch.from_numpy(same)

    @staticmethod
    def prepare(images):
        x = torch.from_numpy(images).float().unsqueeze(1)
        return (x / 255.0 - 0.2) / 0.3

    def __len__(self):
        return len(self.same)

    def __getitem__(self, i):
        return self.left[i], self.right[i], self.same[i]


class Branch(nn.Module):
    def __init__(self, dim=24):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 3, padding=1)
        self.conv2 = nn.Conv2d(12, 24, 3, padding=1)
        self.fc1 = nn.Linear(24 * 6 * 6, 96)
        self.fc2 = nn.Linear(96, dim)

    def forward(self, x):
        x = F.avg_pool2d(F.relu(self.conv1(x)), 2)
        x = F.avg_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc2(x)


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.branch = Branch()

    def forward(self, a, b):
        return F.pairwise_distance(self.branch(a), self.branch(b))


def contrastive(distance, same, margin=2.0):
    pull = same * distance.pow(2)
    push = (1 - same) * F.relu(margin - distance).pow(2)
    return 0.5 * (pull + push).mean()


@torch.no_grad()
def validate(net, loader):
    net.eval()
    dist, same, loss = [], [], 0.0
    for a, b, y in loader:
        d = net(a, b)
        loss += contrastive(d, y).item() * len(y)
        dist.append(d)
        same.append(y)
    dist, same = torch.cat(dist), torch.cat(same)
    return loss / len(same), roc_auc_score(same.numpy(), -dist.numpy())


book = SignatureBook(writers=150, per_writer=10, seed=1)
unseen = SignatureBook(writers=40, per_writer=10, seed=2)
train_left, train_right, train_same = book.pairs(4000, seed=3)
train_loader = DataLoader(PairSet(train_left, train_right, train_same), batch_size=64, shuffle=True)
test_loader = DataLoader(PairSet(*unseen.pairs(1000, seed=4)), batch_size=250)

siamese = Siamese()
optimizer = torch.optim.Adam(siamese.parameters(), lr=1e-3, weight_decay=1e-4)

# WATCH(siamese, optimizer)
for epoch in range(6):
    siamese.train()
    total = 0.0
    for a, b, y in train_loader:
        optimizer.zero_grad()
        loss = contrastive(siamese(a, b), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y)
    test_loss, auc = validate(siamese, test_loader)
    print(f"epoch {epoch + 1}: train loss {total / len(train_same):.4f}   unseen writers: loss {test_loss:.4f}, AUC {auc:.4f}")

print(f"RESULT {auc:.4f} higher")
