# hourly electricity load, made up: forecast the next 12 hours from the last 60
import numpy as np
import torch
from torch import nn

np.random.seed(0)
torch.manual_seed(0)

# -- series: day and week rhythm, slow drift, temperature-like AR noise
hours = np.arange(24 * 7 * 30)
day = np.sin(2 * np.pi * hours / 24 - 1.2) + 0.4 * np.sin(4 * np.pi * hours / 24)
week = np.where((hours // 24) % 7 >= 5, 0.55, 1.0)
ar = np.zeros(len(hours))
for t in range(1, len(hours)):
    ar[t] = 0.96 * ar[t - 1] + 0.13 * np.random.randn()
load = 620 + 130 * day * week + 60 * ar + 45 * np.sin(2 * np.pi * hours / (24 * 61)) + 8 * np.random.randn(len(hours))

# -- split by time, scale by the training part
n_train, n_val = int(0.7 * len(load)), int(0.15 * len(load))
mean, std = load[:n_train].mean(), load[:n_train].std()
z = torch.tensor((load - mean) / std, dtype=torch.float32)
PAST, AHEAD = 60, 12
weekend = torch.tensor((hours // 24) % 7 >= 5, dtype=torch.float32)


def windows(a, b):
    w = z[a:b].unfold(0, PAST + AHEAD, 1)
    k = weekend[a:b].unfold(0, PAST + AHEAD, 1)
    return torch.stack([w[:, :PAST], k[:, :PAST]], -1), w[:, PAST:]


x_tr, y_tr = windows(0, n_train)
x_va, y_va = windows(n_train, n_train + n_val)
x_te, y_te = windows(n_train + n_val, len(load))
print("windows", len(x_tr), len(x_va), len(x_te))


class Forecaster(nn.Module):
    def __init__(self, size=48):
        super().__init__()
        self.rnn = nn.LSTM(2, size, batch_first=True)
        self.out = nn.Linear(size, AHEAD)

    def forward(self, x):
        h, _ = self.rnn(x)
        return x[:, -1, :1] + self.out(h[:, -1])


model = Forecaster()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.4)
mse = nn.MSELoss()

naive = (x_te[:, -AHEAD - 12:-12, 0] - y_te).abs().mean().item() * std
print(f"same hours yesterday: MAE {naive:.1f}")

# WATCH(model, optimizer)
for epoch in range(10):
    model.train()
    losses = []
    for idx in torch.randperm(len(x_tr)).split(64):
        loss = mse(model(x_tr[idx]), y_tr[idx])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    scheduler.step()
    model.eval()
    with torch.no_grad():
        val = mse(model(x_va), y_va).item()
    print(f"epoch {epoch + 1:2d}  train mse {np.mean(losses):.4f}  val mse {val:.4f}")

model.eval()
with torch.no_grad():
    mae = (model(x_te) - y_te).abs().mean().item() * std
print(f"RESULT {mae:.3f} lower")
