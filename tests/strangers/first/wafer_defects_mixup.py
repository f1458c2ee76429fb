# wafer maps -> kind of defect, a plain MLP with mixup (alpha 0.2). quick script, no functions where I can avoid them
import numpy as np, torch
from torch import nn

torch.manual_seed(1); rs = np.random.RandomState(1)
names = ['none', 'centre', 'ring', 'edge', 'scratch', 'half']
S = 18; N = 3600
yy, xx = np.mgrid[:S, :S] - (S - 1) / 2
rad = np.hypot(xx, yy)
disc = rad < S / 2

# --- make the maps: 1 = die failed
maps = np.zeros((N, S, S), np.float32); kind = rs.randint(6, size=N)
for i, k in enumerate(kind):
    p = np.full((S, S), rs.uniform(.03, .12))
    th = rs.uniform(0, 2 * np.pi); along = xx * np.cos(th) + yy * np.sin(th); across = -xx * np.sin(th) + yy * np.cos(th)
    hot = rs.uniform(.5, .85)
    if names[k] == 'centre': p[np.hypot(xx - rs.uniform(-1.5, 1.5), yy - rs.uniform(-1.5, 1.5)) < rs.uniform(2.5, 4)] = hot
    if names[k] == 'ring': r0 = rs.uniform(4, 5.5); p[np.abs(rad - r0) < 1.2] = hot
    if names[k] == 'edge': p[(rad > 7) & (along > rs.uniform(-4, 4))] = hot
    if names[k] == 'scratch': p[(np.abs(across - rs.uniform(-3, 3)) < 1.1) & (np.abs(along) < 7)] = hot
    if names[k] == 'half': p[across > rs.uniform(-1, 3)] = hot * .6
    maps[i] = (rs.rand(S, S) < p) & disc
X = torch.tensor(maps[:, disc]); Y = torch.tensor(kind, dtype=torch.long)
m, s = X[:2700].mean(), X[:2700].std()
X = (X - m) / s
Xtr, Ytr, Xte, Yte = X[:2700], Y[:2700], X[2700:], Y[2700:]

net = nn.Sequential(
    nn.Linear(X.shape[1], 192), nn.ReLU(),
    nn.Linear(192, 96), nn.ReLU(),
    nn.Linear(96, 6), nn.LogSoftmax(dim=1))
nll = nn.NLLLoss()
opt = torch.optim.Adam(net.parameters(), lr=1e-3, weight_decay=1e-4)
EPOCHS, B = 24, 60
sch = torch.optim.lr_scheduler.OneCycleLR(opt, 3e-3, total_steps=EPOCHS * (len(Xtr) // B))

# WATCH(net, opt)
for ep in range(EPOCHS):
    net.train(); perm = torch.randperm(len(Xtr)); tot = 0.
    for b in range(0, len(Xtr), B):
        xb, yb = Xtr[perm[b:b + B]], Ytr[perm[b:b + B]]
        lam = rs.beta(.2, .2); mate = torch.randperm(len(xb))
        out = net(lam * xb + (1 - lam) * xb[mate])
        loss = lam * nll(out, yb) + (1 - lam) * nll(out, yb[mate])
        opt.zero_grad(); loss.backward(); opt.step(); sch.step()
        tot += loss.item() * len(xb)
    if ep % 3 == 2:
        net.eval()
        with torch.no_grad(): o = net(Xte)
        acc = (o.argmax(1) == Yte).float().mean().item()
        print('ep %2d  mixup loss %.4f  test nll %.4f  acc %.4f' % (ep + 1, tot / len(Xtr), nll(o, Yte).item(), acc))

conf = np.zeros((6, 6), int); np.add.at(conf, (Yte.numpy(), o.argmax(1).numpy()), 1)
print(conf)
print('RESULT %.4f higher' % acc)
