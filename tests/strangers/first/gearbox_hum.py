"""Machine type from the hum of a machine, with the reconstruction of the spectrogram as an auxiliary task."""
import argparse
import logging
from dataclasses import dataclass, fields
from typing import List, NamedTuple, Tuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

log = logging.getLogger("gearbox")

MACHINES = ("fan", "pump", "lathe", "compressor", "conveyor")
RATE = 4000


@dataclass
class Config:
    seed: int = 7
    sites: int = 8
    takes: int = 28
    val_takes: int = 7
    n_fft: int = 128
    hop: int = 96
    micro_batch: int = 16
    accumulate: int = 2
    epochs: int = 14
    lr: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 1e-4
    clip: float = 5.0
    aux_weight: float = 0.3


class Recording(NamedTuple):
    site: int
    machine: int
    take: int
    wave: np.ndarray


def hum(rng: np.random.Generator, site: int, machine: int) -> np.ndarray:
    t = np.arange(RATE // 2) / RATE
    base = rng.uniform(60, 110)
    rolloff = (0.5, 0.8, 0.65, 0.5, 0.8)[machine]
    step = (1, 2, 1, 2, 1)[machine]
    beat = (0.0, 7.0, 13.0, 5.0, 19.0)[machine] * rng.uniform(0.8, 1.2)
    wave = np.zeros_like(t)
    for k in range(1, 14, step):
        wave += rolloff ** (k / step) * rng.uniform(0.5, 1.2) * np.sin(2 * np.pi * base * k * t + rng.uniform(0, 6.3))
    wave *= 1 + 0.5 * np.sin(2 * np.pi * beat * t)
    wave += rng.normal(0, 0.25 + 0.05 * site, t.size)
    wave *= rng.uniform(0.3, 1.5)
    wave[: rng.integers(0, RATE // 8)] = 0.0  # the recorder starts late
    return wave.astype(np.float32)


def collect(cfg: Config) -> List[Recording]:
    rng = np.random.default_rng(cfg.seed)
    records = [
        Recording(site, machine, take, hum(rng, site, machine))
        for site in range(cfg.sites)
        for machine in range(len(MACHINES))
        for take in range(cfg.takes)
    ]
    # some uploads were retried
    records += [records[i] for i in rng.integers(0, len(records), 40)]
    return records


def spectrogram(cfg: Config, waves: Tensor) -> Tensor:
    window = torch.hann_window(cfg.n_fft)
    power = torch.stft(waves, cfg.n_fft, cfg.hop, window=window, center=False, return_complex=True).abs() ** 2
    return torch.log(power + 1e-3)


def build(cfg: Config) -> Tuple[TensorDataset, TensorDataset]:
    records = collect(cfg)
    held_out = {(r.site, r.machine, r.take): r for r in records if r.take < cfg.val_takes}
    train = {(r.site, r.machine, r.take): r for r in records if r.take >= cfg.val_takes}
    sets = []
    mean = std = None
    for part in (train, held_out):
        spec = spectrogram(cfg, torch.from_numpy(np.stack([r.wave for r in part.values()])))
        if mean is None:
            mean, std = spec.mean(), spec.std()
        spec = (spec - mean) / std
        sets.append(TensorDataset(spec.unsqueeze(1), torch.tensor([r.machine for r in part.values()])))
    return sets[0], sets[1]


class HumNet(nn.Module):
    def __init__(self, shape: Tuple[int, int], width: int = 12) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = nn.Sequential(
            nn.Conv2d(1, width, 3, stride=(2, 1), padding=1), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.BatchNorm2d(2 * width), nn.ReLU(),
            nn.AdaptiveAvgPool2d((8, 5)), nn.Flatten(),
            nn.Linear(2 * width * 40, 64), nn.ReLU(),
        )
        self.classifier = nn.Linear(64, len(MACHINES))
        self.decoder = nn.Linear(64, shape[0] * shape[1])

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        z = self.encoder(x)
        return self.classifier(z), self.decoder(z).view(-1, 1, *self.shape)


class Trainer:
    def __init__(self, cfg: Config) -> None:
        self.cfg = cfg
        train, val = build(cfg)
        log.info("%d training clips, %d held out", len(train), len(val))
        self.train_loader = DataLoader(train, batch_size=cfg.micro_batch, shuffle=True, drop_last=True)
        self.val_loader = DataLoader(val, batch_size=128)
        self.model = HumNet(tuple(train.tensors[0].shape[-2:]))
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=cfg.lr, momentum=cfg.momentum, weight_decay=cfg.weight_decay
        )
        self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, cfg.epochs)

    def loss(self, x: Tensor, y: Tensor) -> Tuple[Tensor, Tensor]:
        logits, rebuilt = self.model(x)
        main = F.cross_entropy(logits, y)
        aux = F.mse_loss(rebuilt, x)
        return main, aux

    def train_epoch(self) -> float:
        self.model.train()
        total = 0.0
        self.optimizer.zero_grad()
        for i, (x, y) in enumerate(self.train_loader):
            main, aux = self.loss(x, y)
            loss = main + self.cfg.aux_weight * aux
            (loss / self.cfg.accumulate).backward()
            total += main.item()
            if (i + 1) % self.cfg.accumulate == 0:
                nn.utils.clip_grad_norm_(self.model.parameters(), self.cfg.clip)
                self.optimizer.step()
                self.optimizer.zero_grad()
        return total / len(self.train_loader)

    @torch.no_grad()
    def evaluate(self) -> float:
        self.model.eval()
        hits = n = 0
        for x, y in self.val_loader:
            logits, _ = self.model(x)
            hits += (logits.argmax(dim=1) == y).sum().item()
            n += len(y)
        return hits / n

    def fit(self) -> float:
        model, optimizer = self.model, self.optimizer
        # WATCH(model, optimizer)
        accuracy = 0.0
        for epoch in range(self.cfg.epochs):
            loss = self.train_epoch()
            accuracy = self.evaluate()
            self.scheduler.step()
            log.info("epoch %02d | loss %.4f | accuracy %.4f", epoch, loss, accuracy)
        return accuracy


def parse() -> Config:
    parser = argparse.ArgumentParser(description=__doc__)
    for f in fields(Config):
        parser.add_argument(f"--{f.name}", type=type(f.default), default=f.default)
    return Config(**vars(parser.parse_args()))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    config = parse()
    torch.manual_seed(config.seed)
    torch.set_num_threads(1)
    print(f"RESULT {Trainer(config).fit():.4f} higher")
