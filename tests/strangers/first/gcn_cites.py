"""Semi-supervised node classification on a synthetic citation graph: a two-layer graph
convolution on a sparse adjacency matrix, 20 labelled papers a class, the best epoch picked on
the validation nodes, accuracy reported on the test nodes.
"""
import numpy as np, torch
import torch.nn as nn, torch.nn.functional as F

N, C, V = 2100, 7, 400          # papers, subjects, words
EPOCHS, HID = 120, 32


def make_graph(seed=5):
    r = np.random.RandomState(seed)
    y = r.randint(0, C, N)
    topic = r.dirichlet(np.full(V, 0.15), size=C)
    words = 0.22 * topic + 0.78 * r.dirichlet(np.full(V, 0.6))
    x = np.stack([r.multinomial(18, words[c]) for c in y]).astype(np.float32)
    order = np.argsort(y, kind="stable")
    start = np.searchsorted(y[order], np.arange(C + 1))
    edges = []
    for i in range(N):
        for _ in range(r.poisson(2.2) + 1):
            if r.rand() < 0.55:
                j = order[r.randint(start[y[i]], start[y[i] + 1])]
            else:
                j = r.randint(N)
            edges.append((i, j))
    e = np.array(edges).T
    return x, e, y


def normalised_adj(e, n):
    e = np.concatenate([e, e[::-1], np.stack([np.arange(n)] * 2)], 1)
    e = np.unique(e, axis=1)
    i = torch.from_numpy(e)
    deg = torch.zeros(n).index_add_(0, i[0], torch.ones(i.shape[1]))
    w = deg[i[0]].rsqrt() * deg[i[1]].rsqrt()
    return torch.sparse_coo_tensor(i, w, (n, n), check_invariants=True).coalesce()


def split(y, per_class=20, n_val=400, seed=0):
    g = np.random.RandomState(seed)
    perm = g.permutation(len(y))
    train = np.concatenate([perm[y[perm] == c][:per_class] for c in range(C)])
    rest = np.setdiff1d(perm, train)
    g.shuffle(rest)
    return [torch.from_numpy(k) for k in (train, rest[:n_val], rest[n_val:])]


class GCN(nn.Module):
    def __init__(self, n_in, n_hid, n_out, p=0.5):
        super().__init__()
        self.w1 = nn.Parameter(torch.empty(n_in, n_hid))
        self.b1 = nn.Parameter(torch.zeros(n_hid))
        self.w2 = nn.Parameter(torch.empty(n_hid, n_out))
        self.b2 = nn.Parameter(torch.zeros(n_out))
        self.p = p
        nn.init.xavier_uniform_(self.w1)
        nn.init.xavier_uniform_(self.w2)

    def forward(self, x, adj):
        x = F.dropout(x, self.p, self.training)
        h = F.relu(torch.sparse.mm(adj, x @ self.w1) + self.b1)
        h = F.dropout(h, self.p, self.training)
        return F.log_softmax(torch.sparse.mm(adj, h @ self.w2) + self.b2, dim=1)


def accuracy(out, y, idx):
    return (out[idx].argmax(1) == y[idx]).float().mean().item()


torch.manual_seed(3)
x, e, y = make_graph()
idx_train, idx_val, idx_test = split(y)
x = torch.from_numpy(x / x.sum(1, keepdims=True)) * 20
y = torch.from_numpy(y)
adj = normalised_adj(e, N)

net = GCN(V, HID, C)
opt = torch.optim.Adam(net.parameters(), lr=0.01, weight_decay=5e-4)
# WATCH(net, opt)

best, kept = -1.0, None
for epoch in range(1, EPOCHS + 1):
    net.train()
    opt.zero_grad()
    out = net(x, adj)
    loss = F.nll_loss(out[idx_train], y[idx_train])
    loss.backward()
    opt.step()

    net.eval()
    with torch.no_grad():
        out = net(x, adj)
    val = accuracy(out, y, idx_val)
    if val > best:
        best, kept = val, {k: v.clone() for k, v in net.state_dict().items()}
    if epoch % 30 == 0:
        print(f"{epoch:4d}  loss {loss.item():.3f}  train {accuracy(out, y, idx_train):.3f}  val {val:.3f}")

net.load_state_dict(kept)
net.eval()
with torch.no_grad():
    out = net(x, adj)
print(f"best val {best:.3f}, majority {np.bincount(y.numpy()).max() / N:.3f}")
print(f"RESULT {accuracy(out, y, idx_test):.4f} higher")
