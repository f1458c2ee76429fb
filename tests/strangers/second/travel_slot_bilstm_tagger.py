"""Slot tagging of travel requests with a BiLSTM (research-code style, one file).

Tags: O, FROM, TO, DAY, CLASS. The same city name is FROM or TO depending on the words around it,
so a tagger has to read to both sides.
"""
import random

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

CITIES = "oslo bern rome lima cairo quito delhi osaka porto turin vienna dakar perth leeds sofia".split()
DAYS = "monday tuesday wednesday thursday friday saturday sunday tomorrow".split()
CABINS = "economy business first premium".split()
SYLLABLES = "ka lo mi ne ru sa to ve bra din gor hel jun".split()
FILLER = "um so please well ok maybe just actually".split()
TAGS = ["O", "FROM", "TO", "DAY", "CLASS"]
PAD_TAG = -100


def phrase_from(r, c):
    lead = r.choice([["from"], ["leaving"], ["departing"], ["out", "of"], ["i", "am", "in"]])
    tail = r.choice([[], [], ["is", "where", "i", "start"]])
    if tail:
        lead = []
    return [(w, "O") for w in lead] + [(c, "FROM")] + [(w, "O") for w in tail]


def phrase_to(r, c):
    lead = r.choice([["to"], ["towards"], ["arriving", "in"], ["flying", "into"]])
    tail = r.choice([[], [], ["is", "where", "i", "end"]])
    if tail:
        lead = []
    return [(w, "O") for w in lead] + [(c, "TO")] + [(w, "O") for w in tail]


def make_sentence(r):
    a, b = r.sample(CITIES, 2)
    if r.random() < 0.3:                                          # a village nobody knows
        a = "".join(r.choices(SYLLABLES, k=3))
    parts = [phrase_from(r, a), phrase_to(r, b)]
    if r.random() < 0.6:
        parts.append([("on", "O"), (r.choice(DAYS), "DAY")] if r.random() < 0.7 else [(r.choice(DAYS), "DAY")])
    if r.random() < 0.5:
        parts.append([("in", "O"), (r.choice(CABINS), "CLASS"), ("class", "O")])
    if r.random() < 0.4:
        parts.append([("the", "O"), ("first", "O"), ("flight", "O")])
    r.shuffle(parts)
    out = []
    for p in parts:
        if r.random() < 0.4:
            out.append((r.choice(FILLER), "O"))
        for word, tag in p:
            if tag == "O" and r.random() < 0.05:
                word = "mm"                                       # not understood by the recogniser
            out.append((word, tag))
    return out


class SlotDataset(Dataset):
    def __init__(self, sentences, word2id, unk_rate=0.0):
        self.sentences, self.word2id, self.unk_rate = sentences, word2id, unk_rate

    def __len__(self):
        return len(self.sentences)

    def __getitem__(self, i):
        words = [self.word2id.get(w, 1) for w, _ in self.sentences[i]]
        tags = [TAGS.index(t) for _, t in self.sentences[i]]
        words = torch.tensor(words)
        if self.unk_rate:
            words = words.masked_fill(torch.rand(len(words)) < self.unk_rate, 1)
        return words, torch.tensor(tags)


def pad_batch(items):
    longest = max(len(w) for w, _ in items)
    words = torch.zeros(len(items), longest, dtype=torch.long)
    tags = torch.full((len(items), longest), PAD_TAG)
    for i, (w, t) in enumerate(items):
        words[i, :len(w)] = w
        tags[i, :len(t)] = t
    lengths = torch.tensor([len(w) for w, _ in items])
    return words, tags, lengths


class BiLSTMTagger(nn.Module):
    def __init__(self, n_words, emb=32, hidden=40, n_tags=len(TAGS), p=0.3):
        super().__init__()
        self.embed = nn.Embedding(n_words, emb, padding_idx=0)
        self.drop = nn.Dropout(p)
        self.lstm = nn.LSTM(emb, hidden, bidirectional=True)      # time first
        self.emit = nn.Linear(2 * hidden, n_tags)

    def forward(self, words, lengths):
        x = self.drop(self.embed(words)).transpose(0, 1)
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
        out, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0])
        scores = self.emit(self.drop(out))                        # time x batch x tags
        return scores.transpose(0, 1)


def token_loss(scores, tags):
    mask = tags != PAD_TAG
    return nn.functional.cross_entropy(scores[mask], tags[mask])


def slot_f1(model, loader):
    """micro F1 over the tokens that are, or are said to be, a slot"""
    model.eval()
    tp = fp = fn = 0
    with torch.no_grad():
        for words, tags, lengths in loader:
            guess = model(words, lengths).argmax(-1)
            keep = tags != PAD_TAG
            g, t = guess[keep], tags[keep]
            tp += ((g == t) & (t > 0)).sum().item()
            fp += ((g != t) & (g > 0)).sum().item()
            fn += ((g != t) & (t > 0)).sum().item()
    return 2 * tp / max(1, 2 * tp + fp + fn)


def run(seed=21, epochs=12, swa_from=8):
    torch.manual_seed(seed)
    r = random.Random(seed)
    train = [make_sentence(r) for _ in range(700)]
    valid = [make_sentence(r) for _ in range(200)]
    test = [make_sentence(r) for _ in range(400)]
    word2id = {"<pad>": 0, "<unk>": 1}
    for s in train:
        for w, _ in s:
            word2id.setdefault(w, len(word2id))

    train_loader = DataLoader(SlotDataset(train, word2id, unk_rate=0.03), batch_size=16, shuffle=True, collate_fn=pad_batch)
    valid_loader = DataLoader(SlotDataset(valid, word2id), batch_size=100, collate_fn=pad_batch)
    test_loader = DataLoader(SlotDataset(test, word2id), batch_size=100, collate_fn=pad_batch)

    tagger = BiLSTMTagger(len(word2id))
    optimizer = torch.optim.Adam(tagger.parameters(), lr=4e-3)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.88)
    averaged = torch.optim.swa_utils.AveragedModel(tagger)
    swa_scheduler = torch.optim.swa_utils.SWALR(optimizer, swa_lr=1e-3, anneal_epochs=2)

    # WATCH(tagger, optimizer)
    for epoch in range(epochs):
        tagger.train()
        total, n = 0.0, 0
        for words, tags, lengths in train_loader:
            optimizer.zero_grad()
            loss = token_loss(tagger(words, lengths), tags)
            loss.backward()
            nn.utils.clip_grad_norm_(tagger.parameters(), 5.0)
            optimizer.step()
            total += loss.item() * len(words)
            n += len(words)
        if epoch >= swa_from:
            averaged.update_parameters(tagger)
            swa_scheduler.step()
        else:
            scheduler.step()
        print(f"epoch {epoch:2d} | loss {total / n:.4f} | valid slot F1 {slot_f1(tagger, valid_loader):.4f}")

    return slot_f1(averaged, test_loader)


if __name__ == "__main__":
    print(f"RESULT {run():.4f} higher")
