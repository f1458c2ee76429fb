"""
Character-level GPT on synthetic weather bulletins, with micro-batches that add up to one large batch.
Small enough for a laptop: a few layers, 48 channels, context of 40 characters.
"""
import math
import random
import torch
import torch.nn as nn
from torch.nn import functional as F

# -- settings -----------------------------------------------------------------
n_layer, n_head, n_embd, block_size, dropout = 3, 4, 48, 40, 0.0
micro_batch = 4
grad_accum = 8                 # sequences per update = micro_batch * grad_accum
max_updates = 160
warmup = 15
learning_rate, weight_decay, max_norm = 6e-3, 0.05, 1.0
eval_every = 40
seed = 42
# -----------------------------------------------------------------------------
torch.manual_seed(seed)
random.seed(seed)


def bulletin():
    place = random.choice(["the north", "the coast", "the hills", "the valley", "the islands"])
    sky = random.choice(["sunny", "cloudy", "rainy", "foggy", "windy"])
    temp = {"sunny": "warm", "cloudy": "mild", "rainy": "cool", "foggy": "cold", "windy": "fresh"}[sky]
    advice = {"sunny": "wear a hat", "cloudy": "take a walk", "rainy": "take an umbrella", "foggy": "drive slowly", "windy": "close the windows"}[sky]
    when = random.choice(["today", "tonight", "tomorrow"])
    return f"{when} {place} will be {sky} and {temp}, so {advice}.\n"


text = "".join(bulletin() for _ in range(1500))
chars = sorted(set(text))
stoi = {c: i for i, c in enumerate(chars)}
data = torch.tensor([stoi[c] for c in text])
split = int(0.9 * len(data))
train_data, val_data = data[:split], data[split:]


def get_batch(source, size, generator=None):
    ix = torch.randint(len(source) - block_size - 1, (size,), generator=generator)
    x = torch.stack([source[i:i + block_size] for i in ix])
    y = torch.stack([source[i + 1:i + 1 + block_size] for i in ix])
    return x, y


class CausalSelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(n_embd, 3 * n_embd)
        self.proj = nn.Linear(n_embd, n_embd)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = (z.view(B, T, n_head, C // n_head).transpose(1, 2) for z in self.qkv(x).split(C, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(y.transpose(1, 2).reshape(B, T, C))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(n_embd), nn.LayerNorm(n_embd)
        self.attn = CausalSelfAttention()
        self.mlp = nn.Sequential(nn.Linear(n_embd, 4 * n_embd), nn.GELU(), nn.Linear(4 * n_embd, n_embd))

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        x = x + self.mlp(self.ln2(x))
        return x


class GPT(nn.Module):
    def __init__(self, vocab_size):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, n_embd)
        self.pos = nn.Embedding(block_size, n_embd)
        self.blocks = nn.ModuleList([Block() for _ in range(n_layer)])
        self.ln_f = nn.LayerNorm(n_embd)
        self.head = nn.Linear(n_embd, vocab_size, bias=False)
        self.apply(self._init)

    @staticmethod
    def _init(m):
        if isinstance(m, (nn.Linear, nn.Embedding)):
            nn.init.normal_(m.weight, std=0.05)
            if getattr(m, "bias", None) is not None:
                nn.init.zeros_(m.bias)

    def forward(self, idx, targets=None):
        x = self.tok(idx) + self.pos(torch.arange(idx.shape[1]))
        for blk in self.blocks:
            x = blk(x)
        logits = self.head(self.ln_f(x))
        loss = None if targets is None else F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        return logits, loss


@torch.no_grad()
def val_loss(model):
    model.eval()
    x, y = get_batch(val_data, 200, torch.Generator().manual_seed(1))
    out = model(x, y)[1].item()
    model.train()
    return out


@torch.no_grad()
def sample(model, n):
    model.eval()
    idx = torch.tensor([[stoi["\n"]]])
    for _ in range(n):
        p = F.softmax(model(idx[:, -block_size:])[0][:, -1], dim=-1)
        idx = torch.cat([idx, torch.multinomial(p, 1)], 1)
    model.train()
    return "".join(chars[i] for i in idx[0].tolist()).strip()


def lr_factor(update):
    if update < warmup:
        return (update + 1) / warmup
    done = min(1.0, (update - warmup) / (max_updates - warmup))
    return 0.5 * (1 + math.cos(math.pi * done))


model = GPT(len(chars))
decay = [p for p in model.parameters() if p.dim() >= 2]
rest = [p for p in model.parameters() if p.dim() < 2]
optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}],
                              lr=learning_rate, betas=(0.9, 0.95))
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lr_factor)
print(f"{sum(p.numel() for p in model.parameters())} parameters, {len(chars)} characters, {len(train_data)} to train on")

# WATCH(model, optimizer)
for update in range(max_updates):
    optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for _ in range(grad_accum):
        x, y = get_batch(train_data, micro_batch)
        _, loss = model(x, y)
        (loss / grad_accum).backward()
        total += loss.item() / grad_accum
    torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    scheduler.step()
    if (update + 1) % eval_every == 0:
        print(f"update {update + 1:4d} | train {total:.4f} | val {val_loss(model):.4f} | lr {scheduler.get_last_lr()[0]:.2e}")

print("sample:", sample(model, 120))
print(f"RESULT {val_loss(model):.4f} lower")
