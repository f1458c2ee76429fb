import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_friedman1
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset

import scram_plugin

SETTINGS = {
    "seed": 8,
    "hidden": 64,
    "lr": 0.003,
    "batch_size": 32,
    "epochs": 20,
}


class Regressor(nn.Module):
    def __init__(self, n_in, hidden):
        super().__init__()
        self.fc1 = nn.Linear(n_in, hidden)
        self.act1 = nn.ReLU()
        self.fc2 = nn.Linear(hidden, hidden)
        self.act2 = nn.ReLU()
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        x = self.act1(self.fc1(x))
        x = self.act2(self.fc2(x))
        return self.out(x)


def tensors(x, y):
    return TensorDataset(torch.from_numpy(x).float(), torch.from_numpy(y).float().unsqueeze(1))


torch.manual_seed(SETTINGS["seed"])
x, y = make_friedman1(n_samples=1500, n_features=8, noise=0.5, random_state=SETTINGS["seed"])
x = x * np.array([1, 20, 300, 1, 1000, 1, 50, 4])
x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.2, random_state=SETTINGS["seed"])

mu, sigma = x_train.mean(0), x_train.std(0)
x_train = (x_train - mu) / sigma
x_val = (x_val - mu) / sigma
y_mu, y_sigma = y_train.mean(), y_train.std()
y_train = (y_train - y_mu) / y_sigma
y_val = (y_val - y_mu) / y_sigma

train_loader = DataLoader(tensors(x_train, y_train), SETTINGS["batch_size"], shuffle=True)
val_set = tensors(x_val, y_val)

net = Regressor(x_train.shape[1], SETTINGS["hidden"])
loss_fn = nn.MSELoss()
opt = torch.optim.Adam(net.parameters(), SETTINGS["lr"])
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=SETTINGS["epochs"])
watcher = scram_plugin.watch(net, opt, log_dir="logs")

for epoch in range(SETTINGS["epochs"]):
    net.train()
    for xb, yb in train_loader:
        pred = net(xb)
        loss = loss_fn(pred, yb)
        opt.zero_grad()
        loss.backward()
        opt.step()
    sched.step()

    net.eval()
    with torch.no_grad():
        pred = net(val_set.tensors[0])
        val_loss = loss_fn(pred, val_set.tensors[1])
    watcher.log(val_loss=val_loss)

watcher.close()
print("R2 = %.4f" % r2_score(val_set.tensors[1].numpy(), pred.numpy()))
