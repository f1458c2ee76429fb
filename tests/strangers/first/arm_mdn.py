# %% [markdown]
"""
# Inverse kinematics of a fruit-picking arm with a mixture density network

A planar three-joint arm reaches the same fruit in several ways (elbow up, elbow
down, wrist free), so the joint angles given the fruit's place are many-valued.
The network outputs a mixture of Gaussians over the three joints; a slow moving
average of its weights is what is judged, by the negative log-likelihood (nats)
of the demonstrations of unseen fruit.

RESULT nll lower
"""
# %%
import copy
import math

import torch
from torch import nn

torch.manual_seed(21)
LINKS = torch.tensor([1.0, 0.8, 0.5])
K, JOINTS, N, BATCH, STEPS, WARMUP = 8, 3, 9000, 128, 1400, 150


# %% demonstrations, in camera millimetres (camera above the arm's base)
def demonstrate(n):
    elbow = torch.where(torch.rand(n) < 0.5, 1.0, -1.0) * (0.5 + 1.4 * torch.rand(n))
    shoulder = (torch.rand(n) * 2 - 1) * 1.0 - elbow / 2
    wrist = torch.where(torch.rand(n) < 0.3, -0.6, 0.7) * elbow + 0.01 * torch.randn(n)
    q = torch.stack([shoulder, elbow, wrist], 1)
    ang = q.cumsum(1)
    tip = torch.stack([(LINKS * ang.cos()).sum(1), (LINKS * ang.sin()).sum(1)], 1)
    mm = tip * 1000 + 2 * torch.randn(n, 2)
    slip = torch.where(torch.rand(n, 1) < 0.004, 0.5, 0.004)          # now and then the fruit gives way
    return mm, q + slip * torch.randn_like(q)


mm, q = demonstrate(N)
mm_test, q_test = demonstrate(3000)
mm_mid, mm_std, q_mid, q_std = mm.mean(0), mm.std(0), q.mean(0), q.std(0)
x, y = (mm - mm_mid) / mm_std, (q - q_mid) / q_std
x_test, y_test = (mm_test - mm_mid) / mm_std, (q_test - q_mid) / q_std


# %% the network
class Waves(nn.Module):
    """A few fixed sines of the position help with fine detail."""

    def forward(self, p):
        return torch.cat([p, (p * 2).sin(), (p * 2).cos(), (p * 4).sin(), (p * 4).cos()], 1)


def init(m):
    if isinstance(m, nn.Linear):
        nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
        nn.init.normal_(m.bias, 0.0, 0.1)


body = nn.Sequential(Waves(), nn.Linear(10, 96), nn.ReLU(), nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 96), nn.ReLU())
body.apply(init)
net = nn.Sequential(body, nn.Linear(96, K * (1 + 2 * JOINTS)))
ema = copy.deepcopy(net).requires_grad_(False)


def nll(out, target):
    pi, mu, ls = out.split([K, K * JOINTS, K * JOINTS], 1)
    mu = mu.view(-1, K, JOINTS)
    ls = (ls.view(-1, K, JOINTS) - 2.0).clamp(-7, 3)      # sharp from the start, the modes part sooner
    comp = -0.5 * ((target[:, None] - mu) / ls.exp()) ** 2 - ls - 0.5 * math.log(2 * math.pi)
    logp = torch.log_softmax(pi, 1) + comp.sum(2)
    return -torch.logsumexp(logp, 1).mean()


def judge(model):
    model.eval()
    with torch.inference_mode():
        return nll(model(x_test), y_test).item()


# %% training
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
# WATCH(net, opt)
sched = torch.optim.lr_scheduler.LambdaLR(opt, lambda s: min(1.0, (s + 1) / WARMUP))

history = []
for step in range(STEPS):
    pick = torch.randint(N, (BATCH,))
    net.zero_grad()
    loss = nll(net(x[pick]), y[pick])
    loss.backward()
    opt.step()
    sched.step()
    with torch.no_grad():
        for slow, fast in zip(ema.parameters(), net.parameters()):
            slow.lerp_(fast, 0.01)
    history.append(loss.item())
    if (step + 1) % 200 == 0:
        print(f"{step + 1:5d}  train {sum(history[-200:]) / 200:+.3f}   ema {judge(ema):+.3f}")

# %%
print(f"RESULT nll {judge(ema):.4f}")
