#!/usr/bin/env python
"""Keyword spotting with a residual temporal CNN on synthetic utterances.

An utterance is a voiced source filtered by two formant tracks; a keyword is a pair of formant trajectories.
Speakers differ in pitch, vocal tract length and tempo, and there is background noise.
"""
import argparse
import logging
import math
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F

log = logging.getLogger("kws")

RATE = 4000
KEYWORDS = {  # formant 1 and 2 in Hz at start, middle and end of the word
    "yes": ((300, 500, 350), (1500, 1300, 1700)),
    "no": ((450, 500, 350), (1100, 900, 700)),
    "up": ((650, 600, 400), (1000, 1000, 800)),
    "down": ((700, 600, 350), (1200, 900, 1100)),
    "left": ((350, 550, 500), (1200, 1500, 1400)),
    "right": ((450, 700, 350), (900, 1100, 1600)),
    "on": ((650, 600, 450), (800, 900, 1200)),
    "off": ((600, 600, 500), (800, 900, 900)),
    "stop": ((350, 600, 600), (1500, 900, 900)),
    "go": ((350, 500, 350), (1200, 800, 650)),
}


@dataclass
class AudioCfg:
    seconds: float = 0.64
    frame: int = 128
    hop: int = 40
    bands: int = 32


def contour(points, u):
    """Piecewise linear through three points, for u in [0, 1]."""
    a, b, c = points
    return torch.where(u < 0.5, a + (b - a) * 2 * u, b + (c - b) * (2 * u - 1))


def synthesise(labels, cfg, gen):
    """One waveform per label, all at once."""
    n, length = len(labels), int(cfg.seconds * RATE)

    def uni(lo, hi):
        return lo + (hi - lo) * torch.rand(n, 1, generator=gen)

    table = torch.tensor(list(KEYWORDS.values()), dtype=torch.float)[labels]  # n, 2, 3
    t = torch.arange(length)[None] / length
    begin, span = uni(0.05, 0.3), uni(0.5, 0.68)
    u = ((t - begin) / span).clamp(0, 1)
    inside = ((t > begin) & (t < begin + span)).float()
    tract = uni(0.85, 1.15)
    pitch = uni(90, 200) * (1 + uni(-0.15, 0.15) * u)
    phase = 2 * math.pi * torch.cumsum(pitch, 1) / RATE
    f1 = tract * contour(table[:, 0].T[..., None], u)
    f2 = tract * contour(table[:, 1].T[..., None], u)
    wave = torch.zeros(n, length)
    for k in range(1, 20):
        f = k * pitch
        gain = torch.exp(-((f - f1) / 110) ** 2) + 0.6 * torch.exp(-((f - f2) / 140) ** 2)
        wave += gain * torch.sin(k * phase) * (f < RATE / 2)
    wave = wave * inside * torch.sin(math.pi * u).clamp_min(0) ** 0.5
    wave = wave * uni(0.4, 1.0) + uni(0.2, 0.55) * torch.randn(n, length, generator=gen)
    return wave


class LogBands(nn.Module):
    """Waveform (B, samples) -> log band energies (B, bands, frames)."""

    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        self.register_buffer("window", torch.hann_window(cfg.frame))
        bins = cfg.frame // 2 + 1
        centres = torch.linspace(1, bins - 2, cfg.bands)
        tri = (1 - (torch.arange(bins)[:, None] - centres[None]).abs() / 2.0).clamp_min(0)
        self.register_buffer("bank", tri)

    def forward(self, wave):
        frames = wave.unfold(-1, self.cfg.frame, self.cfg.hop) * self.window
        power = torch.fft.rfft(frames).abs() ** 2
        feats = torch.log(power @ self.bank + 1e-3)  # B, frames, bands
        return feats.transpose(1, 2).contiguous()


