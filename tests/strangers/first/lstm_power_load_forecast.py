# one step ahead forecast of (fake) hourly power load with an LSTM
import math
import numpy as np
import torch
import torch.nn as nn

np.random.seed(11)
torch.manual_seed(11)

hours = np.arange(24 * 7 * 18)
load = (500 + 120 * np.sin(2 * math.pi * hours / 24 - 1.2)
        + 40 * np.sin(4 * math.pi * hours / 24)
        - 90 * ((hours // 24) % 7 >= 5)
        + 0.02 * hours)
ar = np.zeros(len(hours))
for i in range(1, len(hours)):
    ar[i] = 0.85 * ar[i - 1] + np.random.randn() * 9
load = load + ar

split = int(len(load) * 0.8)
mu, sd = load[:split].mean(), load[:split].std()
series = torch.tensor((load - mu) / sd, dtype=torch.float32)
LOOKBACK = 48


def windows(s):
    xs, ys = [], []
    for i in range(len(s) - LOOKBACK):
        xs.append(s[i:i + LOOKBACK])
        ys.append(s[i + LOOKBACK])
    return torch.stack(xs).unsqueeze(-1), torch.stack(ys)


x_train, y_train = windows(series[:split])
x_val, y_val = windows(series[split - LOOKBACK:])
print(x_train.shape, y_train.shape, x_val.shape)


class LoadLSTM(nn.Module):
    def __init__(self, hidden_size=32):
        super(LoadLSTM, self).__init__()
        self.lstm = nn.LSTM(input_size=1, hidden_size=hidden_size, batch_first=True)
        self.linear = nn.Linear(hidden_size, 1)

    def forward(self, x):
        out, (h, c) = self.lstm(x)
        return self.linear(out[:, -1]).squeeze(-1)


model = LoadLSTM()
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=5, gamma=0.5)
batch_size = 64
val_history = []

# WATCH(model, optimizer)
for epoch in range(12):
    model.train()
    order = np.random.permutation(len(x_train))
    total_loss = 0
    n_batches = 0
    for i in range(0, len(order), batch_size):
        sel = order[i:i + batch_size]
        y_hat = model(x_train[sel])
        loss = ((y_hat - y_train[sel]) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total_loss += loss.item()
        n_batches += 1
    scheduler.step()

    model.eval()
    with torch.no_grad():
        val_loss = ((model(x_val) - y_val) ** 2).mean()
    val_history.append(val_loss.item())
    print("Epoch %2d  train MSE %.5f  val MSE %.5f  lr %g" % (
        epoch, total_loss / n_batches, val_history[-1], optimizer.param_groups[0]["lr"]))

naive = ((x_val[:, -1, 0] - y_val) ** 2).mean().sqrt().item() * sd
rmse = math.sqrt(val_history[-1]) * sd
print("RMSE in MW:", rmse, " (last value as forecast:", naive, ")")
print("RESULT %.3f lower" % rmse)
