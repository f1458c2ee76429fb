# %% [markdown]
# # Learning a distance between glyphs with the triplet loss
# Every class is a random "alphabet letter" made of three strokes. We want letters
# of the same class to lie close together in the embedding space.

# %%
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(3)
rng = np.random.default_rng(3)

CLASSES = 16
TRAIN_PER_CLASS = 120
TEST_PER_CLASS = 25
IMG = 20
TRIPLETS = 1600      # triplets per epoch
BATCH = 40
EPOCHS = 7

# %% [markdown]
# ## Data

# %%
strokes = rng.uniform(4, IMG - 5, size=(CLASSES, 3, 2, 2))     # 3 strokes, 2 end points each
yy, xx = np.mgrid[0:IMG, 0:IMG]


def draw(c):
    ang = rng.normal(0, 0.18)
    rot = np.array([[np.cos(ang), -np.sin(ang)], [np.sin(ang), np.cos(ang)]])
    mid = (IMG - 1) / 2
    pts = (strokes[c] - mid) @ rot * rng.uniform(0.85, 1.15) + mid + rng.uniform(-2, 2, size=2)
    img = np.zeros((IMG, IMG))
    for a, b in pts:
        for t in np.linspace(0, 1, 14):
            py, px = a + t * (b - a)
            img = np.maximum(img, np.exp(-((yy - py) ** 2 + (xx - px) ** 2) / 1.2))
    img = 40 + 150 * img * rng.uniform(0.6, 1.0) + rng.normal(0, 25, img.shape)
    return np.clip(img, 0, 255).astype(np.uint8)


def make(per_class):
    y = np.repeat(np.arange(CLASSES), per_class)
    x = np.stack([draw(c) for c in y])
    return x, y


x_test, y_test = make(TEST_PER_CLASS)
x_train, y_train = make(TRAIN_PER_CLASS)

# scale the pixels and add the channel dimension
x_train = (x_train[:, None] / 255.0).astype(np.float32)
x_test = (x_test[:, None] / 255.0).astype(np.float32)

order = rng.permutation(len(x_train))
x_train, y_train = x_train[order], y_train[order]
print("train", x_train.shape, "test", x_test.shape)

x_train, x_test = torch.from_numpy(x_train), torch.from_numpy(x_test)
members = [np.flatnonzero(y_train == c) for c in range(CLASSES)]

# %% [markdown]
# ## Network

# %%
net = nn.Sequential(
    nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(12, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(24, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
    nn.Flatten(),
    nn.Dropout(0.2),
    nn.Linear(32 * 5 * 5, 32),
)
criterion = nn.TripletMarginLoss(margin=1.0)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, weight_decay=1e-4)
# WATCH(net, optimizer)


# %%
def sample_triplets(k):
    a = rng.integers(0, len(x_train), k)
    p = np.array([rng.choice(members[c]) for c in y_train[a]])
    n = np.array([rng.choice(members[(c + rng.integers(1, CLASSES)) % CLASSES]) for c in y_train[a]])
    return a, p, n


def embed(x):
    net.eval()
    with torch.no_grad():
        return torch.cat([net(chunk) for chunk in x.split(TEST_PER_CLASS)])


def score():
    """share of test glyphs whose nearest class centre (of the training glyphs) is the right one"""
    e = embed(x_train)
    centres = torch.stack([e[torch.from_numpy(m)].mean(0) for m in members])
    guess = torch.cdist(embed(x_test), centres).argmin(1).numpy()
    return (guess == y_test).mean()


# %% [markdown]
# ## Training

# %%
for epoch in range(EPOCHS):
    net.train()
    a, p, n = sample_triplets(TRIPLETS)
    losses = []
    for i in range(0, TRIPLETS, BATCH):
        s = slice(i, i + BATCH)
        anchor, positive, negative = net(x_train[a[s]]), net(x_train[p[s]]), net(x_train[n[s]])
        loss = criterion(anchor, positive, negative)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    acc = score()
    print("epoch", epoch + 1, "triplet loss %.4f" % np.mean(losses), "test accuracy %.4f" % acc)

# %%
print("RESULT %.4f higher" % acc)
