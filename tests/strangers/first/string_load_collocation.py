"""Loaded string that rotates about its axis:  u'' + k u = q(x) on [0, 1], u(0) = 0.5, u(1) = -0.3.

No data at all: the network is trained on the residual of the equation in random collocation points and on the two ends.
The load is chosen so that the exact solution is known, which is used for the final check only.
"""
import math
import torch

torch.manual_seed(0)
torch.set_default_dtype(torch.float32)

K = 4.0
LEFT, RIGHT = 0.5, -0.3


def exact(x):
    return LEFT + (RIGHT - LEFT) * x + 0.6 * torch.sin(2 * math.pi * x) * torch.exp(-x)


def load(x):
    # q = u'' + K u of the exact solution, by hand
    w = 2 * math.pi
    bump = torch.exp(-x) * ((1 - w ** 2) * torch.sin(w * x) - 2 * w * torch.cos(w * x))
    return 0.6 * bump + K * exact(x)


def build(hidden=32, layers=3):
    parts, width = [], 1
    for _ in range(layers):
        lin = torch.nn.Linear(width, hidden)
        torch.nn.init.xavier_normal_(lin.weight)
        torch.nn.init.zeros_(lin.bias)
        parts += [lin, torch.nn.Tanh()]
        width = hidden
    return torch.nn.Sequential(*parts, torch.nn.Linear(width, 1))


def derivative(f, x):
    return torch.autograd.grad(f, x, torch.ones_like(f), create_graph=True)[0]


def residual(u_net, x):
    x = x.requires_grad_(True)
    u = u_net(2 * x - 1)
    du = derivative(u, x)
    ddu = derivative(du, x)
    return ddu + K * u - load(x)


ends_x = torch.tensor([[0.0], [1.0]])
ends_u = torch.tensor([[LEFT], [RIGHT]])
u_net = build()
opt = torch.optim.Adam(u_net.parameters(), lr=3e-3)
STEPS = 2000
decay = torch.optim.lr_scheduler.ExponentialLR(opt, gamma=0.05 ** (1 / STEPS))

# WATCH(u_net, opt)
for step in range(STEPS):
    points = torch.rand(100, 1)
    loss_eq = residual(u_net, points).pow(2).mean()
    loss_ends = (u_net(2 * ends_x - 1) - ends_u).pow(2).mean()
    loss = loss_eq + 100.0 * loss_ends
    opt.zero_grad()
    loss.backward()
    opt.step()
    decay.step()
    if step % 200 == 0 or step == STEPS - 1:
        print(f"step {step:5d}   equation {loss_eq.item():.3e}   ends {loss_ends.item():.3e}")

grid = torch.linspace(0, 1, 401)[:, None]
with torch.no_grad():
    gap = u_net(2 * grid - 1) - exact(grid)
relative = (gap.pow(2).mean() / exact(grid).pow(2).mean()).sqrt().item()
print("largest deviation %.4f" % gap.abs().max().item())
print("RESULT %.5f lower" % relative)
