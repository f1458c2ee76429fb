"""Sequence to sequence in one page: turn dates that people write into ISO dates, character by character.

"7th of march 1984"  ->  "1984-03-07"

Encoder-decoder transformer; the decoder is taught with the true previous characters and decodes greedily when tested.
"""
import datetime
import math
import random
import warnings

import torch
import torch.nn as nn

warnings.filterwarnings("ignore", message="enable_nested_tensor")  # of no use with norm_first
random.seed(99)
torch.manual_seed(99)

MONTHS = "january february march april may june july august september october november december".split()
PAD, BOS, EOS = 0, 1, 2
CHARS = "abcdefghijklmnopqrstuvwxyz0123456789 .,/-'"
STOI = {c: i + 3 for i, c in enumerate(CHARS)}
ITOS = {i: c for c, i in STOI.items()}


def ordinal(d):
    return f"{d}" + ("th" if 10 <= d % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(d % 10, "th"))


def written(d):
    m = MONTHS[d.month - 1]
    return random.choice([
        f"{d.day} {m} {d.year}",
        f"{m} {d.day}, {d.year}",
        f"{ordinal(d.day)} of {m} {d.year}",
        f"{d.day}. {m[:3]} {d.year}",
        f"{m[:3]} {ordinal(d.day)} {d.year}",
        f"{d.day}/{d.month}/{d.year}",
        f"{d.day:02d}.{d.month:02d}.{d.year}",
    ])


def encode(text):
    return [STOI[c] for c in text]


def pad(rows):
    width = max(map(len, rows))
    return torch.tensor([r + [PAD] * (width - len(r)) for r in rows])


first = datetime.date(1950, 1, 1).toordinal()
days = list(range(first, first + 365 * 80))
random.shuffle(days)
pairs = []
for o in days[:9000]:
    d = datetime.date.fromordinal(o)
    pairs.append((encode(written(d)), [BOS] + encode(d.isoformat()) + [EOS]))
train, valid, test = pairs[:8000], pairs[8000:8300], pairs[8300:]


class Seq2Seq(nn.Module):
    def __init__(self, n_tokens, d_model=64, heads=4, layers=1, max_len=32):
        super().__init__()
        self.embed = nn.Embedding(n_tokens, d_model, padding_idx=PAD)
        self.pos_src = nn.Embedding(max_len, d_model)
        self.pos_tgt = nn.Embedding(max_len, d_model)
        self.transformer = nn.Transformer(
            d_model, heads, layers, layers, dim_feedforward=128, dropout=0.0, batch_first=True, norm_first=True
        )
        self.to_tokens = nn.Linear(d_model, n_tokens)
        self.scale = math.sqrt(d_model)
        nn.init.normal_(self.embed.weight, std=1 / self.scale)

    def forward(self, src, tgt):
        s = self.embed(src) * self.scale + self.pos_src.weight[: src.shape[1]]
        t = self.embed(tgt) * self.scale + self.pos_tgt.weight[: tgt.shape[1]]
        ahead = torch.triu(torch.ones(tgt.shape[1], tgt.shape[1], dtype=torch.bool), 1)
        gaps = src == PAD
        h = self.transformer(
            s, t,
            tgt_mask=ahead,
            src_key_padding_mask=gaps,
            memory_key_padding_mask=gaps,
        )
        return self.to_tokens(h)


def split_target(tgt):
    """What the decoder reads, and what it should say at each place."""
    return tgt[:, :-1], tgt[:, 1:]


@torch.no_grad()
def greedy(net, src, steps=11):
    net.eval()
    out = torch.full((len(src), 1), BOS)
    for _ in range(steps):
        nxt = net(src, out)[:, -1].argmax(-1, keepdim=True)
        out = torch.cat([out, nxt], 1)
    return out


def exact(net, data):
    src, tgt = pad([s for s, _ in data]), pad([t for _, t in data])
    return (greedy(net, src)[:, : tgt.shape[1]] == tgt).all(1).float().mean().item()


@torch.no_grad()
def teacher_loss(net, data):
    net.eval()
    src, tgt = pad([s for s, _ in data]), pad([t for _, t in data])
    given, wanted = split_target(tgt)
    return ce(net(src, given).flatten(0, 1), wanted.flatten()).item()


net = Seq2Seq(len(CHARS) + 3)
adam = torch.optim.Adam(net.parameters(), lr=2e-3, betas=(0.9, 0.98))
BATCH, EPOCHS = 64, 3
n_steps = EPOCHS * (len(train) // BATCH)
sched = torch.optim.lr_scheduler.OneCycleLR(adam, 2e-3, total_steps=n_steps, pct_start=0.15)
ce = nn.CrossEntropyLoss(ignore_index=PAD)

# WATCH(net, adam)
step = 0
for epoch in range(EPOCHS):
    random.shuffle(train)
    for b in range(0, len(train) - BATCH + 1, BATCH):
        net.train()
        batch = train[b : b + BATCH]
        src, tgt = pad([s for s, _ in batch]), pad([t for _, t in batch])
        given, wanted = split_target(tgt)
        loss = ce(net(src, given).flatten(0, 1), wanted.flatten())
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        adam.step()
        sched.step()
        step += 1
        if step % 100 == 0:
            print(f"step {step:4d}  loss {loss.item():.4f}")
    print(f"epoch {epoch + 1}: validation loss {teacher_loss(net, valid):.4f}, whole dates right {exact(net, valid):.3f}")

for s, t in test[:4]:
    got = greedy(net, torch.tensor([s]))[0].tolist()
    print("".join(ITOS[i] for i in s), "->", "".join(ITOS.get(i, "") for i in got))
print(f"RESULT {exact(net, test):.4f} higher")
