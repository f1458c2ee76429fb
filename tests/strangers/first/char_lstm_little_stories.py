# char level LSTM, like the karpathy blog post but on generated mini stories
import math
import random
import torch
import torch.nn as nn

random.seed(3)
torch.manual_seed(3)

who = ['the old king', 'a small fox', 'my aunt', 'the miller', 'one grey goose', 'the captain']
did = ['walked to', 'looked at', 'sang about', 'ran from', 'dreamt of', 'painted']
what = ['the river', 'a red house', 'the market', 'the dark wood', 'her garden', 'the stars']
when = ['in the morning', 'at noon', 'every winter', 'all night long', 'on sunday']

text = ''
while len(text) < 60000:
    s = f'{random.choice(who)} {random.choice(did)} {random.choice(what)}'
    if random.random() < 0.6:
        s += ' ' + random.choice(when)
    text += s + random.choice(['. ', '. ', '! ', ',\n'])
chars = sorted(set(text))
stoi = {c: i for i, c in enumerate(chars)}
print('chars:', len(chars), 'text length:', len(text))
print(text[:120])

data = torch.tensor([stoi[c] for c in text])
cut = 50000
train_data, valid_data = data[:cut], data[cut:]
SEQ, BATCH, HID = 40, 32, 96


def get_batch(d):
    starts = torch.randint(0, len(d) - SEQ - 1, (BATCH,))
    x = torch.stack([d[s:s + SEQ] for s in starts])
    y = torch.stack([d[s + 1:s + SEQ + 1] for s in starts])
    return x, y


class CharLSTM(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.embed = nn.Embedding(n, 32)
        self.lstm = nn.LSTM(32, HID, batch_first=True)
        self.out = nn.Linear(HID, n)

    def forward(self, x, hidden=None):
        o, hidden = self.lstm(self.embed(x), hidden)
        logits = self.out(o)
        return logits, hidden


lm = CharLSTM(len(chars))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(lm.parameters(), lr=4e-3)
losses = []


def valid_loss():
    lm.eval()
    total = 0
    with torch.no_grad():
        for _ in range(10):
            xb, yb = get_batch(valid_data)
            total += criterion(lm(xb)[0].reshape(-1, len(chars)), yb.reshape(-1)).item()
    lm.train()
    return total / 10


def sample(n=80):
    lm.eval()
    c, hidden, s = torch.tensor([[stoi['t']]]), None, 't'
    with torch.no_grad():
        for _ in range(n):
            logits, hidden = lm(c, hidden)
            c = torch.multinomial(torch.softmax(logits[:, -1], -1), 1)
            s += chars[c.item()]
    lm.train()
    return s


# WATCH(lm, optimizer)
for it in range(1, 401):
    x, y = get_batch(train_data)
    logits, _ = lm(x)
    loss = criterion(logits.reshape(-1, len(chars)), y.reshape(-1))
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(lm.parameters(), 1.0)
    optimizer.step()
    losses.append(loss.item())
    if it % 80 == 0:
        print(it, 'train', sum(losses[-80:]) / 80, 'valid', valid_loss())
        print('   >>>', repr(sample()))

final = valid_loss()
print('perplexity', math.exp(final))
print('RESULT', round(final, 4), 'lower')
