"""Translate written dates ("tue 03 mar 87") into ISO form ("1987-03-03").

Character-level encoder-decoder transformer written by hand; greedy decoding on
dates never seen in training; the score is the share of dates that are right as a whole.

RESULT exact_dates higher
"""
import datetime
import math
import random

import torch
import torch.nn as nn

random.seed(0)
torch.manual_seed(0)

PAD, BOS, EOS = 0, 1, 2
FORMATS = ["%d %b %Y", "%b %d, %Y", "%d.%m.%y", "%a %d %b %y"]


def make_pairs(n):
    first = datetime.date(1970, 1, 1)
    pairs = []
    for off in random.sample(range(365 * 50), n):
        day = first + datetime.timedelta(days=off)
        pairs.append((day.strftime(random.choice(FORMATS)).lower(), day.isoformat()))
    return pairs


def build_vocab(strings):
    return {c: i + 3 for i, c in enumerate(sorted(set("".join(strings))))}


def encode(strings, vocab):
    rows = [[BOS] + [vocab[c] for c in s] + [EOS] for s in strings]
    width = max(map(len, rows))
    return torch.tensor([r + [PAD] * (width - len(r)) for r in rows])


class Attention(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.h, self.dk = heads, d // heads
        self.q, self.k, self.v, self.o = (nn.Linear(d, d) for _ in range(4))

    def split(self, x):
        B, T, _ = x.shape
        return x.view(B, T, self.h, self.dk).transpose(1, 2)

    def forward(self, x, mem, mask):
        q, k, v = self.split(self.q(x)), self.split(self.k(mem)), self.split(self.v(mem))
        scores = q @ k.transpose(-2, -1) / math.sqrt(self.dk)
        scores = scores.masked_fill(~mask, -1e9)
        weights = scores.softmax(dim=-1)
        out = weights @ v
        B, _, T, _ = out.shape
        return self.o(out.transpose(1, 2).reshape(B, T, self.h * self.dk))


class Block(nn.Module):
    def __init__(self, d, heads, cross):
        super().__init__()
        self.self_att = Attention(d, heads)
        self.cross_att = Attention(d, heads) if cross else None
        self.ff = nn.Sequential(nn.Linear(d, 2 * d), nn.ReLU(), nn.Linear(2 * d, d))
        self.norms = nn.ModuleList(nn.LayerNorm(d) for _ in range(3))

    def forward(self, x, mask, mem=None, mem_mask=None):
        y = self.norms[0](x)
        x = x + self.self_att(y, y, mask)
        if self.cross_att is not None:
            x = x + self.cross_att(self.norms[1](x), mem, mem_mask)
        return x + self.ff(self.norms[2](x))


class Translator(nn.Module):
    def __init__(self, n_src, n_tgt, d=48, heads=4, depth=2, max_len=24):
        super().__init__()
        self.src_emb, self.tgt_emb = nn.Embedding(n_src, d), nn.Embedding(n_tgt, d)
        self.src_pos = nn.Parameter(0.02 * torch.randn(max_len, d))
        self.tgt_pos = nn.Parameter(0.02 * torch.randn(max_len, d))
        self.enc = nn.ModuleList(Block(d, heads, False) for _ in range(depth))
        self.dec = nn.ModuleList(Block(d, heads, True) for _ in range(depth))
        self.mem_norm, self.out_norm = nn.LayerNorm(d), nn.LayerNorm(d)
        self.head = nn.Linear(d, n_tgt)

    def forward(self, src, tgt):
        src_mask = (src != PAD)[:, None, None, :]
        x = self.src_emb(src) + self.src_pos[:src.size(1)]
        for block in self.enc:
            x = block(x, src_mask)
        mem = self.mem_norm(x)
        T = tgt.size(1)
        causal = torch.ones(T, T, dtype=torch.bool).tril()
        y = self.tgt_emb(tgt) + self.tgt_pos[:T]
        for block in self.dec:
            y = block(y, causal, mem, src_mask)
        return self.head(self.out_norm(y))


@torch.no_grad()
def translate(model, src, steps):
    model.eval()
    out = torch.full((len(src), 1), BOS)
    for _ in range(steps):
        out = torch.cat([out, model(src, out)[:, -1:].argmax(-1)], dim=1)
    return out


pairs = make_pairs(3000)
src_vocab = build_vocab(s for s, _ in pairs)
tgt_vocab = build_vocab(t for _, t in pairs)
src = encode([s for s, _ in pairs], src_vocab)
tgt = encode([t for _, t in pairs], tgt_vocab)
train_src, train_tgt = src[:2700], tgt[:2700]
test_src, test_tgt = src[2700:], tgt[2700:]

model = Translator(len(src_vocab) + 3, len(tgt_vocab) + 3)
criterion = nn.CrossEntropyLoss(ignore_index=PAD)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
# WATCH(model, optimizer)

loss_avg = None
for epoch in range(6):
    model.train()
    for idx in torch.randperm(len(train_src)).split(64):
        s, t = train_src[idx], train_tgt[idx]
        logits = model(s, t[:, :-1])
        loss = criterion(logits.flatten(0, 1), t[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss_avg = loss.item() if loss_avg is None else 0.95 * loss_avg + 0.05 * loss.item()
    print(f"epoch {epoch}: running loss {loss_avg:.4f}")

hyp = translate(model, test_src, test_tgt.size(1) - 1)
for row in hyp[:3]:
    print("".join(c for i in row.tolist() for c, j in tgt_vocab.items() if i == j))
hit = hyp[:, 1:] == test_tgt[:, 1:]
print(f"characters right: {hit.float().mean():.3f}")
print(f"RESULT exact_dates {hit.all(1).float().mean():.4f}")
