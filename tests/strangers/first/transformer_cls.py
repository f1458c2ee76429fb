"""
Text classification with nn.TransformerEncoder
==============================================
"""
import math
import random
import time

import torch
from torch import nn, Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

random.seed(3)
torch.manual_seed(3)

######################################################################
# A small corpus of reviews. A negation turns the next opinion word around.

POS = "good great lovely superb fun warm bright clever moving fresh".split()
NEG = "bad awful dull boring cold weak silly flat tired stale".split()
NOT = "not never hardly".split()
FILL = ("the a film plot actor scene was is and very quite rather with of story music ending camera "
        "director again one two really it this that cast set dialogue").split()


def make_review():
    words, score = [], 0
    for _ in range(random.randint(1, 3)):
        words += random.choices(FILL, k=random.randint(1, 5))
        polarity = random.choice([1, -1])
        if random.random() < 0.3:
            words.append(random.choice(NOT))
            score -= polarity
        else:
            score += polarity
        words.append(random.choice(POS if polarity > 0 else NEG))
    words += random.choices(FILL, k=random.randint(0, 4))
    label = "neg" if score < 0 else "pos" if score > 0 else "mixed"
    return label, " ".join(words)


train_data = [make_review() for _ in range(4000)]
test_data = [make_review() for _ in range(1000)]

vocab = {"<pad>": 0, "<unk>": 1}
for _, text in train_data:
    for w in text.split():
        vocab.setdefault(w, len(vocab))
classes = {"neg": 0, "mixed": 1, "pos": 2}


def collate_batch(batch):
    labels = torch.tensor([classes[l] for l, _ in batch])
    texts = [torch.tensor([vocab.get(w, 1) for w in t.split()]) for _, t in batch]
    return pad_sequence(texts, batch_first=True, padding_value=0), labels


train_dataloader = DataLoader(train_data, batch_size=32, shuffle=True, collate_fn=collate_batch)
test_dataloader = DataLoader(test_data, batch_size=100, shuffle=False, collate_fn=collate_batch)

######################################################################
# Define the model
# ----------------


class PositionalEncoding(nn.Module):
    def __init__(self, d_model: int, dropout: float = 0.1, max_len: int = 200):
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(1, max_len, d_model)
        pe[0, :, 0::2] = torch.sin(position * div_term)
        pe[0, :, 1::2] = torch.cos(position * div_term)
        self.register_buffer('pe', pe)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.pe[:, :x.size(1)]
        return self.dropout(x)


class TransformerModel(nn.Module):
    def __init__(self, ntoken: int, nclass: int, d_model: int, nhead: int, d_hid: int, nlayers: int, dropout: float = 0.1):
        super().__init__()
        self.embedding = nn.Embedding(ntoken, d_model, padding_idx=0)
        self.pos_encoder = PositionalEncoding(d_model, dropout)
        encoder_layers = nn.TransformerEncoderLayer(d_model, nhead, d_hid, dropout, batch_first=True)
        self.transformer_encoder = nn.TransformerEncoder(encoder_layers, nlayers, enable_nested_tensor=False)
        self.linear = nn.Linear(d_model, nclass)
        self.d_model = d_model
        self.init_weights()

    def init_weights(self) -> None:
        initrange = 0.1
        self.linear.bias.data.zero_()
        self.linear.weight.data.uniform_(-initrange, initrange)

    def forward(self, src: Tensor) -> Tensor:
        pad_mask = src == 0
        x = self.embedding(src)
        x = self.pos_encoder(x)
        x = self.transformer_encoder(x, src_key_padding_mask=pad_mask)
        keep = (~pad_mask).unsqueeze(-1)
        x = (x * keep).sum(1) / keep.sum(1)
        return self.linear(x)


model = TransformerModel(len(vocab), len(classes), d_model=48, nhead=4, d_hid=96, nlayers=2)

######################################################################
# Run the model
# -------------

epochs = 10
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
total_steps = epochs * len(train_dataloader)
warmup = 100


def lr_lambda(step):
    if step < warmup:
        return (step + 1) / warmup
    return max(0.0, (total_steps - step) / (total_steps - warmup))


scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lr_lambda)


def train(dataloader):
    model.train()
    total_acc, total_count = 0, 0
    for text, label in dataloader:
        predicted_label = model(text)
        loss = criterion(predicted_label, label)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        total_acc += (predicted_label.argmax(1) == label).sum().item()
        total_count += label.size(0)
    return total_acc / total_count


def evaluate(dataloader):
    model.eval()
    total_acc, total_count = 0, 0
    with torch.no_grad():
        for text, label in dataloader:
            predicted_label = model(text)
            total_acc += (predicted_label.argmax(1) == label).sum().item()
            total_count += label.size(0)
    return total_acc / total_count


# WATCH(model, optimizer)
for epoch in range(1, epochs + 1):
    epoch_start_time = time.time()
    accu_train = train(train_dataloader)
    accu_val = evaluate(test_dataloader)
    print('-' * 59)
    print('| end of epoch {:3d} | time: {:5.2f}s | train {:.3f} | valid accuracy {:8.3f} '.format(
        epoch, time.time() - epoch_start_time, accu_train, accu_val))

print('RESULT {:.4f} higher'.format(evaluate(test_dataloader)))
