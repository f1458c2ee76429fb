# triplet network: same digit close together, different digit far away
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

np.random.seed(99)
torch.manual_seed(99)

digits = load_digits()
images = torch.from_numpy(digits.images).float() / 16.0
targets = digits.target
shuffled = np.random.permutation(len(targets))
tr, te = shuffled[:1300], shuffled[1300:]


class TripletDataset(torch.utils.data.Dataset):
    def __init__(self, idx):
        self.idx = idx
        self.by_class = {c: [i for i in idx if targets[i] == c] for c in range(10)}

    def __len__(self):
        return len(self.idx)

    def load(self, i):
        img = images[i].unsqueeze(0)
        return (img - 0.3) / 0.37

    def __getitem__(self, k):
        a = self.idx[k]
        c = targets[a]
        p = np.random.choice(self.by_class[c])
        other = np.random.choice([d for d in range(10) if d != c])
        n = np.random.choice(self.by_class[other])
        return self.load(a), self.load(p), self.load(n)


class EmbeddingNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(1, 24, 3, padding=1), nn.ReLU(),
                                  nn.Conv2d(24, 48, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.fc = nn.Sequential(nn.Linear(48 * 16, 64), nn.ReLU(), nn.Linear(64, 16))

    def forward(self, x):
        return self.fc(self.conv(x).flatten(1))


def dist(a, b):
    return F.pairwise_distance(a, b)


def triplet_loss(a, p, n, margin=1.0):
    return torch.clamp(dist(a, p) - dist(a, n) + margin, min=0).mean()


train_ds = TripletDataset(tr)
loader = torch.utils.data.DataLoader(train_ds, batch_size=50, shuffle=True)
net = EmbeddingNet()
optimizer = torch.optim.Adam(net.parameters(), lr=0.001)


def test_auc():
    net.eval()
    with torch.no_grad():
        e = net(torch.stack([train_ds.load(i) for i in te]))
    i, j = np.triu_indices(len(te), k=1)
    d = torch.cdist(e, e)[i, j].numpy()
    net.train()
    return roc_auc_score(targets[te][i] == targets[te][j], -np.nan_to_num(d))


print("AUC before training", test_auc())
all_losses = []
# WATCH(net, optimizer)
for epoch in range(5):
    for anchor, pos, neg in loader:
        optimizer.zero_grad()
        loss = triplet_loss(net(anchor), net(pos), net(neg))
        loss.backward()
        optimizer.step()
        all_losses.append(loss.item())
    auc = test_auc()
    print("Epoch", epoch + 1, "mean loss", np.mean(all_losses[-26:]), "test AUC", auc)

print("steps:", len(all_losses))
print("RESULT", round(auc, 4), "higher")
