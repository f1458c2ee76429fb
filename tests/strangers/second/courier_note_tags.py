# tag the words of courier notes: who, where, when.  quick script, reads top to bottom.
import random
import torch
import torch.nn as nn

random.seed(5)
torch.manual_seed(5)

first = "anna ben carla dmitri elif farid grace hugo ines jonas kemal lena".split()
last = "hill stone park church meadow brook fields woods lake castle".split()
street = "hill stone park church meadow brook station market garden mill lake castle".split()
kind = "street road lane square".split()
city = "york leeds bath derby truro perth wells ely".split()
hour = "eight nine ten eleven noon one two three four".split()

sentences, tagseqs = [], []
for _ in range(2600):
    w, t = [], []

    def put(words, tag=None):
        words = words.split() if isinstance(words, str) else words
        w.extend(words)
        t.extend(["O"] * len(words) if tag is None else ["B-" + tag] + ["I-" + tag] * (len(words) - 1))

    pieces = []
    who = [random.choice(first)] + ([random.choice(last)] if random.random() < 0.6 else [])
    where = [random.choice(street), random.choice(kind)]
    put(random.choice(["please bring it to", "deliver to", "leave the box with", "hand over to", "give this to"]))
    put(who, "WHO")
    if random.random() < 0.8:
        put(random.choice(["at", "in", "near", "who lives in"]))
        put(where, "WHERE")
        if random.random() < 0.5:
            put("in")
            put(random.choice(city), "CITY")
    if random.random() < 0.6:
        put(random.choice(["before", "after", "at about", "not later than"]))
        put([random.choice(hour)] + (["thirty"] if random.random() < 0.4 else []), "WHEN")
    if random.random() < 0.4:
        put(random.choice(["thanks", "and ring twice", "behind the park gate", "next to the church", "two boxes", "mind the dog in the garden"]))
    sentences.append(w)
    tagseqs.append(t)

pairs = list(zip(sentences, tagseqs))
random.shuffle(pairs)
sentences = [p[0] for p in pairs]
tagseqs = [p[1] for p in pairs]

T = 24
vocab = {"<pad>": 0, "<unk>": 1}
for w in sentences[:2000]:
    for tok in w:
        vocab.setdefault(tok, len(vocab))
tags = sorted({x for t in tagseqs for x in t})
tag_id = {x: i for i, x in enumerate(tags)}
X = torch.zeros(len(sentences), T, dtype=torch.long)
Y = torch.full((len(sentences), T), -100)
for i, (w, t) in enumerate(zip(sentences, tagseqs)):
    X[i, : len(w)] = torch.tensor([vocab.get(tok, 1) for tok in w])
    Y[i, : len(t)] = torch.tensor([tag_id[x] for x in t])
print(X.shape, len(vocab), "words", tags)


class Tagger(nn.Module):
    def __init__(self, n_words, n_tags, d=32, h=40):
        super().__init__()
        self.emb = nn.Embedding(n_words, d, padding_idx=0)
        self.lstm = nn.LSTM(d, h, batch_first=True, bidirectional=True)
        self.drop = nn.Dropout(0.25)
        self.fc = nn.Linear(2 * h, n_tags)

    def forward(self, x):
        lens = (x > 0).sum(1)
        packed = nn.utils.rnn.pack_padded_sequence(self.drop(self.emb(x)), lens, batch_first=True, enforce_sorted=False)
        h, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=x.shape[1])
        return self.fc(self.drop(h))


tagger = Tagger(len(vocab), len(tags))
ce = nn.CrossEntropyLoss(ignore_index=-100)
adam = torch.optim.Adam(tagger.parameters(), lr=3e-3)

losses = []
# WATCH(tagger, adam)
for ep in range(4):
    tagger.train()
    perm = torch.randperm(2000)
    for k in range(0, 2000, 25):
        idx = perm[k : k + 25]
        adam.zero_grad()
        loss = ce(tagger(X[idx]).flatten(0, 1), Y[idx].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tagger.parameters(), 1.0)
        adam.step()
        losses.append(loss.item())
    tagger.eval()
    with torch.no_grad():
        pred = tagger(X[2000:]).argmax(-1)
    real = Y[2000:] >= 0
    acc = (pred == Y[2000:])[real].float().mean().item()
    whole = ((pred == Y[2000:]) | ~real).all(1).float().mean().item()
    print("epoch %d  loss %.4f  token acc %.4f  whole notes right %.4f" % (ep + 1, sum(losses[-80:]) / 80, acc, whole))

print("RESULT %.4f higher" % whole)
