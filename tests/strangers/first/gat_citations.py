"""Semi-supervised node classification on an artificial citation graph, with attention layers of our own.

usage: python gat_citations.py
"""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

CONFIG = dict(
    nodes=1200, fields=6, words=120, labelled_per_field=20, valid=300,
    hidden=8, heads=4, dropout=0.4, lr=0.015, weight_decay=2e-3, epochs=110, seed=11,
)


def make_graph(cfg):
    """Papers of six fields: they cite within the field mostly, and use the field's words a bit more often."""
    rs = np.random.RandomState(cfg["seed"])
    n, k = cfg["nodes"], cfg["fields"]
    y = rs.randint(k, size=n)
    same = y[:, None] == y[None, :]
    p = np.where(same, 4.2 / (n / k), 1.6 / (n - n / k))
    upper = np.triu(rs.rand(n, n) < p, 1)
    adj = upper | upper.T | np.eye(n, dtype=bool)
    topic = rs.dirichlet(np.full(cfg["words"], 0.5), size=k)
    common = rs.dirichlet(np.full(cfg["words"], 0.5))
    x = np.stack([rs.multinomial(30, 0.16 * topic[c] + 0.84 * common) for c in y]).astype(np.float32)
    x = np.log1p(x)
    x = (x - x.mean(0)) / (x.std(0) + 1e-6)
    order = rs.permutation(n)
    train = np.concatenate([[i for i in order if y[i] == c][: cfg["labelled_per_field"]] for c in range(k)])
    rest = np.array([i for i in order if i not in set(train.tolist())])
    split = dict(train=torch.tensor(train), valid=torch.tensor(rest[: cfg["valid"]]), test=torch.tensor(rest[cfg["valid"]:]))
    src, dst = np.nonzero(adj)
    edges = torch.tensor(np.stack([src, dst]))
    return torch.tensor(x), edges, torch.tensor(y), split


class AttentionHead(nn.Module):
    """One head: h_i' = sum_j alpha_ij W h_j, alpha over the neighbours j of i (edge list, i itself included)."""

    def __init__(self, n_in, n_out, dropout):
        super().__init__()
        self.lin = nn.Linear(n_in, n_out, bias=False)
        self.a_to = nn.Parameter(torch.empty(n_out))
        self.a_from = nn.Parameter(torch.empty(n_out))
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.dropout = dropout
        nn.init.xavier_uniform_(self.lin.weight)
        nn.init.normal_(self.a_to, std=0.3)
        nn.init.normal_(self.a_from, std=0.3)

    def forward(self, x, edges):
        src, dst = edges
        h = self.lin(x)
        e = F.leaky_relu((h @ self.a_to)[dst] + (h @ self.a_from)[src], 0.2)
        top = torch.full((len(x),), -1e9).scatter_reduce(0, dst, e.detach(), "amax")
        e = (e - top[dst]).exp()
        norm = torch.zeros(len(x)).index_add(0, dst, e)
        alpha = F.dropout(e / (norm[dst] + 1e-9), self.dropout, self.training)
        return torch.zeros_like(h).index_add(0, dst, alpha[:, None] * h[src]) + self.bias


class MultiHead(nn.Module):
    def __init__(self, n_in, n_out, heads, dropout, concat=True):
        super().__init__()
        self.heads = nn.ModuleList([AttentionHead(n_in, n_out, dropout) for _ in range(heads)])
        self.concat = concat

    def forward(self, x, edges):
        outs = [head(x, edges) for head in self.heads]
        return torch.cat(outs, dim=-1) if self.concat else torch.stack(outs).mean(0)


class GAT(nn.Module):
    def __init__(self, n_in, n_out, hidden, heads, dropout):
        super().__init__()
        self.hidden = nn.ModuleList([
            MultiHead(n_in, hidden, heads, dropout),
            MultiHead(hidden * heads, hidden, heads, dropout),
        ])
        self.out = MultiHead(hidden * heads, n_out, 2, dropout, concat=False)
        self.dropout = dropout

    def forward(self, x, edges):
        for layer in self.hidden:
            x = F.dropout(x, self.dropout, self.training)
            x = F.elu(layer(x, edges))
        x = F.dropout(x, self.dropout, self.training)
        return self.out(x, edges)


def measure(net, x, edges, y, idx):
    net.eval()
    with torch.no_grad():
        out = net(x, edges)[idx]
    return F.cross_entropy(out, y[idx]).item(), (out.argmax(1) == y[idx]).float().mean().item()


def main(cfg):
    torch.manual_seed(cfg["seed"])
    x, edges, y, split = make_graph(cfg)
    print("nodes %d, edges %d, labelled %d" % (len(x), edges.shape[1], len(split["train"])))
    gat = GAT(x.shape[1], cfg["fields"], cfg["hidden"], cfg["heads"], cfg["dropout"])
    adam = torch.optim.Adam(gat.parameters(), lr=cfg["lr"], weight_decay=cfg["weight_decay"])
    best, best_state = float("inf"), None
    # WATCH(gat, adam)
    for epoch in range(cfg["epochs"]):
        gat.train()
        adam.zero_grad()
        loss = F.cross_entropy(gat(x, edges)[split["train"]], y[split["train"]])
        loss.backward()
        adam.step()
        v_loss, v_acc = measure(gat, x, edges, y, split["valid"])
        if v_loss < best:
            best, best_state = v_loss, {k: v.clone() for k, v in gat.state_dict().items()}
        if epoch % 10 == 0 or epoch == cfg["epochs"] - 1:
            print("%4d  train %.3f  valid %.3f  valid acc %.3f" % (epoch, loss.item(), v_loss, v_acc))
    gat.load_state_dict(best_state)
    print("best validation loss %.3f" % best)
    print("RESULT %.4f higher" % measure(gat, x, edges, y, split["test"])[1])


if __name__ == "__main__":
    main(CONFIG)
