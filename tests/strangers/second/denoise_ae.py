# Assignment 3, part 2: denoising autoencoder
# (fully convolutional, handwritten digits, additive gaussian noise)
import math

import numpy as np
import torch
from torch import nn, optim
from sklearn.datasets import load_digits

torch.manual_seed(0)
np.random.seed(0)
torch.set_num_threads(1)

NOISE = 0.3
BATCH_SIZE = 100
NUM_EPOCHS = 18

# ---------------------------------------------------------------- data
X = torch.from_numpy(load_digits().images).float().div(16.0).unsqueeze(1)   # N,1,8,8 in [0,1]
perm = torch.randperm(len(X))
X = X[perm]
X_train, X_test = X[:1500], X[1500:]
# the same noisy test images at each evaluation, so the numbers can be compared
X_test_noisy = X_test + NOISE * torch.randn(X_test.shape, generator=torch.Generator().manual_seed(7))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.LeakyReLU(0.1),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),   # 4x4
            nn.BatchNorm2d(32),
            nn.LeakyReLU(0.1),
            nn.Conv2d(32, 32, 3, stride=2, padding=1),   # 2x2
            nn.BatchNorm2d(32),
            nn.LeakyReLU(0.1),
            nn.Flatten(),
            nn.Linear(32 * 4, 32),
        )

    def forward(self, x):
        return self.net(x)


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(32, 32 * 4)
        self.net = nn.Sequential(
            nn.LeakyReLU(0.1),
            nn.ConvTranspose2d(32, 32, 4, stride=2, padding=1),   # 4x4
            nn.BatchNorm2d(32),
            nn.LeakyReLU(0.1),
            nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1),   # 8x8
            nn.BatchNorm2d(16),
            nn.LeakyReLU(0.1),
            nn.Conv2d(16, 1, 3, padding=1),
            nn.Sigmoid(),
        )

    def forward(self, z):
        return self.net(self.fc(z).view(-1, 32, 2, 2))


class AutoEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()

    def forward(self, x):
        return self.decoder(self.encoder(x))


def psnr(a, b):
    return -10 * math.log10(((a - b) ** 2).mean().item())


def make_train_step(net, opt, criterion):
    """returns a function which does one step on a clean batch"""
    def step(clean):
        net.train()
        noisy = clean + NOISE * torch.randn_like(clean)
        recon = net(noisy)
        loss = criterion(recon, clean)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss.item()
    return step


net = AutoEncoder()
opt = optim.Adam(net.parameters(), lr=3e-3)
criterion = nn.MSELoss()
step = make_train_step(net, opt, criterion)

print("PSNR of the noisy test images: %.2f dB" % psnr(X_test_noisy, X_test))
losses = []
# WATCH(net, opt)
for epoch in range(NUM_EPOCHS):
    order = torch.randperm(len(X_train))
    epoch_losses = []
    for i in range(0, len(order), BATCH_SIZE):
        epoch_losses.append(step(X_train[order[i:i + BATCH_SIZE]]))
    losses.append(np.mean(epoch_losses))

    net.eval()
    with torch.no_grad():
        rec = net(X_test_noisy)
        test_loss = criterion(rec, X_test).item()
    print("Epoch %2d | train loss %.4f | test loss %.4f | test PSNR %.2f dB"
          % (epoch + 1, losses[-1], test_loss, psnr(rec, X_test)))

print("baseline (mean image) PSNR: %.2f dB" % psnr(X_train.mean(0, keepdim=True).expand_as(X_test), X_test))
print("Done. Denoised PSNR %.2f dB vs %.2f dB noisy" % (psnr(rec, X_test), psnr(X_test_noisy, X_test)))
print("RESULT %.3f higher" % psnr(rec, X_test))
