# Hi all, first post here :) I teach a (simulated) parrot feeder to understand 8 commands.
# Everything in one file so that you can just paste and run it.
import math, random
import numpy as np
import torch, torch.nn as nn

random.seed(3); np.random.seed(3); torch.manual_seed(3)

SR = 4000
LEN = 3200            # 0.8 s, shorter recordings get padded with silence
VOWELS = {'a': (730, 1090), 'i': (270, 1700), 'u': (300, 870), 'o': (500, 800)}
WORDS = ['ai', 'ia', 'ou', 'uo', 'aoa', 'iui', 'uai', 'oia']

def say(word):
    '''returns a waveform, numpy float32, not padded'''
    f0 = np.random.uniform(90, 160)
    speed = np.random.uniform(0.10, 0.17)
    shift = np.random.uniform(0.92, 1.08)
    out = []
    for ch in word:
        n = int(SR * speed * np.random.uniform(.85, 1.15))
        t = np.arange(n) / SR
        w = np.zeros(n)
        for k in range(1, 14):
            f = k * f0
            a = sum(math.exp(-((f - F * shift) / 110.) ** 2) for F in VOWELS[ch])
            w += (a + 0.02) * np.sin(2 * np.pi * f * t + np.random.uniform(0, 6.28))
        out.append(w * np.hanning(n) ** .3)
    w = np.concatenate(out)
    return (w / np.abs(w).max() * np.random.uniform(.3, 1.) + np.random.randn(len(w)) * .15).astype(np.float32)

def record(n):
    waves, labels = [], []
    for i in range(n):
        k = np.random.randint(len(WORDS))
        waves.append(say(WORDS[k])); labels.append(k)
    return waves, labels

def pad(waves):
    X = torch.zeros(len(waves), LEN)
    for i, w in enumerate(waves):
        w = w[:LEN]
        X[i, :len(w)] = torch.from_numpy(w)
    return X

win = torch.hann_window(128)
def features(X):
    S = torch.stft(X, 128, hop_length=64, window=win, return_complex=True, center=False).abs() ** 2
    L = torch.log(S + 1e-4)
    return (L - L.mean((1, 2), keepdim=True)) / L.std((1, 2), keepdim=True)   # (B, 65, T)

waves, labels = record(1200)
# longest first, so that I can look at the longest ones while debugging
order = sorted(range(len(waves)), key=lambda i: -len(waves[i]))
waves = [waves[i] for i in order]
labels = [labels[i] for i in order]
Xtr, ytr = features(pad(waves)), torch.tensor(labels)
waves, labels = record(400)
Xte, yte = features(pad(waves)), torch.tensor(labels)
print('features', Xtr.shape)

class Ear(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv1d(65, 32, 5, padding=2), nn.BatchNorm1d(32), nn.ReLU(),
            nn.Conv1d(32, 32, 3, padding=1, stride=2), nn.BatchNorm1d(32), nn.ReLU())
        self.gru = nn.GRU(32, 32, batch_first=True)
        self.score = nn.Linear(32, 1)
        self.out = nn.Linear(32, len(WORDS))
    def forward(self, x):
        h, _ = self.gru(self.conv(x).transpose(1, 2))        # B,T,32
        a = torch.softmax(self.score(h), dim=1)
        return self.out((a * h).sum(1))

net = Ear()
opt = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 10)
lossf = nn.CrossEntropyLoss()

def accuracy():
    net.eval()
    with torch.no_grad():
        return (net(Xte).argmax(1) == yte).float().mean().item()

# WATCH(net, opt)
for ep in range(10):
    net.train()
    perm = torch.randperm(len(Xtr))
    tot = 0
    for i in range(0, len(perm), 32):
        b = perm[i:i+32]
        opt.zero_grad()
        l = lossf(net(Xtr[b]), ytr[b])
        l.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.)
        opt.step()
        tot += l.item() * len(b)
    sched.step()
    print('ep', ep, 'loss %.3f' % (tot / len(Xtr)), 'test acc %.3f' % accuracy())

print('RESULT %.4f higher' % accuracy())
