# clean up heartbeats measured with a cheap electrode
import numpy as np
import torch
from torch import nn

rs = np.random.RandomState(2024)
torch.manual_seed(2024)

L = 96           # samples per beat
ADC_GAIN = 400   # counts per millivolt

# --- synthetic beats: P, QRS, T as bumps -------------------------------------------------------
t = np.linspace(0, 1, L)
def bump(c, w, a):
    return a[:, None] * np.exp(-0.5 * ((t[None] - c[:, None]) / w[:, None]) ** 2)

N = 5000
shift = rs.uniform(-0.08, 0.08, N)
clean = (bump(0.25 + shift, rs.uniform(.02, .04, N), rs.uniform(.1, .25, N))
         - bump(0.42 + shift, rs.uniform(.010, .014, N), rs.uniform(.1, .3, N))
         + bump(0.46 + shift, rs.uniform(.012, .02, N), rs.uniform(.6, .95, N))
         - bump(0.50 + shift, rs.uniform(.010, .016, N), rs.uniform(.1, .4, N))
         + bump(0.72 + shift * 1.3, rs.uniform(.04, .07, N), rs.uniform(.15, .35, N)))

# --- what the electrode sees: hum, wander, hiss; then the converter counts ----------------------
hum = 0.12 * np.sin(2 * np.pi * (9.5 * t[None] + rs.rand(N, 1)))
wander = rs.uniform(-.15, .15, (N, 1)) * t[None] + rs.uniform(-.1, .1, (N, 1))
measured = clean + hum + wander + 0.10 * rs.randn(N, L)
counts = (measured * ADC_GAIN).astype(np.int16)

X = torch.tensor(counts / ADC_GAIN, dtype=torch.float32)
Y = torch.tensor(clean, dtype=torch.float32)
m, s = X[:4000].mean(), X[:4000].std()
X = (X - m) / (s + 1e-8)
Y = (Y - m) / 0.2
Xtr, Ytr, Xva, Yva, Xte, Yte = X[:4000], Y[:4000], X[4000:4500], Y[4000:4500], X[4500:], Y[4500:]

# --- network -----------------------------------------------------------------------------------
class Block(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.norm = nn.LayerNorm(d)
        self.lin = nn.Linear(d, d)

    def forward(self, h):
        return h + torch.tanh(self.lin(self.norm(h)))

WIDTH, DEPTH = 96, 10
cleaner = nn.Sequential(nn.Linear(L, WIDTH), *[Block(WIDTH) for _ in range(DEPTH)], nn.Dropout(0.05), nn.Linear(WIDTH, L))
optimizer = torch.optim.AdamW(cleaner.parameters(), lr=1e-3, weight_decay=1e-2)
mse = nn.MSELoss()

EPOCHS, BS = 25, 100
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=EPOCHS * len(Xtr) // BS)

# WATCH(cleaner, optimizer)
for ep in range(EPOCHS):
    cleaner.train()
    tot = 0.
    for idx in torch.randperm(len(Xtr)).split(BS):
        optimizer.zero_grad()
        loss = mse(cleaner(Xtr[idx]), Ytr[idx])
        loss.backward()
        optimizer.step()
        scheduler.step()
        tot += loss.item() * len(idx) / len(Xtr)
    cleaner.eval()
    with torch.no_grad():
        va = mse(cleaner(Xva), Yva).item()
    print('%2d  train %.4f  val %.4f' % (ep, tot, va))

with torch.no_grad():
    err = (cleaner(Xte) - Yte) * 0.2
rms_uv = 1000 * err.pow(2).mean().sqrt().item()
print('rms error on unseen beats: %.1f microvolt' % rms_uv)
print('RESULT %.3f lower' % rms_uv)
