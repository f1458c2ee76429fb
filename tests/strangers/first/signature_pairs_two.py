# verify signatures: are these two by the same hand?  pairs -> shared encoder -> same/different
# each "signature" is a pen trace, 2 x 48 (dx, dy per step)
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
from torch.utils.data import TensorDataset, DataLoader
torch.manual_seed(0); torch.set_num_threads(1)
rs = np.random.RandomState(0)

T, PER, HANDS = 48, 12, 120
u = np.linspace(0, 1, T)

def hand():  # the style of one person: a few harmonics
    return rs.randn(2, 4) / np.array([1, 1.3, 1.6, 2.]), rs.uniform(0, 2 * np.pi, (2, 4))

def sign(h):  # one signature of this person, never twice the same
    a, p = h
    a = a + .3 * rs.randn(*a.shape); p = p + .35 * rs.randn(*p.shape)
    k = np.arange(1, 5)[:, None]
    return np.stack([(a[c][:, None] * np.sin(2 * np.pi * k * u + p[c][:, None])).sum(0) for c in range(2)]) + .2 * rs.randn(2, T)

sigs = np.stack([[sign(h) for _ in range(PER)] for h in [hand() for _ in range(HANDS)]]).astype('float32')  # H,PER,2,T
sigs = sigs / sigs[:90].std()
tr, te = sigs[:90], sigs[90:]   # other people in the test

def pairs(s, n):
    """n pairs of the same hand, n pairs of two hands"""
    H = len(s)
    w = rs.randint(H, size=2 * n)                                 # left hand
    v = w.copy()
    v[n:] = (w[n:] + rs.randint(1, H, size=n)) % H                # the second half gets another right hand
    left = s[w, rs.randint(PER, size=2 * n)]
    right = s[v, rs.randint(PER, size=2 * n)]
    same = (w == v).astype('float32')
    return torch.tensor(np.stack([left, right], 1)), torch.tensor(same)   # (2n,2,2,T)

P, S = pairs(tr, 4000)
Pt, St = pairs(te, 500)
dl = DataLoader(TensorDataset(P, S), batch_size=64, shuffle=True)

class Verifier(nn.Module):
    def __init__(s, d=16):
        super().__init__()
        s.enc = nn.Sequential(nn.Conv1d(2, 12, 5, 2, 2), nn.ReLU(), nn.Conv1d(12, 24, 5, 2, 2), nn.ReLU(),
                              nn.Flatten(), nn.Linear(24 * T // 4, d))
        s.head = nn.Sequential(nn.Linear(2 * d, 32), nn.ReLU(), nn.Dropout(.2), nn.Linear(32, 1))
    def forward(s, p):
        a, b = s.enc(p[:, 0]), s.enc(p[:, 1])
        return s.head(torch.cat([(a - b).abs(), a * b], 1)).squeeze(1)

net = Verifier()
opt = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=3e-2)
# WATCH(net, opt)
for ep in range(4):
    net.train(); tot = 0
    for p, s in dl:
        l = F.binary_cross_entropy_with_logits(net(p), s)
        opt.zero_grad(); l.backward(); opt.step()
        tot += l.item()
    net.eval()
    with torch.no_grad(): o = net(Pt)
    print(ep, 'train %.3f  test %.3f  acc %.3f' % (tot / len(dl), F.binary_cross_entropy_with_logits(o, St), ((o > 0) == (St > .5)).float().mean()))

print('RESULT %.4f higher' % ((o > 0) == (St > .5)).float().mean())
