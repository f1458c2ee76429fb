"""
char-level language model, adapted from the pytorch word_language_model example
usage: python char_lstm.py --epochs 6 --nhid 96
"""
import argparse
import random
import time

import numpy as np
import torch
import torch.nn as nn

parser = argparse.ArgumentParser(description='char LSTM language model')
parser.add_argument('--emsize', type=int, default=24, help='size of char embeddings')
parser.add_argument('--nhid', type=int, default=96, help='hidden units per layer')
parser.add_argument('--nlayers', type=int, default=1)
parser.add_argument('--lr', type=float, default=20.0, help='initial learning rate')
parser.add_argument('--clip', type=float, default=0.25, help='gradient clipping')
parser.add_argument('--epochs', type=int, default=5)
parser.add_argument('--batch-size', type=int, default=32)
parser.add_argument('--bptt', type=int, default=48, help='sequence length')
parser.add_argument('--dropout', type=float, default=0.1)
parser.add_argument('--seed', type=int, default=1111)
parser.add_argument('--log-interval', type=int, default=50)
args = parser.parse_args()

random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

###############################################################################
# Load data
###############################################################################

NOUNS = ['sailor', 'captain', 'merchant', 'farmer', 'teacher', 'monkey', 'dragon', 'pirate']
ADJ = ['old', 'angry', 'silent', 'clever', 'hungry', 'famous']
VERBS = ['see', 'follow', 'greet', 'remember', 'avoid', 'paint']
PLACES = ['harbour', 'village', 'mountain', 'library', 'castle']


def sentence():
    plural = random.random() < 0.5
    subj = random.choice(NOUNS) + ('s' if plural else '')
    if random.random() < 0.7:
        subj = random.choice(ADJ) + ' ' + subj
    verb = random.choice(VERBS) + ('' if plural else 's')
    obj = random.choice(NOUNS)
    out = 'the ' + subj + ' ' + verb + ' the ' + obj
    if random.random() < 0.6:
        out += ' near the ' + random.choice(PLACES)
    return out + '.\n'


text = ''.join(sentence() for _ in range(5200))
chars = sorted(set(text))
stoi = {c: i for i, c in enumerate(chars)}
itos = {i: c for c, i in stoi.items()}
data = torch.tensor([stoi[c] for c in text], dtype=torch.long)
n_val = 6000
train_data, val_data = data[:-n_val], data[-n_val:]
ntokens = len(chars)
print('%d chars, vocabulary of %d' % (len(text), ntokens))


def batchify(data, bsz):
    nbatch = data.size(0) // bsz
    return data[:nbatch * bsz].view(bsz, -1)


def get_batch(source, i):
    seq_len = min(args.bptt, source.size(1) - 1 - i)
    x = source[:, i:i + seq_len]
    y = source[:, i + 1:i + 1 + seq_len]
    return x, y.reshape(-1)


###############################################################################
# Build the model
###############################################################################

class CharLSTM(nn.Module):
    def __init__(self, ntoken, ninp, nhid, nlayers, dropout):
        super(CharLSTM, self).__init__()
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(ntoken, ninp)
        self.lstm = nn.LSTM(ninp, nhid, nlayers, batch_first=True)
        self.decoder = nn.Linear(nhid, ntoken)
        self.softmax = nn.LogSoftmax(dim=2)

    def forward(self, x):
        emb = self.drop(self.encoder(x))
        out, _ = self.lstm(emb)
        out = self.decoder(self.drop(out))
        return self.softmax(out)


model = CharLSTM(ntokens, args.emsize, args.nhid, args.nlayers, args.dropout)
criterion = nn.NLLLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.7)


def evaluate(source):
    model.eval()
    with torch.no_grad():
        out = model(source[:-1].unsqueeze(0))
        return criterion(out.view(-1, ntokens), source[1:]).item()


def sample(n=80):
    model.eval()
    idx = [stoi['t']]
    with torch.no_grad():
        for _ in range(n):
            out = model(torch.tensor([idx]))[0, -1]
            p = out.exp()
            p = torch.nan_to_num(p, nan=1.0, posinf=1.0) + 1e-8
            idx.append(torch.multinomial(p, 1).item())
    return ''.join(itos[i] for i in idx)


train_batches = batchify(train_data, args.batch_size)


def train(epoch):
    model.train()
    total_loss = 0.
    start = time.time()
    for batch, i in enumerate(range(0, train_batches.size(1) - 1, args.bptt)):
        x, y = get_batch(train_batches, i)
        optimizer.zero_grad()
        output = model(x)
        loss = criterion(output.reshape(-1, ntokens), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), args.clip)
        optimizer.step()

        total_loss += loss.item()
        if batch % args.log_interval == 0 and batch > 0:
            cur_loss = total_loss / args.log_interval
            print('| epoch {:2d} | {:4d} batches | lr {:5.2f} | loss {:6.3f} | {:5.1f}s'.format(
                epoch, batch, optimizer.param_groups[0]['lr'], cur_loss, time.time() - start))
            total_loss = 0.


# WATCH(model, optimizer)
for epoch in range(1, args.epochs + 1):
    train(epoch)
    val_loss = evaluate(val_data)
    print('-' * 60)
    print('| end of epoch {:2d} | valid loss {:6.3f}'.format(epoch, val_loss))
    print('-' * 60)
    scheduler.step()

print(sample())
print('RESULT %.4f lower' % evaluate(val_data))
