# plankton trait tags, 8 labels, metric = mean column-wise logloss
import numpy as np, torch, torch.nn as nn
torch.set_num_threads(1)
SEED, BS, EP, LR, H = 2024, 128, 12, 0.1, 192
rs = np.random.RandomState(SEED); torch.manual_seed(SEED)

N, D, K = 24000, 60, 8
Z = rs.randn(N, 6)                                                   # hidden traits
X = np.tanh(Z @ rs.randn(6, D) * 0.5) + 0.35 * rs.randn(N, D)
X = X * np.exp(rs.randn(D)) + 3 * rs.randn(D)
W1, W2 = rs.randn(6, 24), rs.randn(24, K)
S = np.maximum(Z @ W1, 0) @ W2; S = (S - S.mean(0)) / S.std(0)
Y = (rs.rand(N, K) < 1 / (1 + np.exp(-(3.5 * S - 0.8)))).astype('float32')

lo, hi = X.min(0), X.max(0)
X = ((X - lo) / (hi - lo)).astype('float32')                         # minmax
X = torch.from_numpy(X).float() * 4 - 2; Y = torch.from_numpy(Y)
ix = rs.permutation(N); tr, va = ix[:20000], ix[20000:]

class Net(nn.Module):
    def __init__(s, h=H, p=0.2):
        super().__init__()
        s.inp = nn.Sequential(nn.Linear(D, h), nn.ReLU(), nn.Dropout(p))
        s.mid = nn.Sequential(nn.Linear(h, h), nn.ReLU(), nn.Dropout(p))
        s.out = nn.Linear(h, K)
    def forward(s, x): return s.out(s.mid(s.inp(x)))

net = Net(); opt = torch.optim.SGD(net.parameters(), lr=LR, momentum=0.9, weight_decay=1e-4)
# WATCH(net, opt)
crit = nn.BCEWithLogitsLoss()
sch = torch.optim.lr_scheduler.CosineAnnealingLR(opt, EP)
for ep in range(EP):
    net.train(); tot = 0; rs.shuffle(tr)
    for b in np.array_split(tr, len(tr) // BS):
        l = crit(net(X[b]), Y[b]); opt.zero_grad(); l.backward(); opt.step(); tot += l.item() * len(b)
    sch.step(); net.eval()
    with torch.no_grad(): vl = crit(net(X[va]), Y[va]).item()
    print(ep, round(tot / len(tr), 4), round(vl, 4))
print('RESULT', round(vl, 5), 'lower')
