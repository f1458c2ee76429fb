# Matrix factorisation for film ratings (1 to 5 stars), trained by SGD on minibatches.
# Ratings come from a small simulated cinema club.
import numpy as np
import torch
from torch import nn

torch.manual_seed(0)
rs = np.random.RandomState(0)

N_USERS, N_FILMS, RANK_TRUE = 300, 200, 4
users_true = rs.randn(N_USERS, RANK_TRUE)
films_true = rs.randn(N_FILMS, RANK_TRUE)
user_mood = 0.35 * rs.randn(N_USERS)
film_fame = 0.45 * rs.randn(N_FILMS)

# everyone sees some of the films, popular ones more often
popularity = np.exp(0.6 * rs.randn(N_FILMS))
popularity /= popularity.sum()
rows = []
for u in range(N_USERS):
    seen = rs.choice(N_FILMS, size=rs.randint(40, 90), replace=False, p=popularity)
    for f in seen:
        score = 3.4 + user_mood[u] + film_fame[f] + 0.42 * users_true[u] @ films_true[f] + 0.3 * rs.randn()
        rows.append((u, f, float(np.clip(round(2 * score) / 2, 1, 5))))
rows = np.array(rows)
rs.shuffle(rows)
n = len(rows)
cut1, cut2 = int(0.8 * n), int(0.9 * n)


def tensors(part):
    return (torch.tensor(part[:, 0], dtype=torch.long), torch.tensor(part[:, 1], dtype=torch.long),
            torch.tensor(part[:, 2], dtype=torch.float32))


train, valid, test = tensors(rows[:cut1]), tensors(rows[cut1:cut2]), tensors(rows[cut2:])
print(n, "ratings; train mean", round(train[2].mean().item(), 3))
base = (test[2] - train[2].mean()).pow(2).mean().sqrt().item()
print("RMSE of the mean on test:", round(base, 4))


class BiasedMF(nn.Module):
    def __init__(self, n_users, n_films, rank, mean):
        super().__init__()
        self.P = nn.Embedding(n_users, rank)
        self.Q = nn.Embedding(n_films, rank)
        self.bu = nn.Embedding(n_users, 1)
        self.bf = nn.Embedding(n_films, 1)
        self.register_buffer("mean", mean)
        nn.init.normal_(self.P.weight, std=0.1)
        nn.init.normal_(self.Q.weight, std=0.1)
        nn.init.zeros_(self.bu.weight)
        nn.init.zeros_(self.bf.weight)

    def forward(self, u, f):
        dot = (self.P(u) * self.Q(f)).sum(1)
        return self.mean + self.bu(u).squeeze(1) + self.bf(f).squeeze(1) + dot

    def penalty(self, u, f):
        return (self.P(u).pow(2).sum(1) + self.Q(f).pow(2).sum(1)
                + self.bu(u).pow(2).sum(1) + self.bf(f).pow(2).sum(1)).mean()


LAMBDA = 0.03
EPOCHS = 24
BATCH = 128
mf = BiasedMF(N_USERS, N_FILMS, 6, train[2].mean())
sgd = torch.optim.SGD(mf.parameters(), lr=1.0, momentum=0.8)
anneal = torch.optim.lr_scheduler.MultiStepLR(sgd, milestones=[14, 20], gamma=0.3)


def rmse(part):
    mf.eval()
    with torch.no_grad():
        return (mf(part[0], part[1]) - part[2]).pow(2).mean().sqrt().item()


best_rmse, best_weights = 9.9, None
# WATCH(mf, sgd)
for epoch in range(EPOCHS):
    mf.train()
    perm = torch.randperm(len(train[0]))
    sq_err = 0.0
    for start in range(0, len(perm), BATCH):
        pick = perm[start:start + BATCH]
        u, f, r = (t[pick] for t in train)
        err = mf(u, f) - r
        loss = err.pow(2).mean() + LAMBDA * mf.penalty(u, f)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        sq_err += err.detach().pow(2).sum().item()
    anneal.step()
    v = rmse(valid)
    if v < best_rmse:
        best_rmse = v
        best_weights = {k: w.clone() for k, w in mf.state_dict().items()}
    print(f"epoch {epoch + 1:2d}   train RMSE {(sq_err / len(perm)) ** 0.5:.4f}   valid RMSE {v:.4f}")

mf.load_state_dict(best_weights)
print(f"RESULT {rmse(test):.4f} lower")
