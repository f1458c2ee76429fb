"""Two moons, a small MLP and plain SGD: what a hidden layer buys you (blog post code)."""
import numpy as np
import torch
from sklearn.datasets import make_moons
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

SEED = 31
torch.manual_seed(SEED)


def prepare(n_samples=2000, noise=0.2):
    pts, lab = make_moons(n_samples=n_samples, noise=noise, random_state=SEED)
    parts = train_test_split(pts.astype(np.float32), lab.astype(np.float32), test_size=0.3, random_state=SEED)
    pts_tr, pts_te, lab_tr, lab_te = (torch.from_numpy(p) for p in parts)
    return TensorDataset(pts_tr, lab_tr), TensorDataset(pts_te, lab_te)


def build_mlp(widths, act=nn.ReLU):
    layers = []
    for fan_in, fan_out in zip(widths[:-2], widths[1:-1]):
        layers += [nn.Linear(fan_in, fan_out), act()]
    layers.append(nn.Linear(widths[-2], widths[-1]))
    return nn.Sequential(*layers)


def accuracy(net, ds):
    pts, lab = ds.tensors
    with torch.no_grad():
        guess = (net(pts).squeeze(1) > 0).float()
    return (guess == lab).float().mean().item()


def mean_loss(net, ds, loss_fn):
    pts, lab = ds.tensors
    with torch.no_grad():
        return loss_fn(net(pts).squeeze(1), lab).item()


train_ds, test_ds = prepare()
loader = DataLoader(train_ds, batch_size=32, shuffle=True)
net = build_mlp([2, 32, 32, 1])
loss_fn = nn.BCEWithLogitsLoss()
sgd = torch.optim.SGD(net.parameters(), lr=0.1)

# WATCH(net, sgd)
for epoch in range(1, 41):
    total = 0.0
    for pts, lab in loader:
        sgd.zero_grad()
        loss = loss_fn(net(pts).squeeze(1), lab)
        loss.backward()
        sgd.step()
        total += loss.item() * len(pts)
    if epoch % 4 == 0:
        print(f"epoch {epoch:2d}: train loss {total / len(train_ds):.4f}, test loss {mean_loss(net, test_ds, loss_fn):.4f}, "
              f"train acc {accuracy(net, train_ds):.3f}, test acc {accuracy(net, test_ds):.3f}")

# a coarse picture of the decision
for yy in np.linspace(1.4, -0.9, 12):
    row = torch.tensor([[xx, yy] for xx in np.linspace(-1.4, 2.4, 48)], dtype=torch.float32)
    with torch.no_grad():
        prob = torch.sigmoid(net(row)).squeeze(1)
    print("".join(" .:*#"[min(4, int(p * 5))] for p in prob.tolist()))

print(f"RESULT {accuracy(net, test_ds):.4f} higher")
