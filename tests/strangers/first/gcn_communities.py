# %% [markdown]
# # Graph convolution from scratch (Kipf & Welling), on a made-up citation graph
# Stochastic block model + word counts per paper, semi-supervised.

# %%
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

np.random.seed(0)
torch.manual_seed(0)

N_NODES, N_CLASSES, N_WORDS = 1500, 5, 300
TRAIN_PER_CLASS = 40
P_IN, P_OUT = 0.010, 0.0014

# %% the graph
labels = np.random.randint(0, N_CLASSES, N_NODES)
prob = np.where(labels[:, None] == labels[None, :], P_IN, P_OUT)
upper = np.triu(np.random.rand(N_NODES, N_NODES) < prob, k=1)
A = (upper | upper.T).astype(np.float32)
print("nodes", N_NODES, "edges", int(A.sum() // 2))

# %% word counts: every class likes some words a bit more than the rest does
topics = np.ones((N_CLASSES, N_WORDS))
for c in range(N_CLASSES):
    topics[c, np.random.choice(N_WORDS, 40, replace=False)] += 1.0
topics /= topics.sum(1, keepdims=True)
counts = np.stack([np.random.multinomial(60, topics[c]) for c in labels]).astype(np.float32)

X = torch.log1p(torch.from_numpy(counts))
X = X / X.norm(dim=1, keepdim=True)
y = torch.from_numpy(labels)


# %% D^-1/2 (A + I) D^-1/2 as a sparse tensor
def normalize_adj(adj):
    adj = adj + np.eye(len(adj), dtype=np.float32)
    d = adj.sum(1) ** -0.5
    adj = torch.from_numpy(d[:, None] * adj * d[None, :])
    return adj.to_sparse()


A_hat = normalize_adj(A)

# %% split
idx = np.random.permutation(N_NODES)
train_idx = np.concatenate([idx[labels[idx] == c][:TRAIN_PER_CLASS] for c in range(N_CLASSES)])
rest = np.setdiff1d(idx, train_idx)
np.random.shuffle(rest)
train_idx, val_idx, test_idx = (torch.from_numpy(i) for i in (train_idx, rest[:300], rest[300:]))


# %% model
class GraphConv(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_in, n_out))
        self.bias = nn.Parameter(torch.zeros(n_out))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x, adj):
        return torch.sparse.mm(adj, x @ self.weight) + self.bias


class GCN(nn.Module):
    def __init__(self, n_in, n_hidden, n_out, n_layers=2, dropout=0.5):
        super().__init__()
        sizes = [n_in] + [n_hidden] * (n_layers - 1) + [n_out]
        self.layers = nn.ModuleList(GraphConv(a, b) for a, b in zip(sizes[:-1], sizes[1:]))
        self.dropout = dropout

    def forward(self, x, adj):
        for layer in self.layers[:-1]:
            x = torch.tanh(layer(x, adj))
            x = F.dropout(x, self.dropout, training=self.training)
        return F.softmax(self.layers[-1](x, adj), dim=1)


def nll(p, target):
    onehot = F.one_hot(target, N_CLASSES).float()
    return -(onehot * torch.log(p + 1e-8)).sum(1).mean()


# %% training
gcn = GCN(N_WORDS, 64, N_CLASSES, n_layers=2, dropout=0.5)
optim = torch.optim.Adam(gcn.parameters(), lr=0.01, weight_decay=5e-4)
EPOCHS = 300
# WATCH(gcn, optim)

for epoch in range(EPOCHS):
    gcn.train()
    optim.zero_grad()
    probs = gcn(X, A_hat)
    loss = nll(probs[train_idx], y[train_idx])
    loss.backward()
    optim.step()

    if epoch % 25 == 0:
        gcn.eval()
        with torch.no_grad():
            pred = gcn(X, A_hat).argmax(1)
        acc_tr = (pred == y)[train_idx].float().mean()
        acc_va = (pred == y)[val_idx].float().mean()
        print(f"{epoch:4d}  loss {loss.item():.4f}  train {acc_tr:.3f}  val {acc_va:.3f}")

# %% test
gcn.eval()
with torch.no_grad():
    pred = gcn(X, A_hat).argmax(1)
print("RESULT", round((pred == y)[test_idx].float().mean().item(), 4), "higher")
