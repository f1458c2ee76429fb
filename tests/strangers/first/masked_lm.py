#!/usr/bin/env python
"""Pre-training a miniature BERT on sentences of a toy language.

15% of the words are hidden (80% <mask>, 10% another word, 10% left as they are)
and the encoder has to say which word stood there.
"""
import argparse
import math
import random
from dataclasses import dataclass, field
from typing import List

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils import clip_grad_norm_

PAD, MASK, CLS = 0, 1, 2


@dataclass
class Config:
    d_model: int = 48
    n_heads: int = 4
    n_layers: int = 2
    d_ff: int = 96
    dropout: float = 0.1
    max_len: int = 16
    mask_prob: float = 0.15
    n_train: int = 6000
    n_valid: int = 600
    specials: List[str] = field(default_factory=lambda: ["<pad>", "<mask>", "<cls>"])


class ToyLanguage:
    """Nouns have a gender which article, adjective and verb ending agree with."""
    genders = {
        "m": ("ol", "o", "arto belko carno dusko fermo gallo".split()),
        "f": ("al", "a", "nira pola quina rosta selva tinda".split()),
        "n": ("el", "e", "ume vire walde xole yarne zume".split()),
    }
    adjectives = "gran pikk seren tald mor".split()
    verbs = "kant dorm lauf prend tok".split()
    joiners = ["ka", "mas"]

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def clause(self):
        g = self.rng.choice("mfn")
        article, ending, nouns = self.genders[g]
        out = [article]
        for _ in range(self.rng.choice([0, 1, 1, 2])):
            out.append(self.rng.choice(self.adjectives) + ending)
        return out + [self.rng.choice(nouns), self.rng.choice(self.verbs) + ending * 2]

    def sentence(self):
        words = self.clause()
        for _ in range(self.rng.choice([0, 1, 1])):
            words += [self.rng.choice(self.joiners)] + self.clause()
        return words


class Vocabulary:
    def __init__(self, sentences, specials):
        self.words = list(specials) + sorted({w for s in sentences for w in s})
        self.index = {w: i for i, w in enumerate(self.words)}

    def __len__(self):
        return len(self.words)

    def encode(self, sentences, max_len):
        ids = torch.full((len(sentences), max_len), PAD)
        for row, s in enumerate(sentences):
            coded = [CLS] + [self.index[w] for w in s]
            ids[row, :len(coded)] = torch.tensor(coded)
        return ids


def corrupt(ids, vocab_size, prob, generator=None):
    """returns the input with hidden words, and where they are"""
    real = ids > CLS
    score = torch.rand(ids.shape, generator=generator).masked_fill(~real, 2.0)
    chosen = score < prob
    chosen.scatter_(1, score.argmin(1, keepdim=True), True)       # at least one word per sentence
    fate = torch.rand(ids.shape, generator=generator)
    other = torch.randint(CLS + 1, vocab_size, ids.shape, generator=generator)
    noisy = torch.where(chosen & (fate < 0.8), torch.full_like(ids, MASK), ids)
    noisy = torch.where(chosen & (fate >= 0.9), other, noisy)
    return noisy, chosen


class EncoderLayer(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.n_heads = cfg.n_heads
        self.ln1, self.ln2 = nn.LayerNorm(cfg.d_model), nn.LayerNorm(cfg.d_model)
        self.qkv = nn.Linear(cfg.d_model, 3 * cfg.d_model)
        self.proj = nn.Linear(cfg.d_model, cfg.d_model)
        self.ff = nn.Sequential(nn.Linear(cfg.d_model, cfg.d_ff), nn.GELU(), nn.Linear(cfg.d_ff, cfg.d_model))
        self.drop = nn.Dropout(cfg.dropout)

    def attend(self, x, visible):
        B, L, D = x.shape
        q, k, v = (t.view(B, L, self.n_heads, -1).transpose(1, 2) for t in self.qkv(x).chunk(3, dim=-1))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=visible[:, None, None, :])
        return self.proj(mixed.transpose(1, 2).reshape(B, L, D))

    def forward(self, x, visible):
        x = x + self.drop(self.attend(self.ln1(x), visible))
        return x + self.drop(self.ff(self.ln2(x)))


