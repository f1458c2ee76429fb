#!/usr/bin/env python
# coding: utf-8

# # Week 9: Forecasting with recurrent networks
#
# The university runs nine canteens. From the last four weeks of one canteen
# we want to predict the meals of each day of the coming week.

# In[1]:


import numpy as np
import torch
from torch import nn
from torch.utils.data import TensorDataset, DataLoader

torch.manual_seed(0)
np.random.seed(0)
torch.set_num_threads(1)


# ## 1. The data
#
# Each canteen has its own week, its own growth and its own quiet months.

# In[2]:


LOOKBACK, HORIZON = 28, 7
N_DAYS = 760


def canteen(rng):
    t = np.arange(N_DAYS)
    week = rng.uniform(0.15, 1.0, 7)
    if rng.random() < 0.6:
        week[rng.integers(0, 7)] = 0.05
    year = 1 + 0.3 * np.sin(2 * np.pi * (t + rng.uniform(0, 365)) / 365)
    growth = 1 + rng.uniform(-0.2, 0.4) * t / N_DAYS
    weather = np.zeros(N_DAYS)
    for i in range(1, N_DAYS):
        weather[i] = 0.8 * weather[i - 1] + rng.normal(0, 0.05)
    share = week[t % 7] * year * growth * (1 + weather) + rng.normal(0, 0.05, N_DAYS)
    seats = rng.integers(150, 900)
    return np.round(seats * share.clip(0.0, None))


rng = np.random.default_rng(9)
canteens = [canteen(rng) for _ in range(9)]
print([int(c.mean()) for c in canteens])


# ## 2. Windows
#
# The first 75 % of the days are for training, the rest is for validation.

# In[3]:


def windows(series, stride):
    starts = range(0, len(series) - LOOKBACK - HORIZON + 1, stride)
    past = [series[s:s + LOOKBACK] for s in starts]
    future = [series[s + LOOKBACK:s + LOOKBACK + HORIZON] for s in starts]
    return past, future


cut = int(0.75 * N_DAYS)
train_past, train_future = [], []
for series in canteens:
    past, future = windows(series[:cut], stride=2)
    train_past += past
    train_future += future

valid_past, valid_future = [], []
for series in canteens:
    past, future = windows(series[cut:], stride=3)
    valid_past += past
    valid_future += future


# In[4]:


def scale(past, future):
    """Every window is measured in its own mean and spread."""
    past = np.array(past, dtype=np.float32)
    future = np.array(future, dtype=np.float32)
    mean = past.mean(axis=1, keepdims=True)
    spread = past.std(axis=1, keepdims=True) + 1e-6
    y = (future - mean) / spread
    x = past[:, :, None]
    x = (x - x.mean(axis=1, keepdims=True)) / (x.std(axis=1, keepdims=True) + 1e-6)
    return torch.from_numpy(x), torch.from_numpy(y)


x_train, y_train = scale(train_past, train_future)
x_valid, y_valid = scale(valid_past, valid_future)
print(x_train.shape, y_train.shape, x_valid.shape, y_valid.shape)

train_dl = DataLoader(TensorDataset(x_train, y_train), batch_size=32, shuffle=True)
valid_dl = DataLoader(TensorDataset(x_valid, y_valid), batch_size=256)


# ## 3. The model

# In[5]:


class MealGRU(nn.Module):
    def __init__(self, hidden=48):
        super().__init__()
        self.gru = nn.GRU(1, hidden, batch_first=True)
        self.head = nn.Sequential(
            nn.Linear(hidden, 32),
            nn.ReLU(),
            nn.Linear(32, HORIZON),
        )

    def forward(self, x):
        out, h = self.gru(x)
        return self.head(h[-1])


model = MealGRU()
loss_fn = nn.SmoothL1Loss()
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
# WATCH(model, optimizer)


# ## 4. Training

# In[6]:


def run_epoch(dl, train):
    model.train(train)
    total, absolute = 0.0, 0.0
    with torch.set_grad_enabled(train):
        for xb, yb in dl:
            pred = model(xb)
            loss = loss_fn(pred, yb)
            if train:
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
            total += loss.item() * len(xb)
            absolute += (pred - yb).abs().mean().item() * len(xb)
    return total / len(dl.dataset), absolute / len(dl.dataset)


history = []
for epoch in range(10):
    train_loss, train_mae = run_epoch(train_dl, True)
    valid_loss, valid_mae = run_epoch(valid_dl, False)
    history.append((train_loss, valid_loss))
    print(f'{epoch:2d}  train {train_loss:.4f}  valid {valid_loss:.4f}  mae {valid_mae:.4f}')


# The mean of the window as forecast, for comparison:

# In[7]:


print('mean of the window:', y_valid.abs().mean().item())
print(f'RESULT {valid_mae:.4f} lower')
