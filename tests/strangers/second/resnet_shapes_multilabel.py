"""
Multi-label: an image can contain a disc, a box, a cross and/or a bar (any combination).
Minimal runnable example with generated pictures, residual net written by me.
"""
import numpy as np
import torch
from torch import nn

np.random.seed(7)
torch.manual_seed(7)

NAMES = ["disc", "box", "cross", "bar"]
S = 24


def draw(labels):
    im = np.random.randn(S, S) * 0.15
    yy, xx = np.mgrid[:S, :S]
    for k in range(4):
        if not labels[k]:
            continue
        r = np.random.randint(3, 5)
        cy, cx = np.random.randint(5, S - 5, size=2)
        val = np.random.uniform(0.8, 1.2)
        if k == 0:
            im[(yy - cy) ** 2 + (xx - cx) ** 2 <= r * r] += val
        elif k == 1:
            d = np.maximum(abs(yy - cy), abs(xx - cx))
            im[d == r] += val
        elif k == 2:
            inside = (abs(yy - cy) <= r) & (abs(xx - cx) <= r)
            im[inside & (abs(yy - cy) == abs(xx - cx))] += val
        else:
            im[cy, max(0, cx - 2 * r):cx + 2 * r] += val
    return im


def make(n):
    Y = (np.random.rand(n, 4) < 0.4).astype("float32")
    X = np.stack([draw(t) for t in Y]).astype("float32")[:, None]
    return torch.from_numpy(X), torch.from_numpy(Y)


X, Y = make(1280)
Xval, Yval = make(400)
order = torch.randperm(len(X))
X, Y = X[order], Y[order]
mean, std = X.mean(), X.std()
X, Xval = (X - mean) / std, (Xval - mean) / std


class ResBlock(nn.Module):
    def __init__(self, cin, cout, stride=1):
        super().__init__()
        self.c1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.b1 = nn.BatchNorm2d(cout)
        self.c2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.b2 = nn.BatchNorm2d(cout)
        self.skip = nn.Identity() if stride == 1 and cin == cout else nn.Conv2d(cin, cout, 1, stride, bias=False)

    def forward(self, x):
        h = torch.relu(self.b1(self.c1(x)))
        h = self.b2(self.c2(h))
        return torch.relu(h + self.skip(x))


resnet = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
    ResBlock(16, 16), ResBlock(16, 32, 2), ResBlock(32, 32, 2),
    nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(32, 4))

bs = 32
crit = nn.BCEWithLogitsLoss()
opt = torch.optim.Adam(resnet.parameters(), lr=2e-3)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=3 * len(X) // bs)


def f1_scores():
    resnet.eval()
    with torch.no_grad():
        logits = resnet(Xval)
        vloss = crit(logits, Yval).item()
        pred = (torch.sigmoid(logits) > 0.5).float()
    resnet.train()
    tp = (pred * Yval).sum(0)
    return vloss, 2 * tp / (pred.sum(0) + Yval.sum(0) + 1e-9)


# WATCH(resnet, opt)
for ep in range(3):
    perm = torch.randperm(len(X))
    tot = 0
    for b in range(0, len(X), bs):
        idx = perm[b:b + bs]
        opt.zero_grad()
        loss = crit(resnet(X[idx]), Y[idx])
        loss.backward()
        opt.step()
        sched.step()
        tot += loss.item() * len(idx)
    vl, f1 = f1_scores()
    print("epoch", ep, "loss", round(tot / len(X), 4), "val", round(vl, 4),
          {n: round(v.item(), 3) for n, v in zip(NAMES, f1)})

print("macro F1 on validation:", f1.mean().item())
print("RESULT", round(f1.mean().item(), 4), "higher")
