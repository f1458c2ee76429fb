import torch
from torch import nn

# -- config ---------------------------------------------------------------
cfg = dict(clouds=1500, held_out=400, points=64, micro=10, accumulate=3, epochs=9, lr=0.04, seed=42)
NAMES = ["ball", "brick", "disc", "cone", "ring"]


# -- data -----------------------------------------------------------------
def surface(kind, n, gen):
    u, v = torch.rand(n, generator=gen), torch.rand(n, generator=gen)
    a = 2 * torch.pi * u
    if kind == 0:
        z = 2 * v - 1
        r = (1 - z ** 2).sqrt()
        return torch.stack([r * a.cos(), r * a.sin(), z], 1)
    if kind == 1:
        p = torch.rand(n, 3, generator=gen) * 2 - 1
        side = torch.randint(3, (n,), generator=gen)
        p[torch.arange(n), side] = p[torch.arange(n), side].sign()
        return p * torch.tensor([1., .8, .8])
    if kind == 2:
        r = v.sqrt()
        z = (torch.rand(n, generator=gen) > .5).float() * .8 - .4
        return torch.stack([r * a.cos(), r * a.sin(), z], 1)
    if kind == 3:
        return torch.stack([v.sqrt() * a.cos(), v.sqrt() * a.sin(), 1.2 - 2 * v.sqrt()], 1)
    b = 2 * torch.pi * v
    r = .75 + .3 * b.cos()
    return torch.stack([r * a.cos(), r * a.sin(), .3 * b.sin()], 1)


def pebbles(count, n, seed):
    gen = torch.Generator().manual_seed(seed)
    clouds, kinds, weights = [], [], []
    for _ in range(count):
        k = int(torch.randint(5, (1,), generator=gen))
        p = surface(k, n, gen)
        t = 2 * torch.pi * torch.rand((), generator=gen)             # turned about the vertical as it likes
        q = torch.tensor([[t.cos(), t.sin(), 0], [-t.sin(), t.cos(), 0], [0, 0, 1]])
        stretch = 1 + .12 * torch.randn(3, generator=gen).clamp(-2, 2)
        size = .5 + 2 * torch.rand(1, generator=gen)
        p = (p * stretch) @ q * size + .04 * size * torch.randn(n, 3, generator=gen)
        clouds.append(p + 3 * torch.randn(1, 3, generator=gen))
        kinds.append(k)
        weights.append(3 * size.log() + stretch.log().sum())
    return torch.stack(clouds), torch.tensor(kinds), torch.cat(weights)


def prepare(clouds):
    """centre every pebble; its size goes along as an extra channel"""
    centred = clouds - clouds.mean(dim=1, keepdim=True)
    radius = centred.norm(dim=2, keepdim=True)
    size = radius.mean(dim=1, keepdim=True)
    return torch.cat([centred / size, radius / size, size.log().expand(-1, clouds.shape[1], -1)], dim=2)


# -- model ----------------------------------------------------------------
class PebbleNet(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.point = nn.Sequential(nn.Linear(5, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
                                   nn.Linear(width, width))
        self.body = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU())
        self.kind = nn.Linear(width, len(NAMES))
        self.weight = nn.Linear(width, 1)
        self.apply(self.init)

    @staticmethod
    def init(m):
        if isinstance(m, nn.Linear):
            nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
            nn.init.zeros_(m.bias)

    def forward(self, x):
        h = self.point(x)
        h = self.body(torch.cat([h.mean(1), h.amax(1)], dim=1))
        return self.kind(h), self.weight(h).squeeze(1)


# -- training -------------------------------------------------------------
def learning(train, net, sgd):
    x, kind, weight = train
    ce, mse = nn.CrossEntropyLoss(), nn.MSELoss()
    k = cfg["accumulate"]
    # WATCH(net, sgd)
    for epoch in range(cfg["epochs"]):
        net.train()
        seen, right = 0, 0
        sgd.zero_grad()
        for i, idx in enumerate(torch.randperm(len(x)).split(cfg["micro"])):
            out_kind, out_weight = net(x[idx])
            loss = ce(out_kind, kind[idx]) + 0.3 * mse(out_weight, weight[idx])
            (loss / k).backward()
            if (i + 1) % k == 0:
                sgd.step()
                sgd.zero_grad()
            seen += len(idx)
            right += (out_kind.argmax(1) == kind[idx]).sum().item()
        print(f"epoch {epoch}: {right / seen:.3f} of the pebbles named in training")


def named(net, test):
    x, kind, _ = test
    net.eval()
    with torch.no_grad():
        return (net(x)[0].argmax(1) == kind).float().mean().item()


torch.manual_seed(cfg["seed"])
clouds, kind, weight = pebbles(cfg["clouds"], cfg["points"], cfg["seed"])
mu, sd = weight.mean(), weight.std()
train = prepare(clouds), kind, (weight - mu) / sd
clouds, kind, weight = pebbles(cfg["held_out"], cfg["points"], cfg["seed"] + 1)
test = prepare(clouds), kind, (weight - mu) / sd

net = PebbleNet()
sgd = torch.optim.SGD(net.parameters(), lr=cfg["lr"], momentum=0.9)
learning(train, net, sgd)
print(f"RESULT {named(net, test):.4f} higher")
