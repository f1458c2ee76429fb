# Kim-style CNN for support messages -> which team should get the ticket?
# (messages are generated, I can't share the real ones)
import random
import re
from collections import Counter

import numpy as np
import torch
import torch.nn as nn
from sklearn.metrics import f1_score
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

random.seed(2021)
np.random.seed(2021)
torch.manual_seed(2021)

TEAMS = ["billing", "delivery", "login", "returns", "spam"]
MAX_LEN = 30
BATCH = 32
EPOCHS = 6
PAD, UNK = 0, 1

# ---------------------------------------------------------------- messages
SYL = "ba ko ri mel tan vu si dor pe lin ga zu fre no wi hal".split()
def fake_words(n):
    out = set()
    while len(out) < n:
        out.add("".join(random.choices(SYL, k=random.choice([2, 3]))))
    return sorted(out)

lexicon = fake_words(1500)
random.shuffle(lexicon)
TOPIC = {t: lexicon[i * 160:(i + 1) * 160] for i, t in enumerate(TEAMS)}
FILLER = lexicon[800:]
GREET = ["Hi,", "hello!", "Dear team,", "hey", "", "Good morning.", "URGENT!!"]

def message(team):
    n = random.randint(6, 16)
    words = []
    for _ in range(n):
        r = random.random()
        if r < 0.28:
            words.append(random.choice(TOPIC[team]))
        elif r < 0.40:
            words.append(random.choice(TOPIC[random.choice(TEAMS)]))
        else:
            words.append(random.choice(FILLER))
    text = " ".join(words)
    return (random.choice(GREET) + " " + text.capitalize() + random.choice([".", "?", "!!", ""])).strip()

def dataset(n):
    labels = [random.randrange(len(TEAMS)) for _ in range(n)]
    texts = [message(TEAMS[l]) for l in labels]
    return texts, labels

# ---------------------------------------------------------------- tokens
def tokenize(text):
    return re.findall(r"[a-z]+|[!?.]", text.lower())

def build_vocab(texts, min_freq=2):
    counter = Counter(tok for t in texts for tok in tokenize(t))
    vocab = {"<pad>": PAD, "<unk>": UNK}
    for tok, c in counter.most_common():
        if c >= min_freq:
            vocab[tok] = len(vocab)
    return vocab

def encode(text):
    ids = [vocab.get(tok, UNK) for tok in tokenize(text)]
    return ids[:MAX_LEN]

def collate(batch):
    texts, labels = zip(*batch)
    seqs = [torch.tensor(encode(t), dtype=torch.long) for t in texts]
    seqs.append(torch.zeros(8, dtype=torch.long))          # at least as long as the widest kernel
    padded = pad_sequence(seqs, batch_first=True, padding_value=PAD)[:-1]
    return padded, torch.tensor(labels)

# ---------------------------------------------------------------- model
class TextCNN(nn.Module):
    def __init__(self, vocab_size, emb=48, filters=48, widths=(1, 2, 3), n_out=5, p=0.4):
        super().__init__()
        self.emb = nn.Embedding(vocab_size, emb, padding_idx=PAD)
        self.convs = nn.ModuleList([nn.Conv1d(emb, filters, w) for w in widths])
        self.drop = nn.Dropout(p)
        self.fc = nn.Linear(filters * len(widths), n_out)

    def forward(self, x):
        e = self.emb(x).transpose(1, 2)
        pooled = [torch.relu(conv(e)).amax(dim=2) for conv in self.convs]
        return self.fc(self.drop(torch.cat(pooled, dim=1)))

texts, labels = dataset(6000)
val_texts, val_labels = dataset(1000)

# put the messages in random order
perm = np.random.permutation(len(texts))
texts = [texts[i] for i in perm]
labels = [labels[i] for i in perm]

vocab = build_vocab(texts)
print(len(vocab), "tokens, e.g.", texts[0])
train_loader = DataLoader(list(zip(texts, labels)), batch_size=BATCH, shuffle=True, collate_fn=collate)
val_loader = DataLoader(list(zip(val_texts, val_labels)), batch_size=256, collate_fn=collate)

net = TextCNN(len(vocab), n_out=len(TEAMS))
adam = torch.optim.Adam(net.parameters(), lr=2e-3)
loss_fn = nn.CrossEntropyLoss()
# WATCH(net, adam)

for ep in range(1, EPOCHS + 1):
    net.train()
    losses = []
    for xb, yb in train_loader:
        adam.zero_grad()
        loss = loss_fn(net(xb), yb)
        loss.backward()
        adam.step()
        losses.append(loss.item())

    net.eval()
    preds = []
    with torch.no_grad():
        for xb, yb in val_loader:
            preds += net(xb).argmax(1).tolist()
    macro = f1_score(val_labels, preds, average="macro")
    print(f"epoch {ep}: train loss {np.mean(losses):.3f}   val macro-F1 {macro:.3f}")

print(f"RESULT {macro:.4f} higher")
