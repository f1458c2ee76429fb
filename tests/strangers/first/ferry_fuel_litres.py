import random
import numpy as np
import torch
import torch.nn as nn
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, TensorDataset

random.seed(7); np.random.seed(7); torch.manual_seed(7)


def load_trips(n=5000):
    """distance [nm], speed [kn], cargo [t], headwind [m/s], hull age since docking [months] -> fuel [litres]"""
    distance = np.random.uniform(5, 40, n)
    speed = np.random.uniform(9, 19, n)
    cargo = np.random.gamma(4, 60, n)
    wind = np.random.normal(0, 6, n)
    months = np.random.uniform(0, 24, n)
    per_mile = 9 + 0.018 * speed ** 3 * (1 + 0.012 * months) + 0.02 * cargo + 0.25 * np.maximum(wind, 0) ** 1.5
    fuel = distance * per_mile + np.random.normal(0, 60, n)
    return np.c_[distance, speed, cargo, wind, months].astype(np.float32), fuel.astype(np.float32)


class FuelNet(nn.Module):
    def __init__(self, n_in, hidden):
        super().__init__()
        self.fc1 = nn.Linear(n_in, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, 1)
        self.act = nn.ReLU()

    def forward(self, x):
        x = self.act(self.fc1(x))
        x = self.act(self.fc2(x))
        return self.out(x).squeeze(1)


def r2_and_mae(net, X, y, y_scaler):
    """R2 and mean absolute error, both in litres"""
    net.eval()
    with torch.no_grad():
        scaled = net(torch.from_numpy(X)).numpy()
    pred = y_scaler.inverse_transform(scaled.reshape(-1, 1)).ravel()
    ss_res = ((y - pred) ** 2).mean()
    ss_tot = ((y - y.mean()) ** 2).mean()
    return 1 - ss_res / ss_tot, np.abs(y - pred).mean()


X, y = load_trips()
X_train, X_rest, y_train, y_rest = train_test_split(X, y, test_size=0.3, random_state=7)
X_val, X_test, y_val, y_test = train_test_split(X_rest, y_rest, test_size=0.5, random_state=7)

x_scaler = StandardScaler().fit(X_train)
y_scaler = StandardScaler().fit(y_train.reshape(-1, 1))
X_train, X_val, X_test = x_scaler.transform(X_train), x_scaler.transform(X_val), x_scaler.transform(X_test)
y_train_s = y_scaler.transform(y_train.reshape(-1, 1)).ravel()

train_ds = TensorDataset(torch.from_numpy(X_train), torch.from_numpy(y_train_s))
train_loader = DataLoader(train_ds, batch_size=64, shuffle=True)

net = FuelNet(X.shape[1], 64)
criterion = nn.MSELoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=12, gamma=0.3)

# WATCH(net, optimizer)
for epoch in range(30):
    net.train()
    losses = []
    for xb, yb in train_loader:
        optimizer.zero_grad()
        loss = criterion(net(xb), yb)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    scheduler.step()
    r2, mae = r2_and_mae(net, X_val, y_val, y_scaler)
    if (epoch + 1) % 3 == 0:
        print("Epoch {:2d}/30  loss {:.4f}  val R2 {:.4f}  val MAE {:.1f} l".format(epoch + 1, np.mean(losses), r2, mae))

r2, mae = r2_and_mae(net, X_test, y_test, y_scaler)
print("Test: R2 {:.4f}, off by {:.1f} litres on average (typical trip {:.0f} l)".format(r2, mae, np.median(y_test)))
print("RESULT {:.4f} higher".format(r2))
