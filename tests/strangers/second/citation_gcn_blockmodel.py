"""
Semi-supervised node classification with a graph convolution network
on a synthetic citation graph (five research fields, papers mostly cite their own field).
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

N_PER_FIELD, N_FIELDS, N_WORDS = 160, 5, 100
LABELLED_PER_FIELD = 20


def build_graph(gen):
    n = N_PER_FIELD * N_FIELDS
    y = torch.arange(N_FIELDS).repeat_interleave(N_PER_FIELD)
    y = y[torch.randperm(n, generator=gen)]
    same = y[:, None] == y[None, :]
    prob = torch.where(same, torch.tensor(0.030), torch.tensor(0.0020))
    upper = torch.triu(torch.rand(n, n, generator=gen) < prob, diagonal=1)
    adj = (upper | upper.T).float()
    # bag of words: each field uses some words a bit more often
    rates = torch.full((N_FIELDS, N_WORDS), 0.06)
    for c in range(N_FIELDS):
        rates[c, 20 * c:20 * c + 20] = 0.12
    x = (torch.rand(n, N_WORDS, generator=gen) < rates[y]).float()
    return x, adj, y


def normalise(adj):
    a = adj + torch.eye(adj.shape[0])
    d = a.sum(dim=1).pow(-0.5)
    return (d[:, None] * a * d[None, :]).to_sparse()


def split_masks(y, gen):
    n = len(y)
    train = torch.zeros(n, dtype=torch.bool)
    for c in range(N_FIELDS):
        idx = torch.nonzero(y == c).flatten()
        train[idx[torch.randperm(len(idx), generator=gen)[:LABELLED_PER_FIELD]]] = True
    rest = torch.nonzero(~train).flatten()
    rest = rest[torch.randperm(len(rest), generator=gen)]
    val, test = torch.zeros_like(train), torch.zeros_like(train)
    val[rest[:200]] = True
    test[rest[200:]] = True
    return train, val, test


class GraphConv(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.lin = nn.Linear(n_in, n_out, bias=False)
        self.bias = nn.Parameter(torch.zeros(n_out))
        nn.init.xavier_uniform_(self.lin.weight)

    def forward(self, a_hat, x):
        return torch.sparse.mm(a_hat, self.lin(x)) + self.bias


class GCN(nn.Module):
    def __init__(self, n_in, hidden, n_out, depth=2, dropout=0.5):
        super().__init__()
        dims = [n_in] + [hidden] * (depth - 1) + [n_out]
        self.convs = nn.ModuleList([GraphConv(a, b) for a, b in zip(dims[:-1], dims[1:])])
        self.dropout = dropout

    def forward(self, x, a_hat):
        for i, conv in enumerate(self.convs):
            x = F.dropout(x, self.dropout, training=self.training)
            x = conv(a_hat, x)
            if i < len(self.convs) - 1:
                x = F.relu(x)
        return F.log_softmax(x, dim=1)


@torch.no_grad()
def evaluate(model, x, a_hat, y, masks):
    model.eval()
    logp = model(x, a_hat)
    result = []
    for m in masks:
        result.append(((logp[m].argmax(1) == y[m]).float().mean().item(), F.nll_loss(logp[m], y[m]).item()))
    return result


def main():
    torch.manual_seed(99)
    gen = torch.Generator().manual_seed(99)
    x, adj, y = build_graph(gen)
    print(f"nodes {len(y)}, edges {int(adj.sum().item()) // 2}, mean degree {adj.sum(1).mean():.2f}")
    x = x / x.sum(dim=1, keepdim=True).clamp(min=1)
    a_hat = normalise(adj)
    train, val, test = split_masks(y, gen)

    model = GCN(N_WORDS, 32, N_FIELDS)
    optimizer = torch.optim.Adam([
        {"params": model.convs[0].parameters(), "weight_decay": 5e-4},
        {"params": model.convs[1:].parameters(), "weight_decay": 0.0},
    ], lr=0.01)

    best_loss, best_epoch, test_at_best = float("inf"), -1, 0.0
    # WATCH(model, optimizer)
    for epoch in range(600):
        model.train()
        optimizer.zero_grad()
        out = model(x, a_hat)
        loss = F.nll_loss(out[train], y[train])
        loss.backward()
        optimizer.step()

        (tr_acc, _), (va_acc, va_loss), (te_acc, _) = evaluate(model, x, a_hat, y, (train, val, test))
        if va_loss < best_loss:
            best_loss, best_epoch, test_at_best = va_loss, epoch, te_acc
        if epoch % 50 == 0:
            print(f"epoch {epoch:3d} loss {loss.item():.4f} train acc {tr_acc:.3f} val acc {va_acc:.3f} val loss {va_loss:.4f}")
        if epoch - best_epoch > 60:
            print(f"val loss has not fallen for 60 epochs, stop at {epoch}")
            break

    print(f"best epoch {best_epoch}, val loss {best_loss:.4f}")
    print(f"RESULT {test_at_best:.4f} higher")


if __name__ == "__main__":
    main()
