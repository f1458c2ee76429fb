# Sentiment (neg / neutral / pos) of short made-up reviews with an embedding + GRU
import random
import torch
import torch.nn as nn

SEED = 123
random.seed(SEED)
torch.manual_seed(SEED)

good = 'great lovely superb brilliant charming fresh'.split()
bad = 'dull awful boring terrible weak stale'.split()
meh = 'average ordinary usual standard plain common'.split()
nouns = 'plot acting movie music ending cast script camera'.split()
fill = 'i think that really the whole of it was in my opinion and so on you know'.split()


def review():
    lab = random.choice([0, 1, 2])
    noun, words = random.choice(nouns), []
    if lab == 1:
        core = [noun, 'is', random.choice(meh)]
    else:
        neg = random.random() < 0.4
        lst = (good if lab == 2 else bad) if not neg else (bad if lab == 2 else good)
        core = [noun, 'is'] + (['not'] if neg else []) + [random.choice(lst)]
    words += random.choices(fill, k=random.randint(0, 6)) + core + random.choices(fill, k=random.randint(0, 6))
    if random.random() < 0.05:      # annotators are not perfect
        lab = random.choice([0, 1, 2])
    return words, lab


reviews = [review() for _ in range(3000)]
vocab = {'<pad>': 0}
for w, _ in reviews:
    for t in w:
        vocab.setdefault(t, len(vocab))
MAXLEN = 16
ids, labels = [], []
for w, l in reviews:
    ids.append([0] * (MAXLEN - len(w)) + [vocab[t] for t in w])  # pad left
    labels.append(l)
ids, labels = torch.tensor(ids), torch.tensor(labels)
n_train = 2400
print('vocab', len(vocab), 'train', n_train, 'valid', len(ids) - n_train)


class GRUNet(nn.Module):
    def __init__(self, vocab_size, emb=24, hidden=48):
        super().__init__()
        self.emb = nn.Embedding(vocab_size, emb, padding_idx=0)
        self.gru = nn.GRU(emb, hidden)
        self.drop = nn.Dropout(0.2)
        self.fc = nn.Linear(hidden, 3)
        self.logsoftmax = nn.LogSoftmax(dim=1)

    def forward(self, x):
        batch, seq = x.shape
        e = self.emb(x)
        e = e.permute(1, 0, 2)          # GRU wants seq, batch, features
        _, h = self.gru(e)
        out = self.fc(self.drop(h[-1]))
        return self.logsoftmax(out)


model = GRUNet(len(vocab))
loss_fn = nn.NLLLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
BS = 40
history = []

# WATCH(model, optimizer)
for epoch in range(6):
    model.train()
    idx = list(range(n_train))
    random.shuffle(idx)
    epoch_loss, hits = 0., 0
    for start in range(0, n_train, BS):
        batch = idx[start:start + BS]
        xb, yb = ids[batch], labels[batch]
        model.zero_grad()
        pred = model(xb)
        loss = loss_fn(pred, yb)
        loss.backward()
        optimizer.step()
        epoch_loss += loss.item()
        hits += (pred.argmax(dim=1) == yb).sum().item()
    model.eval()
    with torch.no_grad():
        vp = model(ids[n_train:])
        vloss = loss_fn(vp, labels[n_train:]).item()
        vacc = (vp.argmax(dim=1) == labels[n_train:]).float().mean().item()
    history.append((epoch_loss / (n_train / BS), vloss))
    print('epoch', epoch, 'train: %.4f acc %.3f' % (history[-1][0], hits / n_train), ' valid: %.4f acc %.3f' % (vloss, vacc))

print('RESULT %.4f higher' % vacc)
