"""Predicting the *distribution* of used car prices with a Mixture Density Network.

The price of a car with the same listing details is often bimodal (dealer vs. private,
undisclosed damage), so a plain regressor is not enough. We output K gaussians per car.
"""
import numpy as np
import torch
from torch import nn, optim
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

SEED = 2023
np.random.seed(SEED)
torch.manual_seed(SEED)
N_CARS, K = 6000, 4
HIDDEN, DROPOUT, WEIGHT_DECAY = 64, 0.05, 1e-4
EPOCHS, BATCH, LR = 40, 128, 3e-3


def load_listings(n):
    year = np.random.randint(2005, 2023, n)
    age = 2023 - year
    km = np.clip(np.random.gamma(4.0, 3500, n) * age / 2 + 2000, 500, 400_000)
    power = np.random.choice([55, 66, 81, 96, 110, 140, 180], n, p=[.15, .2, .2, .15, .15, .1, .05])
    brand = np.random.randint(0, 6, n)
    diesel = np.random.rand(n) < 0.4
    owners = 1 + np.random.poisson(age / 6)
    factor = np.array([0.8, 0.9, 1.0, 1.1, 1.35, 1.6])[brand]
    base = factor * (6000 + 190 * power) * np.exp(-0.11 * age) * np.exp(-km / 350_000)
    base *= 1 + 0.05 * diesel - 0.03 * (owners - 1).clip(0, 5)
    # a hidden part of the cars was damaged; the chance rises with owners
    damaged = np.random.rand(n) < 0.1 + 0.08 * (owners - 1).clip(0, 5)
    price = base * np.where(damaged, 0.55, 1.0) * np.exp(0.06 * np.random.randn(n)) + 300
    feats = np.column_stack([year, km, power, diesel, owners, np.eye(6)[brand]])
    return feats.astype(np.float32), price.astype(np.float32)


class MDN(nn.Module):
    def __init__(self, n_in, n_hidden, n_mix, p):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(n_in, n_hidden), nn.ReLU(), nn.Dropout(p),
            nn.Linear(n_hidden, n_hidden), nn.ReLU(), nn.Dropout(p),
        )
        self.pi = nn.Linear(n_hidden, n_mix)
        self.mu = nn.Linear(n_hidden, n_mix)
        self.log_sigma = nn.Linear(n_hidden, n_mix)

    def forward(self, x):
        h = self.body(x)
        pi = torch.softmax(self.pi(h), dim=1)
        mu = self.mu(h)
        sigma = torch.exp(self.log_sigma(h)).clamp(min=1e-2)
        return pi, mu, sigma


def mdn_nll(pi, mu, sigma, y):
    comp = torch.distributions.Normal(mu, sigma)
    log_prob = comp.log_prob(y.unsqueeze(1)) + torch.log(pi + 1e-10)
    return -torch.logsumexp(log_prob, dim=1).mean()


X, y = load_listings(N_CARS)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=SEED)

x_scaler = StandardScaler().fit(X_train)
X_train = torch.from_numpy(x_scaler.transform(X_train)).float()
X_test = torch.from_numpy(x_scaler.transform(X_test)).float()

y_mean, y_scale = float(y_train.mean()), float(y_train.std())
y_train_s = torch.from_numpy((y_train - y_mean) / y_scale)

model = MDN(X_train.shape[1], HIDDEN, K, DROPOUT)
optimizer = optim.Adam(model.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)
n_batches = int(np.ceil(len(X_train) / BATCH))

# WATCH(model, optimizer)

for epoch in range(EPOCHS):
    model.train()
    order = torch.randperm(len(X_train))
    epoch_loss = 0
    for b in range(n_batches):
        idx = order[b * BATCH:(b + 1) * BATCH]
        optimizer.zero_grad()
        pi, mu, sigma = model(X_train[idx])
        loss = mdn_nll(pi, mu, sigma, y_train_s[idx])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        epoch_loss += loss.item()
    if (epoch + 1) % 10 == 0:
        print('Epoch {}/{} - nll: {:.4f}'.format(epoch + 1, EPOCHS, epoch_loss / n_batches))

# ---- evaluation: negative log likelihood per car, for prices in thousands of euros ----
model.eval()
with torch.no_grad():
    pi, mu, sigma = model(X_test)
    mu = (mu * y_scale + y_mean) / 1000
    sigma = sigma * y_scale / 1000
    test_nll = mdn_nll(pi, mu, sigma, torch.from_numpy(y_test) / 1000).item()
    point = (pi * mu).sum(1).numpy()
print('MAE of the mixture mean: {:.0f} EUR'.format(1000 * np.abs(point - y_test / 1000).mean()))
print('RESULT {:.4f} lower'.format(test_nll))
