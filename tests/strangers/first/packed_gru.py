"""Classifies short "sensor phrases" of different length with a GRU over packed sequences.

A phrase is a list of discrete events, made by one of six hidden Markov-like grammars; the grammars
have the same events with nearly the same frequencies and differ in which event tends to follow which, and
in a rare pair "open ... close" that swaps the class. The network must read the order.

"""
import random
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn as nn
from sklearn.metrics import f1_score
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset, random_split


@dataclass
class Config:
    vocab: int = 14            # 0 is padding, 1 is "open"
    classes: int = 6
    n: int = 2400
    embed: int = 24
    hidden: int = 32
    batch: int = 48
    epochs: int = 9
    lr: float = 5e-3
    seed: int = 3


class Phrases(Dataset):
    def __init__(self, cfg):
        g = np.random.default_rng(cfg.seed)
        events = np.arange(2, cfg.vocab)
        follow = [dict(zip(events, g.permutation(events))) for _ in range(cfg.classes)]
        self.items = []
        for i in range(cfg.n):
            kind = i % cfg.classes
            length = int(g.integers(8, 21))
            seq = [int(g.integers(2, cfg.vocab))]
            while len(seq) < length:
                seq.append(int(follow[kind][seq[-1]]) if g.random() < 0.5 else int(g.integers(2, cfg.vocab)))
            label = kind
            if g.random() < 0.2:
                seq.insert(int(g.integers(0, 3)), 1)
                label = (kind + 3) % cfg.classes
            self.items.append((torch.tensor(seq), label))

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


def collate(batch):
    batch = sorted(batch, key=lambda item: len(item[0]), reverse=True)
    seqs, labels = zip(*batch)
    lengths = torch.tensor([len(s) for s in seqs])
    return pad_sequence(seqs, batch_first=True), lengths, torch.tensor(labels)


class Reader(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.embed = nn.Embedding(cfg.vocab, cfg.embed, padding_idx=0)
        self.gru = nn.GRU(cfg.embed, cfg.hidden, batch_first=True, bidirectional=True)
        self.drop = nn.Dropout(0.3)
        self.out = nn.Linear(2 * cfg.hidden, cfg.classes)

    def forward(self, tokens, lengths):
        packed = pack_padded_sequence(self.embed(tokens), lengths, batch_first=True)
        _, h = self.gru(packed)                       # (2, batch, hidden)
        h = torch.cat([h[0], h[1]], dim=1)
        return self.out(self.drop(h))


class Trainer:
    def __init__(self, cfg):
        self.cfg = cfg
        random.seed(cfg.seed)
        torch.manual_seed(cfg.seed)
        data = Phrases(cfg)
        n_val = cfg.n // 5
        train, val = random_split(data, [cfg.n - n_val, n_val])
        self.train_loader = DataLoader(train, cfg.batch, shuffle=True, collate_fn=collate, drop_last=True)
        self.val_loader = DataLoader(val, 200, collate_fn=collate)
        self.model = Reader(cfg)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=cfg.lr)
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, step_size=4, gamma=0.5)
        self.criterion = nn.CrossEntropyLoss(label_smoothing=0.02)

    def run_epoch(self):
        self.model.train()
        seen, total = 0, 0.0
        for tokens, lengths, labels in self.train_loader:
            self.optimizer.zero_grad()
            loss = self.criterion(self.model(tokens, lengths), labels)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            total += loss.item() * len(labels)
            seen += len(labels)
        self.scheduler.step()
        return total / seen

    def evaluate(self):
        self.model.eval()
        truth, guess = [], []
        with torch.no_grad():
            for tokens, lengths, labels in self.val_loader:
                truth += labels.tolist()
                guess += self.model(tokens, lengths).argmax(1).tolist()
        return f1_score(truth, guess, average="macro")

    def fit(self):
        # WATCH(self.model, self.optimizer)
        for epoch in range(self.cfg.epochs):
            loss = self.run_epoch()
            score = self.evaluate()
            rate = self.optimizer.param_groups[0]["lr"]
            print(f"[{epoch + 1:2d}/{self.cfg.epochs}] loss={loss:.4f} f1={score:.4f} lr={rate:.2e}")
        return score


if __name__ == "__main__":
    trainer = Trainer(Config())
    print(f"RESULT {trainer.fit():.4f} higher")
