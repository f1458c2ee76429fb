# %% [markdown]
"""
# Melt-water runoff of glaciers, hour by hour

A GRU reads temperature, radiation and rain of a (synthetic) glacier and predicts the runoff at the tongue in
litres per second. Truncated back-propagation: a piece of 20 days is read day by day, the state is carried over.
Score: Nash-Sutcliffe efficiency (1 = perfect, 0 = as good as the mean) on glaciers never seen in training.

RESULT nse higher
"""
# %%
import time

import numpy as np
import torch
from torch import nn

rng = np.random.default_rng(11)
torch.manual_seed(11)

# %% the data: 30 glaciers x 120 days (from the cold spring into late summer)
G, DAYS, DAY = 30, 120, 24
hours = np.arange(DAYS * DAY)


def glacier():
    season = -6 + 13 * np.sin(np.pi * hours / hours[-1] * 0.9) + rng.normal(0, 1)
    sun = np.clip(np.sin(2 * np.pi * (hours - 6) / 24), 0, None)
    weather = np.convolve(rng.normal(0, 1, len(hours) + 71), np.ones(72) / 72 ** 0.5, "valid")
    temp = season + 2.5 * np.sin(2 * np.pi * (hours - 9) / 24) + 2.0 * weather
    cloud = 1 / (1 + np.exp(-2 * weather))
    rad = 900 * sun * (1 - 0.7 * cloud)
    rain = np.where(rng.random(len(hours)) < 0.04 * (0.5 + cloud), rng.exponential(3, len(hours)), 0)
    snow, fast, slow, q = 60.0, 0.0, 0.0, []
    for T, R, P in zip(temp, rad, rain):
        melt = max(T, 0) * 0.12 + max(T, 0) ** 0.5 * R * 4e-4
        if T < 0:
            snow, water = snow + P, 0.0
        else:
            water = P + melt * (0.4 if snow > 0 else 1.0)
            snow = max(snow - melt, 0.0)
        fast = 0.80 * fast + 0.6 * water
        slow = 0.985 * slow + 0.4 * water
        q.append(0.20 * fast + 0.015 * slow)
    q = np.array(q) * 1500 * np.exp(rng.normal(0, 0.03, len(hours))) + 40
    return np.stack([temp, rad, np.log1p(rain)], 1), q


pairs = [glacier() for _ in range(G)]
X = torch.tensor(np.stack([p[0] for p in pairs]), dtype=torch.float32)      # (glacier, hour, 3)
Q = torch.tensor(np.stack([p[1] for p in pairs]), dtype=torch.float32)      # (glacier, hour), l/s
train, test = torch.arange(0, 24), torch.arange(24, 30)

# %% scales from the training glaciers
x_mean, x_std = X[train].mean((0, 1)), X[train].std((0, 1))
q_mean, q_std = Q[train].mean(), Q[train].std()
Xs = (X - x_mean) / x_std
Qs = (Q - q_mean) / q_std
print("runoff: mean %.0f l/s, std %.0f l/s" % (q_mean, q_std))


# %%
class Runoff(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.gru = nn.GRU(3, hidden, batch_first=True)
        self.out = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, x, state=None):
        y, state = self.gru(x, state)
        return self.out(y).squeeze(-1), state


net = Runoff()
opt = torch.optim.Adam(net.parameters(), lr=4e-3)
PIECE, STEPS, BATCH, BUDGET = 20 * DAY, 80, 12, 120.0
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=STEPS)
# WATCH(net, opt)

# %%
started = time.time()
for step in range(STEPS):
    who = train[torch.randint(len(train), (BATCH,))]
    first = PIECE * int(rng.integers(0, DAYS * DAY // PIECE))
    state, running = None, 0.0
    opt.zero_grad()
    for a in range(first, first + PIECE, DAY):
        pred, state = net(Xs[who, a:a + DAY], state)
        loss = (pred - Qs[who, a:a + DAY]).square().mean() / (PIECE // DAY)
        loss.backward()
        state = state.detach()
        running += loss.item()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    opt.step()
    sched.step()
    if step % 20 == 19:
        print(f"step {step + 1:4d}   mse {running:.4f}   {time.time() - started:5.1f} s")
    if time.time() - started > BUDGET:
        print("out of time")
        break

# %% Nash-Sutcliffe on the glaciers kept apart, in l/s
net.eval()
with torch.no_grad():
    pred = net(Xs[test])[0] * q_std + q_mean
nse = 1 - (pred - Q[test]).square().sum(1) / (Q[test] - Q[test].mean(1, keepdim=True)).square().sum(1)
print("per glacier:", [round(v, 3) for v in nse.tolist()])
print(f"RESULT nse {nse.mean():.4f}")
