"""Physics-informed network for the 1-D heat equation

    u_t = kappa u_xx,  x in (0, 1),  t in (0, 1],
    u(x, 0) = sin(pi x) + 0.5 sin(2 pi x),   u(0, t) = u(1, t) = 0.

The exact solution is known, so the trained network is judged by its relative L2 error on a grid.
"""
import math

import torch

CONFIG = {
    "kappa": 0.08,
    "layers": [2, 32, 32, 32, 1],
    "n_interior": 256,
    "n_initial": 64,
    "n_boundary": 64,
    "weight_initial": 10.0,
    "weight_boundary": 10.0,
    "steps": 1500,
    "lr": 4e-3,
    "decay_every": 200,
    "decay": 0.65,
    "seed": 20,
}


def exact(x, t, kappa):
    pi = math.pi
    return (torch.exp(-kappa * pi ** 2 * t) * torch.sin(pi * x)
            + 0.5 * torch.exp(-4 * kappa * pi ** 2 * t) * torch.sin(2 * pi * x))


def build_network(sizes):
    modules = []
    for i, (n_in, n_out) in enumerate(zip(sizes[:-1], sizes[1:])):
        linear = torch.nn.Linear(n_in, n_out)
        torch.nn.init.xavier_normal_(linear.weight)
        torch.nn.init.zeros_(linear.bias)
        modules.append(linear)
        if i < len(sizes) - 2:
            modules.append(torch.nn.Tanh())
    return torch.nn.Sequential(*modules)


def u_of(net, x, t):
    # inputs are brought to [-1, 1]
    return net(torch.cat([2 * x - 1, 2 * t - 1], dim=1))


def grad(y, x):
    return torch.autograd.grad(y, x, torch.ones_like(y), create_graph=True)[0]


def losses(net, cfg):
    x = torch.rand(cfg["n_interior"], 1, requires_grad=True)
    t = torch.rand(cfg["n_interior"], 1, requires_grad=True)
    u = u_of(net, x, t)
    residual = grad(u, t) - cfg["kappa"] * grad(grad(u, x), x)

    x0 = torch.rand(cfg["n_initial"], 1)
    t0 = torch.zeros_like(x0)
    initial = u_of(net, x0, t0) - exact(x0, t0, cfg["kappa"])

    tb = torch.rand(cfg["n_boundary"], 1)
    xb = torch.randint(0, 2, (cfg["n_boundary"], 1)).float()
    boundary = u_of(net, xb, tb)
    return residual.pow(2).mean(), initial.pow(2).mean(), boundary.pow(2).mean()


def relative_error(net, cfg, n=41):
    axis = torch.linspace(0, 1, n)
    x, t = (g.reshape(-1, 1) for g in torch.meshgrid(axis, axis, indexing="ij"))
    with torch.no_grad():
        truth = exact(x, t, cfg["kappa"])
        return ((u_of(net, x, t) - truth).norm() / truth.norm()).item()


def solve(cfg):
    torch.manual_seed(cfg["seed"])
    net = build_network(cfg["layers"])
    opt = torch.optim.Adam(net.parameters(), lr=cfg["lr"])
    sched = torch.optim.lr_scheduler.StepLR(opt, cfg["decay_every"], cfg["decay"])
    history = []
    # WATCH(net, opt)
    for step in range(cfg["steps"]):
        pde, ic, bc = losses(net, cfg)
        loss = pde + cfg["weight_initial"] * ic + cfg["weight_boundary"] * bc
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
        history.append(loss.item())
        if step % 200 == 0 or step == cfg["steps"] - 1:
            print("step %5d  pde %.3e  ic %.3e  bc %.3e  rel.err %.4f"
                  % (step, pde.item(), ic.item(), bc.item(), relative_error(net, cfg)))
    return net, history


if __name__ == "__main__":
    network, history = solve(CONFIG)
    print("mean loss of the last 100 steps: %.3e" % (sum(history[-100:]) / 100))
    print("RESULT %.5f lower" % relative_error(network, CONFIG))
