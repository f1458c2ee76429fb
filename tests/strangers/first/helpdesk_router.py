"""Route helpdesk tickets to a queue.

The queues are far from equally busy, so the loss is a focal loss with class weights, written out by hand
so that one can see what it does.
"""
import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.metrics import f1_score


@dataclass
class Config:
    n_tickets: int = 3200
    max_len: int = 30
    emb: int = 48
    hidden: int = 64
    dropout: float = 0.3
    lr: float = 2e-3
    batch: int = 40
    epochs: int = 5
    gamma: float = 2.0
    seed: int = 88


QUEUES = ["accounts", "invoices", "network", "hardware", "privacy"]
SHARE = [0.42, 0.26, 0.16, 0.10, 0.06]
TALK = {
    "accounts": (["password", "login", "username", "profile", "account"], ["is locked", "was reset", "does not work", "has expired"]),
    "invoices": (["invoice", "payment", "refund", "bill", "receipt"], ["is missing", "was charged twice", "shows a wrong amount", "has not arrived"]),
    "network": (["wifi", "vpn", "connection", "proxy", "router"], ["keeps dropping", "is very slow", "does not work", "times out"]),
    "hardware": (["laptop", "screen", "keyboard", "printer", "battery"], ["is broken", "does not start", "makes a noise", "shows stripes"]),
    "privacy": (["consent form", "data export", "deletion request", "cookie notice"], ["is missing", "has not been answered", "is wrong", "is overdue"]),
}
HELLO = ["Hello,", "Dear team,", "Hi all,", "Good morning,", "URGENT:", ""]
FILL = ["since Monday", "after the update", "again", "for our whole office", "and nobody answers", "on my phone", "as before", "I think"]
BYE = ["Please help.", "Thanks!", "Kind regards", "Can you look at it?", "Best, Kim"]


def write_ticket(rng, queue):
    things, troubles = TALK[queue]
    parts = [rng.choice(HELLO), "my" if rng.random() < 0.5 else "the", rng.choice(things), rng.choice(troubles)]
    parts += list(rng.choice(FILL, size=rng.integers(0, 3), replace=False))
    if rng.random() < 0.35:        # people mention other things, too
        other = QUEUES[rng.integers(len(QUEUES))]
        parts.append("not the " + rng.choice(TALK[other][0]))
    parts.append(rng.choice(BYE))
    return " ".join(parts)


def tokenize(text):
    return re.findall(r"[a-z']+", text.lower())


def build_vocab(texts, min_count=3):
    counts = Counter(w for t in texts for w in tokenize(t))
    words = sorted(w for w, c in counts.items() if c >= min_count)
    return {w: i + 2 for i, w in enumerate(words)}          # 0 = padding, 1 = unknown


def encode(texts, vocab, max_len):
    ids = torch.zeros(len(texts), max_len, dtype=torch.long)
    for row, t in enumerate(texts):
        codes = [vocab.get(w, 1) for w in tokenize(t)][:max_len]
        ids[row, :len(codes)] = torch.tensor(codes)
    return ids


class Router(nn.Module):
    """embedding -> GRU -> attention pooling -> queue"""

    def __init__(self, n_words, cfg):
        super().__init__()
        self.emb = nn.Embedding(n_words, cfg.emb, padding_idx=0)
        self.gru = nn.GRU(cfg.emb, cfg.hidden // 2, batch_first=True, bidirectional=True)
        self.attend = nn.Linear(cfg.hidden, 1)
        self.drop = nn.Dropout(cfg.dropout)
        self.out = nn.Linear(cfg.hidden, len(QUEUES))

    def forward(self, ids):
        h, _ = self.gru(self.drop(self.emb(ids)))
        w = self.attend(h).squeeze(-1).masked_fill(ids == 0, -1e4).softmax(dim=1)
        return self.out(self.drop((w.unsqueeze(-1) * h).sum(1)))


class FocalLoss(nn.Module):
    def __init__(self, weight, gamma):
        super().__init__()
        self.register_buffer("weight", weight)
        self.gamma = gamma

    def forward(self, logits, target):
        logp = F.log_softmax(logits, dim=1).gather(1, target[:, None]).squeeze(1)
        p = logp.exp()
        w = self.weight[target]
        return -(w * (1 - p) ** self.gamma * logp).sum() / w.sum()


@torch.no_grad()
def predict(model, ids):
    model.eval()
    return torch.cat([model(chunk).argmax(1) for chunk in ids.split(200)]).numpy()


def main(cfg):
    torch.manual_seed(cfg.seed)
    rng = np.random.default_rng(cfg.seed)
    labels = rng.choice(len(QUEUES), size=cfg.n_tickets, p=SHARE)
    texts = [write_ticket(rng, QUEUES[k]) for k in labels]
    noisy = rng.random(cfg.n_tickets) < 0.03               # the people at the desk make mistakes
    labels[noisy] = rng.choice(len(QUEUES), size=noisy.sum())

    cut = int(0.75 * cfg.n_tickets)
    vocab = build_vocab(texts[:cut])
    ids, y = encode(texts, vocab, cfg.max_len), torch.tensor(labels)
    print(f"{len(vocab)} words, example: {texts[0]!r} -> {QUEUES[labels[0]]}")

    counts = torch.bincount(y[:cut], minlength=len(QUEUES)).float()
    criterion = FocalLoss((counts.sum() / counts).sqrt(), cfg.gamma)
    model = Router(len(vocab) + 2, cfg)
    optimizer = torch.optim.Adam(model.parameters(), lr=cfg.lr)

    # WATCH(model, optimizer)
    for epoch in range(1, cfg.epochs + 1):
        model.train()
        total = 0.0
        for pick in torch.randperm(cut).split(cfg.batch):
            optimizer.zero_grad(set_to_none=True)
            loss = criterion(model(ids[pick]), y[pick])
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            total += loss.item() * len(pick)
        f1 = f1_score(y[cut:].numpy(), predict(model, ids[cut:]), average="macro", zero_division=0)
        print(f"epoch {epoch:2d}  focal loss {total / cut:.4f}  held-out macro F1 {f1:.4f}")
    print(f"RESULT {f1:.4f} higher")


if __name__ == "__main__":
    main(Config())
