# A small character-level GPT trained on the source of a few stdlib modules.
import argparse as _argparse, ast, asyncio.base_events, collections, configparser, csv, datetime, decimal
import dataclasses, difflib, email.message, enum, functools, heapq, http.client, inspect, json.decoder
import logging, math, optparse, os, pathlib, pdb, random, shutil, statistics, subprocess, tarfile
import textwrap, threading, typing, unittest.case, urllib.parse, zipfile

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(1337)

# ---- hyperparameters
block_size = 64
batch_size = 32
n_layer, n_head, n_embd = 3, 4, 96
dropout = 0.0
max_steps = 600
warmup_steps = 60
max_lr, min_lr = 2e-3, 2e-4
weight_decay = 0.1
grad_clip = 1.0
eval_every = 100
eval_batches = 12

# ---- data
modules = [_argparse, ast, asyncio.base_events, collections, configparser, csv, dataclasses, difflib,
           email.message, enum, functools, heapq, http.client, inspect, json.decoder, logging,
           optparse, os, random, shutil, statistics, subprocess, tarfile, textwrap, threading,
           typing, unittest.case, urllib.parse, zipfile, pdb]
rng = random.Random(0)
pieces = []
for m in modules:
    src = inspect.getsource(m)
    pieces += [src[i:i + 4000] for i in range(0, len(src), 4000)]
rng.shuffle(pieces)
n_val = len(pieces) // 10
train_text, val_text = "".join(pieces[n_val:]), "".join(pieces[:n_val])
chars = sorted(set(c for c in train_text + val_text if ord(c) < 128))
stoi = {c: i for i, c in enumerate(chars)}
itos = dict(enumerate(chars))
encode = lambda s: torch.tensor([stoi[c] for c in s if c in stoi], dtype=torch.long)
decode = lambda ids: "".join(itos[i] for i in ids)
data = {"train": encode(train_text), "val": encode(val_text)}
print(f"{len(data['train'])} train chars, {len(data['val'])} val chars, vocab {len(chars)}")


def get_batch(split):
    d = data[split]
    ix = torch.randint(len(d) - block_size - 1, (batch_size,))
    x = torch.stack([d[i:i + block_size] for i in ix])
    y = torch.stack([d[i + 1:i + block_size + 1] for i in ix])
    return x, y


class CausalSelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_attn = nn.Linear(n_embd, 3 * n_embd)
        self.c_proj = nn.Linear(n_embd, n_embd)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.c_attn(x).split(n_embd, dim=2)
        q, k, v = (t.view(B, T, n_head, C // n_head).transpose(1, 2) for t in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(y.transpose(1, 2).reshape(B, T, C))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1 = nn.LayerNorm(n_embd)
        self.attn = CausalSelfAttention()
        self.ln_2 = nn.LayerNorm(n_embd)
        self.mlp = nn.Sequential(nn.Linear(n_embd, 4 * n_embd), nn.GELU(),
                                 nn.Linear(4 * n_embd, n_embd), nn.Dropout(dropout))

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self, vocab_size):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, n_embd)
        self.wpe = nn.Embedding(block_size, n_embd)
        self.blocks = nn.Sequential(*[Block() for _ in range(n_layer)])
        self.ln_f = nn.LayerNorm(n_embd)
        self.lm_head = nn.Linear(n_embd, vocab_size, bias=False)
        self.lm_head.weight = self.wte.weight           # tied
        self.apply(self._init)
        for name, p in self.named_parameters():
            if name.endswith("c_proj.weight"):
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * n_layer))

    def _init(self, m):
        if isinstance(m, (nn.Linear, nn.Embedding)):
            nn.init.normal_(m.weight, std=0.02)
        if isinstance(m, nn.Linear) and m.bias is not None:
            nn.init.zeros_(m.bias)

    def forward(self, idx, targets=None):
        x = self.wte(idx) + self.wpe(torch.arange(idx.size(1)))
        logits = self.lm_head(self.ln_f(self.blocks(x)))
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))

    @torch.no_grad()
    def generate(self, idx, n):
        for _ in range(n):
            logits, _ = self(idx[:, -block_size:])
            probs = F.softmax(logits[:, -1] / 0.8, dim=-1)
            idx = torch.cat([idx, torch.multinomial(probs, 1)], dim=1)
        return idx


def get_lr(step):
    if step < warmup_steps:
        return max_lr * (step + 1) / warmup_steps
    r = (step - warmup_steps) / (max_steps - warmup_steps)
    return min_lr + 0.5 * (1 + math.cos(math.pi * r)) * (max_lr - min_lr)


@torch.no_grad()
def estimate_loss():
    model.eval()
    out = {s: sum(model(*get_batch(s))[1].item() for _ in range(eval_batches)) / eval_batches
           for s in ("train", "val")}
    model.train()
    return out


model = GPT(len(chars))
decay = [p for p in model.parameters() if p.dim() >= 2]
no_decay = [p for p in model.parameters() if p.dim() < 2]
optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": weight_decay},
                               {"params": no_decay, "weight_decay": 0.0}],
                              lr=max_lr, betas=(0.9, 0.95))

for step in range(max_steps):
    if step % eval_every == 0:
        e = estimate_loss()
        print(f"step {step:4d}: train {e['train']:.4f}, val {e['val']:.4f}")
    lr = get_lr(step)
    for g in optimizer.param_groups:
        g["lr"] = lr
    x, y = get_batch("train")
    _, loss = model(x, y)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), grad_clip)
    optimizer.step()

e = estimate_loss()
model.eval()
print("sample:", repr(decode(model.generate(encode("def ")[None], 120)[0].tolist())))
print(f"final train {e['train']:.4f} val {e['val']:.4f} nats/char (uniform {math.log(len(chars)):.2f})")
