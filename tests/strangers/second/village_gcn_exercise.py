# ## Exercise 7: graph convolutions without a graph library
#
# A village of 2000 people. Everybody belongs to one of six clubs and mostly knows people of the same club.
# Each person has some noisy hobbies. We are told the club of a few people and want to know that of all the others.

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

rs = np.random.RandomState(70)
torch.manual_seed(70)

# ### 7.1 The graph

N, C, D = 2000, 6, 48
club = rs.randint(0, C, N)
same = club[:, None] == club[None, :]
A = rs.rand(N, N) < np.where(same, 0.010, 0.0010)
A = np.triu(A, 1)
A = (A + A.T).astype("float32")
profile = rs.randn(C, D)
X = 0.42 * profile[club] + rs.randn(N, D)
X = torch.tensor((X - X.mean(0)) / X.std(0), dtype=torch.float32)
y = torch.tensor(club)
print("people", N, "ties", int(A.sum() / 2), "ties per person", A.sum(1).mean().round(2))

# ### 7.2 The propagation matrix $D^{-1/2} (A + I) D^{-1/2}$

A_hat = torch.tensor(A) + torch.eye(N)
d = A_hat.sum(1).rsqrt()
P = (d[:, None] * A_hat * d[None, :]).to_sparse()

# ### 7.3 Who is known

known_per_club = 20
mix = rs.permutation(N)
train_idx = np.concatenate([mix[club[mix] == c][:known_per_club] for c in range(C)])
rest = np.setdiff1d(mix, train_idx)
rest = rs.permutation(rest)
val_idx, test_idx = torch.tensor(rest[:300]), torch.tensor(rest[300:])
train_idx = torch.tensor(train_idx)


# ### 7.4 The model

class GraphConv(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.W = nn.Parameter(torch.empty(n_in, n_out))
        self.b = nn.Parameter(torch.zeros(n_out))
        nn.init.xavier_uniform_(self.W)

    def forward(self, H):
        return torch.sparse.mm(P, H @ self.W) + self.b


class GCN(nn.Module):
    def __init__(self, n_hidden=32, n_layers=2, p=0.5):
        super().__init__()
        sizes = [D] + [n_hidden] * (n_layers - 1) + [C]
        self.convs = nn.ModuleList(GraphConv(a, b) for a, b in zip(sizes[:-1], sizes[1:]))
        self.p = p

    def forward(self, H):
        for k, conv in enumerate(self.convs):
            H = conv(F.dropout(H, self.p, self.training))
            if k < len(self.convs) - 1:
                H = torch.relu(H)
        return F.log_softmax(H, dim=1)


# ### 7.5 Training

gcn = GCN()
optimiser = torch.optim.Adam(gcn.parameters(), lr=0.01, weight_decay=5e-3)

# WATCH(gcn, optimiser)
for epoch in range(1, 401):
    gcn.train()
    optimiser.zero_grad()
    loss = F.nll_loss(gcn(X)[train_idx], y[train_idx])
    loss.backward()
    optimiser.step()
    if epoch % 50 == 0:
        gcn.eval()
        with torch.no_grad():
            logp = gcn(X)
        val_loss = F.nll_loss(logp[val_idx], y[val_idx]).item()
        val_acc = (logp[val_idx].argmax(1) == y[val_idx]).float().mean().item()
        print("epoch %3d   loss %.4f   val loss %.4f   val accuracy %.4f" % (epoch, loss.item(), val_loss, val_acc))

# ### 7.6 Result

test_acc = (logp[test_idx].argmax(1) == y[test_idx]).float().mean().item()
print("accuracy on the people nobody told us about:", round(test_acc, 4))
print("RESULT %.4f higher" % test_acc)
