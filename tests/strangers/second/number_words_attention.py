#!/usr/bin/env python
"""Translate English number words to digits ("four thousand and six" -> "4006").

Encoder-decoder with additive attention, teacher forcing, gradient accumulation.
"""
import argparse
import random

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

ONES = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen").split()
TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
PAD, SOS, EOS = 0, 1, 2


def spell(n):
    words = []
    if n >= 1000:
        words += [ONES[n // 1000], "thousand"]
        n %= 1000
    if n >= 100:
        words += [ONES[n // 100], "hundred"]
        n %= 100
    if n:
        if words:
            words.append("and")
        if n < 20:
            words.append(ONES[n])
        else:
            words.append(TENS[n // 10])
            if n % 10:
                words.append(ONES[n % 10])
    return words


SRC_VOCAB = {w: i + 3 for i, w in enumerate(sorted(set(ONES + TENS[2:] + ["hundred", "thousand", "and"])))}
TGT_VOCAB = {str(d): d + 3 for d in range(10)}


class NumberPairs(Dataset):
    def __init__(self, numbers):
        self.rows = []
        for n in numbers:
            src = [SRC_VOCAB[w] for w in spell(n)] + [EOS]
            tgt = [SOS] + [TGT_VOCAB[c] for c in str(n)] + [EOS]
            self.rows.append((torch.tensor(src), torch.tensor(tgt)))

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.rows[i]


def collate(rows):
    src = nn.utils.rnn.pad_sequence([r[0] for r in rows], batch_first=True, padding_value=PAD)
    tgt = nn.utils.rnn.pad_sequence([r[1] for r in rows], batch_first=True, padding_value=PAD)
    return src, tgt


class Encoder(nn.Module):
    def __init__(self, vocab, emb, hid, dropout):
        super().__init__()
        self.embedding = nn.Embedding(vocab, emb, padding_idx=PAD)
        self.drop = nn.Dropout(dropout)
        self.rnn = nn.GRU(emb, hid, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(2 * hid, hid)

    def forward(self, src):
        out, h = self.rnn(self.drop(self.embedding(src)))
        h = torch.tanh(self.bridge(torch.cat([h[0], h[1]], dim=1)))
        return out, h


class AdditiveAttention(nn.Module):
    def __init__(self, hid):
        super().__init__()
        self.w_query = nn.Linear(hid, hid)
        self.w_keys = nn.Linear(2 * hid, hid, bias=False)
        self.v = nn.Linear(hid, 1, bias=False)

    def forward(self, query, keys, mask):
        scores = self.v(torch.tanh(self.w_query(query).unsqueeze(1) + self.w_keys(keys))).squeeze(-1)
        scores = scores.masked_fill(~mask, -1e9)
        weights = F.softmax(scores, dim=1)
        return torch.bmm(weights.unsqueeze(1), keys).squeeze(1)


class Decoder(nn.Module):
    def __init__(self, vocab, emb, hid, dropout):
        super().__init__()
        self.embedding = nn.Embedding(vocab, emb, padding_idx=PAD)
        self.drop = nn.Dropout(dropout)
        self.attention = AdditiveAttention(hid)
        self.cell = nn.GRUCell(emb + 2 * hid, hid)
        self.out = nn.Linear(3 * hid, vocab)

    def forward(self, token, h, keys, mask):
        context = self.attention(h, keys, mask)
        h = self.cell(torch.cat([self.drop(self.embedding(token)), context], dim=1), h)
        return self.out(torch.cat([h, context], dim=1)), h


class Seq2Seq(nn.Module):
    def __init__(self, emb=24, hid=48, dropout=0.1):
        super().__init__()
        self.encoder = Encoder(len(SRC_VOCAB) + 3, emb, hid, dropout)
        self.decoder = Decoder(len(TGT_VOCAB) + 3, emb, hid, dropout)

    def forward(self, src, tgt_in):
        keys, h = self.encoder(src)
        mask = src != PAD
        steps = []
        for i in range(tgt_in.size(1)):
            logits, h = self.decoder(tgt_in[:, i], h, keys, mask)
            steps.append(logits)
        return torch.stack(steps, dim=1)

    @torch.no_grad()
    def translate(self, src, max_len=6):
        keys, h = self.encoder(src)
        mask = src != PAD
        token = torch.full((src.size(0),), SOS)
        result = []
        for _ in range(max_len):
            logits, h = self.decoder(token, h, keys, mask)
            token = logits.argmax(dim=1)
            result.append(token)
        return torch.stack(result, dim=1)


def sequence_loss(model, src, tgt):
    tgt_in, tgt_out = tgt[:, :-1], tgt[:, 1:]
    logits = model(src, tgt_in)
    return F.cross_entropy(logits.flatten(0, 1), tgt_out.flatten(), ignore_index=PAD)


def to_text(ids):
    text = ""
    for i in ids.tolist():
        if i == EOS:
            break
        text += str(i - 3) if i >= 3 else "?"
    return text


def train_epoch(model, loader, optimizer, args):
    model.train()
    total = 0.0
    optimizer.zero_grad()
    for i, (src, tgt) in enumerate(loader):
        loss = sequence_loss(model, src, tgt)
        total += loss.item()
        (loss / args.accum_steps).backward()
        if (i + 1) % args.accum_steps == 0:
            nn.utils.clip_grad_norm_(model.parameters(), args.clip)
            optimizer.step()
            optimizer.zero_grad()
    return total / len(loader)


def evaluate(model, loader):
    model.eval()
    total, right, count = 0.0, 0, 0
    with torch.no_grad():
        for src, tgt in loader:
            total += sequence_loss(model, src, tgt).item()
            out = model.translate(src)
            for o, t in zip(out, tgt):
                right += to_text(o) == to_text(t[1:])
                count += 1
    return total / len(loader), right / count


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--epochs", type=int, default=6)
    ap.add_argument("--batch_size", type=int, default=24)
    ap.add_argument("--accum_steps", type=int, default=2)
    ap.add_argument("--lr", type=float, default=5e-3)
    ap.add_argument("--clip", type=float, default=1.0)
    ap.add_argument("--seed", type=int, default=3)
    args = ap.parse_args()

    random.seed(args.seed)
    torch.manual_seed(args.seed)

    numbers = random.sample(range(1, 10000), 2800)
    train_loader = DataLoader(NumberPairs(numbers[:2400]), args.batch_size, shuffle=True, collate_fn=collate)
    valid_loader = DataLoader(NumberPairs(numbers[2400:]), 200, collate_fn=collate)

    model = Seq2Seq()
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.epochs, eta_min=2e-4)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")

    # WATCH(model, optimizer)
    for epoch in range(args.epochs):
        train_loss = train_epoch(model, train_loader, optimizer, args)
        valid_loss, exact = evaluate(model, valid_loader)
        scheduler.step()
        print(f"epoch {epoch + 1:02d} | train {train_loss:.3f} | valid {valid_loss:.3f} | exact match {exact:.3f}")

    for n in numbers[-4:]:
        src = torch.tensor([[SRC_VOCAB[w] for w in spell(n)] + [EOS]])
        print(" ".join(spell(n)), "->", to_text(model.translate(src)[0]))
    print(f"RESULT {exact:.4f} higher")


if __name__ == "__main__":
    main()
