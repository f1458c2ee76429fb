#!/usr/bin/env python3
"""Seq2seq with attention that reads "40712" and writes
"forty thousand seven hundred twelve".  GRU encoder/decoder, teacher forcing,
small micro-batches with gradient accumulation."""
import random
import torch
import torch.nn as nn
import torch.nn.functional as F

ONES = ("zero one two three four five six seven eight nine ten eleven twelve thirteen "
        "fourteen fifteen sixteen seventeen eighteen nineteen").split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
PAD, SOS, EOS = 0, 1, 2
WORDS = ["<pad>", "<sos>", "<eos>"] + ONES + TENS + ["hundred", "thousand"]
W2I = {w: i for i, w in enumerate(WORDS)}
MAX_OUT = 10

config = dict(seed=42, n_train=3840, n_test=500, emb=32, hidden=80, dropout=0.3,
              lr=5e-3, micro_batch=32, accum=3, epochs=5, clip=1.0)


def spell(n):
    if n < 20:
        return [ONES[n]]
    if n < 100:
        return [TENS[n // 10 - 2]] + ([ONES[n % 10]] if n % 10 else [])
    if n < 1000:
        return [ONES[n // 100], "hundred"] + (spell(n % 100) if n % 100 else [])
    return spell(n // 1000) + ["thousand"] + (spell(n % 1000) if n % 1000 else [])


def tensors(numbers):
    """digits right-aligned in 6 places (0 = pad), words followed by <eos>"""
    src = torch.zeros(len(numbers), 6, dtype=torch.long)
    tgt = torch.full((len(numbers), MAX_OUT), PAD)
    for r, n in enumerate(numbers):
        s = str(n)
        src[r, 6 - len(s):] = torch.tensor([int(c) + 1 for c in s])
        ids = [W2I[w] for w in spell(n)] + [EOS]
        tgt[r, :len(ids)] = torch.tensor(ids)
    return src, tgt


def batches(numbers, size):
    for start in range(0, len(numbers), size):
        yield tensors(numbers[start:start + size])


class Speller(nn.Module):
    def __init__(self, emb, hidden, dropout):
        super().__init__()
        self.src_emb = nn.Embedding(11, emb, padding_idx=0)
        self.tgt_emb = nn.Embedding(len(WORDS), emb, padding_idx=PAD)
        self.encoder = nn.GRU(emb, hidden, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(2 * hidden, hidden)
        self.decoder = nn.GRU(emb, hidden, batch_first=True)
        self.query = nn.Linear(hidden, 2 * hidden)
        self.out = nn.Linear(3 * hidden, len(WORDS))
        self.drop = nn.Dropout(dropout)

    def encode(self, src):
        memory, h = self.encoder(self.drop(self.src_emb(src)))
        h = torch.tanh(self.bridge(torch.cat([h[0], h[1]], dim=1)))
        return memory, h.unsqueeze(0)

    def decode(self, tokens, memory, h):
        d, h = self.decoder(self.drop(self.tgt_emb(tokens)), h)
        att = F.softmax(self.query(d) @ memory.transpose(1, 2), dim=-1)
        return self.out(self.drop(torch.cat([d, att @ memory], dim=-1))), h

    def forward(self, src, tgt):
        memory, h = self.encode(src)
        sos = torch.full_like(tgt[:, :1], SOS)
        return self.decode(torch.cat([sos, tgt[:, :-1]], dim=1), memory, h)[0]

    def greedy(self, src):
        memory, h = self.encode(src)
        tok, outs = torch.full((len(src), 1), SOS), []
        for _ in range(MAX_OUT):
            logits, h = self.decode(tok, memory, h)
            tok = logits.argmax(-1)
            outs.append(tok)
        return torch.cat(outs, dim=1)


@torch.no_grad()
def exact_match(model, numbers):
    model.eval()
    good = 0
    for src, tgt in batches(numbers, 200):
        out = model.greedy(src)
        good += ((out == tgt) | (tgt == PAD)).all(dim=1).sum().item()
    return good / len(numbers)


def train(cfg):
    random.seed(cfg["seed"])
    torch.manual_seed(cfg["seed"])
    numbers = random.sample(range(1_000_000), cfg["n_train"] + cfg["n_test"])
    train_nums, test_nums = numbers[:cfg["n_train"]], numbers[cfg["n_train"]:]
    model = Speller(cfg["emb"], cfg["hidden"], cfg["dropout"])
    opt = torch.optim.Adam(model.parameters(), lr=cfg["lr"])
    # WATCH(model, opt)

    for epoch in range(cfg["epochs"]):
        model.train()
        random.shuffle(train_nums)
        total, seen = 0.0, 0
        opt.zero_grad()
        for step, (src, tgt) in enumerate(batches(train_nums, cfg["micro_batch"])):
            logits = model(src, tgt)
            loss = F.cross_entropy(logits.flatten(0, 1), tgt.flatten(), ignore_index=PAD)
            (loss / cfg["accum"]).backward()
            if (step + 1) % cfg["accum"] == 0:
                nn.utils.clip_grad_norm_(model.parameters(), cfg["clip"])
                opt.step()
                opt.zero_grad()
            total, seen = total + loss.item(), seen + 1
        print(f"[{epoch + 1}/{cfg['epochs']}] loss={total / seen:.4f}")
    return exact_match(model, test_nums)


if __name__ == "__main__":
    print(f"RESULT {train(config):.4f} higher")
