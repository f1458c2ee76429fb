import math, random
import torch, torch.nn as nn, torch.nn.functional as F

# is a metro station crowded? depends on the demand of the stations around it. 1 graph = 1 city
torch.manual_seed(5); random.seed(5)

def city():
    n = random.randint(14, 30)
    e = [(i, random.randrange(max(0, i - 3), i)) for i in range(1, n)]
    e += [tuple(random.sample(range(n), 2)) for _ in range(n // 4)]
    e = torch.tensor(e + [(b, a) for a, b in e]).t()
    x = torch.randn(n, 4)                     # demand, shops, depth, age (standardised)
    deg = torch.bincount(e[0], minlength=n).float().clamp(min=1)[:, None]
    mean = lambda v: torch.zeros_like(v).index_add(0, e[0], v[e[1]]) / deg
    d = x[:, :1] + 0.5 * x[:, 1:2]
    flow = 0.6 * d + 1.0 * mean(d) + 0.9 * mean(mean(d)) - 0.4 * x[:, 2:3]
    y = (flow + 0.2 * torch.randn(n, 1) > 0).float()
    return x, e, y

cities = [city() for _ in range(450)]
train, test = cities[:350], cities[350:]

def glue(gs):                                 # disjoint union
    off, xs, es, ys = 0, [], [], []
    for x, e, y in gs:
        xs.append(x); es.append(e + off); ys.append(y); off += len(x)
    return torch.cat(xs), torch.cat(es, 1), torch.cat(ys)

class Conv(nn.Module):
    def __init__(s, d):
        super().__init__()
        s.own, s.nb = nn.Linear(d, d), nn.Linear(d, d, bias=False)
        for w in (s.own.weight, s.nb.weight): nn.init.kaiming_normal_(w, nonlinearity='relu'); w.data.mul_(.5)
        nn.init.zeros_(s.own.bias)
    def forward(s, h, e):
        deg = torch.bincount(e[0], minlength=len(h)).clamp(min=1).unsqueeze(1)
        m = torch.zeros_like(h).index_add(0, e[0], h[e[1]]) / deg
        return s.own(h) + s.nb(m)

class Net(nn.Module):
    def __init__(s, d=32, L=6, p=.15):
        super().__init__()
        s.inp, s.convs, s.out, s.p = nn.Linear(4, d), nn.ModuleList(Conv(d) for _ in range(L)), nn.Linear(d, 1), p
    def forward(s, x, e):
        h = s.inp(x)
        for c in s.convs:
            h = h + torch.relu(c(h, e))
        h = F.dropout(h, s.p, training=s.training)
        return s.out(F.layer_norm(h, h.shape[-1:]))

net = Net()
micro, accum, epochs = 5, 7, 12              # 35 cities per update, 10 updates per epoch
opt = torch.optim.SGD(net.parameters(), lr=.1, momentum=.9, weight_decay=1e-4)
sched = torch.optim.lr_scheduler.ExponentialLR(opt, .85)
# WATCH(net, opt)
for ep in range(epochs):
    net.train(); random.shuffle(train); run = 0.
    for k in range(0, len(train), micro * accum):
        window = train[k:k + micro * accum]
        stations = sum(len(x) for x, _, _ in window)
        opt.zero_grad()
        for j in range(0, len(window), micro):
            x, e, y = glue(window[j:j + micro])
            loss = F.binary_cross_entropy_with_logits(net(x, e), y, reduction='sum')
            (loss / stations).backward()      # mean over all stations of the window
            run += loss.item()
        opt.step()
    sched.step()
    print(ep, round(run, 1))

net.eval()
with torch.no_grad():
    x, e, y = glue(test)
    p = net(x, e)
    print('acc', ((p > 0).float() == y).float().mean().item())
    print('RESULT %.4f lower' % F.binary_cross_entropy_with_logits(p, y).item())
