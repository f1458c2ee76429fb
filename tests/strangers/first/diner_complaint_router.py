#!/usr/bin/env python
"""Route customer messages of a (made up) diner chain to the right desk.

Own little word tokenizer, own Dataset, embedding + attention pooling.
"""
import random
import re
from collections import Counter

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.set_num_threads(1)

DESKS = ["kitchen", "billing", "delivery", "booking", "jobs"]
SHARE = [55, 8, 25, 8, 4]      # percent, more or less what the head office told us

# words that hint at a desk. On purpose some hints are shared by two desks
HINTS = {
    "kitchen": "soup cold burnt raw salty fries burger chef taste stale hair plate spicy undercooked soggy order".split(),
    "billing": "charged refund receipt card twice invoice total tip price coupon bank overpaid statement order cancel".split(),
    "delivery": "driver late address courier bag spilled door missing waited app tracking cold street soggy order".split(),
    "booking": "table reservation seats tonight birthday group window cancel evening party terrace waited guests highchair".split(),
    "jobs": "hiring shift apply resume waiter interview salary weekend experience manager training chef driver position".split(),
}
FILLER = ("hello hi there please thanks i we my the a was is your for with and at on this yesterday today really very "
          "again would like want to ask about have been not good place last time can you help team it").split()


def one_message(rng):
    desk = rng.choices(range(len(DESKS)), weights=SHARE)[0]
    words = rng.choices(HINTS[DESKS[desk]], k=rng.randint(1, 3))
    if rng.random() < 0.5:  # people ramble about something else too
        words += rng.choices(HINTS[rng.choice(DESKS)], k=1)
    words += rng.choices(FILLER, k=rng.randint(5, 18))
    rng.shuffle(words)
    out = []
    for w in words:
        r = rng.random()
        if r < 0.15:
            w = w.upper()
        elif r < 0.5:
            w = w.capitalize()
        if rng.random() < 0.3:
            w += rng.choice("!?.,;")
        out.append(w)
    if rng.random() < 0.3:
        out.insert(0, f"#{rng.randint(1000, 9999)}:")
    return " ".join(out), desk


def clean(text):
    text = text.lower()
    text = re.sub(r"\d+", "0", text)
    return re.sub(r"[^a-z0 ]", "", text).strip()


class WordTokenizer:
    PAD, UNK = 0, 1

    def __init__(self, texts, min_count=3):
        counts = Counter(w for t in texts for w in t.split())
        vocab = [w for w, c in counts.most_common() if c >= min_count]
        self.stoi = {w: i + 2 for i, w in enumerate(vocab)}

    def __len__(self):
        return len(self.stoi) + 2

    def encode(self, text, max_len):
        ids = [self.stoi.get(w, self.UNK) for w in text.split()][:max_len]
        return ids + [self.PAD] * (max_len - len(ids))


class MessageDataset(Dataset):
    def __init__(self, texts, labels, tok, max_len=28):
        self.x = torch.tensor([tok.encode(t, max_len) for t in texts])
        self.y = torch.tensor(labels)

    def __len__(self):
        return self.x.shape[0]

    def __getitem__(self, i):
        return self.x[i], self.y[i]


class Router(nn.Module):
    def __init__(self, n_words, n_desks, dim=48):
        super().__init__()
        self.emb = nn.Embedding(n_words, dim, padding_idx=0)
        self.score = nn.Linear(dim, 1)
        self.drop = nn.Dropout(0.3)
        self.fc = nn.Linear(dim, n_desks)

    def forward(self, x):
        e = self.emb(x)                                             # (B, L, D)
        s = self.score(torch.tanh(e)).squeeze(-1)
        s = s.masked_fill(x == 0, -1e9)
        w = F.softmax(s, dim=1)
        pooled = (w.unsqueeze(-1) * e).sum(1)
        return F.log_softmax(self.fc(self.drop(pooled)), dim=1)     # goes with NLLLoss


def accuracy(model, ds):
    model.eval()
    with torch.no_grad():
        pred = torch.cat([model(part).argmax(1) for part in ds.x.split(256)])
    return (pred == ds.y).float().mean().item()


def main():
    rng = random.Random(2024)
    torch.manual_seed(2024)

    messages = [one_message(rng) for _ in range(5000)]
    train, test = messages[:4000], messages[4000:]
    train_texts = [clean(t) for t, _ in train]
    train_labels = [d for _, d in train]
    test_texts = [clean(t) for t, _ in test]
    test_labels = [d for _, d in test]

    tok = WordTokenizer(train_texts)
    print("vocabulary:", len(tok))
    print("longest message:", max(train_texts, key=len))

    train_ds = MessageDataset(train_texts, train_labels, tok)
    test_ds = MessageDataset(test_texts, test_labels, tok)
    loader = DataLoader(train_ds, batch_size=32, shuffle=True)

    model = Router(len(tok), len(DESKS))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    criterion = nn.NLLLoss()

    # WATCH(model, optimizer)
    for epoch in range(12):
        model.train()
        total, seen = 0.0, 0
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
            seen += len(y)
        print(f"epoch {epoch}: loss {total / seen:.4f}, test acc {accuracy(model, test_ds):.4f}")

    print(f"RESULT {accuracy(model, test_ds):.4f} higher")


if __name__ == "__main__":
    main()
