# Physics-informed network for the heat equation on a rod
#
#     u_t = k u_xx,   x in (0, 1), t in (0, 1),   u(0,t) = u(1,t) = 0,
#     u(x,0) = sin(pi x) + 0.5 sin(2 pi x)
#
# whose solution is known, so that the error can be measured: every sine decays with exp(-k (m pi)^2 t).
import numpy as np
import torch
from torch import nn

K = 0.1
SEED = 314
N_INTERIOR, N_BOUNDARY, N_INITIAL = 300, 64, 64
ITERATIONS = 1500

torch.manual_seed(SEED)
np.random.seed(SEED)


def exact(x, t):
    return (torch.exp(-K * np.pi ** 2 * t) * torch.sin(np.pi * x)
            + 0.5 * torch.exp(-K * 4 * np.pi ** 2 * t) * torch.sin(2 * np.pi * x))


class PINN(nn.Module):
    def __init__(self, width=32, depth=3):
        super().__init__()
        sizes = [2] + [width] * depth
        self.hidden = nn.ModuleList([nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:])])
        self.last = nn.Linear(width, 1)

    def forward(self, x, t):
        h = torch.cat([2 * x - 1, 2 * t - 1], dim=1)
        for layer in self.hidden:
            h = torch.tanh(layer(h))
        return self.last(h)


def xavier(m):
    if isinstance(m, nn.Linear):
        nn.init.xavier_normal_(m.weight)
        nn.init.zeros_(m.bias)


def derivative(f, v):
    return torch.autograd.grad(f, v, grad_outputs=torch.ones_like(f), create_graph=True)[0]


def residual(net, x, t):
    x = x.requires_grad_(True)
    t = t.requires_grad_(True)
    u = net(x, t)
    u_t = derivative(u, t)
    u_xx = derivative(derivative(u, x), x)
    return u_t - K * u_xx


def losses(net):
    # new random points in each iteration
    r = residual(net, torch.rand(N_INTERIOR, 1), torch.rand(N_INTERIOR, 1))
    loss_pde = r.pow(2).mean()

    xb = torch.randint(0, 2, (N_BOUNDARY, 1)).float()
    loss_bc = net(xb, torch.rand(N_BOUNDARY, 1)).pow(2).mean()

    x0 = torch.rand(N_INITIAL, 1)
    t0 = torch.zeros_like(x0)
    loss_ic = (net(x0, t0) - exact(x0, t0)).pow(2).mean()
    return loss_pde, loss_bc, loss_ic


grid_x, grid_t = torch.meshgrid(torch.linspace(0, 1, 51), torch.linspace(0, 1, 51), indexing="ij")
gx, gt = grid_x.reshape(-1, 1), grid_t.reshape(-1, 1)


def relative_l2(net):
    with torch.no_grad():
        u = exact(gx, gt)
        return (torch.linalg.norm(net(gx, gt) - u) / torch.linalg.norm(u)).item()


net = PINN()
net.apply(xavier)
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=ITERATIONS, eta_min=1e-5)

print("iteration      pde       bc       ic   rel. L2")
# WATCH(net, optimizer)
for it in range(1, ITERATIONS + 1):
    optimizer.zero_grad()
    loss_pde, loss_bc, loss_ic = losses(net)
    loss = loss_pde + 10.0 * loss_bc + 10.0 * loss_ic
    loss.backward()
    optimizer.step()
    scheduler.step()
    if it % 150 == 0:
        print(f"{it:9d} {loss_pde.item():.2e} {loss_bc.item():.2e} {loss_ic.item():.2e}  {relative_l2(net):.4f}")

print(f"RESULT {relative_l2(net):.5f} lower")
