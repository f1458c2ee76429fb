"""
Physics-informed network for the 1-D heat equation
    u_t = a u_xx   on x in [0, 1], t in [0, 1],
    u(0, t) = u(1, t) = 0,   u(x, 0) = sin(pi x) + 0.5 sin(3 pi x).
Adam first, then L-BFGS to polish, as usual.
"""
import math

import torch
import torch.nn as nn
from torch.autograd import grad

torch.set_num_threads(1)
torch.manual_seed(1234)

ALPHA = 0.05
N_F, N_B, N_I = 800, 100, 100


def exact(x, t):
    k = lambda n: torch.exp(-ALPHA * (n * math.pi) ** 2 * t) * torch.sin(n * math.pi * x)
    return k(1) + 0.5 * k(3)


class PINN(nn.Module):
    def __init__(self, width=32, depth=4):
        super().__init__()
        dims = [2] + [width] * depth + [1]
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in zip(dims[:-1], dims[1:]))
        for layer in self.layers:
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x, t):
        h = 2 * torch.cat([x, t], dim=1) - 1        # map the unit square to [-1, 1]^2
        for layer in self.layers[:-1]:
            h = torch.tanh(layer(h))
        return self.layers[-1](h)


def collocation():
    # Latin-hypercube-like: jittered strata, independently permuted
    strata = lambda n: ((torch.randperm(n) + torch.rand(n)) / n).unsqueeze(1)
    xf, tf = strata(N_F).requires_grad_(True), strata(N_F).requires_grad_(True)
    xb = (torch.rand(N_B, 1) > 0.5).float()
    tb = strata(N_B)
    xi = strata(N_I)
    return xf, tf, xb, tb, xi


def losses(net, pts):
    xf, tf, xb, tb, xi = pts
    u = net(xf, tf)
    ones = torch.ones_like(u)
    u_t = grad(u, tf, ones, create_graph=True)[0]
    u_x = grad(u, xf, ones, create_graph=True)[0]
    u_xx = grad(u_x, xf, ones, create_graph=True)[0]
    residual = (u_t - ALPHA * u_xx).pow(2).mean()
    boundary = net(xb, tb).pow(2).mean()
    zero = torch.zeros_like(xi)
    initial = (net(xi, zero) - exact(xi, zero)).pow(2).mean()
    return residual, boundary, initial


def total(parts):
    return parts[0] + 10 * parts[1] + 10 * parts[2]


def relative_error(net, n=101):
    g = torch.linspace(0, 1, n)
    x, t = (m.reshape(-1, 1) for m in torch.meshgrid(g, g, indexing="ij"))
    with torch.no_grad():
        e = exact(x, t)
        return ((net(x, t) - e).norm() / e.norm()).item()


net = PINN()
print("before: relative L2 error", round(relative_error(net), 4))

adam = torch.optim.Adam(net.parameters(), lr=2e-3)
decay = torch.optim.lr_scheduler.ExponentialLR(adam, gamma=0.999)
for it in range(1, 2001):
    parts = losses(net, collocation())          # fresh points each step
    loss = total(parts)
    adam.zero_grad()
    loss.backward()
    adam.step()
    decay.step()
    if it % 250 == 0:
        r, b, i = (p.item() for p in parts)
        print(f"adam {it:5d}  loss {loss.item():.3e}  residual {r:.2e}  bc {b:.2e}  ic {i:.2e}  "
              f"rel err {relative_error(net):.4f}")

pts = collocation()                             # L-BFGS wants a fixed objective
lbfgs = torch.optim.LBFGS(net.parameters(), lr=1.0, max_iter=20, history_size=50,
                          tolerance_grad=1e-8, tolerance_change=1e-10, line_search_fn="strong_wolfe")


def closure():
    lbfgs.zero_grad()
    loss = total(losses(net, pts))
    loss.backward()
    return loss


for outer in range(1, 31):
    loss = lbfgs.step(closure)
    if outer % 5 == 0:
        print(f"lbfgs {outer:3d}  loss {loss.item():.3e}  rel err {relative_error(net):.5f}")

print(f"done: relative L2 error {relative_error(net):.5f}")
