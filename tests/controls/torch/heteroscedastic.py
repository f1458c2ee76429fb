"""Regression with input-dependent noise: the network predicts a mean and a variance."""
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
rng = np.random.default_rng(11)
gen = torch.Generator().manual_seed(11)
torch.manual_seed(11)


def true_mean(X):
    return np.sin(2 * X[:, 0]) + 0.5 * X[:, 1] * X[:, 2] + 0.3 * X[:, 3] ** 2


def true_std(X):
    return 0.03 + 0.25 / (1 + np.exp(-3 * X[:, 4]))


N = 24000
X = rng.uniform(-2, 2, size=(N, 6))
sd = true_std(X)
y = true_mean(X) + sd * rng.standard_normal(N)

n_test, n_val = 2000, 2000
n_train = N - n_test - n_val
xm, xs = X[:n_train].mean(0), X[:n_train].std(0)
ym, ys = y[:n_train].mean(), y[:n_train].std()
Xt = torch.tensor((X - xm) / xs, dtype=torch.float32)
yt = torch.tensor((y - ym) / ys, dtype=torch.float32)

train_ds = TensorDataset(Xt[:n_train], yt[:n_train])
val_ds = TensorDataset(Xt[n_train:n_train + n_val], yt[n_train:n_train + n_val])
train_dl = DataLoader(train_ds, batch_size=128, shuffle=True, generator=gen)
Xtest, ytest, sdtest = Xt[-n_test:], yt[-n_test:], sd[-n_test:] / ys


class MeanVarianceNet(nn.Module):
    def __init__(self, d, h=64):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(d, h), nn.SiLU(), nn.Linear(h, h), nn.SiLU())
        self.mean = nn.Linear(h, 1)
        self.raw_var = nn.Linear(h, 1)

    def forward(self, x):
        h = self.trunk(x)
        return self.mean(h).squeeze(-1), nn.functional.softplus(self.raw_var(h)).squeeze(-1) + 1e-5


net = MeanVarianceNet(X.shape[1])
nll = nn.GaussianNLLLoss()
optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-3)
EPOCHS = 50
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS)

for epoch in range(EPOCHS):
    net.train()
    train_loss = 0.0
    for xb, yb in train_dl:
        mu, var = net(xb)
        loss = nll(mu, yb, var)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        train_loss += loss.item() * len(xb)
    scheduler.step()
    net.eval()
    with torch.no_grad():
        mu, var = net(val_ds.tensors[0])
        val_loss = nll(mu, val_ds.tensors[1], var).item()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1:3d}  train nll {train_loss / n_train:+.4f}  val nll {val_loss:+.4f}")

with torch.no_grad():
    mu, var = net(Xtest)
    test_nll = nll(mu, ytest, var).item()
    z = (ytest - mu) / var.sqrt()
    cover = (z.abs() < 1.96).float().mean().item()
    corr = np.corrcoef(var.sqrt().numpy(), sdtest)[0, 1]
    oracle = float(np.mean(np.log(sdtest) + 0.5 * 1.0))
print(f"test nll {test_nll:+.4f} (oracle {oracle:+.4f}); 95% interval covers {cover:.3f}; "
      f"corr(predicted sd, true sd) {corr:.3f}")
