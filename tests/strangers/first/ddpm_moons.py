"""tiny-diffusion in one file: a DDPM that learns two moons, sampled from an EMA of the weights"""
import math
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.optim.lr_scheduler import LambdaLR

torch.set_num_threads(1)
torch.manual_seed(1337)

# hyperparameters
steps = 1800
warmup = 100
batch = 128
T = 60
hidden = 64
lr = 2e-3
eval_every = 200
# ------------


def moons(n):
    th = math.pi * torch.rand(n)
    upper = torch.rand(n) < 0.5
    x = torch.where(upper, th.cos(), 1 - th.cos())
    y = torch.where(upper, th.sin(), 0.5 - th.sin())
    pts = torch.stack([x - 0.5, y - 0.25], 1) + 0.06 * torch.randn(n, 2)
    return pts / torch.tensor([0.87, 0.5])


betas = torch.linspace(1e-3, 0.2, T)
alphas = 1 - betas
abar = alphas.cumprod(0)


def q_sample(x0, t, noise):
    a = abar[t][:, None]
    return a.sqrt() * x0 + (1 - a).sqrt() * noise


class TimeEmbedding(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.register_buffer('freqs', torch.exp(torch.linspace(0, -math.log(1000.), dim // 2)))

    def forward(self, t):
        arg = t[:, None].float() * self.freqs
        return torch.cat([arg.sin(), arg.cos()], -1)


class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.ff = nn.Linear(dim, dim)
        self.time = nn.Linear(32, dim)
        self.act = nn.SiLU()

    def forward(self, h, temb):
        return h + self.act(self.ff(self.norm(h)) + self.time(temb))


class Denoiser(nn.Module):
    def __init__(self, n_blocks=3):
        super().__init__()
        self.temb = TimeEmbedding(32)
        self.inp = nn.Linear(2, hidden)
        self.blocks = nn.ModuleList([Block(hidden) for _ in range(n_blocks)])
        self.out = nn.Linear(hidden, 2)

    def forward(self, x, t):
        temb = self.temb(t)
        h = self.inp(x)
        for block in self.blocks:
            h = block(h, temb)
        return self.out(h)


net = Denoiser()
ema = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.995))
opt = torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=1e-4)
sched = LambdaLR(opt, lambda s: min(1., (s + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * min(1., s / steps))))


@torch.no_grad()
def sample(model, n):
    x = torch.randn(n, 2)
    for i in reversed(range(T)):
        t = torch.full((n,), i)
        e = model(x, t)
        x = (x - betas[i] / (1 - abar[i]).sqrt() * e) / alphas[i].sqrt()
        if i > 0:
            x = x + betas[i].sqrt() * torch.randn_like(x)
    return x


def energy_distance(a, b):
    return (2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean()).item()


@torch.no_grad()
def heldout_loss(model):
    noise = val_noise
    return (model(q_sample(val_x, val_t, noise), val_t) - noise).pow(2).mean().item()


data = moons(8000)
val_x = moons(12000)
val_t = torch.randint(0, T, (12000,))
val_noise = torch.randn(12000, 2)

print(sum(p.numel() for p in net.parameters()), 'parameters')
avg = None
# WATCH(net, opt)
for it in range(steps):
    x0 = data[torch.randint(0, len(data), (batch,))]
    t = torch.randint(0, T, (batch,))
    noise = torch.randn_like(x0)
    loss = nn.functional.mse_loss(net(q_sample(x0, t, noise), t), noise)

    opt.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    opt.step()
    sched.step()
    ema.update_parameters(net)

    avg = loss.item() if avg is None else 0.98 * avg + 0.02 * loss.item()
    if (it + 1) % eval_every == 0:
        net.eval(); ema.eval()
        print(f'step {it + 1:5d} | train {avg:.4f} | held out {heldout_loss(net):.4f} | held out (ema) {heldout_loss(ema):.4f}')
        net.train(); ema.train()

ema.eval()
print(f'energy distance to held-out data: samples {energy_distance(sample(ema, 2000), val_x[:2000]):.4f}, '
      f'plain gaussian {energy_distance(torch.randn(2000, 2), val_x[:2000]):.4f}, fresh data {energy_distance(moons(2000), val_x[:2000]):.4f}')
print(f'RESULT {heldout_loss(ema):.4f} lower')
