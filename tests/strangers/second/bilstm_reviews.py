# Reading short reviews with a bidirectional LSTM
# ------------------------------------------------
# In this post we classify made-up film reviews into good and bad. A bag of words is not enough here: "not dull" is
# praise, and in "A but B" the second half decides. Sentences have different lengths, so we pack them.

import random

import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader

random.seed(8)
torch.manual_seed(8)

# Step 1: a little generator of reviews
GOOD = """great charming clever moving funny brilliant warm fresh lovely sharp superb witty gripping tender bold elegant
lively honest radiant smart""".split()
BAD = """dull messy boring awful flat clumsy tedious weak silly shallow bland lazy noisy stale hollow cheap grim lifeless
muddled dreary""".split()
NOUNS = "plot acting music script ending cast pacing dialogue camera hero villain editing".split()
FILLER = "really quite somehow overall truly rather simply".split()


def clause():
    """Gives words and the opinion they express (1 good, 0 bad)."""
    opinion = random.random() < 0.5
    negated = random.random() < 0.4
    word = random.choice(GOOD if opinion != negated else BAD)
    words = ["the", random.choice(NOUNS), "was"]
    if negated:
        words.append(random.choice(["not", "never", "hardly"]))
    if random.random() < 0.5:
        words.append(random.choice(FILLER))
    return words + [word], int(opinion)


def review():
    words, label = clause()
    form = random.random()
    if form < 0.3:                           # A but B: B counts
        more, label = clause()
        words = words + ["but"] + more
    elif form < 0.5:                         # although A, B: B counts
        more, label = clause()
        words = ["although"] + words + more
    elif form < 0.7:                         # A, even if B: A counts
        words = words + ["even", "if"] + clause()[0]
    return words, label


seen, reviews = set(), []
while len(reviews) < 4000:
    words, label = review()
    if " ".join(words) not in seen:          # no sentence twice, so train and test cannot share any
        seen.add(" ".join(words))
        reviews.append((words, label))

vocab = {"<pad>": 0}
for words, _ in reviews:
    for w in words:
        vocab.setdefault(w, len(vocab))
print(f"{len(reviews)} reviews, {len(vocab)} words, e.g.: {' '.join(reviews[0][0])} -> {reviews[0][1]}")


# Step 2: batches of padded sentences, with their lengths
def collate(items):
    ids = [torch.tensor([vocab[w] for w in words]) for words, _ in items]
    lengths = torch.tensor([len(i) for i in ids])
    labels = torch.tensor([label for _, label in items])
    return pad_sequence(ids, batch_first=True), lengths, labels


train_dl = DataLoader(reviews[:3000], batch_size=50, shuffle=True, collate_fn=collate)
test_dl = DataLoader(reviews[3000:], batch_size=250, collate_fn=collate)


# Step 3: the model
class ReviewReader(nn.Module):
    def __init__(self, n_words, emb_dim=32, hidden=48, n_classes=2):
        super().__init__()
        self.embedding = nn.Embedding(n_words, emb_dim, padding_idx=0)
        self.lstm = nn.LSTM(emb_dim, hidden, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(2 * hidden, n_classes)

    def forward(self, tokens, lengths):
        vectors = self.embedding(tokens)
        packed = pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
        _, (h, _) = self.lstm(packed)
        summary = torch.cat([h[0], h[1]], dim=1)        # last state of each direction
        return self.classifier(self.dropout(summary))


reader = ReviewReader(len(vocab))
criterion = nn.CrossEntropyLoss()
sgd = torch.optim.SGD(reader.parameters(), lr=8.0)
schedule = torch.optim.lr_scheduler.LambdaLR(sgd, lambda epoch: 1.0 if epoch < 6 else 0.25)


def accuracy(dl):
    reader.eval()
    right = count = 0
    with torch.no_grad():
        for tokens, lengths, labels in dl:
            right += (reader(tokens, lengths).argmax(1) == labels).sum().item()
            count += len(labels)
    return right / count


# Step 4: training. Plain SGD with a big step, held in check by clipping the gradient.
# WATCH(reader, sgd)
for epoch in range(1, 10):
    reader.train()
    loss_sum = 0.0
    for tokens, lengths, labels in train_dl:
        sgd.zero_grad()
        loss = criterion(reader(tokens, lengths), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(reader.parameters(), max_norm=0.1)
        sgd.step()
        loss_sum += loss.item()
    schedule.step()
    print(f"epoch {epoch:2d}: training loss {loss_sum / len(train_dl):.4f}, test accuracy {accuracy(test_dl):.4f}")

# Step 5: try it out
reader.eval()
for text in ["the plot was not dull", "the acting was great but the ending was awful",
             "although the music was hardly lovely the cast was superb"]:
    ids = torch.tensor([[vocab[w] for w in text.split()]])
    p_good = reader(ids, torch.tensor([ids.size(1)])).softmax(1)[0, 1].item()
    print(f"{p_good:.2f}  {text}")
print(f"RESULT {accuracy(test_dl):.4f} higher")
