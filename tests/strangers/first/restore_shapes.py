"""Restoration of noisy colour pictures with a small convolutional autoencoder.

The pictures are drawn on the fly (discs, bars and soft gradients); the network
gets a version with sensor noise and dead pixels and has to give back the clean one.
"""
from __future__ import print_function

import argparse

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, Dataset

SIZE = 24
MEAN = torch.tensor([0.47, 0.46, 0.48]).view(3, 1, 1)
STD = torch.tensor([0.23, 0.23, 0.23]).view(3, 1, 1)


def draw_picture(rng):
    yy, xx = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / SIZE
    slope = rng.uniform(-0.5, 0.5, size=(2, 3))
    img = rng.uniform(0.2, 0.8, size=3) + slope[0] * (xx[..., None] - 0.5) + slope[1] * (yy[..., None] - 0.5)
    for _ in range(rng.integers(2, 5)):
        colour = rng.uniform(0.0, 1.0, size=3)
        cx, cy = rng.uniform(0.1, 0.9, size=2)
        if rng.random() < 0.5:
            mask = (xx - cx) ** 2 + (yy - cy) ** 2 < rng.uniform(0.1, 0.3) ** 2
        else:
            w, h = rng.uniform(0.08, 0.3, size=2)
            mask = (abs(xx - cx) < w) & (abs(yy - cy) < h)
        img[mask] = colour
    return (img.clip(0, 1) * 255).astype(np.uint8)


def corrupt(img, rng, sigma, dead):
    noisy = img.astype(np.float32) + rng.normal(0.0, sigma, size=img.shape)
    noisy[rng.random(img.shape[:2]) < dead] = 0.0
    noisy = np.clip(noisy, 0, 255)
    return noisy.astype(np.float32)


def to_tensor(img):
    return torch.from_numpy(np.ascontiguousarray(img)).float().permute(2, 0, 1) / 255.0


def normalize(x):
    return (x - MEAN) / STD


def denormalize(x):
    return x * STD + MEAN


class NoisyPictures(Dataset):
    def __init__(self, n, seed, sigma, dead, transform=None):
        self.rng = np.random.default_rng(seed)
        self.clean = [draw_picture(self.rng) for _ in range(n)]
        self.sigma, self.dead = sigma, dead
        self.transform = transform

    def __len__(self):
        return len(self.clean)

    def __getitem__(self, i):
        img = self.clean[i]
        noisy = to_tensor(corrupt(img, self.rng, self.sigma, self.dead))
        clean = to_tensor(img)
        if self.transform is not None:
            noisy, clean = self.transform(noisy), self.transform(clean)
        return noisy, clean


class Restorer(nn.Module):
    def __init__(self, width=20):
        super(Restorer, self).__init__()
        self.enc1 = nn.Conv2d(3, width, 3, padding=1)
        self.enc2 = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.bn2 = nn.BatchNorm2d(2 * width)
        self.mid = nn.Conv2d(2 * width, 2 * width, 3, padding=1)
        self.bn3 = nn.BatchNorm2d(2 * width)
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.dec = nn.Conv2d(2 * width, width, 3, padding=1)
        self.out = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x):
        e1 = F.relu(self.enc1(x))
        e2 = F.relu(self.bn2(self.enc2(e1)))
        m = F.relu(self.bn3(self.mid(e2)))
        u = F.relu(self.up(m))
        d = F.relu(self.dec(torch.cat([u, e1], dim=1)))
        return self.out(d)


def train(args, model, device, train_loader, optimizer, epoch):
    model.train()
    for batch_idx, (data, target) in enumerate(train_loader):
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        output = model(data)
        loss = F.mse_loss(output, target)
        loss.backward()
        optimizer.step()
        if batch_idx % args.log_interval == 0:
            print('Train Epoch: {} [{}/{} ({:.0f}%)]\tLoss: {:.6f}'.format(
                epoch, batch_idx * len(data), len(train_loader.dataset),
                100. * batch_idx / len(train_loader), loss.item()))


def test(model, device, test_loader):
    model.eval()
    psnr, noisy_psnr = 0.0, 0.0
    with torch.no_grad():
        for data, target in test_loader:
            data, target = data.to(device), target.to(device)
            output = denormalize(model(data)).clamp(0, 1)
            clean = denormalize(target)
            err = (output - clean).pow(2).mean(dim=(1, 2, 3))
            before = (denormalize(data) - clean).pow(2).mean(dim=(1, 2, 3))
            psnr += (-10 * torch.log10(err + 1e-8)).sum().item()
            noisy_psnr += (-10 * torch.log10(before + 1e-8)).sum().item()
    psnr /= len(test_loader.dataset)
    noisy_psnr /= len(test_loader.dataset)
    print('\nTest set: PSNR {:.2f} dB (input {:.2f} dB)\n'.format(psnr, noisy_psnr))
    return psnr


def main():
    parser = argparse.ArgumentParser(description='PyTorch picture restoration example')
    parser.add_argument('--batch-size', type=int, default=32, metavar='N')
    parser.add_argument('--test-batch-size', type=int, default=100, metavar='N')
    parser.add_argument('--epochs', type=int, default=9, metavar='N')
    parser.add_argument('--lr', type=float, default=3e-3, metavar='LR')
    parser.add_argument('--gamma', type=float, default=0.75, metavar='M')
    parser.add_argument('--weight-decay', type=float, default=1e-5)
    parser.add_argument('--sigma', type=float, default=30.0)
    parser.add_argument('--dead', type=float, default=0.05)
    parser.add_argument('--seed', type=int, default=1, metavar='S')
    parser.add_argument('--log-interval', type=int, default=20, metavar='N')
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    device = torch.device('cpu')

    train_set = NoisyPictures(1400, args.seed, args.sigma, args.dead, transform=normalize)
    test_set = NoisyPictures(300, args.seed + 1000, args.sigma, args.dead, transform=normalize)
    train_loader = DataLoader(train_set, batch_size=args.batch_size, shuffle=True)
    test_loader = DataLoader(test_set, batch_size=args.test_batch_size)

    model = Restorer().to(device)
    optimizer = optim.AdamW(model.parameters(), lr=args.lr, weight_decay=args.weight_decay)
    scheduler = StepLR(optimizer, step_size=1, gamma=args.gamma)
    # WATCH(model, optimizer)
    for epoch in range(1, args.epochs + 1):
        train(args, model, device, train_loader, optimizer, epoch)
        psnr = test(model, device, test_loader)
        scheduler.step()

    print('RESULT {:.4f} higher'.format(psnr))


if __name__ == '__main__':
    main()
