#!/usr/bin/env python
# coding: utf-8

# # Flat rents: predict the whole distribution, not just the mean 🏠
# ### MDN baseline, LB metric = mean negative log likelihood (in EUR)
#
# If you find this kernel useful, please upvote!

import math
import os
import random
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, TensorDataset


class CFG:
    seed = 2024
    n_rows = 12000
    n_mix = 5
    hidden = 64
    dropout = 0.05
    lr = 2e-3
    weight_decay = 1e-3
    batch_size = 128
    epochs = 35
    width_w = 0.005
    max_grad_norm = 5.0
    min_sigma = 1e-2


def seed_everything(seed):
    random.seed(seed)
    os.environ["PYTHONHASHSEED"] = str(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


seed_everything(CFG.seed)


# ## 1. Data
# Rents depend on size, floor, age, distance... and on two things nobody tells us:
# whether the flat is furnished and whether it has an old contract.

def make_rents(n):
    size = np.random.gamma(6.0, 11.0, n) + 15
    rooms = np.clip(np.round(size / 27 + np.random.normal(0, 0.5, n)), 1, 7)
    floor = np.random.poisson(2.5, n).astype(float)
    age = np.random.uniform(0, 100, n)
    dist = np.random.exponential(4.0, n)
    lat = np.random.normal(0, 1, n)
    lon = np.random.normal(0, 1, n)
    noise_cols = np.random.normal(0, 1, (n, 5))

    base = 250 + 11.5 * size + 60 * rooms + 15 * floor - 45 * dist
    base += 160 * np.sin(1.7 * lat) * np.cos(1.3 * lon) + 0.05 * (age - 50) ** 2
    p_old = 1 / (1 + np.exp(-(age - 55) / 12))
    old = np.random.rand(n) < 0.55 * p_old
    furnished = (np.random.rand(n) < 0.35) & ~old
    rent = base * np.where(old, 0.55, 1.0) * np.where(furnished, 1.45, 1.0)
    rent += np.random.normal(0, 25 + 0.4 * size, n)
    X = np.column_stack([size, rooms, floor, age, dist, lat, lon, noise_cols])
    return X.astype(np.float32), rent.astype(np.float32)


X, y = make_rents(CFG.n_rows)
print("rows", X.shape, "rent mean %.0f std %.0f" % (y.mean(), y.std()))

X_train, X_rest, y_train, y_rest = train_test_split(X, y, test_size=0.4, random_state=CFG.seed)
X_valid, X_test, y_valid, y_test = train_test_split(X_rest, y_rest, test_size=0.5, random_state=CFG.seed)

x_scaler = StandardScaler().fit(X_train)
y_mean, y_std = y_train.mean(), y_train.std()


def make_ds(X, y):
    xs = torch.tensor(x_scaler.transform(X), dtype=torch.float32)
    ys = torch.tensor((y - y_mean) / y_std, dtype=torch.float32)
    return TensorDataset(xs, ys)


train_dl = DataLoader(make_ds(X_train, y_train), batch_size=CFG.batch_size, shuffle=True, drop_last=True)
valid_dl = DataLoader(make_ds(X_valid, y_valid), batch_size=400)
test_dl = DataLoader(make_ds(X_test, y_test), batch_size=400)


# ## 2. Model

class RentMDN(nn.Module):
    def __init__(self, n_in, hidden, n_mix, dropout):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(n_in, hidden), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(dropout),
        )
        self.pi = nn.Linear(hidden, n_mix)
        self.mu = nn.Linear(hidden, n_mix)
        self.sigma = nn.Linear(hidden, n_mix)
        with torch.no_grad():
            self.mu.bias.copy_(torch.linspace(-1.5, 1.5, n_mix))

    def forward(self, x):
        h = self.body(x)
        log_pi = F.log_softmax(self.pi(h), dim=-1)
        mu = self.mu(h)
        sigma = F.softplus(self.sigma(h)) + CFG.min_sigma
        return log_pi, mu, sigma


# ## 3. Loss

def nll(log_pi, mu, sigma, y):
    z = (y.unsqueeze(1) - mu) / sigma
    log_normal = -0.5 * z ** 2 - torch.log(sigma) - 0.5 * math.log(2 * math.pi)
    return -torch.logsumexp(log_pi + log_normal, dim=1)


def width_penalty(sigma):
    return torch.log(sigma) ** 2


def criterion(out, y):
    log_pi, mu, sigma = out
    # a weak prior on the widths: no needles, no components as wide as the whole market
    return nll(log_pi, mu, sigma, y).mean() + CFG.width_w * width_penalty(sigma).mean()


# ## 4. Train / evaluate

def train_fn(model, dl, optimizer, scheduler):
    model.train()
    total = 0.0
    for xb, yb in dl:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CFG.max_grad_norm)
        optimizer.step()
        scheduler.step()
        total += loss.item()
    return total / len(dl)


@torch.no_grad()
def eval_fn(model, dl):
    """mean negative log likelihood per flat, in the unit of the rents"""
    model.eval()
    scores = []
    for xb, yb in dl:
        scores.append(nll(*model(xb), yb))
    return torch.cat(scores).mean().item() + math.log(y_std)


model = RentMDN(X.shape[1], CFG.hidden, CFG.n_mix, CFG.dropout)
optimizer = torch.optim.AdamW(model.parameters(), lr=CFG.lr, weight_decay=CFG.weight_decay)
scheduler = torch.optim.lr_scheduler.OneCycleLR(
    optimizer, max_lr=CFG.lr * 2, epochs=CFG.epochs, steps_per_epoch=len(train_dl))

best, best_state = float("inf"), None
# WATCH(model, optimizer)
for epoch in range(CFG.epochs):
    t = time.time()
    train_loss = train_fn(model, train_dl, optimizer, scheduler)
    score = eval_fn(model, valid_dl)
    if score < best:
        best = score
        best_state = {k: v.clone() for k, v in model.state_dict().items()}
    print(f"Epoch {epoch + 1:02d} | loss {train_loss:.4f} | valid nll {score:.4f} | {time.time() - t:.1f}s")

# ## 5. Score on the hold-out part
model.load_state_dict(best_state)
test_score = eval_fn(model, test_dl)
print(f"best valid {best:.4f}")
print(f"RESULT {test_score:.4f} lower")
