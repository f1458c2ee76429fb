"""A very small GPT which learns to sort letters:  "dbca" -> "abcd".

Decoder-only transformer, causal mask, tied in/out embedding, AdamW with
decay groups, warmup + cosine, gradient accumulation and clipping.
"""
import math
import time
from dataclasses import dataclass

import torch
import torch.nn as nn
from torch.nn import functional as F


@dataclass
class Config:
    n_letters: int = 8       # alphabet
    length: int = 6          # letters to sort
    n_layer: int = 2
    n_head: int = 4
    n_embd: int = 48
    dropout: float = 0.0
    micro_batch: int = 32
    accum: int = 2
    steps: int = 240
    warmup: int = 25
    lr: float = 3e-3
    min_lr: float = 1e-4
    weight_decay: float = 0.1
    grad_clip: float = 1.0
    seed: int = 1337

    @property
    def vocab(self):
        return self.n_letters + 1   # + the separator

    @property
    def block(self):
        return 2 * self.length      # x1..xL | y1..y(L-1)  ... all but the last


class CausalSelfAttention(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        assert c.n_embd % c.n_head == 0
        self.h = c.n_head
        self.qkv = nn.Linear(c.n_embd, 3 * c.n_embd)
        self.proj = nn.Linear(c.n_embd, c.n_embd)
        self.drop = nn.Dropout(c.dropout)
        mask = torch.tril(torch.ones(c.block, c.block, dtype=torch.bool))
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.qkv(x).split(C, dim=2)
        q, k, v = (t.view(B, T, self.h, C // self.h).transpose(1, 2) for t in (q, k, v))
        att = q @ k.transpose(-2, -1) / math.sqrt(C // self.h)
        att = att.masked_fill(~self.mask[:T, :T], float("-inf")).softmax(dim=-1)
        y = (self.drop(att) @ v).transpose(1, 2).reshape(B, T, C)
        return self.proj(y)


class Block(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.ln1 = nn.LayerNorm(c.n_embd)
        self.attn = CausalSelfAttention(c)
        self.ln2 = nn.LayerNorm(c.n_embd)
        self.mlp = nn.Sequential(
            nn.Linear(c.n_embd, 4 * c.n_embd), nn.GELU(),
            nn.Linear(4 * c.n_embd, c.n_embd), nn.Dropout(c.dropout),
        )

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class GPT(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.c = c
        self.tok = nn.Embedding(c.vocab, c.n_embd)
        self.pos = nn.Embedding(c.block, c.n_embd)
        self.blocks = nn.ModuleList([Block(c) for _ in range(c.n_layer)])
        self.ln_f = nn.LayerNorm(c.n_embd)
        self.head = nn.Linear(c.n_embd, c.vocab, bias=False)
        self.apply(self._init)
        for name, p in self.named_parameters():
            if name.endswith("proj.weight") or name.endswith("mlp.2.weight"):
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * c.n_layer))
        self.head.weight = self.tok.weight

    @staticmethod
    def _init(m):
        if isinstance(m, (nn.Linear, nn.Embedding)):
            nn.init.normal_(m.weight, std=0.02)
        if isinstance(m, nn.Linear) and m.bias is not None:
            nn.init.zeros_(m.bias)

    def forward(self, idx, targets=None):
        T = idx.size(1)
        x = self.tok(idx) + self.pos(torch.arange(T, device=idx.device))
        for b in self.blocks:
            x = b(x)
        logits = self.head(self.ln_f(x))
        loss = None
        if targets is not None:
            loss = F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)
        return logits, loss

    @torch.no_grad()
    def generate(self, idx, n):
        for _ in range(n):
            logits, _ = self(idx[:, -self.c.block:])
            idx = torch.cat([idx, logits[:, -1].argmax(-1, keepdim=True)], dim=1)
        return idx


def get_batch(c, n, gen):
    a = torch.randint(c.n_letters, (n, c.length), generator=gen)
    sep = torch.full((n, 1), c.n_letters)
    seq = torch.cat([a, sep, a.sort(dim=1).values], dim=1)
    x, y = seq[:, :-1].contiguous(), seq[:, 1:].clone()
    y[:, :c.length] = -1          # only the answer is predictable
    return x, y


def configure_optimizer(model, c):
    decay = [p for p in model.parameters() if p.dim() >= 2]
    rest = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": decay, "weight_decay": c.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=c.lr, betas=(0.9, 0.95))


def lr_at(it, c):
    if it < c.warmup:
        return c.lr * (it + 1) / c.warmup
    r = (it - c.warmup) / max(1, c.steps - c.warmup)
    return c.min_lr + 0.5 * (1 + math.cos(math.pi * r)) * (c.lr - c.min_lr)


@torch.no_grad()
def evaluate(model, c, n=256):
    model.eval()
    gen = torch.Generator().manual_seed(999)
    x, y = get_batch(c, n, gen)
    loss = model(x, y)[1].item()
    out = model.generate(x[:, :c.length + 1], c.length)
    exact = (out[:, c.length + 1:] == x[:, :c.length].sort(dim=1).values).all(dim=1).float().mean().item()
    model.train()
    return loss, exact


def main():
    c = Config()
    torch.set_num_threads(1)
    torch.manual_seed(c.seed)
    gen = torch.Generator().manual_seed(c.seed)
    model = GPT(c)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    optimizer = configure_optimizer(model, c)
    model.train()
    t0 = time.time()

    # WATCH(model, optimizer)
    for it in range(c.steps):
        lr = lr_at(it, c)
        for g in optimizer.param_groups:
            g["lr"] = lr

        total = 0.0
        for _ in range(c.accum):
            x, y = get_batch(c, c.micro_batch, gen)
            _, loss = model(x, y)
            (loss / c.accum).backward()
            total += loss.item() / c.accum
        norm = nn.utils.clip_grad_norm_(model.parameters(), c.grad_clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

        if it % 40 == 0 or it == c.steps - 1:
            vl, ex = evaluate(model, c)
            print(f"iter {it:4d} | loss {total:.4f} | val {vl:.4f} | exact {ex:.3f} | "
                  f"lr {lr:.2e} | gnorm {norm:.2f} | {time.time() - t0:.1f}s")

    letters = "abcdefghijklmnopqrstuvwxyz"
    x, _ = get_batch(c, 3, gen)
    model.eval()
    for row in model.generate(x[:, :c.length + 1], c.length).tolist():
        print("".join(letters[i] for i in row[:c.length]), "->", "".join(letters[i] if i < c.n_letters else "?" for i in row[c.length + 1:]))
    print(f"RESULT {ex:.4f} higher")


if __name__ == "__main__":
    main()
