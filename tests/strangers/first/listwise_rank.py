"""# Learning to rank search results (a notebook exported to a script)

Every query has between 5 and 20 candidate documents with graded relevance 0-4. A small network scores
each document from query/document features; the lists are padded to the same length and a mask marks
the real ones. Trained with the ListNet loss plus a pairwise hinge part, evaluated with NDCG@5 on queries
that were never seen.

"""

# %% imports and settings
import numpy as np
import torch
from torch import nn

SEED = 11
N_QUERIES, MAX_DOCS, N_FEAT, Q_DIM = 1500, 20, 24, 8
torch.manual_seed(SEED)
rs = np.random.RandomState(SEED)

# %% make the click-log: one dictionary per query
topic_axis = rs.randn(Q_DIM, N_FEAT) / np.sqrt(Q_DIM)


def make_query(qid):
    n = rs.randint(5, MAX_DOCS + 1)
    query = rs.randn(Q_DIM)
    docs = rs.randn(n, N_FEAT)
    match = docs @ (query @ topic_axis) / np.sqrt(N_FEAT)      # how well the document fits the query
    quality = np.tanh(docs[:, 0]) + 0.5 * docs[:, 1] * docs[:, 2]  # and how good it is by itself
    utility = 1.5 * match + 0.7 * quality + 0.25 * rs.randn(n)
    grade = np.digitize(utility, [0.3, 0.9, 1.6, 2.4])
    scale = np.exp(np.linspace(-2, 4, N_FEAT))  # raw units differ by column
    return {"qid": qid, "query": query, "docs": docs * scale + 3 * scale, "grade": grade}


log = [make_query(i) for i in range(N_QUERIES)]
order = rs.permutation(N_QUERIES)
train_q = [log[i] for i in order[:1100]]
valid_q = [log[i] for i in order[1100:]]
print("grades in training:", np.bincount(np.concatenate([q["grade"] for q in train_q])))

# %% standardise with the training documents only
all_docs = np.concatenate([q["docs"] for q in train_q])
mu, sd = all_docs.mean(axis=0), all_docs.std(axis=0)


def collate(queries):
    """Pads a list of queries into x (B, L, F), grade (B, L), mask (B, L)."""
    B = len(queries)
    x = np.zeros((B, MAX_DOCS, Q_DIM + N_FEAT), dtype=np.float32)
    g = np.zeros((B, MAX_DOCS), dtype=np.float32)
    m = np.zeros((B, MAX_DOCS), dtype=bool)
    for i, q in enumerate(queries):
        n = len(q["grade"])
        x[i, :n, :Q_DIM] = q["query"]
        x[i, :n, Q_DIM:] = (q["docs"] - mu) / sd
        g[i, :n] = q["grade"]
        m[i, :n] = True
    return {"x": torch.from_numpy(x), "grade": torch.from_numpy(g), "mask": torch.from_numpy(m)}


# %% the scorer: a bilinear match of query and document beside an MLP
class Scorer(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.match = nn.Bilinear(Q_DIM, N_FEAT, 16)
        self.mlp = nn.Sequential(
            nn.Linear(Q_DIM + N_FEAT + 16, width), nn.ReLU(), nn.Dropout(0.1),
            nn.Linear(width, width), nn.ReLU(),
            nn.Linear(width, 1),
        )

    def forward(self, x):
        m = self.match(x[..., :Q_DIM].contiguous(), x[..., Q_DIM:].contiguous())
        return self.mlp(torch.cat([x, m], dim=-1)).squeeze(-1)


# %% losses
def listnet(score, grade, mask):
    logp = torch.log_softmax(score.masked_fill(~mask, -1e4), dim=1)
    target = torch.softmax(grade.masked_fill(~mask, -1e4), dim=1)
    return -(target * logp).sum(dim=1).mean()


def pair_hinge(score, grade, mask):
    diff = score.unsqueeze(2) - score.unsqueeze(1)
    better = (grade.unsqueeze(2) > grade.unsqueeze(1)) & mask.unsqueeze(2) & mask.unsqueeze(1)
    return torch.relu(1.0 - diff[better]).mean()


# %% evaluation
def ndcg_at(k, score, grade, mask):
    score = score.masked_fill(~mask, -float("inf"))
    gain = (2.0 ** grade - 1.0) * mask
    discount = 1.0 / torch.log2(torch.arange(k) + 2.0)
    got = (gain.gather(1, score.argsort(dim=1, descending=True)[:, :k]) * discount).sum(1)
    best = (gain.sort(dim=1, descending=True).values[:, :k] * discount).sum(1)
    keep = best > 0
    return (got[keep] / best[keep]).mean().item()


valid = collate(valid_q)
net = Scorer()
opt = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-3)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=4e-3, epochs=14, steps_per_epoch=1100 // 44)

# %% training
# WATCH(net, opt)
history = []
for epoch in range(14):
    net.train()
    perm = torch.randperm(len(train_q)).tolist()
    running = 0.0
    for start in range(0, len(perm), 44):
        batch = collate([train_q[i] for i in perm[start:start + 44]])
        score = net(batch["x"])
        loss = listnet(score, batch["grade"], batch["mask"]) + 0.5 * pair_hinge(score, batch["grade"], batch["mask"])
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        opt.step()
        sched.step()
        running += loss.item()
    net.eval()
    with torch.no_grad():
        ndcg = ndcg_at(5, net(valid["x"]), valid["grade"], valid["mask"])
    history.append(ndcg)
    print(f"epoch {epoch:2d}  loss {running / 25:.4f}  valid NDCG@5 {ndcg:.4f}")

# %% result, next to a random order for comparison
rand = ndcg_at(5, torch.rand_like(valid["grade"]), valid["grade"], valid["mask"])
print(f"random order would give {rand:.4f}")
print(f"RESULT {history[-1]:.4f} higher")
