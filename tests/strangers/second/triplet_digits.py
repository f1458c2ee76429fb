"""
Metric learning on digits with a triplet loss (all positive pairs,
semi-hard negatives).  P x K sampler: P classes with K images each.
Quality is measured with 5-NN in the embedding space, on images never trained on.
"""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier


class PKSampler:
    def __init__(self, labels, p, k, iterations, seed=0):
        self.by_class = [np.flatnonzero(labels == c) for c in np.unique(labels)]
        self.p, self.k, self.iterations = p, k, iterations
        self.rng = np.random.default_rng(seed)

    def __len__(self):
        return self.iterations

    def __iter__(self):
        for _ in range(self.iterations):
            classes = self.rng.choice(len(self.by_class), self.p, replace=False)
            yield np.concatenate(
                [self.rng.choice(self.by_class[c], self.k, replace=False) for c in classes]
            )


class EmbeddingNet(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 24, 3, padding=1), nn.BatchNorm2d(24), nn.PReLU(),
            nn.Conv2d(24, 48, 3, padding=1), nn.BatchNorm2d(48), nn.PReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(48, 48, 3, padding=1), nn.BatchNorm2d(48), nn.PReLU(),
            nn.MaxPool2d(2),
        )
        self.fc = nn.Linear(48 * 4, dim)

    def forward(self, x):
        return F.normalize(self.fc(self.features(x).flatten(1)), dim=1)


def augment(x, noise=0.1):
    """shift each image by up to one pixel, and add a little noise"""
    pad = F.pad(x, (1, 1, 1, 1), value=-0.3)
    dy, dx = torch.randint(0, 3, (2, len(x)))
    rows = (dy[:, None] + torch.arange(8))[:, :, None]
    cols = (dx[:, None] + torch.arange(8))[:, None, :]
    out = pad[torch.arange(len(x))[:, None, None], 0, rows, cols].unsqueeze(1)
    return out + noise * torch.randn_like(out)


def triplet_loss(emb, labels, margin):
    """mean over all (a, p) pairs, with the hardest negative farther than the positive
    where there is one, else the farthest negative."""
    sim = emb @ emb.t()
    dist = (2 - 2 * sim).clamp(min=0)               # squared euclidean, unit vectors
    same = labels[:, None] == labels[None, :]
    pos = same & ~torch.eye(len(labels), dtype=torch.bool)
    a, p = pos.nonzero(as_tuple=True)
    d_ap = dist[a, p]
    d_an = dist[a]                                   # (pairs, N)
    is_neg = ~same[a]
    with torch.no_grad():
        semi = is_neg & (d_an > d_ap[:, None])
        hardest_semi = d_an.masked_fill(~semi, float("inf")).argmin(1)
        farthest = d_an.masked_fill(~is_neg, -1.0).argmax(1)
        pick = torch.where(semi.any(1), hardest_semi, farthest)
    chosen = d_an.gather(1, pick[:, None]).squeeze(1)
    losses = F.relu(d_ap - chosen + margin)
    return losses.mean(), (losses > 0).float().mean().item()


@torch.no_grad()
def embed(net, x):
    net.eval()
    return torch.cat([net(b) for b in x.split(256)])


def knn_accuracy(net, xtr, ytr, xte, yte):
    knn = KNeighborsClassifier(5).fit(embed(net, xtr).numpy(), ytr)
    return knn.score(embed(net, xte).numpy(), yte)


def main(epochs=7, iters=25, margin=0.5, lr=1e-3, seed=3):
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    digits = load_digits()
    xtr, xte, ytr, yte = train_test_split(
        digits.images.astype("float32") / 16 - 0.3, digits.target,
        test_size=0.3, stratify=digits.target, random_state=seed)
    xtr, xte = torch.from_numpy(xtr)[:, None], torch.from_numpy(xte)[:, None]
    ytr_t = torch.from_numpy(ytr)

    sampler = PKSampler(ytr, p=10, k=8, iterations=iters, seed=seed)
    test_sampler = PKSampler(yte, p=10, k=8, iterations=10, seed=seed + 1)
    test_batches = list(test_sampler)
    yte_t = torch.from_numpy(yte)

    net = EmbeddingNet()
    optim = torch.optim.Adam(net.parameters(), lr=lr, weight_decay=1e-5)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(optim, T_max=epochs)
    print("untrained 5-NN accuracy %.4f" % knn_accuracy(net, xtr, ytr, xte, yte))

    # WATCH(net, optim)
    for ep in range(epochs):
        net.train()
        tot, act = 0.0, 0.0
        for idx in sampler:
            idx = torch.from_numpy(idx)
            loss, active = triplet_loss(net(augment(xtr[idx])), ytr_t[idx], margin)
            optim.zero_grad()
            loss.backward()
            optim.step()
            tot += loss.item()
            act += active
        sched.step()

        net.eval()
        with torch.no_grad():
            vl = np.mean([triplet_loss(net(xte[b]), yte_t[b], margin)[0].item() for b in test_batches])
        acc = knn_accuracy(net, xtr, ytr, xte, yte)
        print(f"epoch {ep + 1}: triplet loss {tot / iters:.4f} (active {act / iters:.2f})  "
              f"held-out loss {vl:.4f}  5-NN acc {acc:.4f}")
    print(f"RESULT {acc:.4f} higher")


if __name__ == "__main__":
    main()
