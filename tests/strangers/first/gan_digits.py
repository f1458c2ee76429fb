"""Example: a GAN of two perceptrons on the 8x8 digits that come with scikit-learn."""
from __future__ import print_function

import random

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
from scipy import linalg
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

manualSeed = 42
random.seed(manualSeed)
np.random.seed(manualSeed)
torch.manual_seed(manualSeed)

nz = 16          # size of the latent vector
ngf = 128        # hidden units of the generator
ndf = 128        # hidden units of the discriminator
batchSize = 64
niter = 64
lr = 1e-3
beta1 = 0.5

images = load_digits().images.astype(np.float32) / 8.0 - 1.0        # in [-1, 1]
train_images, test_images = train_test_split(images, test_size=0.3, random_state=manualSeed)
dataset = torch.utils.data.TensorDataset(torch.from_numpy(train_images).flatten(1))
dataloader = torch.utils.data.DataLoader(dataset, batch_size=batchSize, shuffle=True, drop_last=True)

# Frechet distance between the held-out digits and generated ones, in the space of 20 principal components
pca = PCA(20, random_state=0).fit(train_images.reshape(len(train_images), -1))


def frechet(a, b):
    a, b = pca.transform(a.reshape(len(a), -1)), pca.transform(b.reshape(len(b), -1))
    ca, cb = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = linalg.sqrtm(ca @ cb).real
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca + cb - 2 * root))


def weights_init(m):
    if m.__class__.__name__.find("Linear") != -1:
        nn.init.kaiming_normal_(m.weight, a=0.2)
        nn.init.zeros_(m.bias)


class Generator(nn.Module):
    def __init__(self):
        super(Generator, self).__init__()
        self.main = nn.Sequential(
            nn.Linear(nz, ngf),
            nn.BatchNorm1d(ngf),
            nn.ReLU(True),
            nn.Linear(ngf, ngf),
            nn.BatchNorm1d(ngf),
            nn.ReLU(True),
            nn.Linear(ngf, 64),
            nn.Tanh(),
        )

    def forward(self, z):
        return self.main(z)


class Discriminator(nn.Module):
    def __init__(self):
        super(Discriminator, self).__init__()
        self.main = nn.Sequential(
            nn.Linear(64, ndf),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Dropout(0.3),
            nn.Linear(ndf, ndf),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Dropout(0.3),
            nn.Linear(ndf, 1),
        )

    def forward(self, x):
        return self.main(x).view(-1)


netG = Generator().apply(weights_init)
netD = Discriminator().apply(weights_init)
optimizerD = optim.Adam(netD.parameters(), lr=lr, betas=(beta1, 0.999))
optimizerG = optim.Adam(netG.parameters(), lr=lr, betas=(beta1, 0.999))
decay = [optim.lr_scheduler.LambdaLR(o, lambda e: min(1.0, 2.0 * (1 - e / niter))) for o in (optimizerD, optimizerG)]
fixed_noise = torch.randn(1000, nz)


def sample():
    netG.eval()
    with torch.no_grad():
        out = netG(fixed_noise).numpy()
    netG.train()
    return out


print("held-out against training digits: %.3f" % frechet(test_images, train_images))
# WATCH(netG, optimizerG)
for epoch in range(niter):
    sumD = sumG = sumX = sumF = 0.0
    for (real,) in dataloader:
        optimizerD.zero_grad()
        optimizerG.zero_grad()
        fake = netG(torch.randn(batchSize, nz))

        # (1) D: tell real from fake
        out_real = netD(real)
        out_fake = netD(fake.detach())
        errD = torch.relu(1 - out_real).mean() + torch.relu(1 + out_fake).mean()        # hinge loss
        errD.backward()
        optimizerD.step()

        # (2) G: be taken for real
        errG = -netD(fake).mean()
        errG.backward()
        optimizerG.step()

        sumD += errD.item()
        sumG += errG.item()
        sumX += out_real.mean().item()
        sumF += out_fake.mean().item()
    for scheduler in decay:
        scheduler.step()
    if epoch % 8 == 7:
        k = len(dataloader)
        print("[%d/%d] Loss_D: %.4f Loss_G: %.4f D(x): %.3f D(G(z)): %.3f  FD: %.3f" % (
            epoch + 1, niter, sumD / k, sumG / k, sumX / k, sumF / k, frechet(test_images, sample())))

print("RESULT %.4f lower" % frechet(test_images, sample()))
