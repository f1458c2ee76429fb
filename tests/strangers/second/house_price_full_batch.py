import torch
from torch import nn
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
import numpy as np

rng = np.random.RandomState(5)
torch.manual_seed(5)

# fake house data: area, rooms, age, distance to centre, floor, garden
n = 4000
area = rng.uniform(30, 250, n)
rooms = np.round(area / 30 + rng.normal(0, 0.7, n)).clip(1)
age = rng.uniform(0, 100, n)
dist = rng.exponential(6, n)
floor = rng.randint(0, 8, n)
garden = rng.rand(n) < 0.3
price = (2200 * area * np.exp(-dist / 15) * (1 - 0.3 * np.sin(age / 100 * np.pi))
         + 4000 * rooms + 3000 * floor * (dist < 5) + 25000 * garden + rng.normal(0, 9000, n))
X = np.column_stack([area, rooms, age, dist, floor, garden]).astype(np.float32)
y = price.astype(np.float32).reshape(-1, 1)

X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=0)
xs, ys = StandardScaler().fit(X_train), StandardScaler().fit(y_train)
X_train, X_test = torch.tensor(xs.transform(X_train)), torch.tensor(xs.transform(X_test))
y_train, y_test = torch.tensor(ys.transform(y_train)), torch.tensor(ys.transform(y_test))


def to_dollar(v):
    return v * float(ys.scale_[0]) + float(ys.mean_[0])


model = nn.Sequential(
    nn.Linear(6, 128), nn.ReLU(),
    nn.Linear(128, 128), nn.ReLU(),
    nn.Linear(128, 1),
)
loss_fn = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)

loss_list = []
# WATCH(model, optimizer)
for t in range(150):
    y_pred = model(X_train)
    loss = loss_fn(y_pred, y_train)
    loss_list.append(loss.item())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    if t % 15 == 14:
        print(t, loss.item())

with torch.no_grad():
    train_mae = (to_dollar(model(X_train)) - to_dollar(y_train)).abs().mean().item()
    test_mae = (to_dollar(model(X_test)) - to_dollar(y_test)).abs().mean().item()
    mean_mae = (to_dollar(y_train).mean() - to_dollar(y_test)).abs().mean().item()
print("first loss", loss_list[0], "last loss", loss_list[-1])
print("MAE train $%.0f test $%.0f (always the mean price: $%.0f)" % (train_mae, test_mae, mean_mae))
print("RESULT", round(test_mae, 1), "lower")
