# tiny ddpm on a two-arm swirl. just for fun, no deps but torch
import math, time
import torch, torch.nn as nn, torch.nn.functional as F

torch.manual_seed(7)
T, B, EPOCHS, LR = 60, 256, 45, 2e-3

def swirl(n, g):
    r = torch.rand(n, generator=g).sqrt() * 3.2 + 0.4
    arm = torch.randint(0, 2, (n,), generator=g) * math.pi
    a = r * 1.5 + arm
    xy = torch.stack([r * a.cos(), r * a.sin()], 1)
    return xy + 0.08 * torch.randn(n, 2, generator=g)

g = torch.Generator().manual_seed(0)
raw, held = swirl(8000, g), swirl(2000, g)
mu, sd = raw.mean(0), raw.std(0)
X = (raw - mu) / sd

# noise schedule
s = torch.linspace(0, 1, T + 1)
abar = torch.cos((s + 0.008) / 1.008 * math.pi / 2) ** 2
abar = abar / abar[0]
beta = (1 - abar[1:] / abar[:-1]).clamp(max=0.95)
alpha = 1 - beta
ab = torch.cumprod(alpha, 0)

def q(x0, t, e):
    a = ab[t].unsqueeze(1)
    return a.sqrt() * x0 + (1 - a).sqrt() * e

def temb(t, d=32):
    f = torch.exp(torch.arange(d // 2) * (-math.log(100.) / (d // 2 - 1)))
    u = t[:, None] / T * 20 * f[None]
    return torch.cat([u.sin(), u.cos()], 1)

class Block(nn.Module):
    def __init__(self, h):
        super().__init__()
        self.a, self.b, self.n, self.t = nn.Linear(h, h), nn.Linear(h, h), nn.LayerNorm(h), nn.Linear(32, h)
    def forward(self, x, te):
        h = F.silu(self.a(self.n(x)) + self.t(te))
        return x + self.b(h)

class Eps(nn.Module):
    def __init__(self, h=96, depth=3):
        super().__init__()
        self.inp = nn.Linear(2, h)
        self.blocks = nn.ModuleList([Block(h) for _ in range(depth)])
        self.out = nn.Sequential(nn.LayerNorm(h), nn.Linear(h, 2))
    def forward(self, x, t):
        te = temb(t)
        x = self.inp(x)
        for b in self.blocks:
            x = b(x, te)
        return self.out(x)

@torch.no_grad()
def sample(net, n, seed=3):
    gg = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 2, generator=gg)
    for i in reversed(range(T)):
        e = net(x, torch.full((n,), i))
        # via the x0 estimate, clipped to the data range
        x0 = ((x - (1 - ab[i]).sqrt() * e) / ab[i].sqrt()).clamp(-3, 3)
        if i == 0:
            x = x0
            break
        c0 = ab[i - 1].sqrt() * beta[i] / (1 - ab[i])
        ct = alpha[i].sqrt() * (1 - ab[i - 1]) / (1 - ab[i])
        v = beta[i] * (1 - ab[i - 1]) / (1 - ab[i])
        x = c0 * x0 + ct * x + v.sqrt() * torch.randn(n, 2, generator=gg)
    return x * sd + mu

def energy(a, b):
    # energy distance (x100), 0 = same distribution
    return 100 * (2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean())

def nearest(a, b):
    # how far are the samples from the arms and the arms from the samples
    d = torch.cdist(a, b)
    return d.min(0).values.mean() + d.min(1).values.mean()

@torch.no_grad()
def val_loss(net, x, reps=4):
    gg = torch.Generator().manual_seed(11)
    tot = 0.
    for _ in range(reps):
        t = torch.randint(0, T, (len(x),), generator=gg)
        e = torch.randn(x.shape, generator=gg)
        tot += F.mse_loss(net(q(x, t, e), t), e).item()
    return tot / reps

net = Eps()
opt = torch.optim.Adam(net.parameters(), lr=LR)
sched = torch.optim.lr_scheduler.StepLR(opt, step_size=12, gamma=0.5)
V = (held - mu) / sd
t0 = time.time()
# WATCH(net, opt)
for ep in range(EPOCHS):
    net.train()
    perm, tot = torch.randperm(len(X)), 0.
    for i in range(0, len(X), B):
        x0 = X[perm[i:i + B]]
        t = torch.randint(0, T, (len(x0),))
        e = torch.randn_like(x0)
        loss = F.mse_loss(net(q(x0, t, e), t), e)
        opt.zero_grad()
        loss.backward()
        opt.step()
        tot += loss.item() * len(x0)
    sched.step()
    if ep % 5 == 4:
        net.eval()
        print(f'{ep+1:3d} train {tot/len(X):.4f} val {val_loss(net, V):.4f} {time.time()-t0:.0f}s')

net.eval()
S = sample(net, 2000)
print('energy distance x100', energy(S, held).item())
print(f'RESULT {nearest(S, held).item():.4f} lower')
