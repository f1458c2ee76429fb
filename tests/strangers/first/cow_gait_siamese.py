"""Who walks there?  Metric learning on collar accelerometers.

A network maps 2 s of gait to a point on the sphere; the same cow must land close to itself.
The cows of the test are not those of the training (open set): we report recall@1.
"""
import math
import random

import torch
import torch.nn as nn
import torch.nn.functional as F

SEED = 99
torch.manual_seed(SEED); random.seed(SEED); torch.set_num_threads(1)

AXES, STEPS = 3, 100
N_TRAIN_COWS, N_TEST_COWS, WALKS = 60, 30, 24


def record(n_cows, walks):
    """(cow, walk, axis, time).  A cow has its pace and its strength of harmonics on each axis."""
    t = torch.arange(STEPS) / 50.0
    pace = 1.4 + 1.0 * torch.rand(n_cows, 1, 1, 1, 1)
    strength = torch.rand(n_cows, 1, AXES, 4, 1) * torch.tensor([1.0, 0.9, 0.8, 0.7]).view(4, 1)
    harmonic = torch.arange(1, 5).view(4, 1).float()
    jitter = 1 + 0.03 * torch.randn(n_cows, walks, 1, 1, 1)
    phase = 2 * math.pi * torch.rand(n_cows, walks, AXES, 4, 1)
    wave = (strength * torch.sin(2 * math.pi * harmonic * pace * jitter * t + phase)).sum(3)
    return wave + 0.45 * torch.randn(n_cows, walks, AXES, STEPS)


class GaitEncoder(nn.Module):
    def __init__(self, dim=16, ch=24):
        super().__init__()
        self.conv1 = nn.Conv1d(AXES, ch, 15, stride=2, padding=7)
        self.conv2 = nn.Conv1d(ch, ch, 9, stride=2, padding=4)
        self.conv3 = nn.Conv1d(ch, 2 * ch, 5, stride=2, padding=2)
        self.act = nn.LeakyReLU(0.1)
        self.pool = nn.AdaptiveAvgPool1d(1)
        self.proj = nn.Linear(2 * ch, dim)

    def forward(self, x):
        x = self.act(self.conv1(x))
        x = self.act(self.conv2(x))
        x = self.act(self.conv3(x))
        x = self.pool(x).flatten(1)
        return F.normalize(self.proj(x), dim=1)


class TripletSampler:
    def __init__(self, data, batch):
        self.data, self.batch = data, batch

    def __call__(self):
        cows, walks = self.data.shape[:2]
        same = torch.randint(cows, (self.batch,))
        other = (same + torch.randint(1, cows, (self.batch,))) % cows
        w1 = torch.randint(walks, (self.batch,))
        w2 = (w1 + torch.randint(1, walks, (self.batch,))) % walks
        w3 = torch.randint(walks, (self.batch,))
        return self.data[same, w1], self.data[same, w2], self.data[other, w3]


@torch.no_grad()
def recall_at_1(net, data):
    net.eval()
    cows, walks = data.shape[:2]
    z = net(data.flatten(0, 1))
    owner = torch.arange(cows).repeat_interleave(walks)
    d = torch.cdist(z, z)
    d.fill_diagonal_(float("inf"))
    return (owner[d.argmin(1)] == owner).float().mean().item()


train, test = record(N_TRAIN_COWS, WALKS), record(N_TEST_COWS, WALKS)
mean, std = train.mean((0, 1, 3), keepdim=True), train.std((0, 1, 3), keepdim=True)
train, test = (train - mean) / std, (test - mean) / std
fit, dev = train[:48], train[48:]

net = GaitEncoder()
optim = torch.optim.Adam(net.parameters(), lr=1.5e-3)
criterion = nn.TripletMarginLoss(margin=0.4)
sampler = TripletSampler(fit, batch=64)
print(f"untrained recall@1 on dev cows {recall_at_1(net, dev):.3f}")

# WATCH(net, optim)
avg = 0.0
for it in range(1, 361):
    net.train()
    anchor, positive, negative = sampler()
    za, zp, zn = net(anchor), net(positive), net(negative)
    loss = criterion(za, zp, zn)
    optim.zero_grad()
    loss.backward()
    optim.step()
    avg += loss.item() / 60
    if it == 240:
        for g in optim.param_groups:
            g["lr"] *= 0.3
    if it % 60 == 0:
        print(f"{it:4d}  triplet loss {avg:.4f}  recall@1 on dev cows {recall_at_1(net, dev):.3f}")
        avg = 0.0

print(f"RESULT {recall_at_1(net, test):.4f} higher")
