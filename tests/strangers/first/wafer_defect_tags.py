# %% [markdown]
# # Wafer maps: which defects are on this die?
# One picture can show several defects at once, so every tag gets its own yes/no output.

# %%
import random
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from sklearn.metrics import f1_score

SEED = 1207
random.seed(SEED); np.random.seed(SEED); torch.manual_seed(SEED)

TAGS = ["scratch", "ring", "spot", "edge", "grid"]
SIZE = 20
N_IMG = 1700

# %%
yy, xx = np.mgrid[0:SIZE, 0:SIZE].astype("float32")


def draw(tags):
    im = np.random.normal(0.35, 0.12, (SIZE, SIZE)).astype("float32")
    if tags[0]:
        a = np.random.uniform(0, np.pi)
        cx, cy = np.random.uniform(6, 14, 2)
        dist = np.abs((xx - cx) * np.sin(a) - (yy - cy) * np.cos(a))
        im[dist < 0.8] += 0.5
    if tags[1]:
        cx, cy = np.random.uniform(7, 13, 2)
        r = np.random.uniform(3.5, 6)
        im[np.abs(np.hypot(xx - cx, yy - cy) - r) < 0.8] += 0.5
    if tags[2]:
        cx, cy = np.random.uniform(3, 17, 2)
        im += 0.9 * np.exp(-((xx - cx) ** 2 + (yy - cy) ** 2) / 5.0)
    if tags[3]:
        side = np.random.randint(4)
        im = np.rot90(im, side).copy()
        im[:2] -= 0.4
    if tags[4]:
        x0, y0 = np.random.randint(0, SIZE - 8, 2)
        patch = ((np.arange(8)[:, None] + np.arange(8)[None]) % 2) * 0.5
        im[y0:y0 + 8, x0:x0 + 8] += patch.astype("float32")
    return im


tag_matrix = (np.random.rand(N_IMG, len(TAGS)) < 0.35).astype("float32")
pictures = np.stack([draw(t) for t in tag_matrix])
order = np.random.permutation(N_IMG)
pictures = pictures[order]
tag_matrix = tag_matrix[order]

n_train = 1300
mu, sd = pictures[:n_train].mean(), pictures[:n_train].std()
X = torch.from_numpy((pictures - mu) / sd).float().unsqueeze(1)
Y = torch.from_numpy(tag_matrix)
train_dl = DataLoader(TensorDataset(X[:n_train], Y[:n_train]), batch_size=32, shuffle=True, drop_last=True)
valid_dl = DataLoader(TensorDataset(X[n_train:], Y[n_train:]), batch_size=50)
print("train", n_train, "valid", N_IMG - n_train, "tag rates", tag_matrix.mean(0).round(2))


# %%
class Block(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.short = nn.Identity()
        if stride != 1 or c_in != c_out:
            self.short = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x):
        h = F.relu(self.bn1(self.conv1(x)))
        h = self.bn2(self.conv2(h))
        return F.relu(h + self.short(x))


class DieNet(nn.Module):
    def __init__(self, n_tags):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 12, 3, 1, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU())
        self.stages = nn.Sequential(Block(12, 12, 1), Block(12, 24, 2), Block(24, 48, 2))
        self.drop = nn.Dropout(0.4)
        self.head = nn.Linear(48, n_tags)

    def forward(self, x):
        h = self.stages(self.stem(x)).amax((2, 3))
        return self.head(self.drop(h))


def flips(x):
    if random.random() < 0.5:
        x = x.flip(3)
    if random.random() < 0.5:
        x = x.flip(2)
    return x


def validate(net, loss_fn):
    net.eval()
    tot, scores, truth = 0.0, [], []
    with torch.no_grad():
        for xb, yb in valid_dl:
            out = net(xb)
            tot += loss_fn(out, yb).item() * len(xb)
            scores.append(torch.sigmoid(out).numpy())
            truth.append(yb.numpy())
    net.train()
    scores, truth = np.concatenate(scores), np.concatenate(truth)
    return tot / len(truth), f1_score(truth, scores > 0.5, average="macro", zero_division=0)


# %%
EPOCHS = 11
net = DieNet(len(TAGS))
loss_fn = nn.BCEWithLogitsLoss()
opt = torch.optim.AdamW(net.parameters(), lr=4e-3, weight_decay=1e-3)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=4e-3, total_steps=EPOCHS * len(train_dl))

# WATCH(net, opt)
for epoch in range(EPOCHS):
    net.train()
    seen, run = 0, 0.0
    for xb, yb in train_dl:
        opt.zero_grad()
        loss = loss_fn(net(flips(xb)), yb)
        loss.backward()
        opt.step()
        sched.step()
        run += loss.item() * len(xb)
        seen += len(xb)
    vl, f1 = validate(net, loss_fn)
    print(f"epoch {epoch}: train {run / seen:.4f}  valid {vl:.4f}  macro-F1 {f1:.4f}")

print(f"RESULT {f1:.4f} higher")
