"""
Question on a table: an invoice is a set of lines (article, quantity, unit price, discount), and we ask
what one of the articles costs.  A small attention network reads the lines; the first token is the question.
"""
import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(314)
rng = np.random.default_rng(314)
torch.set_num_threads(1)

N_ARTICLES = 12
MAX_LINES = 8
ASK = 1.0


def make_invoice():
    n = rng.integers(3, MAX_LINES + 1)
    articles = rng.choice(N_ARTICLES, n, replace=False)
    qty = rng.integers(1, 10, n)
    price = rng.uniform(5, 60, n)
    rebate = rng.choice([0.0, 0.1, 0.25], n)
    line_total = np.round(100 * qty * price * (1 - rebate))  # in cents, as in the accounts
    asked = rng.integers(n)
    tokens = np.zeros((MAX_LINES + 1, N_ARTICLES + 4), dtype=np.float32)
    tokens[0, articles[asked]] = 1
    tokens[0, -1] = ASK
    for i in range(n):
        tokens[i + 1, articles[i]] = 1
        tokens[i + 1, N_ARTICLES:N_ARTICLES + 3] = (qty[i] - 5) / 2.6, (price[i] - 32.5) / 16, (rebate[i] - 0.117) / 0.1
    mask = np.arange(MAX_LINES + 1) <= n
    return tokens, mask, line_total[asked]


def make_set(n):
    tokens, mask, total = zip(*(make_invoice() for _ in range(n)))
    return torch.tensor(np.stack(tokens)), torch.tensor(np.stack(mask)), torch.tensor(np.array(total), dtype=torch.float32)


class SelfAttention(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.q = nn.Linear(dim, dim)
        self.k = nn.Linear(dim, dim)
        self.v = nn.Linear(dim, dim)
        self.o = nn.Linear(dim, dim)

    def forward(self, x, mask):
        scores = torch.bmm(self.q(x), self.k(x).transpose(1, 2)) / math.sqrt(x.size(-1))
        scores = scores.masked_fill(~mask.unsqueeze(1), -1e9)
        weights = F.softmax(scores, dim=-1)
        return self.o(torch.bmm(weights, self.v(x)))


class EncoderLayer(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = SelfAttention(dim)
        self.ff = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, x, mask):
        x = x + self.attn(self.norm1(x), mask)
        return x + self.ff(self.norm2(x))


class InvoiceReader(nn.Module):
    def __init__(self, dim=32, depth=2):
        super().__init__()
        self.embed = nn.Linear(N_ARTICLES + 4, dim)
        self.layers = nn.ModuleList(EncoderLayer(dim) for _ in range(depth))
        self.head = nn.Sequential(
            nn.LayerNorm(dim),
            nn.Linear(dim, dim),
            nn.GELU(),
            nn.Linear(dim, 1),
        )

    def forward(self, tokens, mask):
        x = self.embed(tokens)
        for layer in self.layers:
            x = layer(x, mask)
        return self.head(x[:, 0]).squeeze(-1)


train_tokens, train_mask, train_total = make_set(4000)
val_tokens, val_mask, val_total = make_set(500)
test_tokens, test_mask, test_total = make_set(1000)
center, spread = train_total.mean(), train_total.std()
train_y = (train_total - center) / spread


def predict_cents(model, tokens, mask):
    model.eval()
    with torch.no_grad():
        return model(tokens, mask) * spread + center


model = InvoiceReader()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
EPOCHS, BATCH = 12, 64
steps = EPOCHS * math.ceil(len(train_y) / BATCH)
scheduler = torch.optim.lr_scheduler.LambdaLR(
    optimizer, lambda s: min(1.0, (s + 1) / 50) * 0.5 * (1 + math.cos(math.pi * s / steps)))

# WATCH(model, optimizer)
for epoch in range(EPOCHS):
    model.train()
    losses = []
    order = torch.randperm(len(train_y))
    for idx in order.split(BATCH):
        pred = model(train_tokens[idx], train_mask[idx])
        loss = F.mse_loss(pred, train_y[idx])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    if epoch % 3 == 2:
        val_mae = (predict_cents(model, val_tokens, val_mask) - val_total).abs().mean().item() / 100
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}, val MAE {val_mae:.2f} EUR")

mae = (predict_cents(model, test_tokens, test_mask) - test_total).abs().mean().item() / 100
print(f"guessing the mean would be off by {(test_total - center).abs().mean().item() / 100:.2f} EUR")
print(f"RESULT {mae:.3f} lower")
