# My first network with two inputs :)
# One input is the weather of the season (10-day means: temperature, rain, sun), the other one is the parcel
# (soil water, slope, age of the vines, density, altitude). We want the yield in kg per hectare.

import numpy as np
import torch
import torch.nn as nn

# make everything repeatable
np.random.seed(17)
torch.manual_seed(17)
torch.set_num_threads(1)

# ---- step 1: the data (simulated, my uncle's data is private) ----
N = 8000
T = 18  # 18 x 10 days, April to September
season = np.random.randn(N, 1)
temp = 17 + 6 * np.sin(np.linspace(0.2, 2.6, T)) + 1.5 * season + np.random.randn(N, T) * 1.2
rain = np.random.gamma(1.5, 12, (N, T))
sun = 7 + 0.35 * (temp - 19) - 0.03 * rain + np.random.randn(N, T) * 0.8
weather = np.stack([temp, rain, sun], axis=1)          # (N, 3, 18)

soil = np.random.uniform(60, 220, N)
slope = np.random.uniform(0, 30, N)
age = np.random.uniform(3, 60, N)
density = np.random.normal(5000, 900, N)
altitude = np.random.uniform(120, 420, N)
parcel = np.stack([soil, slope, age, density, altitude], axis=1)

# flowering wants about 20 degrees; the water that matters is rain + soil, too much is bad as well
flower = np.exp(-((temp[:, 5:8].mean(1) - altitude * 0.006 - 20.5) / 2.0) ** 2)
water = rain[:, 6:13].sum(1) + 0.9 * (soil - 2.0 * slope)
drink = np.exp(-((water - 210) / 75) ** 2)
vigor = np.exp(-((age - 22) / 20) ** 2)
yield_kg = 2500 + 4200 * flower + 4800 * drink + 2600 * vigor * drink + 0.3 * density
yield_kg = yield_kg + np.random.randn(N) * 300

# ---- step 2: split ----
perm = np.random.permutation(N)
train, val, test = perm[:6000], perm[6000:7000], perm[7000:]

# ---- step 3: scaling (statistics of the training part only!) ----
w_mean, w_std = weather[train].mean((0, 2), keepdims=True), weather[train].std((0, 2), keepdims=True)
p_mean, p_std = parcel[train].mean(0), parcel[train].std(0)
y_mean, y_std = yield_kg[train].mean(), yield_kg[train].std()
W = torch.tensor((weather - w_mean) / w_std, dtype=torch.float32).flatten(1)
P = torch.tensor((parcel - p_mean) / p_std, dtype=torch.float32)
Y = torch.tensor((yield_kg - y_mean) / y_std, dtype=torch.float32).unsqueeze(1)
print("shapes:", W.shape, P.shape, Y.shape)


# ---- step 4: the network ----
class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.weather_in = nn.Linear(3 * T, 32)
        self.parcel_in = nn.Linear(5, 16)
        self.mix1 = nn.Linear(48, 48)
        self.mix2 = nn.Linear(48, 48)
        self.last = nn.Linear(48, 1)

    def forward(self, w, p):
        # one branch for every input, side by side
        both = torch.cat([self.weather_in(w), self.parcel_in(p)], dim=1)
        h = torch.relu(both)
        # then mix them
        m1 = self.mix1(h)
        a1 = torch.relu(m1)
        m2 = self.mix2(a1)
        a2 = torch.relu(m2)
        out = self.last(a2)
        return out


def error_in_kg(net, rows):
    """mean absolute error in kg per hectare"""
    net.eval()
    with torch.no_grad():
        guess = net(W[rows], P[rows]) * y_std + y_mean
    return (guess.squeeze(1).numpy() - yield_kg[rows]).__abs__().mean()


net = TwoInputs()
loss_function = nn.SmoothL1Loss()
optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.1)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 5, gamma=0.3)

# WATCH(net, optimizer)

# ---- step 5: training ----
for epoch in range(12):
    net.train()
    np.random.shuffle(train)
    sum_of_losses = 0
    for start in range(0, len(train), 50):
        rows = train[start:start + 50]
        optimizer.zero_grad()              # forget the old gradients
        guess = net(W[rows], P[rows])      # forward
        loss = loss_function(guess, Y[rows])
        loss.backward()                    # backward
        optimizer.step()                   # update
        sum_of_losses += loss.item()
    scheduler.step()
    if (epoch + 1) % 3 == 0:
        print("epoch", epoch + 1, "loss", round(sum_of_losses / 120, 4),
              "train error", round(error_in_kg(net, train), 1), "val error", round(error_in_kg(net, val), 1), "kg/ha")

# ---- step 6: the test ----
print("always guessing the mean:", round(np.abs(yield_kg[test] - y_mean).mean(), 1), "kg/ha")
print("RESULT", round(error_in_kg(net, test), 2), "lower")
