"""Denoising autoencoder for synthetic heartbeat traces.

    python ecg_denoiser.py --epochs 8 --sigma 0.5
"""
import argparse
import math

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset


def beat(t, centre, rng):
    """One P-QRS-T complex around `centre` (seconds), in millivolts."""
    waves = [(-0.20, 0.025, 0.15), (-0.04, 0.010, -0.12), (0.0, 0.012, 1.0),
             (0.04, 0.012, -0.22), (0.26, 0.045, 0.32)]
    y = np.zeros_like(t)
    for off, width, amp in waves:
        a = amp * rng.uniform(0.7, 1.3)
        w = width * rng.uniform(0.85, 1.2)
        y += a * np.exp(-0.5 * ((t - centre - off) / w) ** 2)
    return y


class HeartbeatDataset(Dataset):
    def __init__(self, n, length=256, fs=128, seed=0):
        rng = np.random.RandomState(seed)
        t = np.arange(length) / fs
        traces = []
        for _ in range(n):
            period = rng.uniform(0.55, 1.1)
            start = rng.uniform(-0.5, 0.3)
            y = np.zeros(length)
            c = start
            while c < t[-1] + 0.5:
                y += beat(t, c, rng)
                c += period * rng.uniform(0.95, 1.05)
            gain = rng.uniform(400, 1200)          # ADC counts per mV
            y = y * gain + rng.uniform(-300, 300)  # electrode offset
            traces.append(y)
        traces = np.stack(traces).astype(np.float32)
        mean = traces.mean(axis=1, keepdims=True)
        std = traces.std(axis=1, keepdims=True)
        self.x = torch.from_numpy((traces - mean) / std).unsqueeze(1)

    def __len__(self):
        return self.x.size(0)

    def __getitem__(self, i):
        return self.x[i]


class DenoisingAutoencoder(nn.Module):
    def __init__(self, ch=16, bottleneck=64):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv1d(1, ch, 9, stride=2, padding=4), nn.BatchNorm1d(ch), nn.ReLU(),
            nn.Conv1d(ch, 2 * ch, 9, stride=2, padding=4), nn.BatchNorm1d(2 * ch), nn.ReLU(),
            nn.Conv1d(2 * ch, bottleneck, 9, stride=2, padding=4), nn.ReLU(),
        )
        self.decoder = nn.Sequential(
            nn.ConvTranspose1d(bottleneck, 2 * ch, 8, stride=2, padding=3), nn.BatchNorm1d(2 * ch), nn.ReLU(),
            nn.ConvTranspose1d(2 * ch, ch, 8, stride=2, padding=3), nn.BatchNorm1d(ch), nn.ReLU(),
            nn.ConvTranspose1d(ch, 1, 8, stride=2, padding=3),
        )

    def forward(self, x):
        return self.decoder(self.encoder(x))


def snr_db(clean, estimate):
    err = (clean - estimate).pow(2).mean(dim=(1, 2))
    sig = clean.pow(2).mean(dim=(1, 2))
    return (10 * torch.log10(sig / err)).mean().item()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--epochs", type=int, default=8)
    p.add_argument("--batch-size", type=int, default=64)
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--sigma", type=float, default=0.5)
    p.add_argument("--seed", type=int, default=7)
    args = p.parse_args()
    torch.manual_seed(args.seed)

    train_set = HeartbeatDataset(2000, seed=args.seed)
    test_set = HeartbeatDataset(300, seed=args.seed + 1)
    loader = DataLoader(train_set, batch_size=args.batch_size, shuffle=True, drop_last=True)

    net = DenoisingAutoencoder()
    opt = torch.optim.Adam(net.parameters(), lr=args.lr)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, args.epochs)
    criterion = nn.MSELoss()

    # WATCH(net, opt)
    for epoch in range(1, args.epochs + 1):
        net.train()
        running = 0.0
        for clean in loader:
            noisy = clean + args.sigma * torch.randn_like(clean)
            recon = net(noisy)
            loss = criterion(recon, clean)
            opt.zero_grad()
            loss.backward()
            opt.step()
            running += loss.item()
        sched.step()
        print(f"epoch {epoch:2d}  mse {running / len(loader):.4f}")

    net.eval()
    clean = test_set.x
    gen = torch.Generator().manual_seed(123)
    noisy = clean + args.sigma * torch.randn(clean.shape, generator=gen)
    with torch.no_grad():
        recon = net(noisy)
    print(f"input SNR {snr_db(clean, noisy):.2f} dB (sigma={args.sigma}, "
          f"ideal {-20 * math.log10(args.sigma):.2f})")
    print(f"RESULT {snr_db(clean, recon):.4f} higher")


if __name__ == "__main__":
    main()
