# %% [markdown]
# # Exercise 7: who sings what?
# The 900 members of a town's three guilds gossip with one another. Every member has a noisy badge (his guild) and a mood.
# The song that he likes depends on guild AND mood. We know the song of some members and want the songs of the others.

# %%
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(7)
g = np.random.default_rng(7)

# %% [markdown]
# ## The town

# %%
N, G = 900, 3
guild = g.integers(0, G, N)
mood = g.integers(0, 3, N)
song = (guild + mood) % 3

same = guild[:, None] == guild[None, :]
prob = np.where(same, 0.03, 0.002)
upper = np.triu(g.random((N, N)) < prob, 1)
A = torch.tensor(upper | upper.T, dtype=torch.float32)

badge = np.eye(3)[guild] + g.normal(0, 0.8, (N, 3))
feel = np.eye(3)[mood] + g.normal(0, 0.22, (N, 3))
X = torch.tensor(np.hstack([badge, feel, g.normal(0, 1, (N, 6))]), dtype=torch.float32)
X = (X - X.mean(0)) / X.std(0)
y = torch.tensor(song)
print("friends per member:", A.sum(1).mean().item())

# %%
perm = torch.tensor(g.permutation(N))
n_train, n_val = 450, 150
train_idx = perm[:n_train]
val_idx = perm[n_train:n_train + n_val]
test_idx = perm[n_train + n_val:]

# %% [markdown]
# ## The network
# Every layer looks at the member himself and at the mean of his friends.

# %%
deg = A.sum(1, keepdim=True).clamp(min=1)
A_mean = (A / deg).to_sparse()


class SageLayer(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.me = nn.Linear(n_in, n_out)
        self.friends = nn.Linear(n_in, n_out, bias=False)

    def forward(self, h):
        return self.me(h) + self.friends(torch.sparse.mm(A_mean, h))


class Town(nn.Module):
    def __init__(self, hidden=32, depth=2, p=0.4):
        super().__init__()
        sizes = [X.shape[1]] + [hidden] * depth
        self.layers = nn.ModuleList([SageLayer(a, b) for a, b in zip(sizes, sizes[1:])])
        self.head = nn.Linear(hidden, 3)
        self.p = p

    def forward(self, h):
        for layer in self.layers:
            h = layer(h)
            h = F.relu(h)
            h = F.dropout(h, self.p, training=self.training)
        return self.head(h)


# %% [markdown]
# ## Training

# %%
town = Town()
adam = torch.optim.Adam(town.parameters(), lr=0.008, weight_decay=2e-3)


def score(idx):
    town.eval()
    with torch.no_grad():
        return (town(X)[idx].argmax(1) == y[idx]).float().mean().item()


# WATCH(town, adam)
best, best_state = 0.0, None
for epoch in range(300):
    town.train()
    adam.zero_grad()
    logits = town(X)
    loss = F.cross_entropy(logits[train_idx], y[train_idx])
    loss.backward()
    adam.step()
    if epoch % 10 == 9:
        val = score(val_idx)
        if val > best:
            best = val
            best_state = {k: v.clone() for k, v in town.state_dict().items()}
    if epoch % 50 == 49:
        print(f"{epoch + 1:4d}  loss {loss.item():.3f}  train {score(train_idx):.3f}  val {val:.3f}")

# %%
town.load_state_dict(best_state)
print(f"RESULT {score(test_idx):.4f} higher")
