"""Which bird is singing? A small CNN over log spectrograms of field recordings."""
import random
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

SPECIES = ["wren", "chiffchaff", "nightjar", "yellowhammer", "cuckoo"]
RATE = 4000


@dataclass
class Config:
    clips: int = 900
    train_share: float = 0.75
    batch_size: int = 32
    epochs: int = 6
    width: int = 8
    dropout: float = 0.4
    lr: float = 2e-3
    weight_decay: float = 1e-3
    seed: int = 5


def sing(kind: str, rng: np.random.Generator) -> np.ndarray:
    """0.4 seconds of a (very simplified) song, in noise."""
    t = np.arange(1600) / RATE
    base = rng.uniform(500, 900)
    if kind == "wren":              # rising sweep
        freq = base + rng.uniform(1200, 2000) * t
    elif kind == "chiffchaff":      # two notes in turn
        freq = base + 300 * (np.sin(2 * np.pi * rng.uniform(8, 12) * t) > 0)
    elif kind == "nightjar":        # fast churr
        freq = base + 150 * np.sin(2 * np.pi * rng.uniform(24, 34) * t)
    elif kind == "yellowhammer":    # falling sweep
        freq = base + 700 - rng.uniform(1200, 2000) * t
    else:                           # cuckoo: one step down in the middle
        freq = base + 250 * (t < rng.uniform(0.15, 0.25))
    phase = 2 * np.pi * np.cumsum(freq) / RATE
    wave = rng.uniform(0.5, 1.2) * np.sin(phase + rng.uniform(0, 6))
    return (wave + rng.uniform(1.0, 2.0) * rng.standard_normal(len(t))).astype(np.float32)


def record(cfg: Config):
    """The archive (file name -> samples) and the field notebook (file name -> species)."""
    rng = np.random.default_rng(cfg.seed)
    archive, notebook = {}, {}
    for i in range(cfg.clips):
        kind = SPECIES[rng.integers(len(SPECIES))]
        name = f"rec{i}_{rng.integers(1000)}.wav"
        archive[name] = sing(kind, rng)
        notebook[name] = kind
    return archive, notebook


class SongDataset(Dataset):
    def __init__(self, archive, notebook):
        self.archive = archive
        self.files = sorted(notebook)
        self.labels = [SPECIES.index(notebook[name]) for name in self.files]
        self.window = torch.hann_window(128)

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        wave = torch.from_numpy(self.archive[self.files[i]])
        spec = torch.stft(wave, 128, hop_length=64, window=self.window, return_complex=True).abs()
        spec = torch.log(spec + 1e-3).unsqueeze(0)                          # (1, bins, frames)
        spec = (spec - spec.mean()) / (spec.std() + 1e-5)
        return spec, self.labels[i]


class SongNet(nn.Module):
    def __init__(self, cfg: Config):
        super().__init__()
        w = cfg.width

        def block(i, o):
            return nn.Sequential(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(), nn.MaxPool2d(2))

        self.features = nn.Sequential(block(1, w), block(w, 2 * w), block(2 * w, 4 * w))
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(cfg.dropout), nn.Linear(4 * w * 8 * 3, len(SPECIES)))

    def forward(self, x):
        return self.head(self.features(x))


class Experiment:
    def __init__(self, cfg: Config):
        self.cfg = cfg
        random.seed(cfg.seed)
        torch.manual_seed(cfg.seed)
        archive, notebook = record(cfg)
        names = list(notebook)
        random.shuffle(names)
        cut = int(cfg.train_share * len(names))
        train = SongDataset(archive, {n: notebook[n] for n in names[:cut]})
        test = SongDataset(archive, {n: notebook[n] for n in names[-225:]})
        self.train_loader = DataLoader(train, cfg.batch_size, shuffle=True)
        self.test_loader = DataLoader(test, 225)
        self.net = SongNet(cfg)
        self.optim = torch.optim.AdamW(self.net.parameters(), lr=cfg.lr, weight_decay=cfg.weight_decay)
        self.loss = nn.CrossEntropyLoss()

    def train_epoch(self):
        self.net.train()
        total, seen = 0.0, 0
        for spec, label in self.train_loader:
            self.optim.zero_grad()
            loss = self.loss(self.net(spec), label)
            loss.backward()
            self.optim.step()
            total += loss.item() * len(label)
            seen += len(label)
        return total / seen

    @torch.no_grad()
    def evaluate(self):
        self.net.eval()
        total, hits, seen = 0.0, 0, 0
        for spec, label in self.test_loader:
            out = self.net(spec)
            total += self.loss(out, label).item() * len(label)
            hits += (out.argmax(1) == label).sum().item()
            seen += len(label)
        return total / seen, hits / seen

    def run(self):
        # WATCH(self.net, self.optim)
        for epoch in range(self.cfg.epochs):
            train_loss = self.train_epoch()
            test_loss, acc = self.evaluate()
            print(f"epoch {epoch:3d} | train {train_loss:.3f} | test {test_loss:.3f} | acc {acc:.3f}")
        return acc


if __name__ == "__main__":
    torch.set_num_threads(1)
    accuracy = Experiment(Config()).run()
    print(f"RESULT {accuracy:.4f} higher")
