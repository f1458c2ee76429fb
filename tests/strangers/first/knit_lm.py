"""A language model that writes knitting patterns.

Rows such as `r07 : ( k2 p2 ) x4 k1 ; 17 st` come from a small grammar: the repeats are nested
in brackets, the count at the end is the true number of stitches, and right side and wrong side
rows alternate. A two-layer decoder with hand-written attention reads 64 tokens at a time.
Score: held-out perplexity per token.
RESULT perplexity lower
"""
import argparse
import math
import random

import torch
import torch.nn as nn
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--d", type=int, default=48)
parser.add_argument("--heads", type=int, default=4)
parser.add_argument("--layers", type=int, default=2)
parser.add_argument("--ctx", type=int, default=64)
parser.add_argument("--bs", type=int, default=16)
parser.add_argument("--steps", type=int, default=420)
parser.add_argument("--warmup", type=int, default=40)
parser.add_argument("--lr", type=float, default=1.2e-2)
parser.add_argument("--seed", type=int, default=1847)
opt = parser.parse_args([])
random.seed(opt.seed)
torch.manual_seed(opt.seed)


def knit_row(number):
    side = "RS" if number % 2 else "WS"
    k, p, times, edge = random.randint(1, 3), random.randint(1, 3), random.randint(2, 4), random.randint(0, 2)
    first, second = ("k", "p") if side == "RS" else ("p", "k")
    words = [side, f"r{number % 10}", ":", "(", f"{first}{k}", f"{second}{p}", ")", f"x{times}"]
    if edge:
        words.append(f"{first}{edge}")
    return words + [";", str((k + p) * times + edge), "st", "\n"]


def skein(rows):
    out = []
    for n in range(1, rows + 1):
        out += knit_row(n)
    return out


words_train, words_test = skein(5000), skein(500)
itos = sorted(set(words_train) | set(words_test))
stoi = {w: i for i, w in enumerate(itos)}
train_ids = torch.tensor([stoi[w] for w in words_train])
test_ids = torch.tensor([stoi[w] for w in words_test])


def get_batch(ids):
    at = torch.randint(len(ids) - opt.ctx - 1, (opt.bs,))
    x = torch.stack([ids[i:i + opt.ctx] for i in at])
    y = torch.stack([ids[i + 1:i + 1 + opt.ctx] for i in at])
    return x, y


class Attention(nn.Module):
    def __init__(self, d, heads, ctx):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(d, 3 * d)
        self.proj = nn.Linear(d, d)
        self.register_buffer("future", torch.ones(ctx, ctx).triu(1).bool())

    def forward(self, x):
        B, T, D = x.shape
        q, k, v = (z.view(B, T, self.heads, -1).transpose(1, 2) for z in self.qkv(x).chunk(3, -1))
        att = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))
        att = att.masked_fill(self.future[:T, :T], -1e9)
        att = att.softmax(-1)
        return self.proj((att @ v).transpose(1, 2).reshape(B, T, D))


class Layer(nn.Module):
    def __init__(self, d, heads, ctx):
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.att = Attention(d, heads, ctx)
        self.ff = nn.Sequential(nn.Linear(d, 3 * d), nn.GELU(), nn.Linear(3 * d, d))

    def forward(self, x):
        x = x + self.att(self.n1(x))
        return x + self.ff(self.n2(x))


class Knitter(nn.Module):
    def __init__(self, vocab, d, heads, layers, ctx):
        super().__init__()
        self.tok, self.pos = nn.Embedding(vocab, d), nn.Embedding(ctx, d)
        self.blocks = nn.ModuleList([Layer(d, heads, ctx) for _ in range(layers)])
        self.norm, self.unembed = nn.LayerNorm(d), nn.Linear(d, vocab)

    def forward(self, x):
        h = self.tok(x) + self.pos.weight[:x.size(1)]
        for b in self.blocks:
            h = b(h)
        return self.unembed(self.norm(h))


lm = Knitter(len(itos), opt.d, opt.heads, opt.layers, opt.ctx)
adamw = torch.optim.AdamW(lm.parameters(), lr=opt.lr, weight_decay=0.01)
ramp = torch.optim.lr_scheduler.LambdaLR(
    adamw, lambda s: min((s + 1) / opt.warmup, 0.05 + 0.95 * max(0.0, 1 - s / opt.steps)))
# WATCH(lm, adamw)

for step in range(opt.steps):
    xb, yb = get_batch(train_ids)
    logits = lm(xb)
    loss = F.cross_entropy(logits.flatten(0, 1), yb.flatten())
    adamw.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(lm.parameters(), 1.0)
    adamw.step()
    ramp.step()
    if step % 60 == 0:
        print(f"step {step:4d} loss {loss.item():.3f}")

# strided pass over the held-out skein, one next word at a time
lm.eval()
nll, count = 0.0, 0
with torch.no_grad():
    for i in range(0, len(test_ids) - opt.ctx - 1, opt.ctx):
        lp = lm(test_ids[None, i:i + opt.ctx]).log_softmax(-1)
        nxt = test_ids[i + 1:i + 1 + opt.ctx]
        nll -= lp[0, torch.arange(opt.ctx), nxt].sum().item()
        count += opt.ctx

# a taste of the writing
row = [stoi["RS"]]
with torch.no_grad():
    while len(row) < 40:
        row.append(torch.multinomial(lm(torch.tensor([row]))[0, -1].softmax(-1), 1).item())
print(" ".join(itos[i] for i in row).replace("\n", "/"))
print(f"RESULT perplexity {math.exp(nll / count):.4f}")
