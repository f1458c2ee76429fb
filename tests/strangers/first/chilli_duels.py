# which of two chillies is hotter?  tasters only compare, they give no marks.  score net + bradley-terry.
import torch, torch.nn as nn, torch.nn.functional as F

torch.manual_seed(5); torch.set_num_threads(1)
ITEMS, D, DUELS = 640, 16, 2500
width, depth, act, drop = 32, 2, nn.ReLU, 0.1
lr, wd, epochs, bs = 2e-3, 1e-2, 20, 64

# lab values of each chilli, and the heat nobody sees
z = torch.randn(ITEMS, 6)
lab = z @ torch.randn(6, D) + 0.5 * torch.randn(ITEMS, D)
heat = 1.6 * z[:, 0] + 1.2 * torch.tanh(2 * z[:, 1]) + 1.2 * z[:, 2] * z[:, 3]
lab = 40 + 9 * lab

def duels(lo, hi, n):
    a, b = torch.randint(lo, hi, (2, n))
    a, b = a[a != b], b[a != b]
    p = torch.sigmoid(1.0 * (heat[a] - heat[b]))
    return a, b, torch.bernoulli(p)                     # 1: a was hotter

cut = 500                                               # chillies of the validation never were in a training duel
ta, tb, ty = duels(0, cut, DUELS)
va, vb, vy = duels(cut, ITEMS, 1500)
lab = (lab - lab[:cut].mean(0)) / lab[:cut].std(0)

layers, n = [], D
for _ in range(depth):
    layers += [nn.Linear(n, width), act(), nn.Dropout(drop)]
    n = width
model = nn.Sequential(*layers, nn.Linear(n, 1), nn.Flatten(0))
opt = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=wd)
# WATCH(model, opt)

for ep in range(epochs):
    model.train(); tot = 0.
    for i in torch.randperm(len(ty)).split(bs):
        margin = model(lab[ta[i]]) - model(lab[tb[i]])
        loss = F.binary_cross_entropy_with_logits(margin, ty[i])
        opt.zero_grad(); loss.backward(); opt.step()
        tot += loss.item() * len(i)
    model.eval()
    with torch.no_grad():
        s = model(lab)
        m = s[va] - s[vb]
        vloss = F.binary_cross_entropy_with_logits(m, vy).item()
        vacc = ((m > 0).float() == vy).float().mean().item()
    print(f'{ep:3d} train {tot / len(ty):.4f} val {vloss:.4f} acc {vacc:.3f}')

print(f'RESULT {vloss:.4f} lower')
