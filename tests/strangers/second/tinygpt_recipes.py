"""
A pocket-sized character GPT.

The corpus is a few thousand lines of cooking instructions spelled out by a small grammar,
so nothing has to be downloaded. The last tenth of the text is kept for validation.
"""
import math
import random
import time
from dataclasses import dataclass

import torch
import torch.nn as nn
from torch.nn import functional as F


@dataclass
class GPTConfig:
    vocab_size: int = 0
    block_size: int = 48
    n_layer: int = 2
    n_head: int = 4
    n_embd: int = 64
    dropout: float = 0.05


@dataclass
class TrainConfig:
    micro_batch: int = 10
    grad_accum: int = 2
    max_iters: int = 360
    warmup_iters: int = 30
    learning_rate: float = 4e-3
    min_lr: float = 3e-4
    weight_decay: float = 0.1
    grad_clip: float = 1.0
    eval_every: int = 60
    eval_batches: int = 5
    seed: int = 1337


# ----------------------------------------------------------------------------- corpus

VERBS = ["chop", "peel", "rinse", "slice", "toast", "grate", "drain", "crush"]
THINGS = ["onion", "carrot", "garlic", "lemon", "pepper", "potato", "tomato", "fennel", "almonds", "rice"]
ADJ = ["fresh", "small", "ripe", "red", "dried", "young"]
TOOLS = ["pan", "bowl", "pot", "tray"]
HOW = ["slowly", "well", "gently", "at once"]


def recipe_line(rng):
    n = rng.randint(2, 9)
    kind = rng.random()
    thing = rng.choice(THINGS)
    if rng.random() < 0.5:
        thing = rng.choice(ADJ) + " " + thing
    if kind < 0.4:
        return f"{rng.choice(VERBS)} the {thing} and put it in the {rng.choice(TOOLS)}."
    if kind < 0.7:
        return f"heat the {rng.choice(TOOLS)} for {n} minutes, then stir {rng.choice(HOW)}."
    if kind < 0.9:
        return f"add {n} spoons of {thing}, {rng.choice(VERBS)} {rng.choice(HOW)}."
    return f"serve with {thing} and {rng.choice(THINGS)}."


def write_corpus(seed, lines=4000):
    rng = random.Random(seed)
    return "\n".join(recipe_line(rng) for _ in range(lines))


# ----------------------------------------------------------------------------- model

