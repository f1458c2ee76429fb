"""Node classification on a synthetic citation graph, dense GCN in plain PyTorch.

Papers come from 5 fields. Links are mostly within the field (stochastic block
model); each paper has a bag of 300 words which says only a little of its field,
and some have none, so a classifier has to use the graph. 60 labelled nodes per field are given; the
score is the accuracy on the test nodes.

RESULT test_accuracy higher
"""
import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F


def load_graph(n=900, classes=5, words=300, p_in=0.035, p_out=0.005, per_class=60):
    g = torch.Generator().manual_seed(42)
    y = torch.arange(n) % classes
    same = y[:, None] == y[None, :]
    prob = torch.where(same, torch.tensor(p_in), torch.tensor(p_out))
    adj = (torch.rand(n, n, generator=g) < prob).float().triu(1)
    adj = adj + adj.T
    topic = torch.rand(classes, words, generator=g) * 0.03 + 0.01
    x = (torch.rand(n, words, generator=g) < topic[y]).float()
    x[torch.rand(n, generator=g) < 0.08] = 0  # no abstract
    perm = torch.randperm(n, generator=g)
    train = torch.cat([perm[y[perm] == c][:per_class] for c in range(classes)])
    rest = perm[~torch.isin(perm, train)]
    return x, adj, y, {"train": train, "val": rest[:200], "test": rest[200:]}


def normalise(adj):
    """D^-1/2 (A + I) D^-1/2"""
    adj = adj + torch.eye(adj.size(0))
    d = adj.sum(1).rsqrt()
    return d[:, None] * adj * d[None, :]


class GraphConv(nn.Module):
    def __init__(self, d_in, d_out):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(d_in, d_out))
        self.bias = nn.Parameter(torch.zeros(d_out))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x, adj):
        return adj @ (x @ self.weight) + self.bias


def row_norm(h):
    # node vectors on one scale, whatever the length of the abstract
    return h / (h.pow(2).sum(1, keepdim=True) + 1e-6).sqrt()


class GCN(nn.Module):
    def __init__(self, d_in, hidden, classes, depth, dropout):
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.Linear(d_in, hidden, bias=False)]
            + [GraphConv(hidden, hidden) for _ in range(depth)])
        self.out = nn.Linear(hidden, classes)
        self.dropout = dropout

    def forward(self, x, adj):
        embed, *convs = self.layers
        h = 4 * row_norm(embed(x))
        for conv in convs:
            h = F.dropout(h, self.dropout, self.training)
            h = F.relu(conv(h, adj))
        return self.out(h)


def train(args, model, optimizer, x, adj, y, idx):
    model.train()
    optimizer.zero_grad()
    out = model(x, adj)
    loss = F.cross_entropy(out[idx], y[idx])
    loss.backward()
    optimizer.step()
    return loss.item()


@torch.no_grad()
def test(model, x, adj, y, splits):
    model.eval()
    pred = model(x, adj).argmax(dim=1)
    return {k: (pred[i] == y[i]).float().mean().item() for k, i in splits.items()}


def main():
    parser = argparse.ArgumentParser(description="GCN on a block-model graph")
    parser.add_argument("--hidden", type=int, default=16)
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--dropout", type=float, default=0.5)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("--epochs", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    x, adj, y, splits = load_graph()
    adj = normalise(adj)
    x = x / x.sum(1, keepdim=True).clamp(min=1).sqrt()

    model = GCN(x.size(1), args.hidden, 5, args.depth, args.dropout)
    optimizer = torch.optim.Adam(
        model.parameters(), lr=args.lr, weight_decay=args.weight_decay)
    # WATCH(model, optimizer)

    best_val, test_acc = 0.0, 0.0
    for epoch in range(1, args.epochs + 1):
        loss = train(args, model, optimizer, x, adj, y, splits["train"])
        acc = test(model, x, adj, y, splits)
        if acc["val"] > best_val:
            best_val, test_acc = acc["val"], acc["test"]
        if epoch % 25 == 0:
            print(f"epoch {epoch:03d} loss {loss:.4f} train {acc['train']:.3f} val {acc['val']:.3f}")
    print(f"best val {best_val:.3f}")
    print(f"RESULT test_accuracy {test_acc:.4f}")


if __name__ == "__main__":
    main()
