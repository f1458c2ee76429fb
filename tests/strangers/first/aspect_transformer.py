"""
A small transformer, written out by hand, that answers a question about a review
=================================================================================
Each example reads like

    [ask] acting : plot rather dull but acting not bad

and the model has to say whether the writer liked *the thing asked for* (here: the acting -> yes).
Counting nice words will not do: the other clause talks about another thing, and "not" flips a word.
So the model must look from the question to the right clause, and that's what attention is for.
"""
import math
import random

import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(7)
rng = random.Random(7)

# ---------------------------------------------------------------- 1. the texts
ASPECTS = ["acting", "plot", "music", "camera", "ending"]
NICE = ["good", "superb", "fresh", "moving", "clever", "fun"]
NASTY = ["bad", "dull", "stale", "awful", "clumsy", "slow"]
SOFTEN = ["rather", "really", ""]
JOIN = ["and", "but", "while", "yet"]


def clause(aspect):
    liked = rng.random() < 0.5
    flip = rng.random() < 0.35
    word = rng.choice(NICE if liked != flip else NASTY)
    parts = [aspect] + (["not"] if flip else []) + [rng.choice(SOFTEN), word]
    return [p for p in parts if p], liked


def review():
    aspects = rng.sample(ASPECTS, 2)
    asked = rng.choice(aspects)
    words, label = ["[ask]", asked, ":"], 0
    for i, a in enumerate(aspects):
        if i:
            words.append(rng.choice(JOIN))
        c, liked = clause(a)
        words += c
        if a == asked:
            label = int(liked)
    return words, label


train_set = [review() for _ in range(12000)]
valid_set = [review() for _ in range(800)]
test_set = [review() for _ in range(1500)]

vocab = {"[pad]": 0}
for words, _ in train_set:
    for w in words:
        vocab.setdefault(w, len(vocab))
print(f"{len(vocab)} words; for example: {' '.join(train_set[0][0])} -> {train_set[0][1]}")


def collate(batch):
    longest = max(len(w) for w, _ in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    for row, (w, _) in enumerate(batch):
        ids[row, : len(w)] = torch.tensor([vocab[x] for x in w])
    return ids, torch.tensor([y for _, y in batch])


# ---------------------------------------------------------------- 2. the model
class SelfAttention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x, padding):
        b, t, d = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1) / math.sqrt(d // self.heads)  # batch, head, from, to
        scores = scores.masked_fill(padding[:, None, None, :], -1e9)
        weights = scores.softmax(dim=-1)
        mixed = (weights @ v).transpose(1, 2).reshape(b, t, d)
        return self.out(mixed)


class Block(nn.Module):
    def __init__(self, dim, heads, drop):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attend = SelfAttention(dim, heads)
        self.think = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
        self.drop = nn.Dropout(drop)

    def forward(self, x, padding):
        x = x + self.drop(self.attend(self.norm1(x), padding))
        return x + self.drop(self.think(self.norm2(x)))


class Reader(nn.Module):
    def __init__(self, n_words, dim=40, heads=4, depth=2, drop=0.1, max_len=24):
        super().__init__()
        self.word = nn.Embedding(n_words, dim, padding_idx=0)
        angle = torch.arange(max_len)[:, None] / 50 ** (torch.arange(0, dim, 2) / dim)
        self.register_buffer("place", torch.cat([angle.sin(), angle.cos()], dim=1))
        self.blocks = nn.ModuleList([Block(dim, heads, drop) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.answer = nn.Linear(dim, 2)

    def forward(self, ids):
        padding = ids == 0
        x = self.word(ids) + self.place[: ids.shape[1]]
        for block in self.blocks:
            x = block(x, padding)
        return self.answer(self.norm(x[:, 1]))  # read the answer off the word that was asked for


# ---------------------------------------------------------------- 3. training
EPOCHS, BATCH = 5, 128
model = Reader(len(vocab))
opt = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.01)
steps = EPOCHS * math.ceil(len(train_set) / BATCH)
warm = 60
plan = torch.optim.lr_scheduler.LambdaLR(
    opt, lambda s: (s + 1) / warm if s < warm else 0.5 * (1 + math.cos(math.pi * (s - warm) / (steps - warm)))
)


@torch.no_grad()
def check(data):
    model.eval()
    loss = right = 0.0
    for i in range(0, len(data), 256):
        ids, y = collate(data[i : i + 256])
        logits = model(ids)
        loss += F.cross_entropy(logits, y, reduction="sum").item()
        right += (logits.argmax(1) == y).sum().item()
    return loss / len(data), right / len(data)


# WATCH(model, opt)
for epoch in range(1, EPOCHS + 1):
    model.train()
    rng.shuffle(train_set)
    total = 0.0
    for i in range(0, len(train_set), BATCH):
        ids, y = collate(train_set[i : i + BATCH])
        loss = F.cross_entropy(model(ids), y)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        plan.step()
        total += loss.item() * len(y)
    v_loss, v_acc = check(valid_set)
    print(f"epoch {epoch}   train {total / len(train_set):.3f}   valid {v_loss:.3f}   accuracy {v_acc:.1%}")

print("RESULT %.4f higher" % check(test_set)[1])
