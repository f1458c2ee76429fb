# Assignment 4 -- node classification with a GCN, no graph library allowed :)
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
SEED = 2
np.random.seed(SEED)
torch.manual_seed(SEED)


# ---- 1. a graph with planted communities ------------------------------------
def planted_graph(n=600, k=4, p_in=0.035, p_out=0.006, dim=24, signal=0.5):
    y = np.random.randint(0, k, n)
    prob = np.where(y[:, None] == y[None, :], p_in, p_out)
    upper = np.triu(np.random.rand(n, n) < prob, 1)
    A = (upper | upper.T).astype(np.float32)
    centers = np.random.randn(k, dim) * signal
    X = (centers[y] + np.random.randn(n, dim)).astype(np.float32)
    return torch.from_numpy(A), torch.from_numpy(X), torch.from_numpy(y)


A, X, y = planted_graph()
n, k = len(y), int(y.max()) + 1


def normalize(A):
    """D^-1/2 (A + I) D^-1/2, stored sparse"""
    A_hat = A + torch.eye(len(A))
    d = A_hat.sum(1).rsqrt()
    return (d[:, None] * A_hat * d[None, :]).to_sparse().coalesce()


A_norm = normalize(A)
order = torch.randperm(n)
train_mask, val_mask, test_mask = (torch.zeros(n, dtype=torch.bool) for _ in range(3))
train_mask[order[:240]] = True
val_mask[order[240:380]] = True
test_mask[order[380:]] = True


# ---- 2. the layers -----------------------------------------------------------
class GraphConv(nn.Module):
    def __init__(self, d_in, d_out):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(d_in, d_out))
        self.bias = nn.Parameter(torch.zeros(d_out))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x, adj):
        return torch.sparse.mm(adj, x @ self.weight) + self.bias


class GCN(nn.Module):
    def __init__(self, dims, p):
        super().__init__()
        self.layers = nn.ModuleList(GraphConv(a, b) for a, b in zip(dims[:-1], dims[1:]))
        self.p = p

    def forward(self, x, adj):
        for i, layer in enumerate(self.layers):
            x = F.dropout(x, self.p, training=self.training)
            x = layer(x, adj)
            if i + 1 < len(self.layers):
                x = F.relu(x)
        return x


gcn = GCN([X.shape[1], 16, k], p=0.5)
opt = torch.optim.Adam(gcn.parameters(), lr=0.01, weight_decay=5e-3)


def accuracy(logits, mask):
    return (logits[mask].argmax(1) == y[mask]).float().mean().item()


# ---- 3. full-batch training --------------------------------------------------
history = []
# WATCH(gcn, opt)
for epoch in range(250):
    gcn.train()
    opt.zero_grad()
    out = gcn(X, A_norm)
    loss = F.cross_entropy(out[train_mask], y[train_mask])
    loss.backward()
    opt.step()

    gcn.eval()
    with torch.no_grad():
        out = gcn(X, A_norm)
        val_loss = F.cross_entropy(out[val_mask], y[val_mask]).item()
    history.append((loss.item(), val_loss, accuracy(out, train_mask), accuracy(out, val_mask)))
    if (epoch + 1) % 25 == 0:
        print('epoch %3d  loss %.3f  val loss %.3f  train acc %.3f  val acc %.3f' % ((epoch + 1,) + history[-1]))

print('test accuracy %.3f (guessing %.3f)' % (accuracy(out, test_mask), y[test_mask].bincount().max().item() / test_mask.sum().item()))
print('RESULT %.4f higher' % accuracy(out, test_mask))
