"""A small GPT that learns to sort: "dbhca>abcdh." one character at a time.

Loss on the answer part of each line only; judged by greedy generation on prompts
that never occurred in training (share of answers that are right as a whole).
RESULT exact_match higher
"""
import math
import random
import time

import torch
import torch.nn as nn
from torch.nn import functional as F

# ---------------------------------------------------------------- settings
alphabet = "abcdefghij"
n_letters = 6
n_embd, n_head, n_layer = 48, 4, 2
micro_batch = 32
grad_accum = 2            # effective batch: 64 lines
max_iters = 360
warmup = 50
learning_rate = 3e-3
eval_interval = 50
seed = 1337

random.seed(seed)
torch.manual_seed(seed)
chars = [">", "."] + list(alphabet)
stoi = {c: i for i, c in enumerate(chars)}
itos = dict(enumerate(chars))
block_size = 2 * n_letters + 1

# ---------------------------------------------------------------- data
prompts = set()
while len(prompts) < 9000:
    prompts.add("".join(random.choices(alphabet, k=n_letters)))
prompts = sorted(prompts)
random.shuffle(prompts)
lines = [p + ">" + "".join(sorted(p)) + "." for p in prompts]
data = torch.tensor([[stoi[c] for c in line] for line in lines])
train_data, val_data = data[:8000], data[8000:]
val_prompts = prompts[8000:]


def get_batch(split, n=micro_batch):
    d = train_data if split == "train" else val_data
    rows = d[torch.randint(len(d), (n,))]
    x, y = rows[:, :-1], rows[:, 1:].clone()
    y[:, :n_letters] = -1             # nothing to learn from the random prompt
    return x, y


# ---------------------------------------------------------------- model
class CausalSelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_attn = nn.Linear(n_embd, 3 * n_embd)
        self.c_proj = nn.Linear(n_embd, n_embd)
        self.register_buffer("bias", torch.tril(torch.ones(block_size, block_size)).bool())

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = (t.view(B, T, n_head, C // n_head).transpose(1, 2)
                   for t in self.c_attn(x).split(C, dim=2))
        att = q @ k.transpose(-2, -1) / math.sqrt(k.size(-1))
        att = att.masked_fill(~self.bias[:T, :T], float("-inf"))
        att = F.softmax(att, dim=-1)
        y = (att @ v).transpose(1, 2).contiguous().view(B, T, C)
        return self.c_proj(y)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(n_embd), nn.LayerNorm(n_embd)
        self.attn = CausalSelfAttention()
        self.mlp = nn.Sequential(nn.Linear(n_embd, 4 * n_embd), nn.GELU(),
                                 nn.Linear(4 * n_embd, n_embd))

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(len(chars), n_embd)
        self.wpe = nn.Embedding(block_size, n_embd)
        self.h = nn.ModuleList(Block() for _ in range(n_layer))
        self.ln_f = nn.LayerNorm(n_embd)
        self.lm_head = nn.Linear(n_embd, len(chars), bias=False)
        self.apply(self._init)

    def _init(self, m):
        if isinstance(m, (nn.Linear, nn.Embedding)):
            nn.init.normal_(m.weight, std=0.05)

    def forward(self, idx, targets=None):
        x = self.wte(idx) + self.wpe(torch.arange(idx.size(1)))
        for block in self.h:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        if targets is None:
            return logits, None
        loss = F.cross_entropy(logits.view(-1, logits.size(-1)), targets.reshape(-1),
                               ignore_index=-1)
        return logits, loss


@torch.no_grad()
def estimate_loss():
    model.eval()
    losses = []
    for _ in range(8):
        _, loss = model(*get_batch("val", 125))
        losses.append(loss)
    model.train()
    return torch.stack(losses).mean()


@torch.no_grad()
def sort_with_model(words):
    model.eval()
    idx = torch.tensor([[stoi[c] for c in w + ">"] for w in words])
    for _ in range(n_letters):
        logits, _ = model(idx)
        idx = torch.cat([idx, logits[:, -1].argmax(-1, keepdim=True)], dim=1)
    return ["".join(itos[i] for i in row) for row in idx[:, n_letters + 1:].tolist()]


def get_lr(it):
    cosine = 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * it / max_iters))
    return learning_rate * min((it + 1) / warmup, cosine)


model = GPT()
optimizer = torch.optim.AdamW(model.parameters(), learning_rate, (0.9, 0.98), weight_decay=0.01)
# WATCH(model, optimizer)
val_curve = []
t0 = time.time()
for it in range(max_iters):
    if it % eval_interval == 0 or it == max_iters - 1:
        val_curve.append(estimate_loss())
        print(f"iter {it:4d}: val loss {val_curve[-1].item():.4f}, {time.time() - t0:.1f}s")
    for group in optimizer.param_groups:
        group["lr"] = get_lr(it)
    optimizer.zero_grad(set_to_none=True)
    for micro_step in range(grad_accum):
        X, Y = get_batch("train")
        _, loss = model(X, Y)
        (loss / grad_accum).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
answers = sort_with_model(val_prompts)
print(list(zip(val_prompts, answers))[:3])
print("best val loss", round(min(v.item() for v in val_curve), 4))
exact = sum(a == "".join(sorted(w)) for w, a in zip(val_prompts, answers)) / len(answers)
print("RESULT exact_match", round(exact, 4))
