# ============================================================
#  Electricity load - 48h in, 12h out - TCN baseline (v7)
#  upvote if useful :)
# ============================================================
import math
import random
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

class CFG:
    seed = 2023
    n_zones = 6
    hours = 24 * 90
    window = 48
    horizon = 12
    stride = 5
    channels = 32
    levels = 4
    kernel = 3
    dropout = 0.05
    batch_size = 64
    epochs = 10
    lr = 3e-3
    clip = 1.0

def seed_everything(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)

seed_everything(CFG.seed)
torch.set_num_threads(1)

# ------------------------------------------------------------
# 1. Data (looks like the competition data, generated)
# ------------------------------------------------------------
def make_zone(rng, hours):
    t = np.arange(hours)
    hour, day = t % 24, (t // 24) % 7
    temp = np.zeros(hours)
    for i in range(1, hours):
        temp[i] = 0.985 * temp[i - 1] + rng.normal(0, 0.5)
    temp = 14 + temp + 5 * np.sin(2 * np.pi * (hour - 9) / 24)
    phase = rng.uniform(-2, 2)
    weekend = (day >= 5).astype(float)
    shape = np.exp(-((hour - 8 - phase) ** 2) / 8) + 1.4 * np.exp(-((hour - 19 - phase) ** 2) / 10)
    load = 300 + 120 * shape * (1 - 0.4 * weekend) + 6.0 * np.abs(temp - 17)
    ar = np.zeros(hours)
    for i in range(1, hours):
        ar[i] = 0.9 * ar[i - 1] + rng.normal(0, 4)
    load = (load + ar) * rng.uniform(0.6, 2.2)
    feats = np.stack([load, temp, np.sin(2 * np.pi * hour / 24),
                      np.cos(2 * np.pi * hour / 24), weekend], axis=1)
    return feats.astype(np.float32)

rng = np.random.default_rng(CFG.seed)
zones = np.stack([make_zone(rng, CFG.hours) for _ in range(CFG.n_zones)])
print("data", zones.shape)          # zones, hours, features

cut1, cut2 = int(CFG.hours * 0.7), int(CFG.hours * 0.85)
mu = zones[:, :cut1].mean(axis=1, keepdims=True)
sd = zones[:, :cut1].std(axis=1, keepdims=True)
scaled = (zones - mu) / sd

# ------------------------------------------------------------
# 2. Dataset
# ------------------------------------------------------------
class LoadWindows(Dataset):
    def __init__(self, data, start, end, stride):
        self.data = torch.from_numpy(data)
        last = end - CFG.window - CFG.horizon
        self.index = [(z, s) for z in range(len(data)) for s in range(start, last + 1, stride)]

    def __len__(self):
        return len(self.index)

    def __getitem__(self, i):
        z, s = self.index[i]
        x = self.data[z, s:s + CFG.window]
        y = self.data[z, s + CFG.window:s + CFG.window + CFG.horizon, 0]
        return x, y

train_ds = LoadWindows(scaled, 0, cut1, CFG.stride)
valid_ds = LoadWindows(scaled, cut1, cut2, CFG.stride)
test_ds = LoadWindows(scaled, cut2, CFG.hours, CFG.stride)
train_dl = DataLoader(train_ds, batch_size=CFG.batch_size, shuffle=True)
valid_dl = DataLoader(valid_ds, batch_size=256)
test_dl = DataLoader(test_ds, batch_size=256)
print(len(train_ds), len(valid_ds), len(test_ds))

# ------------------------------------------------------------
# 3. Model
# ------------------------------------------------------------
class TemporalBlock(nn.Module):
    def __init__(self, c_in, c_out, k, dilation, dropout):
        super().__init__()
        self.pad = (k - 1) * dilation
        self.conv1 = nn.Conv1d(c_in, c_out, k, dilation=dilation)
        self.conv2 = nn.Conv1d(c_out, c_out, k, dilation=dilation)
        self.act = nn.ReLU()
        self.drop = nn.Dropout(dropout)
        self.skip = nn.Conv1d(c_in, c_out, 1) if c_in != c_out else nn.Identity()

    def forward(self, x):
        h = self.drop(self.act(self.conv1(F.pad(x, (self.pad, 0)))))
        h = self.drop(self.act(self.conv2(F.pad(h, (self.pad, 0)))))
        return self.act(h + self.skip(x))

class TCN(nn.Module):
    def __init__(self, n_features):
        super().__init__()
        blocks, c = [], n_features
        for i in range(CFG.levels):
            blocks.append(TemporalBlock(c, CFG.channels, CFG.kernel, 2 ** i, CFG.dropout))
            c = CFG.channels
        self.tcn = nn.Sequential(*blocks)
        self.head = nn.Linear(c, CFG.horizon)

    def forward(self, x):
        x = x.transpose(1, 2)          # (B, T, F) -> (B, F, T)
        h = self.tcn(x)
        return self.head(h[:, :, -1])

# ------------------------------------------------------------
# 4. Training
# ------------------------------------------------------------
def evaluate(net, loader):
    net.eval()
    err = []
    with torch.no_grad():
        for xb, yb in loader:
            err.append((net(xb) - yb).abs())
    return torch.cat(err).mean().item()

net = TCN(zones.shape[-1])
print("params:", sum(p.numel() for p in net.parameters()))
optimizer = torch.optim.AdamW(net.parameters(), lr=CFG.lr, weight_decay=1e-3)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.8)
criterion = nn.SmoothL1Loss(beta=0.5)

# WATCH(net, optimizer)
best, best_state = math.inf, None
for epoch in range(CFG.epochs):
    t0, total = time.time(), 0.0
    net.train()
    for xb, yb in train_dl:
        optimizer.zero_grad()
        loss = criterion(net(xb), yb)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), CFG.clip)
        optimizer.step()
        total += loss.item() * len(xb)
    scheduler.step()
    val = evaluate(net, valid_dl)
    if val < best:
        best = val
        best_state = {k: v.clone() for k, v in net.state_dict().items()}
    print(f"epoch {epoch:2d} | train {total / len(train_ds):.4f} | valid MAE {val:.4f} | {time.time() - t0:.1f}s")

# ------------------------------------------------------------
# 5. Test
# ------------------------------------------------------------
net.load_state_dict(best_state)
naive = torch.cat([(x[:, 24:36, 0] - y).abs() for x, y in test_dl]).mean().item()
print("same hour yesterday:", round(naive, 4))
print(f"RESULT {evaluate(net, test_dl):.4f} lower")
