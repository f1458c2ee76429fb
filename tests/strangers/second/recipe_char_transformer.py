"""Character level language model of made-up recipes: a small decoder-only transformer written from scratch."""
import math
import random
from dataclasses import dataclass

import torch
import torch.nn as nn
from torch.nn import functional as F


@dataclass
class ModelConfig:
    vocab: int
    block: int = 48
    n_layer: int = 2
    n_head: int = 4
    n_embd: int = 48
    dropout: float = 0.1


@dataclass
class TrainConfig:
    steps: int = 400
    batch: int = 16
    lr: float = 3e-3
    min_lr: float = 1e-4
    warmup: int = 30
    clip: float = 1.0
    eval_every: int = 100


def write_recipes(n, rng):
    verbs = ["chop", "fry", "boil", "bake", "mix", "peel", "roast", "grate"]
    things = ["onions", "carrots", "potatoes", "beans", "apples", "leeks", "mushrooms", "peppers"]
    tools = ["a pan", "a pot", "the oven", "a bowl"]
    ends = ["serve hot", "let it cool", "add some salt", "eat with bread"]
    lines = []
    for _ in range(n):
        k = rng.randint(2, 9)
        a, b = rng.sample(things, 2)
        lines.append(f"{rng.choice(verbs)} {k} {a} and {rng.choice(verbs)} the {b} in {rng.choice(tools)}, "
                     f"wait {k} minutes, {rng.choice(ends)}.\n")
    return "".join(lines)


class CausalSelfAttention(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.n_head = cfg.n_head
        self.qkv = nn.Linear(cfg.n_embd, 3 * cfg.n_embd)
        self.proj = nn.Linear(cfg.n_embd, cfg.n_embd)
        self.drop = nn.Dropout(cfg.dropout)
        mask = torch.tril(torch.ones(cfg.block, cfg.block, dtype=torch.bool))
        self.register_buffer("mask", mask)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.qkv(x).split(C, dim=2)
        q = q.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
        k = k.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
        v = v.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
        att = (q @ k.transpose(-2, -1)) / math.sqrt(k.size(-1))
        att = att.masked_fill(~self.mask[:T, :T], float("-inf"))
        att = self.drop(F.softmax(att, dim=-1))
        y = (att @ v).transpose(1, 2).contiguous().view(B, T, C)
        return self.drop(self.proj(y))


class Block(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.ln1 = nn.LayerNorm(cfg.n_embd)
        self.attn = CausalSelfAttention(cfg)
        self.ln2 = nn.LayerNorm(cfg.n_embd)
        self.mlp = nn.Sequential(
            nn.Linear(cfg.n_embd, 4 * cfg.n_embd), nn.GELU(),
            nn.Linear(4 * cfg.n_embd, cfg.n_embd), nn.Dropout(cfg.dropout))

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class CharTransformer(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        self.tok = nn.Embedding(cfg.vocab, cfg.n_embd)
        self.pos = nn.Embedding(cfg.block, cfg.n_embd)
        self.blocks = nn.ModuleList([Block(cfg) for _ in range(cfg.n_layer)])
        self.ln_f = nn.LayerNorm(cfg.n_embd)
        self.head = nn.Linear(cfg.n_embd, cfg.vocab, bias=False)
        self.apply(self.init_weights)

    @staticmethod
    def init_weights(m):
        if isinstance(m, (nn.Linear, nn.Embedding)):
            nn.init.normal_(m.weight, std=0.05)
        if isinstance(m, nn.Linear) and m.bias is not None:
            nn.init.zeros_(m.bias)

    def forward(self, idx, targets=None):
        T = idx.shape[1]
        x = self.tok(idx) + self.pos(torch.arange(T))
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.ln_f(x))
        loss = None
        if targets is not None:
            loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        return logits, loss

    @torch.no_grad()
    def sample(self, idx, n, gen):
        self.eval()
        for _ in range(n):
            logits, _ = self(idx[:, -self.cfg.block:])
            p = F.softmax(logits[:, -1], dim=-1)
            idx = torch.cat([idx, torch.multinomial(p, 1, generator=gen)], dim=1)
        return idx


class Corpus:
    def __init__(self, text, block):
        self.chars = sorted(set(text))
        self.index = {c: i for i, c in enumerate(self.chars)}
        data = torch.tensor([self.index[c] for c in text])
        cut = int(0.9 * len(data))
        self.parts = {"train": data[:cut], "val": data[cut:]}
        self.block = block

    def batch(self, part, size, gen):
        d = self.parts[part]
        at = torch.randint(0, len(d) - self.block - 2, (size,), generator=gen)
        x = torch.stack([d[i:i + self.block] for i in at])
        y = torch.stack([d[i + 1:i + self.block + 1] for i in at])
        return x, y


class Trainer:
    def __init__(self, model, corpus, cfg):
        self.model, self.corpus, self.cfg = model, corpus, cfg
        decay = [p for p in model.parameters() if p.dim() >= 2]
        rest = [p for p in model.parameters() if p.dim() < 2]
        self.optim = torch.optim.AdamW([{"params": decay, "weight_decay": 0.05},
                                        {"params": rest, "weight_decay": 0.0}], lr=cfg.lr, betas=(0.9, 0.95))
        self.gen = torch.Generator().manual_seed(77)

    def lr_at(self, step):
        c = self.cfg
        if step < c.warmup:
            return c.lr * (step + 1) / c.warmup
        t = (step - c.warmup) / (c.steps - c.warmup)
        return c.min_lr + 0.5 * (c.lr - c.min_lr) * (1 + math.cos(math.pi * t))

    @torch.no_grad()
    def estimate(self, rounds=6):
        self.model.eval()
        g = torch.Generator().manual_seed(123)
        vals = [self.model(*self.corpus.batch("val", 16, g))[1].item() for _ in range(rounds)]
        self.model.train()
        return sum(vals) / len(vals)

    def fit(self):
        model, optim = self.model, self.optim
        model.train()
        ema = None
        # WATCH(model, optim)
        for step in range(self.cfg.steps):
            for group in optim.param_groups:
                group["lr"] = self.lr_at(step)
            x, y = self.corpus.batch("train", self.cfg.batch, self.gen)
            _, loss = model(x, y)
            optim.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), self.cfg.clip)
            optim.step()
            ema = loss.item() if ema is None else 0.95 * ema + 0.05 * loss.item()
            if (step + 1) % self.cfg.eval_every == 0:
                print(f"step {step + 1:4d}  train(ema) {ema:.4f}  val {self.estimate():.4f}")


def main():
    torch.manual_seed(1337)
    corpus = Corpus(write_recipes(900, random.Random(3)), ModelConfig.block)
    model = CharTransformer(ModelConfig(vocab=len(corpus.chars)))
    print(f"{len(corpus.chars)} characters, {sum(p.numel() for p in model.parameters())} parameters")
    trainer = Trainer(model, corpus, TrainConfig())
    trainer.fit()
    start = torch.tensor([[corpus.index["\n"]]])
    out = model.sample(start, 90, torch.Generator().manual_seed(1))[0]
    print("sample:", "".join(corpus.chars[i] for i in out[1:]).replace("\n", " / "))
    print(f"RESULT {trainer.estimate(25):.4f} lower")


if __name__ == "__main__":
    main()
