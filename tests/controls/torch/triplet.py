"""Metric learning on Fashion-MNIST with nn.TripletMarginLoss; checked by k-NN retrieval."""
import os

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.neighbors import KNeighborsClassifier
from torch.utils.data import DataLoader, Dataset

torch.set_num_threads(1)
MEAN, STD = 0.286, 0.353
BLACK = -MEAN / STD


class TripletFashion(Dataset):
    """Anchor i, a random positive of the same class, a random negative of another."""

    def __init__(self, x, y, augment=False):
        self.x, self.y, self.augment = F.pad(x, (1, 1, 1, 1), value=BLACK), y, augment
        self.by_class = [np.flatnonzero(y == c) for c in range(10)]

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        c = self.y[i]
        p = i
        while p == i:
            p = np.random.choice(self.by_class[c])
        n = np.random.choice(self.by_class[(c + np.random.randint(1, 10)) % 10])
        return tuple(self._view(j) for j in (i, p, n))

    def _view(self, j):
        dy, dx = np.random.randint(0, 3, 2) if self.augment else (1, 1)     # shift by up to a pixel
        return self.x[j, :, dy:dy + 28, dx:dx + 28]


class EmbeddingNet(nn.Module):
    def __init__(self, dim=32):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 5, stride=2, padding=2), nn.BatchNorm2d(16), nn.PReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.PReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.BatchNorm2d(64), nn.PReLU(),
        )
        self.fc = nn.Linear(64 * 4 * 4, dim)

    def forward(self, x):
        return F.normalize(self.fc(self.features(x).flatten(1)), dim=1)


class MetricLearner:
    def __init__(self, margin=0.5, lr=2e-3, epochs=8, batch_size=128):
        self.net = EmbeddingNet()
        self.loss_fn = nn.TripletMarginLoss(margin=margin)
        self.opt = torch.optim.Adam(self.net.parameters(), lr=lr, weight_decay=1e-5)
        self.sched = torch.optim.lr_scheduler.CosineAnnealingLR(self.opt, epochs)
        self.epochs, self.batch_size = epochs, batch_size

    @torch.no_grad()
    def embed(self, x):
        self.net.eval()
        return torch.cat([self.net(b) for b in x.split(500)])

    def _loss(self, a, p, n):
        za, zp, zn = self.net(torch.cat([a, p, n])).chunk(3)
        loss = self.loss_fn(za, zp, zn)
        ok = ((za - zp).norm(dim=1) < (za - zn).norm(dim=1)).float().mean()
        return loss, ok

    def train(self, train_set, val_set):
        loader = DataLoader(train_set, batch_size=self.batch_size, shuffle=True, drop_last=True)
        val_loader = DataLoader(val_set, batch_size=250)
        for epoch in range(1, self.epochs + 1):
            self.net.train()
            tl = 0.0
            for a, p, n in loader:
                loss, _ = self._loss(a, p, n)
                self.opt.zero_grad()
                loss.backward()
                self.opt.step()
                tl += loss.item() / len(loader)
            self.sched.step()
            self.net.eval()
            with torch.no_grad():
                out = [self._loss(*batch) for batch in val_loader]
            vl = sum(o[0].item() for o in out) / len(out)
            va = sum(o[1].item() for o in out) / len(out)
            print(f"epoch {epoch}: triplet loss {tl:.4f} | val {vl:.4f} | val triplets in order {va:.4f}")
        return self


def knn(feat_tr, y_tr, feat_te, y_te):
    return KNeighborsClassifier(5).fit(feat_tr, y_tr).score(feat_te, y_te)


if __name__ == "__main__":
    np.random.seed(8)
    torch.manual_seed(8)
    f = np.load(os.environ["SCRAM_DATA"] + "/fashion_mnist.npz")
    y_tr, y_te = f["y_train"].astype(int), f["y_test"].astype(int)
    to_t = lambda a: (torch.from_numpy(a).float().unsqueeze(1) / 255 - MEAN) / STD
    x_tr, x_te = to_t(f["x_train"]), to_t(f["x_test"])

    learner = MetricLearner()
    before = knn(learner.embed(x_tr[:4000]), y_tr[:4000], learner.embed(x_te), y_te)
    learner.train(TripletFashion(x_tr, y_tr, augment=True), TripletFashion(x_te, y_te))
    after = knn(learner.embed(x_tr[:4000]), y_tr[:4000], learner.embed(x_te), y_te)
    print(f"5-NN accuracy in embedding space: {before:.4f} untrained -> {after:.4f} trained")
