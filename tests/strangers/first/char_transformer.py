# a tiny character-level transformer, all in one file
# (pre-norm GPT, trained on little made-up stories)
import math
import numpy as np
import torch
import torch.nn as nn
from torch.nn import functional as F

# hyperparameters
batch_size = 16
block_size = 48
n_embd = 48
n_head = 4
n_layer = 3
dropout = 0.1
learning_rate = 3e-3
epochs = 6
iters_per_epoch = 90
eval_iters = 12
torch.manual_seed(1337)
torch.set_num_threads(1)

# ---------------------------------------------------------------- the text
rng = np.random.default_rng(1337)
names = ["anna", "bert", "clara", "dora", "emil", "fritz", "gustav", "hanna"]
verbs = {"finds": "found", "loses": "lost", "buys": "bought", "sells": "sold", "paints": "painted", "hides": "hid"}
things = ["a green lamp", "an old clock", "the silver key", "a wooden horse", "the broken radio", "an apple pie"]
places = ["in the garden", "at the station", "under the bridge", "near the lake", "behind the school"]


def story():
    who, other = rng.choice(names, 2, replace=False)
    verb = rng.choice(list(verbs))
    what, where = rng.choice(things), rng.choice(places)
    s = f"{who} {verb} {what} {where}. "
    if rng.random() < 0.6:
        s += f"{other} asks {who}: what did you {rng.choice(['do', 'see'])} {where}? "
    if rng.random() < 0.6:
        s += f"later {who} says that {who} {verbs[verb]} {what}.\n"
    else:
        s += "nobody knows.\n"
    return s


text = "".join(story() for _ in range(900))
chars = sorted(set(text))
vocab_size = len(chars)
stoi = {ch: i for i, ch in enumerate(chars)}
itos = {i: ch for i, ch in enumerate(chars)}
encode = lambda s: [stoi[c] for c in s]
decode = lambda l: "".join(itos[i] for i in l)

data = torch.tensor(encode(text), dtype=torch.long)
n = int(0.9 * len(data))
train_data = data[:n]
val_data = data[n:]
print(f"{len(text)} characters, vocabulary of {vocab_size}")


def get_batch(split):
    data = train_data if split == "train" else val_data
    ix = torch.randint(len(data) - block_size, (batch_size,))
    x = torch.stack([data[i:i + block_size] for i in ix])
    y = torch.stack([data[i + 1:i + block_size + 1] for i in ix])
    return x, y


# --------------------------------------------------------------- the model
class SelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(n_embd, 3 * n_embd, bias=False)
        self.proj = nn.Linear(n_embd, n_embd)
        self.drop = nn.Dropout(dropout)
        self.register_buffer("tril", torch.tril(torch.ones(block_size, block_size)))

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.qkv(x).split(n_embd, dim=2)
        q, k, v = [t.view(B, T, n_head, C // n_head).transpose(1, 2) for t in (q, k, v)]
        wei = q @ k.transpose(-2, -1) / math.sqrt(C // n_head)
        wei = wei.masked_fill(self.tril[:T, :T] == 0, float("-inf"))
        wei = F.softmax(wei, dim=-1)
        out = self.drop(wei) @ v
        out = out.transpose(1, 2).reshape(B, T, C)
        return self.proj(out)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln1 = nn.LayerNorm(n_embd)
        self.ln2 = nn.LayerNorm(n_embd)
        self.sa = SelfAttention()
        self.ffwd = nn.Sequential(nn.Linear(n_embd, 4 * n_embd), nn.GELU(),
                                  nn.Linear(4 * n_embd, n_embd), nn.Dropout(dropout))

    def forward(self, x):
        x = x + self.sa(self.ln1(x))
        x = x + self.ffwd(self.ln2(x))
        return x


class TinyGPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, n_embd)
        self.pos = nn.Embedding(block_size, n_embd)
        self.blocks = nn.ModuleList([Block() for _ in range(n_layer)])
        self.ln_f = nn.LayerNorm(n_embd)
        self.lm_head = nn.Linear(n_embd, vocab_size)

    def forward(self, idx, targets=None):
        x = self.tok(idx) + self.pos(torch.arange(idx.shape[1]))
        for block in self.blocks:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        if targets is None:
            return logits, None
        loss = F.cross_entropy(logits.view(-1, vocab_size), targets.view(-1))
        return logits, loss

    def generate(self, idx, max_new_tokens):
        for _ in range(max_new_tokens):
            logits, _ = self(idx[:, -block_size:])
            probs = F.softmax(logits[:, -1, :], dim=-1)
            idx = torch.cat((idx, torch.multinomial(probs, 1)), dim=1)
        return idx


@torch.no_grad()
def estimate_loss():
    model.eval()
    out = {}
    for split in ("train", "val"):
        out[split] = np.mean([model(*get_batch(split))[1].item() for _ in range(eval_iters)])
    model.train()
    return out


model = TinyGPT()
print(sum(p.numel() for p in model.parameters()) / 1e3, "K parameters")
optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=learning_rate,
                                                total_steps=epochs * iters_per_epoch)
# WATCH(model, optimizer)

for epoch in range(epochs):
    for _ in range(iters_per_epoch):
        xb, yb = get_batch("train")
        logits, loss = model(xb, yb)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        scheduler.step()
    losses = estimate_loss()
    print(f"epoch {epoch}: train loss {losses['train']:.4f}, val loss {losses['val']:.4f}")

model.eval()
with torch.no_grad():
    print(decode(model.generate(torch.zeros((1, 1), dtype=torch.long), 120)[0].tolist()))
    # final score over the whole validation text, in bits per character
    total, count = 0.0, 0
    for i in range(0, len(val_data) - block_size - 1, block_size):
        xb, yb = val_data[i:i + block_size][None], val_data[i + 1:i + block_size + 1][None]
        total += model(xb, yb)[1].item() * block_size
        count += block_size
print(f"RESULT {total / count / math.log(2):.4f} lower")