class SelfAttention(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        assert cfg.n_embd % cfg.n_head == 0
        self.n_head = cfg.n_head
        self.qkv = nn.Linear(cfg.n_embd, 3 * cfg.n_embd, bias=False)
        self.out = nn.Linear(cfg.n_embd, cfg.n_embd, bias=False)
        self.drop = nn.Dropout(cfg.dropout)
        mask = torch.tril(torch.ones(cfg.block_size, cfg.block_size, dtype=torch.bool))
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, k, v = (t.view(B, T, self.n_head, C // self.n_head).transpose(1, 2) for t in (q, k, v))
        att = q @ k.transpose(-2, -1) / math.sqrt(k.size(-1))
        att = att.masked_fill(~self.mask[:T, :T], float("-inf"))
        att = att.softmax(dim=-1)
        y = (att @ v).transpose(1, 2).reshape(B, T, C)
        return self.drop(self.out(y))


class Block(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.ln1 = nn.LayerNorm(cfg.n_embd)
        self.attn = SelfAttention(cfg)
        self.ln2 = nn.LayerNorm(cfg.n_embd)
        self.mlp = nn.Sequential(
            nn.Linear(cfg.n_embd, 4 * cfg.n_embd),
            nn.GELU(),
            nn.Linear(4 * cfg.n_embd, cfg.n_embd),
            nn.Dropout(cfg.dropout),
        )

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class GPT(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        self.wte = nn.Embedding(cfg.vocab_size, cfg.n_embd)
        self.wpe = nn.Embedding(cfg.block_size, cfg.n_embd)
        self.blocks = nn.ModuleList([Block(cfg) for _ in range(cfg.n_layer)])
        self.ln_f = nn.LayerNorm(cfg.n_embd)
        self.lm_head = nn.Linear(cfg.n_embd, cfg.vocab_size, bias=False)
        self.apply(self._init)

    @staticmethod
    def _init(m):
        if isinstance(m, (nn.Linear, nn.Embedding)):
            nn.init.normal_(m.weight, std=0.02)
        if isinstance(m, nn.Linear) and m.bias is not None:
            nn.init.zeros_(m.bias)

    def forward(self, idx, targets=None):
        T = idx.size(1)
        x = self.wte(idx) + self.wpe(torch.arange(T, device=idx.device))
        for block in self.blocks:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        loss = None
        if targets is not None:
            loss = F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))
        return logits, loss

    @torch.no_grad()
    def generate(self, idx, n, temperature=0.8):
        for _ in range(n):
            logits, _ = self(idx[:, -self.cfg.block_size:])
            probs = (logits[:, -1] / temperature).softmax(-1)
            idx = torch.cat([idx, torch.multinomial(probs, 1)], dim=1)
        return idx

    def param_groups(self, weight_decay):
        decay = [p for p in self.parameters() if p.dim() >= 2]
        rest = [p for p in self.parameters() if p.dim() < 2]
        return [{"params": decay, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]


# ----------------------------------------------------------------------------- training

def get_batch(data, block, batch):
    start = torch.randint(len(data) - block - 1, (batch,)).tolist()
    x = torch.stack([data[i:i + block] for i in start])
    y = torch.stack([data[i + 1:i + 1 + block] for i in start])
    return x, y


def lr_at(it, tc):
    if it < tc.warmup_iters:
        return tc.learning_rate * (it + 1) / tc.warmup_iters
    t = (it - tc.warmup_iters) / (tc.max_iters - tc.warmup_iters)
    return tc.min_lr + 0.5 * (tc.learning_rate - tc.min_lr) * (1 + math.cos(math.pi * t))


@torch.no_grad()
def estimate_loss(model, splits, tc):
    model.eval()
    result = {}
    for name, data in splits.items():
        losses = [model(*get_batch(data, model.cfg.block_size, 24))[1].item() for _ in range(tc.eval_batches)]
        result[name] = sum(losses) / len(losses)
    model.train()
    return result


def main():
    tc = TrainConfig()
    torch.manual_seed(tc.seed)

    text = write_corpus(tc.seed)
    chars = sorted(set(text))
    stoi = {c: i for i, c in enumerate(chars)}
    data = torch.tensor([stoi[c] for c in text])
    cut = int(0.9 * len(data))
    splits = {"train": data[:cut], "val": data[cut:]}

    cfg = GPTConfig(vocab_size=len(chars))
    model = GPT(cfg)
    print(f"{len(text)} characters, {len(chars)} different, "
          f"{sum(p.numel() for p in model.parameters()) / 1e3:.1f}k parameters")
    optimizer = torch.optim.AdamW(model.param_groups(tc.weight_decay), lr=tc.learning_rate, betas=(0.9, 0.99))

    t0 = time.time()
    model.train()
    # WATCH(model, optimizer)
    for it in range(tc.max_iters):
        for group in optimizer.param_groups:
            group["lr"] = lr_at(it, tc)

        for micro in range(tc.grad_accum):
            xb, yb = get_batch(splits["train"], cfg.block_size, tc.micro_batch)
            _, loss = model(xb, yb)
            loss = loss / tc.grad_accum
            loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), tc.grad_clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

        if (it + 1) % tc.eval_every == 0:
            est = estimate_loss(model, splits, tc)
            print(f"iter {it + 1:4d} | train {est['train']:.3f} | val {est['val']:.3f} | {time.time() - t0:.1f}s")

    model.eval()
    start = torch.tensor([[stoi["\n"]]])
    print("".join(chars[i] for i in model.generate(start, 120)[0].tolist()))
    final = estimate_loss(model, {"val": splits["val"]}, tc)["val"]
    print(f"RESULT {final:.4f} lower")


if __name__ == "__main__":
    main()
