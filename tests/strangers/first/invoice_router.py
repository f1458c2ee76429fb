"""Route incoming invoices to a department by their text.

A GRU reads the words; documents have different lengths, so the batches are padded and packed.
"""
import random

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader

SEED = 17
N_TRAIN, N_VALID, N_TEST = 1600, 300, 500
EMB, HIDDEN, DROP = 24, 32, 0.3
EPOCHS, BATCH, LR, DECAY = 7, 32, 4e-3, 1e-2

DEPARTMENTS = ["facilities", "it", "travel", "legal"]
TOPIC = {
    "facilities": "cleaning heating window repair lift garden paint furniture waste boiler".split(),
    "it": "server licence laptop router backup monitor cable storage domain toner".split(),
    "travel": "flight hotel taxi train visa luggage conference lounge rental ticket".split(),
    "legal": "counsel patent notary contract trademark filing opinion court audit deed".split(),
}
COMMON = ("invoice no date due total net vat eur payment within days please transfer account thank you for the of and "
          "services delivered in month reference customer number order item quantity price").split()


def make_document(rng):
    """Mostly boilerplate, a few topic words (some of a second department)."""
    label = rng.randrange(len(DEPARTMENTS))
    other = rng.randrange(len(DEPARTMENTS))
    words = []
    for _ in range(rng.randint(8, 40)):
        u = rng.random()
        if u < 0.16:
            words.append(rng.choice(TOPIC[DEPARTMENTS[label]]))
        elif u < 0.22:
            words.append(rng.choice(TOPIC[DEPARTMENTS[other]]))
        else:
            words.append(rng.choice(COMMON))
    return words, label


def build_vocab(docs):
    vocab = {"<pad>": 0, "<unk>": 1}
    for words, _ in docs:
        for w in words:
            vocab.setdefault(w, len(vocab))
    return vocab


def make_collate(vocab):
    def collate(batch):
        # longest first, as pack_padded_sequence wants it
        batch = sorted(batch, key=lambda d: len(d[0]), reverse=True)
        texts = [torch.tensor([vocab.get(w, 1) for w in words]) for words, _ in batch]
        lengths = torch.tensor([len(t) for t in texts])
        labels = torch.tensor([label for _, label in batch])
        return pad_sequence(texts, batch_first=True), lengths, labels
    return collate


class Router(nn.Module):
    def __init__(self, n_words):
        super().__init__()
        self.embed = nn.Embedding(n_words, EMB, padding_idx=0)
        self.drop = nn.Dropout(DROP)
        self.gru = nn.GRU(EMB, HIDDEN, batch_first=True)
        self.out = nn.Linear(HIDDEN, len(DEPARTMENTS))

    def forward(self, ids, lengths):
        packed = pack_padded_sequence(self.drop(self.embed(ids)), lengths, batch_first=True)
        states, _ = self.gru(packed)
        states, _ = pad_packed_sequence(states, batch_first=True)
        last = states[torch.arange(len(lengths)), lengths - 1]
        return self.out(self.drop(last))


def train(model, loader, optimizer):
    model.train()
    losses = []
    for ids, lengths, labels in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(ids, lengths), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


def evaluate(model, loader):
    model.eval()
    loss, right, n = 0.0, 0, 0
    with torch.no_grad():
        for ids, lengths, labels in loader:
            logits = model(ids, lengths)
            loss += F.cross_entropy(logits, labels, reduction="sum").item()
            right += (logits.argmax(-1) == labels).sum().item()
            n += len(labels)
    return loss / n, right / n


def main():
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    rng = random.Random(SEED)
    valid_docs = [make_document(rng) for _ in range(N_VALID)]
    test_docs = [make_document(rng) for _ in range(N_TEST)]
    train_docs = [make_document(rng) for _ in range(N_TRAIN)]
    vocab = build_vocab(train_docs)
    collate = make_collate(vocab)
    train_loader = DataLoader(train_docs, batch_size=BATCH, shuffle=True, collate_fn=collate)
    valid_loader = DataLoader(valid_docs, batch_size=100, collate_fn=collate)
    test_loader = DataLoader(test_docs, batch_size=100, collate_fn=collate)

    model = Router(len(vocab))
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=DECAY)
    # WATCH(model, optimizer)
    for epoch in range(1, EPOCHS + 1):
        tr = train(model, train_loader, optimizer)
        va, acc = evaluate(model, valid_loader)
        print(f"Epoch {epoch}: train loss {tr:.4f}, valid loss {va:.4f}, valid accuracy {acc:.3f}")

    te, acc = evaluate(model, test_loader)
    print(f"Test loss {te:.4f}, test accuracy {acc:.3f}")
    print(f"RESULT {te:.4f} lower")


if __name__ == "__main__":
    main()
