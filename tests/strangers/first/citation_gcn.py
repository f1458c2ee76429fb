"""Semi-supervised node classification with a two-layer graph convolution.

A stochastic block model with five communities stands in for a citation network:
every paper has sparse word counts that say a little about its topic, and papers cite
mostly inside their topic. Only a few nodes per topic are labelled for training, all
nodes and edges are seen in every step (full batch), and the masks pick the nodes that
count for the loss, the model selection and the final score.

"""
import argparse

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=7)
parser.add_argument("--nodes", type=int, default=1500)
parser.add_argument("--classes", type=int, default=5)
parser.add_argument("--words", type=int, default=300)
parser.add_argument("--hidden", type=int, default=32)
parser.add_argument("--dropout", type=float, default=0.5)
parser.add_argument("--lr", type=float, default=0.01)
parser.add_argument("--weight-decay", type=float, default=5e-4)
parser.add_argument("--epochs", type=int, default=200)
args = parser.parse_args()

torch.manual_seed(args.seed)
rng = np.random.default_rng(args.seed)


def make_graph(n, k, words):
    topic = rng.integers(0, k, size=n)
    # every topic has its own word distribution, close to a common one
    common = rng.dirichlet(np.full(words, 0.5))
    own = rng.dirichlet(np.full(words, 0.2), size=k)
    dist = 0.85 * common + 0.15 * own
    counts = np.stack([rng.multinomial(rng.integers(15, 50), dist[t]) for t in topic])
    same = topic[:, None] == topic[None, :]
    prob = np.where(same, 5.0 / (n / k), 4.0 / (n * (k - 1) / k))
    upper = np.triu(rng.random((n, n)) < prob, 1)
    src, dst = np.nonzero(upper | upper.T)
    return counts.astype(np.float32), topic, np.stack([src, dst])


def split_masks(y, per_class=20, n_val=300):
    train = np.zeros(len(y), dtype=bool)
    for c in range(y.max() + 1):
        train[rng.choice(np.nonzero(y == c)[0], per_class, replace=False)] = True
    rest = rng.permutation(np.nonzero(~train)[0])
    val, test = np.zeros_like(train), np.zeros_like(train)
    val[rest[:n_val]] = True
    test[rest[n_val:]] = True
    return [torch.from_numpy(m) for m in (train, val, test)]


def gcn_norm(edge_index, n):
    """D^-1/2 (A + I) D^-1/2 as a sparse matrix."""
    loops = torch.arange(n).repeat(2, 1)
    idx = torch.cat([edge_index, loops], dim=1)
    deg = torch.bincount(idx[0], minlength=n).float()
    inv = deg.pow(-0.5)
    return torch.sparse_coo_tensor(idx, inv[idx[0]] * inv[idx[1]], (n, n)).coalesce()


class GraphConv(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_in, n_out))
        self.bias = nn.Parameter(torch.zeros(n_out))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x, adj):
        return torch.sparse.mm(adj, x @ self.weight) + self.bias


class GCN(nn.Module):
    def __init__(self, n_in, hidden, n_out, dropout):
        super().__init__()
        self.conv1 = GraphConv(n_in, hidden)
        self.conv2 = GraphConv(hidden, n_out)
        self.dropout = dropout

    def forward(self, x, adj):
        x = F.dropout(x, self.dropout, training=self.training)
        x = F.relu(self.conv1(x, adj))
        x = F.dropout(x, self.dropout, training=self.training)
        return F.log_softmax(self.conv2(x, adj), dim=1)


counts, topic, edges = make_graph(args.nodes, args.classes, args.words)
features = torch.from_numpy(np.log1p(counts))
features = (features - features.mean(0)) / (features.std(0) + 1e-6)
y = torch.from_numpy(topic)
adj = gcn_norm(torch.from_numpy(edges), args.nodes)
train_mask, val_mask, test_mask = split_masks(topic)

model = GCN(args.words, args.hidden, args.classes, args.dropout)
optimizer = torch.optim.Adam(model.parameters(), lr=args.lr, weight_decay=args.weight_decay)
# WATCH(model, optimizer)


def train():
    model.train()
    optimizer.zero_grad()
    out = model(features, adj)
    loss = F.nll_loss(out[train_mask], y[train_mask])
    loss.backward()
    optimizer.step()
    return loss.item()


@torch.no_grad()
def test():
    model.eval()
    pred = model(features, adj).argmax(dim=1)
    return [(pred[m] == y[m]).float().mean().item() for m in (train_mask, val_mask, test_mask)]


best_val = final_test = 0.0
for epoch in range(1, args.epochs + 1):
    loss = train()
    train_acc, val_acc, test_acc = test()
    if val_acc > best_val:
        best_val, final_test = val_acc, test_acc
    if epoch % 20 == 0:
        print(f"epoch {epoch:03d}  loss {loss:.4f}  train {train_acc:.3f}  val {val_acc:.3f}  test {test_acc:.3f}")

print(f"edges {edges.shape[1]}, best validation accuracy {best_val:.3f}")
print(f"RESULT {final_test:.4f} higher")
