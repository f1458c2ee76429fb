# Used cars: entity embeddings + MLP (simple baseline, single fold)
# If you find this kernel useful, please upvote :)
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

SEED = 2024


def seed_everything(seed):
    np.random.seed(seed)
    torch.manual_seed(seed)


seed_everything(SEED)

# ------------------------------------------------------------------ data
N = 9000
r = np.random.default_rng(SEED)
n_model, n_region = 40, 16
FUELS = ["petrol", "diesel", "hybrid", "electric"]
df = {
    "model": r.integers(0, n_model, N),
    "region": r.integers(0, n_region, N),
    "fuel": r.choice(len(FUELS), N, p=[0.45, 0.3, 0.15, 0.1]),
    "gearbox": r.integers(0, 2, N),
    "age": r.gamma(3.0, 2.2, N).clip(0, 20),
    "power": r.normal(95, 28, N).clip(40, 220),
    "owners": r.integers(1, 5, N).astype(float),
}
df["km"] = (df["age"] * r.normal(13500, 4500, N)).clip(500, 320000)
base = r.normal(9.9, 0.32, n_model)
fade = r.uniform(0.07, 0.14, n_model)
local = r.normal(0, 0.06, n_region)
fuel_fx = np.array([0.0, -0.04, 0.1, 0.14])
df["price"] = np.exp(
    base[df["model"]] - fade[df["model"]] * df["age"] - 0.0000022 * df["km"] + local[df["region"]]
    + fuel_fx[df["fuel"]] + 0.0035 * (df["power"] - 95) + 0.05 * df["gearbox"]
    - 0.02 * (df["owners"] - 1) + r.normal(0, 0.08, N)
)
for k, v in df.items():
    print(f"{k:8s} min {v.min():10.1f}   median {np.median(v):10.1f}   max {v.max():10.1f}")

# ------------------------------------------------------------------ features
CATS = ["model", "region", "fuel", "gearbox"]
NUMS = ["age", "km", "power", "owners"]
cards = [int(df[c].max()) + 1 for c in CATS]
perm = r.permutation(N)
tr, va, te = perm[:6600], perm[6600:7800], perm[7800:]
cats = np.stack([df[c] for c in CATS], axis=1)
nums = np.stack([df[c] for c in NUMS], axis=1)
nums = (nums - nums[tr].mean(axis=0)) / nums[tr].std(axis=0)
y_mean, y_std = df["price"][tr].mean(), df["price"][tr].std()
target = (df["price"] - y_mean) / y_std


def to_dataset(idx):
    return TensorDataset(
        torch.tensor(cats[idx], dtype=torch.long),
        torch.tensor(nums[idx], dtype=torch.float32),
        torch.tensor(target[idx], dtype=torch.float32),
    )


train_dl = DataLoader(to_dataset(tr), batch_size=128, shuffle=True)
valid_dl = DataLoader(to_dataset(va), batch_size=1024)
test_dl = DataLoader(to_dataset(te), batch_size=1024)


# ------------------------------------------------------------------ model
class TabularNN(nn.Module):
    def __init__(self, cards, n_num, p=0.05):
        super().__init__()
        dims = [min(12, (c + 1) // 2) for c in cards]
        self.embs = nn.ModuleList([nn.Embedding(c, d) for c, d in zip(cards, dims)])
        for e in self.embs:
            nn.init.normal_(e.weight, std=0.1)
        self.mlp = nn.Sequential(
            nn.Linear(sum(dims) + n_num, 96), nn.ReLU(), nn.Dropout(p),
            nn.Linear(96, 48), nn.ReLU(),
            nn.Linear(48, 1),
        )

    def forward(self, cat, num):
        e = [emb(cat[:, i]) for i, emb in enumerate(self.embs)]
        return self.mlp(torch.cat(e + [num], dim=1)).squeeze(1)


def mae_euro(model, dl):
    model.eval()
    err, n = 0.0, 0
    with torch.no_grad():
        for cat, num, y in dl:
            pred = model(cat, num).flatten()
            err += (pred - y).abs().sum().item()
            n += len(y)
    return err / n * y_std


# ------------------------------------------------------------------ train
N_EPOCHS = 25
model = TabularNN(cards, len(NUMS))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-5)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=N_EPOCHS)
criterion = nn.MSELoss()

best, best_w, patience, bad = 1e18, None, 6, 0
# WATCH(model, optimizer)
for epoch in range(N_EPOCHS):
    model.train()
    tot = 0.0
    for cat, num, y in train_dl:
        optimizer.zero_grad()
        loss = criterion(model(cat, num), y)
        loss.backward()
        optimizer.step()
        tot += loss.item() * len(y)
    scheduler.step()
    score = mae_euro(model, valid_dl)
    print(f"epoch {epoch:02d} | train loss {tot / len(tr):.5f} | valid MAE {score:,.0f} EUR")
    if score < best:
        best, best_w, bad = score, {k: v.clone() for k, v in model.state_dict().items()}, 0
    else:
        bad += 1
        if bad >= patience:
            print("early stop")
            break

model.load_state_dict(best_w)
print(f"best valid MAE {best:,.0f} EUR")
print(f"RESULT {mae_euro(model, test_dl):.2f} lower")
