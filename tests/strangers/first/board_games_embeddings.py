"""
Kaggle-style kernel: predicting how players rate board games
============================================================
Biased matrix factorisation, embeddings in PyTorch, early look at the validation RMSE every epoch.
"""
import numpy as np
import torch
import torch.nn as nn

SEED = 42
np.random.seed(SEED)
torch.manual_seed(SEED)

CONFIG = dict(dim=8, lr=6e-3, weight_decay=0.0, l2=0.03, batch_size=2048, epochs=40)

# ---------------------------------------------------------------- the table of ratings
N_PLAYERS, N_GAMES, N_RATINGS = 900, 350, 60_000
taste = np.random.randn(N_PLAYERS, 4)
trait = np.random.randn(N_GAMES, 4)
grumpy = 0.6 * np.random.randn(N_PLAYERS)
quality = 0.7 * np.random.randn(N_GAMES)
players = np.random.randint(0, N_PLAYERS, N_RATINGS)
games = np.minimum(np.random.geometric(0.008, N_RATINGS) - 1, N_GAMES - 1)
pairs = np.unique(players * N_GAMES + games)            # nobody rates a game twice
np.random.shuffle(pairs)
players, games = pairs // N_GAMES, pairs % N_GAMES
score = (6.4 + grumpy[players] + quality[games]
         + 0.7 * (taste[players] * trait[games]).sum(1) + 0.7 * np.random.randn(len(pairs)))
ratings = score.clip(1, 10).round(1)
print(f"{len(ratings)} ratings, mean {ratings.mean():.2f}, std {ratings.std():.2f}, from {ratings.min()} to {ratings.max()}")

n_test, n_val = 5000, 5000
n_train = len(ratings) - n_test - n_val
cut = {"train": slice(n_test + n_val, None), "val": slice(n_test, n_test + n_val), "test": slice(0, n_test)}
MEAN = float(ratings[cut["train"]].mean())


def to_tensors(rows):
    return (torch.as_tensor(players[rows]), torch.as_tensor(games[rows]),
            torch.as_tensor(ratings[rows], dtype=torch.float32))


# ---------------------------------------------------------------- the model
class BiasedMF(nn.Module):
    def __init__(self, n_players, n_games, dim, mean):
        super().__init__()
        self.p = nn.Embedding(n_players, dim)
        self.g = nn.Embedding(n_games, dim)
        self.bp = nn.Embedding(n_players, 1)
        self.bg = nn.Embedding(n_games, 1)
        self.mean = mean
        for emb in (self.p, self.g):
            nn.init.normal_(emb.weight, std=0.1)
        for emb in (self.bp, self.bg):
            nn.init.zeros_(emb.weight)

    def forward(self, player, game):
        dot = (self.p(player) * self.g(game)).sum(-1, keepdim=True)
        return self.mean + dot + self.bp(player) + self.bg(game)

    def penalty(self, player, game):
        return (self.p(player).pow(2).sum(-1) + self.g(game).pow(2).sum(-1)
                + self.bp(player).pow(2).sum(-1) + self.bg(game).pow(2).sum(-1)).mean()


def rmse(model, tensors, chunk=1000):
    model.eval()
    errors = []
    with torch.no_grad():
        for player, game, rating in zip(*(column.split(chunk) for column in tensors)):
            pred = model(player, game).squeeze(-1)
            errors.append(((pred - rating) ** 2).mean())
    return float(torch.stack(errors).mean().sqrt())


# ---------------------------------------------------------------- fit
train, val, test = (to_tensors(cut[name]) for name in ("train", "val", "test"))
recommender = BiasedMF(N_PLAYERS, N_GAMES, CONFIG["dim"], MEAN)
adam = torch.optim.Adam(recommender.parameters(), lr=CONFIG["lr"], weight_decay=CONFIG["weight_decay"])
plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(adam, factor=0.5, patience=1)
history = []
best, best_state = float("inf"), None

# WATCH(recommender, adam)
for epoch in range(CONFIG["epochs"]):
    recommender.train()
    squared = 0.0
    for rows in torch.randperm(n_train).split(CONFIG["batch_size"]):
        player, game, rating = (column[rows] for column in train)
        pred = recommender(player, game).squeeze(-1)
        mse = nn.functional.mse_loss(pred, rating)
        loss = mse + CONFIG["l2"] * recommender.penalty(player, game)
        adam.zero_grad()
        loss.backward()
        adam.step()
        squared += mse.item() * len(rows)
    val_rmse = rmse(recommender, val)
    plateau.step(val_rmse)
    history.append(((squared / n_train) ** 0.5, val_rmse))
    if val_rmse < best:
        best, best_state = val_rmse, {k: v.clone() for k, v in recommender.state_dict().items()}
    if epoch % 4 == 3:
        print(f"epoch {epoch + 1:>2} | train RMSE {history[-1][0]:.4f} | val RMSE {val_rmse:.4f}")

recommender.load_state_dict(best_state)
print(f"always the mean would give {float((test[2] - MEAN).pow(2).mean().sqrt()):.4f}")
print(f"RESULT {rmse(recommender, test):.4f} lower")
