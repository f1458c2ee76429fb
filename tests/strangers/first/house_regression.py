#!/usr/bin/env python
# coding: utf-8

# # House price prediction - assignment 3
#
# In[1]:

import numpy as np
import torch
from torch import nn
from torch.utils.data import TensorDataset, DataLoader
from sklearn.model_selection import train_test_split
from sklearn.metrics import r2_score, mean_absolute_error

np.random.seed(42)
torch.manual_seed(42)


# ## Data
# made up housing table, same columns as in the lecture (some of the year_built cells are empty)

# In[2]:

N = 5000
area = np.random.gamma(6.0, 22.0, N) + 25
rooms = np.clip(np.round(area / 28 + np.random.randn(N) * 0.8), 1, 12)
year_built = np.random.randint(1900, 2021, N).astype(float)
lat = 47.2 + np.random.rand(N) * 0.6
lon = -122.5 + np.random.rand(N) * 0.8
income = np.exp(np.random.randn(N) * 0.4 + 10.9)
condition = np.random.randint(1, 6, N).astype(float)
lot = np.random.exponential(600, N) + 80

dist = np.sqrt(((lat - 47.6) * 111) ** 2 + ((lon + 122.3) * 75) ** 2)
age = 2021 - year_built
price = (area * (1900 + 260 * condition) * (0.55 + 0.9 * np.exp(-dist / 12))
         + 2.1 * income
         + 90 * lot * np.exp(-dist / 20)
         + 60000 * np.cos(age / 120 * 2 * np.pi)
         + np.random.randn(N) * 18000)

year_built[np.random.rand(N) < 0.04] = np.nan

X = np.stack([area, rooms, year_built, lat, lon, income, condition, lot], axis=1)
y = price
print(X.shape, y.shape, y.mean(), y.std())


# In[3]:

X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)

# fill the missing values with the median of the column
med = np.nanmedian(X_train, axis=0)
X_train = np.where(np.isnan(X_train), med, X_train)
X_test = np.where(np.isnan(X_test), med, X_test)

mu, sd = np.nanmean(X_train, axis=0), np.nanstd(X_train, axis=0)
X_train = (X_train - mu) / sd
X_test = (X_test - mu) / sd

y_mean, y_std = y_train.mean(), y_train.std()


# In[4]:

Xt = torch.tensor(X_train, dtype=torch.float32)
yt = torch.tensor((y_train - y_mean) / y_std, dtype=torch.float32).unsqueeze(1)
Xv = torch.tensor(X_test, dtype=torch.float32)

train_loader = DataLoader(TensorDataset(Xt, yt), batch_size=64, shuffle=True)


# ## Model

# In[5]:

class Net(nn.Module):
    def __init__(self, n_features):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_features, 64),
            nn.ReLU(),
            nn.Linear(64, 64),
            nn.ReLU(),
            nn.Linear(64, 1),
        )

    def forward(self, x):
        return self.layers(x)


model = Net(X.shape[1])
loss_fn = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
print(model)


# ## Training

# In[6]:

history = []
n_epochs = 60
# WATCH(model, optimizer)
for epoch in range(n_epochs):
    model.train()
    running = 0.0
    for xb, yb in train_loader:
        pred = model(xb)
        loss = loss_fn(pred, yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running += loss.item() * len(xb)
    history.append(running / len(Xt))
    if epoch % 10 == 0 or epoch == n_epochs - 1:
        print(f"epoch {epoch:3d}  train loss {history[-1]:.4f}")


# ## Evaluation

# In[7]:

model.eval()
with torch.no_grad():
    pred = model(Xv).squeeze(1).numpy() * y_std + y_mean

if np.isnan(pred).any():
    r2 = float("nan")
else:
    r2 = r2_score(y_test, pred)
    print("MAE in $:", mean_absolute_error(y_test, pred))
print(f"RESULT {r2:.4f} higher")
