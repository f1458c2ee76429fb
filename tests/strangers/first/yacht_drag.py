"""
Kernel-style notebook: towing-tank resistance of sailing hulls (tabular regression, 5 folds, blend).

Columns: prismatic coefficient, length/displacement, beam/draught, length/beam, Froude number,
displacement in kg, hull coating (categorical, 4 kinds).  Target: drag in newtons (spans ~ 20-5000).
Out-of-fold R2 of the five networks, in newtons.

RESULT oof_r2 higher
"""
# %% ---------------------------------------------------------------- imports
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold

SEED, FOLDS, EPOCHS, BS = 77, 5, 16, 64
torch.manual_seed(SEED)
rs = np.random.RandomState(SEED)

# %% ---------------------------------------------------------------- the tank
n = 1500
cp = rs.uniform(.53, .60, n)
ld = rs.uniform(4.3, 5.2, n)
bd = rs.uniform(2.8, 5.4, n)
lb = rs.uniform(2.7, 3.7, n)
fr = rs.uniform(.12, .48, n)
disp = rs.lognormal(np.log(6000), .35, n)
coat = rs.randint(0, 4, n)
rough = np.array([.85, 1., 1.15, 1.5])[coat]

hump = np.exp(-.5 * ((fr - .31) / .03) ** 2)
friction = 900 * rough * fr ** 1.85 * (1 + .12 * (bd - 4))
wave = 9000 * np.maximum(fr - .2, 0) ** 2.4 * (5 / ld) ** 3 * (1 + 12 * (cp - .56)) + 120 * hump * (3.2 / lb)
drag = (friction + wave) * (disp / 6000) ** .8 * np.exp(rs.normal(0, .04, n))

num = np.stack([cp, ld, bd, lb, fr, disp], 1).astype('float32')
cat = coat.astype('int64')
y = drag.astype('float32')
print('drag', y.min().round(), np.median(y).round(), y.max().round())


# %% ---------------------------------------------------------------- model
class HullNet(nn.Module):
    def __init__(self, k=6, hid=96):
        super().__init__()
        self.emb = nn.Embedding(4, 3)
        self.inp = nn.Linear(k + 3, hid)
        self.b1 = nn.Linear(hid, hid)
        self.b2 = nn.Linear(hid, hid)
        self.out = nn.Linear(hid, 1)

    def forward(self, xn, xc):
        h = F.silu(self.inp(torch.cat([xn, self.emb(xc)], 1)))
        h = h + F.silu(self.b1(h))
        h = h + F.silu(self.b2(h))
        return self.out(h).squeeze(1)


def batches(idx, shuffle):
    idx = np.random.permutation(idx) if shuffle else idx
    for s in range(0, len(idx), BS):
        yield idx[s:s + BS]


# %% ---------------------------------------------------------------- folds
np.random.seed(SEED)
oof = np.zeros(n, 'float32')
for fold, (tr, va) in enumerate(KFold(FOLDS, shuffle=True, random_state=SEED).split(num)):
    mu, sd = num[tr].mean(0), num[tr].std(0)
    Xn = torch.tensor((num - mu) / sd)
    Xc = torch.tensor(cat)
    ym, ys = float(y[tr].mean()), float(y[tr].std())
    Y = torch.tensor((y - ym) / ys)

    net = HullNet()
    opt = torch.optim.Adam(net.parameters(), lr=3e-3)
    sched = torch.optim.lr_scheduler.ExponentialLR(opt, gamma=.85)
    # WATCH(net, opt)

    for ep in range(EPOCHS):
        net.train()
        for b in batches(tr, True):
            loss = F.mse_loss(net(Xn[b], Xc[b]), Y[b])
            opt.zero_grad()
            loss.backward()
            opt.step()
        sched.step()

    net.eval()
    with torch.no_grad():
        for b in batches(va, False):
            oof[b] = net(Xn[b], Xc[b]).numpy() * ys + ym
    print(f'fold {fold}: r2 {r2_score(y[va], oof[va]):.4f}  rmse {np.sqrt(np.mean((y[va] - oof[va]) ** 2)):.1f} N')

# %% ---------------------------------------------------------------- score
print(f'mean abs. error {100 * np.mean(np.abs(oof - y) / y):.1f} %')
print(f'RESULT oof_r2 {r2_score(y, oof):.4f}')