class MiniBert(nn.Module):
    def __init__(self, cfg, vocab_size):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, cfg.d_model)
        self.positions = nn.Embedding(cfg.max_len, cfg.d_model)
        self.layers = nn.ModuleList(EncoderLayer(cfg) for _ in range(cfg.n_layers))
        self.final = nn.LayerNorm(cfg.d_model)
        self.drop = nn.Dropout(cfg.dropout)
        self.head = nn.Linear(cfg.d_model, vocab_size)
        self.apply(self._init)

    @staticmethod
    def _init(m):
        if isinstance(m, (nn.Linear, nn.Embedding)):
            nn.init.normal_(m.weight, std=0.05)
        if isinstance(m, nn.Linear):
            nn.init.zeros_(m.bias)

    def forward(self, ids):
        pos = torch.arange(ids.size(1), device=ids.device)
        x = self.drop(self.tokens(ids) + self.positions(pos))
        for layer in self.layers:
            x = layer(x, ids != PAD)
        return self.head(self.final(x))


def mlm_loss(logits, ids, chosen):
    return F.cross_entropy(logits[chosen], ids[chosen])


class Pretrainer:
    def __init__(self, cfg, args):
        self.cfg, self.args = cfg, args
        language = ToyLanguage(args.seed)
        sentences = [language.sentence() for _ in range(cfg.n_train + cfg.n_valid)]
        self.vocab = Vocabulary(sentences, cfg.specials)
        coded = self.vocab.encode(sentences, cfg.max_len)
        self.train_ids, self.valid_ids = coded[:cfg.n_train], coded[cfg.n_train:]
        # the same holes at every validation
        g = torch.Generator().manual_seed(99)
        self.valid_noisy, self.valid_chosen = corrupt(self.valid_ids, len(self.vocab), cfg.mask_prob, g)

        self.model = MiniBert(cfg, len(self.vocab))
        decay = [p for p in self.model.parameters() if p.dim() >= 2]
        no_decay = [p for p in self.model.parameters() if p.dim() < 2]
        self.optim = torch.optim.AdamW(
            [{"params": decay, "weight_decay": 0.01}, {"params": no_decay, "weight_decay": 0.0}],
            lr=args.lr, betas=(0.9, 0.98))
        self.sched = torch.optim.lr_scheduler.LambdaLR(self.optim, self.rate)

    def rate(self, step):
        if step < self.args.warmup:
            return (step + 1) / self.args.warmup
        return max(0.0, (self.args.steps - step) / (self.args.steps - self.args.warmup))

    def batches(self):
        while True:
            for rows in torch.randperm(len(self.train_ids)).split(self.args.batch_size):
                yield self.train_ids[rows]

    @torch.no_grad()
    def validate(self):
        self.model.eval()
        logits = self.model(self.valid_noisy)
        loss = mlm_loss(logits, self.valid_ids, self.valid_chosen).item()
        right = (logits.argmax(-1) == self.valid_ids)[self.valid_chosen].float().mean().item()
        self.model.train()
        return loss, right

    def run(self):
        args, recent = self.args, []
        counts = self.train_ids[self.train_ids > CLS].bincount(minlength=len(self.vocab)).float()
        uni = -(counts / counts.sum())[self.valid_ids[self.valid_chosen]].log().mean().item()
        print(f"vocabulary {len(self.vocab)}, parameters {sum(p.numel() for p in self.model.parameters())}, "
              f"loss of word frequencies {uni:.3f}")
        self.model.train()
        # WATCH(self.model, self.optim)
        for step, ids in zip(range(1, args.steps + 1), self.batches()):
            noisy, chosen = corrupt(ids, len(self.vocab), self.cfg.mask_prob)
            loss = mlm_loss(self.model(noisy), ids, chosen)
            self.optim.zero_grad(set_to_none=True)
            loss.backward()
            clip_grad_norm_(self.model.parameters(), args.clip)
            self.optim.step()
            self.sched.step()
            recent.append(loss.item())
            if step % args.report == 0:
                val, right = self.validate()
                print(f"{step:5d}  train {sum(recent) / len(recent):.3f}  valid {val:.3f} "
                      f"(perplexity {math.exp(val):.2f})  words restored {right:.3f}")
                recent.clear()
        return self.validate()


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--steps", type=int, default=900)
    ap.add_argument("--warmup", type=int, default=60)
    ap.add_argument("--batch-size", type=int, default=32)
    ap.add_argument("--lr", type=float, default=3e-3)
    ap.add_argument("--clip", type=float, default=1.0)
    ap.add_argument("--report", type=int, default=100)
    ap.add_argument("--seed", type=int, default=17)
    args = ap.parse_args()
    random.seed(args.seed)
    torch.manual_seed(args.seed)
    final_loss, _ = Pretrainer(Config(), args).run()
    print(f"RESULT {final_loss:.4f} lower")
