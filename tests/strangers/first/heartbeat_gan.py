from __future__ import print_function
import argparse
import random
import math
import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
import torch.utils.data

parser = argparse.ArgumentParser()
parser.add_argument('--batchSize', type=int, default=64, help='input batch size')
parser.add_argument('--nz', type=int, default=12, help='size of the latent z vector')
parser.add_argument('--ngf', type=int, default=96)
parser.add_argument('--ndf', type=int, default=96)
parser.add_argument('--niter', type=int, default=30, help='number of epochs to train for')
parser.add_argument('--lr', type=float, default=0.001)
parser.add_argument('--beta1', type=float, default=0.5)
parser.add_argument('--manualSeed', type=int, default=2020)
opt = parser.parse_args()

random.seed(opt.manualSeed)
torch.manual_seed(opt.manualSeed)
rng = np.random.RandomState(opt.manualSeed)

# one heart beat = P wave, QRS complex, T wave; 48 samples; scaled to [-1, 1]
SAMPLES = 48


def beats(n):
    t = np.linspace(0, 1, SAMPLES)[None]

    def bump(centre, width, height):
        return height * np.exp(-0.5 * ((t - centre) / width) ** 2)

    u = lambda a, b: rng.uniform(a, b, (n, 1))
    shift = rng.normal(0, 0.02, (n, 1))
    x = (bump(0.22 + shift, u(0.03, 0.05), u(0.10, 0.25)) - bump(0.42 + shift, 0.02, u(0.1, 0.3))
         + bump(0.47 + shift, 0.03, u(0.8, 1.2)) - bump(0.53 + shift, 0.025, u(0.2, 0.4))
         + bump(0.75 + 1.5 * shift, u(0.05, 0.08), u(0.2, 0.5)) + rng.normal(0, 0.01, (n, SAMPLES)))
    return torch.tensor(x / 1.3, dtype=torch.float32).clamp(-1, 1)


dataset = torch.utils.data.TensorDataset(beats(3000))
dataloader = torch.utils.data.DataLoader(dataset, batch_size=opt.batchSize, shuffle=True, drop_last=True)
heldout = beats(1000)


class Generator(nn.Module):
    def __init__(self):
        super(Generator, self).__init__()
        self.main = nn.Sequential(
            nn.Linear(opt.nz, opt.ngf),
            nn.BatchNorm1d(opt.ngf),
            nn.ReLU(True),
            nn.Linear(opt.ngf, opt.ngf),
            nn.BatchNorm1d(opt.ngf),
            nn.ReLU(True),
            nn.Linear(opt.ngf, SAMPLES),
            nn.Tanh(),
        )

    def forward(self, input):
        return self.main(input)


class Discriminator(nn.Module):
    def __init__(self):
        super(Discriminator, self).__init__()
        self.main = nn.Sequential(
            nn.Linear(SAMPLES, opt.ndf),
            nn.LeakyReLU(0.2),
            nn.Linear(opt.ndf, opt.ndf),
            nn.LeakyReLU(0.2),
            nn.Linear(opt.ndf, 1),
        )

    def forward(self, input):
        return self.main(input).squeeze(1)


netG = Generator()
netD = Discriminator()
print(netG)
print(netD)

criterion = nn.BCEWithLogitsLoss()
fixed_noise = torch.randn(64, opt.nz)
real_label, fake_label = 0.9, 0.0

optimizerD = optim.Adam(netD.parameters(), lr=opt.lr, betas=(opt.beta1, 0.999))
optimizerG = optim.Adam(netG.parameters(), lr=opt.lr, betas=(opt.beta1, 0.999))
# WATCH(netG, optimizerG)

snapshots = []
iters = 0
for epoch in range(opt.niter):
    for i, (real,) in enumerate(dataloader):
        netD.zero_grad()
        netG.zero_grad()
        label = torch.full((real.size(0),), real_label)
        noise = torch.randn(real.size(0), opt.nz)
        fake = netG(noise)

        # (1) Update D network: maximize log(D(x)) + log(1 - D(G(z)))
        errD_real = criterion(netD(real), label)
        errD_fake = criterion(netD(fake.detach()), label.new_full(label.shape, fake_label))
        errD = errD_real + errD_fake
        errD.backward()
        optimizerD.step()

        # (2) Update G network: maximize log(D(G(z)))
        errG = criterion(netD(fake), torch.ones_like(label))
        errG.backward()
        optimizerG.step()

        # how G does on the fixed noise, for the film
        if iters % 4 == 0:
            netG.eval()
            with torch.no_grad():
                snapshots.append(netG(fixed_noise))
            netG.train()
        iters += 1
    if epoch % 5 == 0 or epoch == opt.niter - 1:
        print('[%d/%d] Loss_D: %.4f Loss_G: %.4f peak of the film: %.3f'
              % (epoch, opt.niter, errD.item(), errG.item(), snapshots[-1].max().item()))

# sliced Wasserstein distance of generated beats to beats never seen
netG.eval()
with torch.no_grad():
    made = netG(torch.randn(1000, opt.nz))
    directions = torch.randn(SAMPLES, 200)
    directions = directions / directions.norm(dim=0)
    a = (made @ directions).sort(dim=0).values
    b = (heldout @ directions).sort(dim=0).values
    swd = (a - b).abs().mean().item()
print('film of %d frames' % len(snapshots))
print('RESULT %.4f lower' % swd)