class ResBlock(nn.Module):
    def __init__(self, width, dilation):
        super().__init__()
        self.conv1 = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.conv2 = nn.Conv1d(width, width, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm1d(width), nn.BatchNorm1d(width)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(x + self.bn2(self.conv2(y)))


class KWSNet(nn.Module):
    """General purpose keyword net; ``classifier`` is meant to be exchanged for the vocabulary at hand."""

    def __init__(self, bands, width=32, n_out=35):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv1d(bands, width, 5, stride=2, padding=2, bias=False), nn.BatchNorm1d(width), nn.ReLU())
        self.body = nn.Sequential(*[ResBlock(width, d) for d in (1, 2, 4)])
        self.drop = nn.Dropout(0.2)
        self.classifier = nn.Linear(width, n_out)

    def forward(self, x):
        h = self.body(self.stem(x))
        return self.classifier(self.drop(h.mean(dim=-1)))


def fit_vocabulary(net, n_words):
    """Give the net a fresh classifier, starting from a flat prediction."""
    net.classifier = nn.Linear(net.classifier.in_features, n_words)
    nn.init.zeros_(net.classifier.weight)
    nn.init.zeros_(net.classifier.bias)
    return net


class Experiment:
    def __init__(self, args):
        self.args = args
        cfg = AudioCfg()
        gen = torch.Generator().manual_seed(args.seed)
        front = LogBands(cfg)
        self.sets = {}
        for name, size in (("train", args.train_size), ("dev", 600), ("test", 1000)):
            labels = torch.randint(len(KEYWORDS), (size,), generator=gen)
            with torch.no_grad():
                feats = torch.cat([front(synthesise(part, cfg, gen)) for part in labels.split(200)])
            self.sets[name] = (feats, labels)
        mu = self.sets["train"][0].mean((0, 2), keepdim=True)
        sd = self.sets["train"][0].std((0, 2), keepdim=True)
        self.sets = {k: ((x - mu) / sd, y) for k, (x, y) in self.sets.items()}

        self.net = KWSNet(cfg.bands)
        fit_vocabulary(self.net, len(KEYWORDS))
        self.optim = torch.optim.AdamW(self.net.parameters(), lr=args.lr, weight_decay=args.wd)
        self.sched = torch.optim.lr_scheduler.CosineAnnealingLR(self.optim, T_max=args.epochs)

    def spec_augment(self, x):
        """Blank a random stretch of time and a few bands, and move the word a little."""
        x = torch.roll(x, int(torch.randint(-4, 5, ())), dims=-1)
        t0, b0 = int(torch.randint(x.shape[-1] - 6, ())), int(torch.randint(x.shape[1] - 3, ()))
        x[..., t0 : t0 + 6] = 0
        x[:, b0 : b0 + 3] = 0
        return x

    def train_epoch(self):
        self.net.train()
        x, y = self.sets["train"]
        total = 0.0
        for idx in torch.randperm(len(y)).split(self.args.batch_size):
            loss = F.cross_entropy(self.net(self.spec_augment(x[idx])), y[idx], label_smoothing=0.05)
            self.optim.zero_grad(set_to_none=True)
            loss.backward()
            self.optim.step()
            total += loss.item() * len(idx)
        self.sched.step()
        return total / len(y)

    @torch.no_grad()
    def accuracy(self, name):
        self.net.eval()
        x, y = self.sets[name]
        return (self.net(x).argmax(-1) == y).float().mean().item()

    def run(self):
        net, optim = self.net, self.optim
        # WATCH(net, optim)
        for epoch in range(self.args.epochs):
            loss = self.train_epoch()
            log.info("epoch=%02d loss=%.4f dev_acc=%.4f lr=%.2e", epoch, loss, self.accuracy("dev"), optim.param_groups[0]["lr"])
        return self.accuracy("test")


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--seed", type=int, default=3)
    p.add_argument("--epochs", type=int, default=10)
    p.add_argument("--batch-size", type=int, default=64)
    p.add_argument("--train-size", type=int, default=2200)
    p.add_argument("--lr", type=float, default=3e-3)
    p.add_argument("--wd", type=float, default=1e-2)
    args = p.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s")
    torch.manual_seed(args.seed)
    print(f"RESULT {Experiment(args).run():.4f} higher")


if __name__ == "__main__":
    main()
