#!/usr/bin/env python
# BiGRU tagger for delivery notes ("leave it with mrs kowalski behind the garage before noon")
import argparse
import random
import time

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence

parser = argparse.ArgumentParser()
parser.add_argument('--emb', type=int, default=24)
parser.add_argument('--hid', type=int, default=40)
parser.add_argument('--lr', type=float, default=4e-3)
parser.add_argument('--epochs', type=int, default=7)
parser.add_argument('--bsz', type=int, default=32)
parser.add_argument('--alpha', type=float, default=0.05, help='penalty on the activations (Merity et al.)')
parser.add_argument('--seed', type=int, default=1111)
args = parser.parse_args()
random.seed(args.seed)
torch.manual_seed(args.seed)
torch.set_num_threads(1)

TAGS = ['O', 'PER', 'LOC', 'TIME', 'CODE']
FIRST = 'anna boris carla david elif frank gita hugo ines jan'.split()
LAST = 'kowalski meyer garage brook hill noon rossi silva park may'.split()      # some are words, too
PLACE = 'garage porch shed brook park hill gate cellar office kiosk'.split()
CLOCK = 'noon eight nine ten eleven midnight monday friday may june'.split()
FILL = 'please kindly thanks the dog barks ring twice if closed fragile call me again sorry'.split()
NUM = [str(i) for i in range(10)]
PAD = -100


def note(r):
    w, t = [], []

    def put(words, tag):
        w.extend(words)
        t.extend([tag] * len(words))

    def filler():
        put(r.sample(FILL, r.randint(0, 2)), 0)

    parts = ['per', 'loc', 'time', 'code']
    r.shuffle(parts)
    for part in parts[:r.randint(2, 4)]:
        filler()
        if part == 'per':
            put([r.choice(['to', 'for', 'with', 'from'])], 0)
            put([r.choice(FIRST + ['mrs', 'mr']), r.choice(LAST)] if r.random() < .7 else [r.choice(LAST)], 1)
        elif part == 'loc':
            put([r.choice(['behind', 'near', 'in', 'at'])], 0)
            if r.random() < .5:
                put(['the'], 0)
            put([r.choice(PLACE)], 2)
        elif part == 'time':
            put([r.choice(['before', 'after', 'until', 'at'])], 0)
            put([r.choice(CLOCK)] if r.random() < .6 else [r.choice(NUM), r.choice(['am', 'pm'])], 3)
        else:
            put([r.choice(['code', 'pin', 'door', 'floor'])], 0)
            put([r.choice(NUM) for _ in range(r.randint(1, 3))], 4)
    filler()
    # typing errors: a word becomes unknown
    w = ['<unk>' if r.random() < .04 else x for x in w]
    return w, t


rnd = random.Random(args.seed)
corpus = [note(rnd) for _ in range(3000)]
vocab = {x: i + 1 for i, x in enumerate(sorted({x for w, _ in corpus for x in w}))}
corpus = [(torch.tensor([vocab[x] for x in w]), torch.tensor(t)) for w, t in corpus]
train, valid, test = corpus[:1800], corpus[1800:2200], corpus[2200:]


def batches(data, bsz, shuffle=False):
    order = list(range(len(data)))
    if shuffle:
        random.shuffle(order)
    for i in range(0, len(order), bsz):
        rows = [data[j] for j in order[i:i + bsz]]
        yield (pad_sequence([a for a, _ in rows], batch_first=True),
               pad_sequence([b for _, b in rows], batch_first=True, padding_value=PAD))


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(len(vocab) + 1, args.emb, padding_idx=0)
        self.drop = nn.Dropout(0.2)
        self.rnn = nn.GRU(args.emb, args.hid, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * args.hid, len(TAGS))

    def forward(self, x):
        h, _ = self.rnn(self.drop(self.emb(x)))
        scores = self.out(self.drop(h))  # (batch, time, tag)
        return F.log_softmax(scores, dim=2), h


criterion = nn.NLLLoss(ignore_index=PAD)
model = Tagger()
opt = torch.optim.Adam(model.parameters(), lr=args.lr)


def evaluate(data):
    """share of notes of which every tag is right"""
    model.eval()
    right = 0
    with torch.no_grad():
        for x, y in batches(data, 100):
            logp, _ = model(x)
            right += int(((logp.argmax(2) == y) | (y == PAD)).all(1).sum())
    return right / len(data)


# WATCH(model, opt)
for epoch in range(1, args.epochs + 1):
    t0 = time.time()
    model.train()
    total = n = 0
    for x, y in batches(train, args.bsz, shuffle=True):
        opt.zero_grad()
        logp, h = model(x)
        loss = criterion(logp.flatten(0, 1), y.flatten())
        total, n = total + loss.item(), n + 1
        loss = loss + args.alpha * h.pow(2).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
    print('| epoch {:2d} | {:4.1f}s | train nll {:.4f} | valid exact {:.3f}'.format(
        epoch, time.time() - t0, total / n, evaluate(valid)))

print('RESULT {:.4f} higher'.format(evaluate(test)))
