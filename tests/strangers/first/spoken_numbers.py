# %% [markdown]
# # Lab 7: from digits to words
# An encoder-decoder with attention reads a house number, digit by digit, and says it: `3071 -> three thousand seventy one`.
# Numbers of the same length form one batch, so nothing on the reading side is padded. One update uses one batch of each length.

# %%
import random
import torch
import torch.nn as nn
import torch.nn.functional as F

random.seed(7)
torch.manual_seed(7)

UNITS = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
         "seventeen eighteen nineteen").split()
TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()


def say(n):
    if n < 20:
        return [UNITS[n]]
    if n < 100:
        return [TENS[n // 10]] + ([UNITS[n % 10]] if n % 10 else [])
    if n < 1000:
        return [UNITS[n // 100], "hundred"] + (say(n % 100) if n % 100 else [])
    return say(n // 1000) + ["thousand"] + (say(n % 1000) if n % 1000 else [])


PAD, BOS, EOS = 0, 1, 2
words = ["<pad>", "<bos>", "<eos>", "hundred", "thousand"] + UNITS + TENS[2:]
w2i = {w: i for i, w in enumerate(words)}

# %%
ranges = {3: (100, 999), 4: (1000, 9999), 5: (10000, 99999)}
train_numbers, test_numbers = {}, {}
for length, (lo, hi) in ranges.items():
    chosen = random.sample(range(lo, hi + 1), 700)
    train_numbers[length], test_numbers[length] = chosen[:600], chosen[600:]


def to_tensors(numbers):
    src = torch.tensor([[int(c) for c in str(n)] for n in numbers])
    spoken = [[BOS] + [w2i[w] for w in say(n)] + [EOS] for n in numbers]
    longest = max(map(len, spoken))
    tgt = torch.tensor([s + [PAD] * (longest - len(s)) for s in spoken])
    return src, tgt


def batches(size=30):
    """goes round the lengths: five digits, four digits, three digits, five digits, ..."""
    for l in train_numbers:
        random.shuffle(train_numbers[l])
    for start in range(0, 600, size):
        for l in (5, 4, 3):
            yield to_tensors(train_numbers[l][start:start + size])


# %%
class Encoder(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.emb = nn.Embedding(10, d)
        self.drop = nn.Dropout(0.1)
        self.gru = nn.GRU(d, d, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(2 * d, d)

    def forward(self, src):
        out, h = self.gru(self.drop(self.emb(src)))
        out = self.bridge(out)
        hidden = torch.tanh(self.bridge(torch.cat([h[0], h[1]], -1))).unsqueeze(0)
        return out, hidden


class Decoder(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.emb = nn.Embedding(len(words), d, padding_idx=PAD)
        self.drop = nn.Dropout(0.25)
        self.gru = nn.GRU(d, d, batch_first=True)
        self.mix = nn.Linear(2 * d, d)
        self.out = nn.Linear(d, len(words))

    def forward(self, tokens, hidden, memory):
        y, hidden = self.gru(self.drop(self.emb(tokens)), hidden)
        scores = y @ memory.transpose(1, 2) / memory.size(-1) ** 0.5
        context = F.softmax(scores, dim=-1) @ memory
        y = torch.tanh(self.mix(torch.cat([y, context], -1)))
        return self.out(self.drop(y)), hidden


class Seq2Seq(nn.Module):
    def __init__(self, d=64):
        super().__init__()
        self.encoder = Encoder(d)
        self.decoder = Decoder(d)

    def forward(self, src, tgt_in):
        memory, hidden = self.encoder(src)
        logits, _ = self.decoder(tgt_in, hidden, memory)
        return logits


model = Seq2Seq()
optimizer = torch.optim.Adam(model.parameters(), lr=6e-3)
schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.5)
lengths_per_update = 3
# WATCH(model, optimizer)


# %%
def train_epoch():
    model.train()
    total = 0.0
    for i, (src, tgt) in enumerate(batches()):
        if i % lengths_per_update == 0:
            optimizer.zero_grad()
        logits = model(src, tgt[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), tgt[:, 1:].flatten(), ignore_index=PAD)
        (loss / lengths_per_update).backward()
        if (i + 1) % lengths_per_update == 0:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        total += loss.item()
    return total / (i + 1)


@torch.no_grad()
def evaluate():
    """how many numbers are said without any mistake"""
    model.eval()
    right = count = 0
    for l in test_numbers:
        src, tgt = to_tensors(test_numbers[l])
        memory, hidden = model.encoder(src)
        token = torch.full((len(src), 1), BOS)
        said = []
        for _ in range(tgt.size(1) - 1):
            logits, hidden = model.decoder(token, hidden, memory)
            token = logits.argmax(-1)
            said.append(token)
        said = torch.cat(said, 1)
        ok = (said == tgt[:, 1:]) | (tgt[:, 1:] == PAD)
        right += ok.all(1).sum().item()
        count += len(src)
    return right / count


# %%
for epoch in range(1, 13):
    loss = train_epoch()
    schedule.step()
    if epoch % 3 == 0:
        print(f"epoch {epoch:2d}  loss {loss:.3f}  said correctly {evaluate():.3f}")

print(f"RESULT {evaluate():.4f} higher")
