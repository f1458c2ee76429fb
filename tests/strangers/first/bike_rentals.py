# Bike rentals per hour - MLP baseline (kernel v7)
# tables: calendar/weather export (one row per hour) and the counts from the rental system
import math
import numpy as np
import torch
import torch.nn as nn

SEED = 2021
np.random.seed(SEED)
torch.manual_seed(SEED)
torch.set_num_threads(1)

# ------------------------------------------------------------------ "read_csv"
DAYS = 250
hh, dd = np.meshgrid(np.arange(24), np.arange(DAYS), indexing="ij")   # pivot: hours x days
hour, day = hh.ravel(), dd.ravel()
stamp = day * 24 + hour
weekday = day % 7
weekend = (weekday >= 5).astype(float)
season = np.sin(2 * np.pi * (day - 60) / 365)
temp = 12 + 9 * season + 4 * np.sin(2 * np.pi * (hour - 9) / 24) + 2 * np.random.randn(len(day))
humid = np.clip(70 - 1.2 * (temp - 12) + 8 * np.random.randn(len(day)), 20, 100)
wind = np.abs(3 + 2 * np.random.randn(len(day)))
rain = (np.random.rand(len(day)) < 0.12).astype(float)

commute = np.exp(-(hour - 8) ** 2 / 4) + 1.2 * np.exp(-(hour - 17.5) ** 2 / 6)
leisure = np.exp(-(hour - 14) ** 2 / 18)
level = 1.0 + 3.2 * commute * (1 - weekend) + 2.4 * leisure * (0.4 + weekend) + 0.06 * temp - 0.9 * rain - 0.05 * wind
cnt_by_stamp = np.random.poisson(np.exp(np.clip(level, 0.2, None)) * 2.0)

# the rental system writes its rows as the stations report, in no order
rental_rows = np.random.permutation(len(stamp))
rental_stamp = stamp[rental_rows]
rental_cnt = cnt_by_stamp[rental_rows]

# ------------------------------------------------------------------ join on the stamp
by_stamp = np.argsort(rental_stamp)
pos = np.searchsorted(rental_stamp[by_stamp], stamp)
cnt = rental_cnt[by_stamp[pos]]
print("joined", len(cnt), "hours, mean count", cnt.mean().round(1))

# ------------------------------------------------------------------ features
X = np.stack([np.sin(2 * np.pi * hour / 24), np.cos(2 * np.pi * hour / 24),
              np.sin(4 * np.pi * hour / 24), np.cos(4 * np.pi * hour / 24),
              weekend, season, temp, humid, wind, rain], 1)
y = np.log1p(cnt)

is_test = np.random.rand(len(y)) < 0.2
mu, sd = X[~is_test].mean(0), X[~is_test].std(0)
X = (X - mu) / sd
ymu, ysd = y[~is_test].mean(), y[~is_test].std()
Xtr = torch.tensor(X[~is_test], dtype=torch.float32)
ytr = torch.tensor((y[~is_test] - ymu) / ysd, dtype=torch.float32)
Xte = torch.tensor(X[is_test], dtype=torch.float32)
yte = torch.tensor((y[is_test] - ymu) / ysd, dtype=torch.float32)


def batches(X, y, size, seed):
    """endless stream of minibatches, a new order for every pass"""
    g = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(len(X), generator=g)
        for i in range(0, len(order) - size + 1, size):
            take = order[i:i + size]
            yield X[take], y[take]


net = nn.Sequential(nn.Linear(X.shape[1], 64), nn.ReLU(),
                    nn.Linear(64, 32), nn.ReLU(),
                    nn.Linear(32, 1))
opt = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-3)
# WATCH(net, opt)

STEPS, BS = 1500, 64
stream = batches(Xtr, ytr, BS, SEED)
run = 0.0
for step in range(1, STEPS + 1):
    xb, yb = next(stream)
    loss = nn.functional.mse_loss(net(xb).squeeze(1), yb)
    opt.zero_grad()
    loss.backward()
    opt.step()
    run += loss.item()
    if step % 250 == 0:
        net.eval()
        with torch.no_grad():
            val = nn.functional.mse_loss(net(Xte).squeeze(1), yte).item()
        net.train()
        print(f"step {step:5d}  train {run / 250:.4f}  valid {val:.4f}")
        run = 0.0

net.eval()
with torch.no_grad():
    pred = net(Xte).squeeze(1)
rmsle = math.sqrt(((pred - yte) ** 2).mean().item()) * float(ysd)
print("RMSLE on the held-out hours:", round(rmsle, 4))
print(f"RESULT {rmsle:.4f} lower")
