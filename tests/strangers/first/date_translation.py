# Translate human written dates ("the 3rd of march, 1987") into ISO form (1987-03-03)
# Sequence to sequence with GRUs and attention, character by character.
import datetime
import random

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
random.seed(7)
torch.manual_seed(7)

# ---------------------------------------------------------------- data
MONTHS = ["january", "february", "march", "april", "may", "june", "july",
          "august", "september", "october", "november", "december"]


def random_pair():
    d = datetime.date(1950, 1, 1) + datetime.timedelta(days=random.randrange(27000))
    m = MONTHS[d.month - 1]
    style = random.randrange(4)
    if style == 0:
        s = f"{d.day} {m} {d.year}"
    elif style == 1:
        s = f"{m[:3]} {d.day}, {d.year}"
    elif style == 2:
        s = f"{d.day:02d}.{d.month:02d}.{d.year}"
    else:
        s = f"{d.year}, {d.day} {m[:3]}"
    return s, f"{d.year:04d}{d.month:02d}{d.day:02d}"


pairs = [random_pair() for _ in range(7000)]
chars = sorted(set("".join(s for s, _ in pairs)))
stoi = {c: i + 1 for i, c in enumerate(chars)}  # 0 is padding
max_src = max(len(s) for s, _ in pairs)
BOS = 10  # output symbols: ten digits and the start sign

src = torch.zeros(len(pairs), max_src, dtype=torch.long)
tgt = torch.zeros(len(pairs), 8, dtype=torch.long)
for row, (s, t) in enumerate(pairs):
    for col, c in enumerate(s):
        src[row, col] = stoi[c]
    tgt[row] = torch.tensor([int(c) for c in t])

n_train = 6000
train_src, train_tgt = src[:n_train], tgt[:n_train]
test_src, test_tgt = src[n_train:], tgt[n_train:]


# ---------------------------------------------------------------- model
class Encoder(nn.Module):
    def __init__(self, n_chars, dim, hidden):
        super().__init__()
        self.emb = nn.Embedding(n_chars, dim, padding_idx=0)
        self.rnn = nn.GRU(dim, hidden // 2, batch_first=True, bidirectional=True)

    def forward(self, x):
        memory, last = self.rnn(self.emb(x))
        return memory, torch.cat([last[0], last[1]], dim=1)


class Decoder(nn.Module):
    def __init__(self, dim, hidden, n_layers=2):
        super().__init__()
        self.emb = nn.Embedding(11, dim)
        self.query = nn.Linear(hidden, hidden)
        sizes = [dim + hidden] + [hidden] * (n_layers - 1)
        self.cells = nn.ModuleList([nn.GRUCell(size, hidden) for size in sizes])
        self.out = nn.Linear(2 * hidden, 10)

    def step(self, token, states, memory, mask):
        scores = torch.bmm(memory, self.query(states[-1]).unsqueeze(2)).squeeze(2)
        scores = scores.masked_fill(mask, -1e9)
        attn = F.softmax(scores, dim=1)
        context = torch.bmm(attn.unsqueeze(1), memory).squeeze(1)
        x = torch.cat([self.emb(token), context], dim=1)
        new_states = []
        for cell, h in zip(self.cells, states):
            x = cell(x, h)
            new_states.append(x)
        return self.out(torch.cat([x, context], dim=1)), new_states


class Seq2Seq(nn.Module):
    def __init__(self, n_chars, dim=32, hidden=96):
        super().__init__()
        self.encoder = Encoder(n_chars, dim, hidden)
        self.decoder = Decoder(dim, hidden)

    def forward(self, x, y=None):
        memory, last = self.encoder(x)
        mask = x == 0
        states = [last for _ in self.decoder.cells]
        token = torch.full((len(x),), BOS, dtype=torch.long)
        logits = []
        for t in range(8):
            out, states = self.decoder.step(token, states, memory, mask)
            logits.append(out)
            token = y[:, t] if y is not None else out.argmax(1)
        return torch.stack(logits, dim=1)


model = Seq2Seq(len(chars) + 1)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
# WATCH(model, optimizer)

# ---------------------------------------------------------------- training
batch_size = 64
steps_per_epoch = 70
for epoch in range(6):
    model.train()
    mean_loss = 0.0
    for step in range(steps_per_epoch):
        pick = torch.randint(0, n_train, (batch_size,))
        x, y = train_src[pick], train_tgt[pick]
        logits = model(x, y)
        loss = F.cross_entropy(logits.reshape(-1, 10), y.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        mean_loss += loss.item() / steps_per_epoch

    model.eval()
    with torch.no_grad():
        guess = model(test_src).argmax(2)
    digits = (guess == test_tgt).float().mean().item()
    exact = (guess == test_tgt).all(dim=1).float().mean().item()
    print(f"epoch {epoch + 1}: loss {mean_loss:.3f}  digits {digits:.3f}  whole dates {exact:.3f}")

print(f"RESULT {exact:.4f} higher")
