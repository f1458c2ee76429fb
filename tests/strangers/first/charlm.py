"""Character-level language model over the docstrings that ship with numpy: a two-layer
transformer decoder, written out by hand, trained with gradient accumulation and a warm-up +
cosine schedule.  Reports bits per character on the docstrings of held-out functions.
"""
import argparse
import math
import re

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=300)
parser.add_argument("--batch-size", type=int, default=12)
parser.add_argument("--accum", type=int, default=2)
parser.add_argument("--block", type=int, default=32)
parser.add_argument("--dim", type=int, default=64)
parser.add_argument("--heads", type=int, default=4)
parser.add_argument("--layers", type=int, default=2)
parser.add_argument("--lr", type=float, default=5e-3)
parser.add_argument("--warmup", type=int, default=30)
parser.add_argument("--seed", type=int, default=1337)
args = parser.parse_args()

torch.manual_seed(args.seed)
rng = np.random.default_rng(args.seed)


def load_text():
    parts = []
    for name in sorted(n for n in dir(np) if n.islower() and not n.startswith("_")):
        doc = getattr(np, name).__doc__ or ""
        text = doc.split("Examples\n")[0].lower()
        text = re.sub(r"[^a-z0-9 .,:()\n_=-]", "", re.sub(r"[ \t]+", " ", text))
        if len(text) > 300 and text not in parts:
            parts.append(text)
    order = rng.permutation(len(parts))
    cut = int(0.95 * len(parts))
    return "".join(parts[i] for i in order[:cut]), "".join(parts[i] for i in order[cut:])


train_text, valid_text = load_text()
chars = sorted(set(train_text + valid_text))
stoi = {c: i for i, c in enumerate(chars)}
train_ids = torch.tensor([stoi[c] for c in train_text])
valid_ids = torch.tensor([stoi[c] for c in valid_text])


def get_batch(ids, n):
    ix = rng.integers(0, len(ids) - args.block - 1, size=n)
    x = torch.stack([ids[i: i + args.block] for i in ix])
    y = torch.stack([ids[i + 1: i + 1 + args.block] for i in ix])
    return x, y


class Attention(nn.Module):
    def __init__(self, dim, heads, block):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.register_buffer("mask", torch.tril(torch.ones(block, block)).bool())

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.qkv(x).split(C, dim=2)
        q, k, v = (t.view(B, T, self.heads, C // self.heads).transpose(1, 2) for t in (q, k, v))
        att = q @ k.transpose(-2, -1) / math.sqrt(k.size(-1))
        att = att.masked_fill(~self.mask[:T, :T], float("-inf"))
        att = F.softmax(att, dim=-1)
        out = (att @ v).transpose(1, 2).reshape(B, T, C)
        return self.proj(out)


class Block(nn.Module):
    def __init__(self, dim, heads, block):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = Attention(dim, heads, block)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim), nn.Dropout(0.1))

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class CharLM(nn.Module):
    def __init__(self, vocab):
        super().__init__()
        self.tok = nn.Embedding(vocab, args.dim)
        self.pos = nn.Embedding(args.block, args.dim)
        self.blocks = nn.Sequential(*[Block(args.dim, args.heads, args.block) for _ in range(args.layers)])
        self.norm = nn.LayerNorm(args.dim)
        self.head = nn.Linear(args.dim, vocab)
        for emb in (self.tok, self.pos):
            nn.init.normal_(emb.weight, std=0.05)

    def forward(self, idx, targets):
        x = self.tok(idx) + self.pos(torch.arange(idx.size(1)))
        logits = self.head(self.norm(self.blocks(x)))
        return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.reshape(-1))


@torch.no_grad()
def evaluate(model):
    model.eval()
    n = (len(valid_ids) - 1) // args.block
    x = valid_ids[: n * args.block].view(n, args.block)
    y = valid_ids[1: n * args.block + 1].view(n, args.block)
    loss = model(x, y).item()
    model.train()
    return loss / math.log(2)


def lr_at(step):
    if step < args.warmup:
        return (step + 1) / args.warmup
    done = (step - args.warmup) / (args.steps - args.warmup)
    return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * done))


model = CharLM(len(chars))
optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=0.01)
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lr_at)
# WATCH(model, optimizer)
print(f"{len(train_ids)} train chars, {len(chars)} symbols, {sum(p.numel() for p in model.parameters())} parameters")

for step in range(args.steps):
    optimizer.zero_grad()
    running = 0.0
    for micro in range(args.accum):
        xb, yb = get_batch(train_ids, args.batch_size)
        loss = model(xb, yb) / args.accum
        loss.backward()
        running += loss.item()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    scheduler.step()
    if (step + 1) % 75 == 0:
        print(f"step {step + 1:4d} train {running / math.log(2):.3f} valid {evaluate(model):.3f} bits")

print(f"RESULT {evaluate(model):.4f} lower")
