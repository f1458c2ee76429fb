# %% [markdown]
"""Tide gauge notebook: forecast the water level (cm) six hours ahead with a GRU.

The synthetic harbour has four astronomical constituents, a wind driven surge and a
barometer. The last fifth of the record is kept for validation.
RESULT rmse_cm lower
"""
# %%
import math
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(31)
rng = np.random.default_rng(31)

# %% the harbour, hourly
HOURS, LOOKBACK, AHEAD = 6000, 36, 6
t = np.arange(HOURS)
constituents = {"M2": (95.0, 12.42), "S2": (32.0, 12.0), "K1": (18.0, 23.93), "O1": (12.0, 25.82)}
astro = sum(a * np.cos(2 * math.pi * t / p + rng.uniform(0, 6.28)) for a, p in constituents.values())

wind = np.zeros(HOURS)
for i in range(1, HOURS):
    wind[i] = 0.97 * wind[i - 1] + rng.normal(0, 1.4)
surge = np.zeros(HOURS)
for i in range(1, HOURS):
    surge[i] = 0.93 * surge[i - 1] + 0.55 * wind[max(i - 5, 0)]
baro = 1013 - 0.35 * surge + rng.normal(0, 1.0, HOURS)
level = 410 + astro + surge + rng.normal(0, 2.0, HOURS)

frame = np.stack([level, wind, baro], axis=1).astype(np.float32)

# %% scale with the training part only
cut = int(HOURS * 0.8)
mu, sd = frame[:cut].mean(0), frame[:cut].std(0)
scaled = torch.from_numpy((frame - mu) / sd)


def windows(lo, hi):
    starts = torch.arange(lo, hi - LOOKBACK - AHEAD)
    idx = starts[:, None] + torch.arange(LOOKBACK)[None, :]
    x = scaled[idx]
    y = scaled[starts + LOOKBACK + AHEAD - 1, 0]
    return x, y


x_tr, y_tr = windows(0, cut)
x_va, y_va = windows(cut, HOURS)
print("windows", tuple(x_tr.shape), tuple(x_va.shape))


# %% the net
class Gauge(nn.Module):
    def __init__(self, n_in=3, n_hidden=32):
        super().__init__()
        self.gru = nn.GRU(n_in, n_hidden, batch_first=True)
        self.out = nn.Linear(n_hidden, 1)

    def forward(self, x):
        seq, _ = self.gru(x)
        return self.out(seq[:, -1])


net = Gauge()
EPOCHS, BS = 6, 64
adam = torch.optim.Adam(net.parameters(), lr=4e-3)
steps = EPOCHS * math.ceil(len(x_tr) / BS)
cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, T_max=steps)
# WATCH(net, adam)

# %% fit
smooth = None
for epoch in range(EPOCHS):
    net.train()
    for rows in torch.randperm(len(x_tr)).split(BS):
        guess = net(x_tr[rows])
        loss = F.mse_loss(guess.squeeze(1), y_tr[rows])
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        adam.step()
        cosine.step()
        smooth = loss.item() if smooth is None else 0.95 * smooth + 0.05 * loss.item()
    print(f"epoch {epoch}  smoothed loss {smooth:.4f}  lr {cosine.get_last_lr()[0]:.2e}")

# %% validation in centimetres
net.eval()
with torch.no_grad():
    forecast = net(x_va).squeeze(1) * float(sd[0]) + float(mu[0])
    truth = y_va * float(sd[0]) + float(mu[0])
    rmse = (forecast - truth).pow(2).mean().sqrt().item()
    persistence = (x_va[:, -1, 0] - y_va).pow(2).mean().sqrt().item() * float(sd[0])
print(f"persistence would give {persistence:.1f} cm")
print(f"RESULT rmse_cm {rmse:.3f}")
