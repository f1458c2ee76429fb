# %% [markdown]
# # Homework 4: POS tagging with a (bi)LSTM and packed sequences

# %%
import numpy as np, torch
import torch.nn as nn, torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
SEED = 42
np.random.seed(SEED); torch.manual_seed(SEED);

# %% toy language: a tag grammar + words that are shared between several tags
TAGS = ['DET', 'ADJ', 'NOUN', 'VERB', 'ADV', 'PREP', 'PRON']
K = len(TAGS)
#            DET  ADJ  NOUN VERB ADV  PREP PRON
T = np.array([[.00, .40, .60, .00, .00, .00, .00],
              [.00, .15, .85, .00, .00, .00, .00],
              [.00, .00, .05, .55, .10, .30, .00],
              [.40, .00, .05, .00, .25, .20, .10],
              [.20, .20, .00, .40, .00, .20, .00],
              [.70, .00, .15, .00, .00, .00, .15],
              [.00, .00, .00, .80, .10, .10, .00]])
N_WORDS, PAD = 120, 0
emit = np.zeros((K, N_WORDS))
for w in range(N_WORDS):
    for t in np.random.choice(K, np.random.randint(1, 5), replace=False):
        emit[t, w] = np.random.gamma(1.0)
emit /= emit.sum(1, keepdims=True)


def sample_sentence():
    n = np.random.randint(4, 22)
    t = np.random.choice([0, 6, 4]); ws, ts = [], []
    for _ in range(n):
        ts.append(t); ws.append(np.random.choice(N_WORDS, p=emit[t]) + 1)   # 0 is the pad word
        t = np.random.choice(K, p=T[t])
    return ws, ts


train_set = [sample_sentence() for _ in range(1800)]
test_set = [sample_sentence() for _ in range(400)]


# %%
def make_batch(sents):
    lengths = torch.tensor([len(w) for w, _ in sents])
    X = torch.full((len(sents), int(lengths.max())), PAD)
    Y = torch.full((len(sents), int(lengths.max())), -1)
    for i, (w, t) in enumerate(sents):
        X[i, :len(w)] = torch.tensor(w)
        Y[i, :len(t)] = torch.tensor(t)
    # pack_padded_sequence wants the longest sentence first
    lengths, perm_idx = lengths.sort(descending=True)
    X = X[perm_idx]
    Y = Y[perm_idx]
    return X, Y, lengths


def batches(data, bs, shuffle=True):
    order = np.random.permutation(len(data)) if shuffle else np.arange(len(data))
    for i in range(0, len(data), bs):
        yield make_batch([data[j] for j in order[i:i+bs]])


# %%
class LSTMTagger(nn.Module):
    def __init__(self, vocab_size, emb_dim, hidden_dim, n_tags):
        super().__init__()
        self.emb = nn.Embedding(vocab_size, emb_dim, padding_idx=PAD)
        self.drop = nn.Dropout(0.2)
        self.lstm = nn.LSTM(emb_dim, hidden_dim, batch_first=True, bidirectional=True)
        self.hidden2tag = nn.Linear(2 * hidden_dim, n_tags)

    def forward(self, x, lengths):
        e = self.drop(self.emb(x))
        packed = pack_padded_sequence(e, lengths, batch_first=True)
        out, _ = self.lstm(packed)
        out, _ = pad_packed_sequence(out, batch_first=True)      # B x L x 2H
        scores = self.hidden2tag(self.drop(out))
        return F.log_softmax(scores, dim=2)                      # B x L x n_tags


def token_accuracy(net, data):
    net.eval()
    hit = tot = 0
    with torch.no_grad():
        for X, Y, lengths in batches(data, 100, shuffle=False):
            pred = net(X, lengths).argmax(2)
            keep = Y != -1
            hit += (pred[keep] == Y[keep]).sum().item(); tot += keep.sum().item()
    net.train()
    return hit / tot


# %%
net = LSTMTagger(N_WORDS + 1, 32, 48, K)
loss_fn = nn.NLLLoss(ignore_index=-1)
opt = torch.optim.SGD(net.parameters(), lr=0.5, momentum=0.9)
N_EPOCHS = 10

# %%
# WATCH(net, opt)
for ep in range(N_EPOCHS):
    tot_loss = n_batches = 0
    for X, Y, lengths in batches(train_set, 32):
        net.zero_grad()
        log_probs = net(X, lengths)
        loss = loss_fn(log_probs.permute(0, 2, 1), Y)            # NLLLoss wants B x C x L
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.)
        opt.step()
        tot_loss += loss.item(); n_batches += 1
    print(f'epoch {ep:2d}  loss {tot_loss / n_batches:.3f}  test acc {token_accuracy(net, test_set):.3f}')

# %%
print('RESULT', round(token_accuracy(net, test_set), 4), 'higher')
