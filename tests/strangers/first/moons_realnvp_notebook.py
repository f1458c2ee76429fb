# coding: utf-8

# # Lab 9 - Normalising flows
#
# We fit a RealNVP to the two moons, and compare its density with a single Gaussian.

# In[1]:

import math

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_moons
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
np.random.seed(0)

# ## Data

# In[2]:

X, _ = make_moons(n_samples=5000, noise=0.06, random_state=0)
X = X.astype(np.float32)
X_train, X_val, X_test = X[:3500], X[3500:4000], X[4000:]
m, s = X_train.mean(axis=0), X_train.std(axis=0)
train_ds = TensorDataset(torch.from_numpy((X_train - m) / s))
val = torch.from_numpy((X_val - m) / s)
test = torch.from_numpy((X_test - m) / s)
loader = DataLoader(train_ds, batch_size=128, shuffle=True)

# ## The coupling layer
#
# One half of the input stays as it is and tells how to scale and shift the other half:
# $y_b = x_b \exp(s(x_a)) + t(x_a)$, with $\log|\det J| = \sum s(x_a)$.

# In[3]:


class MLP(nn.Module):
    def __init__(self, n_in, n_hidden, n_out):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)
        nn.init.zeros_(self.fc3.weight)   # start as the identity
        nn.init.zeros_(self.fc3.bias)

    def forward(self, x):
        x = torch.tanh(self.fc1(x))
        x = torch.tanh(self.fc2(x))
        return self.fc3(x)


class Coupling(nn.Module):
    def __init__(self, n_hidden, swap):
        super().__init__()
        self.swap = swap
        self.net = MLP(1, n_hidden, 2)
        self.s_scale = nn.Parameter(torch.ones(1))

    def split(self, x):
        a, b = x[:, :1], x[:, 1:]
        return (b, a) if self.swap else (a, b)

    def join(self, a, b):
        return torch.cat([b, a], dim=1) if self.swap else torch.cat([a, b], dim=1)

    def params(self, a):
        log_s, t = self.net(a).chunk(2, dim=1)
        return self.s_scale * torch.tanh(log_s), t

    def forward(self, x):
        a, b = self.split(x)
        log_s, t = self.params(a)
        return self.join(a, b * log_s.exp() + t), log_s.sum(dim=1)

    def inverse(self, y):
        a, b = self.split(y)
        log_s, t = self.params(a)
        return self.join(a, (b - t) * (-log_s).exp())


class RealNVP(nn.Module):
    def __init__(self, n_layers=6, n_hidden=48):
        super().__init__()
        self.layers = nn.ModuleList([Coupling(n_hidden, swap=i % 2 == 1) for i in range(n_layers)])
        # the base distribution: a Gaussian whose mean and spread are learned too
        self.base_mean = nn.Parameter(torch.zeros(2))
        self.base_log_std = nn.Parameter(torch.zeros(2))

    def log_prob(self, x):
        log_det = x.new_zeros(x.shape[0])
        for layer in self.layers:
            x, ld = layer(x)
            log_det = log_det + ld
        z = (x - self.base_mean) * (-self.base_log_std).exp()
        log_base = -0.5 * (z ** 2 + math.log(2 * math.pi)) - self.base_log_std
        return log_base.sum(dim=1) + log_det

    @torch.no_grad()
    def sample(self, n):
        x = self.base_mean + self.base_log_std.exp() * torch.randn(n, 2)
        for layer in reversed(self.layers):
            x = layer.inverse(x)
        return x


# ## A baseline
#
# What does a full-covariance Gaussian reach?

# In[4]:

cov = np.cov(((X_train - m) / s).T)
gauss = torch.distributions.MultivariateNormal(torch.zeros(2), torch.tensor(cov, dtype=torch.float32))
print("Gaussian, NLL on test: %.3f" % -gauss.log_prob(test).mean())

# ## Training

# In[5]:

EPOCHS = 30
flow = RealNVP()
opt = torch.optim.Adam(flow.parameters(), lr=3e-3)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=4e-3, total_steps=EPOCHS * len(loader))

# WATCH(flow, opt)
for epoch in range(EPOCHS):
    running, n = 0.0, 0
    for (xb,) in loader:
        loss = -flow.log_prob(xb).mean()
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
        opt.step()
        sched.step()
        running += loss.item() * len(xb)
        n += len(xb)
    if (epoch + 1) % 3 == 0:
        with torch.no_grad():
            val_nll = -flow.log_prob(val).mean().item()
        print("epoch %2d   train NLL %.3f   val NLL %.3f" % (epoch + 1, running / n, val_nll))

# ## Check
#
# Samples should lie on the moons, and inverting must give the input back.

# In[6]:

with torch.no_grad():
    x = test
    for layer in flow.layers:
        x, _ = layer(x)
    for layer in reversed(flow.layers):
        x = layer.inverse(x)
print("largest inversion error: %.1e" % (x - test).abs().max())
samples = flow.sample(1000)
print("mean distance of samples to the data: %.3f" % torch.cdist(samples, test).min(dim=1).values.mean())

with torch.no_grad():
    test_nll = -flow.log_prob(test).mean().item()
print(f"RESULT {test_nll:.4f} lower")
