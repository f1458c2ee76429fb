#!/usr/bin/env python
# coding: utf-8

# # Lab 6: learning an embedding with triplets
#
# We learn a 16-d embedding of handwritten digits in which neighbours share the label.
# A small classification head helps at the start of training (a common trick).

# In[1]:
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import Dataset, DataLoader
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

rng = np.random.RandomState(0)
torch.manual_seed(0)
torch.set_num_threads(1)

# In[2]:
digits = load_digits()
X_train, X_test, y_train, y_test = train_test_split(
    digits.images.astype(np.float32) / 16, digits.target, test_size=0.3, random_state=0, stratify=digits.target)
print(X_train.shape, X_test.shape)


# In[3]:
class TripletDigits(Dataset):
    """index -> (anchor, positive, negative, label of the anchor)"""

    def __init__(self, X, y, random=True):
        self.X, self.y = torch.from_numpy(X).unsqueeze(1), y
        self.by_label = {c: np.flatnonzero(y == c) for c in range(10)}
        # fixed triplets for the validation loss, fresh ones for training
        self.fixed = None if random else [self.draw(i) for i in range(len(y))]

    def draw(self, i):
        c = self.y[i]
        pos = i
        while pos == i:
            pos = rng.choice(self.by_label[c])
        other = rng.choice([d for d in range(10) if d != c])
        return pos, rng.choice(self.by_label[other])

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        p, n = self.fixed[i] if self.fixed else self.draw(i)
        return self.X[i], self.X[p], self.X[n], int(self.y[i])


train_loader = DataLoader(TripletDigits(X_train, y_train), batch_size=50, shuffle=True)
test_loader = DataLoader(TripletDigits(X_test, y_test, random=False), batch_size=180)


# In[4]:
EPOCHS = 9


class Embedder(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(),
            nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(16 * 16, dim))
        self.head = nn.Linear(dim, 10)

    def embed(self, x):
        return F.normalize(self.body(x), dim=1)

    def forward(self, a, p, n):
        ea, ep, en = self.embed(a), self.embed(p), self.embed(n)
        return ea, ep, en, self.head(4 * ea)


net = Embedder()
triplet = nn.TripletMarginLoss(margin=0.6)
xent = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3, weight_decay=1e-4)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS)


# In[5]:
def losses(batch):
    a, p, n, lab = batch
    ea, ep, en, logits = net(a, p, n)
    return triplet(ea, ep, en), xent(logits, lab)


@torch.no_grad()
def recall_at_1():
    net.eval()
    gallery = net.embed(torch.from_numpy(X_train).unsqueeze(1))
    query = net.embed(torch.from_numpy(X_test).unsqueeze(1))
    nearest = torch.cdist(query, gallery).argmin(dim=1)
    return (y_train[nearest.numpy()] == y_test).mean()


# In[6]:
print('recall@1 untrained: %.3f' % recall_at_1())
# WATCH(net, optimizer)
for epoch in range(EPOCHS):
    net.train()
    sums = np.zeros(2)
    for batch in train_loader:
        lt, lc = losses(batch)
        total = lt + 0.3 * lc
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        sums += lt.item(), lc.item()
    sums /= len(train_loader)
    scheduler.step()

    net.eval()
    with torch.no_grad():
        val = np.mean([[l.item() for l in losses(b)] for b in test_loader], axis=0)
    print('epoch %2d  triplet %.4f  ce %.4f | test triplet %.4f  ce %.4f  recall@1 %.3f'
          % (epoch, *sums, *val, recall_at_1()))
print('RESULT %.4f higher' % recall_at_1())
