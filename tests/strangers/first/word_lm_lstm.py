# coding: utf-8
# Word-level language model with a (tied) LSTM on an artificial corpus.
import math
import os
import random
import tempfile
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(1111)
random.seed(1111)
torch.set_num_threads(1)

emsize = nhid = 64
nlayers = 2
lr = 5.0
clip = 0.25
epochs = 8
batch_size, eval_batch_size = 20, 10
bptt = 25
dropout = 0.1
log_interval = 40


###############################################################################
# Corpus: sentences from a little probabilistic grammar
###############################################################################
ANIMALS = 'dog cat horse cow mouse fox owl'.split()
PEOPLE = 'teacher farmer doctor child queen painter'.split()
THINGS = 'book apple letter lamp stone boat violin'.split()
PLACES = 'garden market harbour kitchen forest'.split()
ADJ = 'small old quiet red clever heavy'.split()


def noun_phrase(nouns):
    words = [random.choice(['the', 'the', 'a', 'every'])]
    while random.random() < 0.3:
        words.append(random.choice(ADJ))
    return words + [random.choice(nouns)]


def sentence():
    if random.random() < 0.5:
        s = noun_phrase(PEOPLE) + [random.choice(['reads', 'finds', 'carries', 'paints'])] + noun_phrase(THINGS)
    else:
        s = noun_phrase(ANIMALS) + [random.choice(['chases', 'follows', 'hears'])] + noun_phrase(ANIMALS)
    if random.random() < 0.5:
        s += ['in', 'the', random.choice(PLACES)]
    if random.random() < 0.2:
        s += ['and'] + ['sleeps' if s[0] != 'every' else 'sings']
    return s + ['<eos>']


class Corpus:
    def __init__(self):
        self.word2idx = {}
        self.train, self.valid, self.test = (self.tokenize(n) for n in (5000, 500, 500))

    def tokenize(self, n):
        ids = []
        for _ in range(n):
            for w in sentence():
                ids.append(self.word2idx.setdefault(w, len(self.word2idx)))
        return torch.tensor(ids, dtype=torch.int64)


class RNNModel(nn.Module):
    """An encoder, a recurrent module, and a decoder that shares the encoder's weights."""

    def __init__(self, ntoken, ninp, nhid, nlayers, dropout):
        super().__init__()
        self.ntoken, self.nhid, self.nlayers = ntoken, nhid, nlayers
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(ntoken, ninp)
        self.rnn = nn.LSTM(ninp, nhid, nlayers, dropout=dropout)
        self.decoder = nn.Linear(nhid, ntoken)
        self.decoder.weight = self.encoder.weight
        self.init_weights()

    def init_weights(self):
        initrange = 0.1
        nn.init.uniform_(self.encoder.weight, -initrange, initrange)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, input, hidden):
        emb = self.drop(self.encoder(input))
        output, hidden = self.rnn(emb, hidden)
        decoded = self.decoder(self.drop(output)).view(-1, self.ntoken)
        return F.log_softmax(decoded, dim=1), hidden

    def init_hidden(self, bsz):
        weight = next(self.parameters())
        return (weight.new_zeros(self.nlayers, bsz, self.nhid),
                weight.new_zeros(self.nlayers, bsz, self.nhid))


def batchify(data, bsz):
    nbatch = data.size(0) // bsz
    data = data.narrow(0, 0, nbatch * bsz)
    return data.view(bsz, -1).t().contiguous()


def repackage_hidden(h):
    if isinstance(h, torch.Tensor):
        return h.detach()
    return tuple(repackage_hidden(v) for v in h)


def get_batch(source, i):
    seq_len = min(bptt, len(source) - 1 - i)
    return source[i:i + seq_len], source[i + 1:i + 1 + seq_len].view(-1)


corpus = Corpus()
ntokens = len(corpus.word2idx)
train_data = batchify(corpus.train, batch_size)
val_data = batchify(corpus.valid, eval_batch_size)
test_data = batchify(corpus.test, eval_batch_size)
print('tokens: %d train, vocabulary %d' % (len(corpus.train), ntokens))

model = RNNModel(ntokens, emsize, nhid, nlayers, dropout)
criterion = nn.NLLLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=lr)


def evaluate(data_source):
    model.eval()
    total_loss = 0.
    hidden = model.init_hidden(eval_batch_size)
    with torch.no_grad():
        for i in range(0, data_source.size(0) - 1, bptt):
            data, targets = get_batch(data_source, i)
            output, hidden = model(data, hidden)
            hidden = repackage_hidden(hidden)
            total_loss += len(data) * criterion(output, targets).item()
    return total_loss / (len(data_source) - 1)


def train(epoch):
    model.train()
    total_loss = 0.
    start_time = time.time()
    hidden = model.init_hidden(batch_size)
    for batch, i in enumerate(range(0, train_data.size(0) - 1, bptt)):
        data, targets = get_batch(train_data, i)
        model.zero_grad()
        hidden = repackage_hidden(hidden)
        output, hidden = model(data, hidden)
        loss = criterion(output, targets)
        loss.backward()
        # helps against exploding gradients in RNNs
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()

        total_loss += loss.item()
        if batch % log_interval == 0 and batch > 0:
            cur_loss = total_loss / log_interval
            elapsed = time.time() - start_time
            print('| epoch {:3d} | {:4d}/{:4d} batches | lr {:05.2f} | ms/batch {:5.2f} | loss {:5.2f} | ppl {:8.2f}'.format(
                epoch, batch, len(train_data) // bptt, optimizer.param_groups[0]['lr'],
                elapsed * 1000 / log_interval, cur_loss, math.exp(cur_loss)))
            total_loss = 0
            start_time = time.time()


counts = torch.bincount(corpus.train, minlength=ntokens).float()
unigram = -(counts / counts.sum()).log()[corpus.test].mean().item()
print('unigram test ppl %.2f' % math.exp(unigram))

best_val_loss = None
save_path = os.path.join(tempfile.mkdtemp(), 'model.pt')

# WATCH(model, optimizer)
for epoch in range(1, epochs + 1):
    epoch_start_time = time.time()
    train(epoch)
    val_loss = evaluate(val_data)
    print('-' * 89)
    print('| end of epoch {:3d} | time: {:5.2f}s | valid loss {:5.2f} | valid ppl {:8.2f}'.format(
        epoch, time.time() - epoch_start_time, val_loss, math.exp(val_loss)))
    print('-' * 89)
    if best_val_loss is None or val_loss < best_val_loss:
        torch.save(model.state_dict(), save_path)
        best_val_loss = val_loss
    else:
        # anneal when the validation loss did not improve
        for g in optimizer.param_groups:
            g['lr'] /= 4.0

model.load_state_dict(torch.load(save_path))
test_loss = evaluate(test_data)
print('=' * 89)
print('| End of training | test loss {:5.2f} | test ppl {:8.2f}'.format(test_loss, math.exp(test_loss)))
print('RESULT %.4f lower' % test_loss)
