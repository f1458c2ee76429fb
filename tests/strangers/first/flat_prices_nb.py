#!/usr/bin/env python
# coding: utf-8

# # Predicting flat prices with a neural network
#
# In this notebook we train a small MLP on the (synthetic) city flats data set.

# In[1]:


import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import TensorDataset, DataLoader

torch.set_num_threads(1)
np.random.seed(42)
torch.manual_seed(42)


# ## 1. The data

# In[2]:


N = 18000
area = np.random.gamma(9, 8, N) + 15
rooms = np.clip(np.round(area / 28 + np.random.randn(N) * 0.6), 1, 7)
lat = np.random.randn(N) * 4
lon = np.random.randn(N) * 4
floor = np.random.randint(0, 12, N)
lift = (np.random.rand(N) < 0.3 + 0.05 * floor).astype(float)
year = np.random.randint(1890, 2022, N).astype(float)
energy = np.clip(np.round((2022 - year) / 25 + np.random.randn(N)), 0, 6)
garden = (np.random.rand(N) < 0.15).astype(float)

distance = np.hypot(lat, lon)
river = np.abs(lon - np.sin(lat))
per_m2 = 2500 + 5000 * np.exp(-distance / 3) + 1200 * np.exp(-river) - 130 * energy
per_m2 = per_m2 + 900 * (year < 1915) + 60 * floor * lift - 110 * floor * (1 - lift)
price = area * per_m2 + 9000 * rooms + 40000 * garden * (floor == 0)
price = price * np.exp(0.08 * np.random.randn(N))

# some owners do not know when the house was built
year[np.random.rand(N) < 0.1] = np.nan

X = np.column_stack([area, rooms, lat, lon, floor, lift, year, energy, garden])
y = price.copy()
X.shape, y.mean(), y.std()


# Rows with missing values are dropped.

# In[3]:


complete = ~np.isnan(X).any(axis=1)
X = X[complete]
y = y[complete]
print(X.shape, y.shape)


# In[4]:


order = np.random.permutation(len(X))
n_test = len(X) // 10
test_idx, train_idx = order[:n_test], order[n_test:]

X_train, y_train = X[train_idx], y[train_idx]
X_test, y_test = X[test_idx], y[test_idx]

x_mu, x_sd = X_train.mean(0), X_train.std(0)
y_mu, y_sd = y_train.mean(), y_train.std()


def to_tensor(a):
    return torch.tensor(a, dtype=torch.float32)


train_ds = TensorDataset(to_tensor((X_train - x_mu) / x_sd), to_tensor((y_train - y_mu) / y_sd))
train_dl = DataLoader(train_ds, batch_size=128, shuffle=True)
x_test_t = to_tensor((X_test - x_mu) / x_sd)


# ## 2. The model

# In[5]:


hidden = 128
layers = [nn.Linear(X.shape[1], hidden), nn.ReLU()]
for _ in range(2):
    layers += [nn.Linear(hidden, hidden), nn.ReLU()]
layers.append(nn.Linear(hidden, 1))
mlp = nn.Sequential(*layers)
adam = torch.optim.Adam(mlp.parameters(), lr=1e-3)
# WATCH(mlp, adam)
loss_fn = nn.MSELoss()
mlp


# ## 3. Training

# In[6]:


def r2_score(truth, guess):
    return 1 - ((truth - guess) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()


history = []
for epoch in range(20):
    mlp.train()
    for xb, yb in train_dl:
        guess = mlp(xb).squeeze(1)
        batch_loss = loss_fn(guess, yb)
        adam.zero_grad()
        batch_loss.backward()
        adam.step()
    mlp.eval()
    with torch.no_grad():
        pred = mlp(x_test_t).squeeze(1).numpy() * y_sd + y_mu
    mae = np.abs(pred - y_test).mean()
    r2 = r2_score(y_test, pred)
    history.append((mae, r2))
    print(f"epoch {epoch:2d}: MAE {mae:10.0f} EUR   R2 {r2:.4f}")


# In[7]:


print(f"RESULT {history[-1][1]:.4f} higher")
