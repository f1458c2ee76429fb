# ## Cheese auction prices - entity embeddings baseline
# v7: added producer x style, CV looks stable. Upvote if useful :)

import random

import numpy as np
import torch
import torch.nn as nn
from sklearn.model_selection import KFold
from torch.utils.data import DataLoader, Dataset


def seed_everything(seed=42):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


seed_everything()
torch.set_num_threads(1)

# ### Config
BATCH = 64
EPOCHS = 20
LR = 3e-3
N_LOTS = 3600

# ### Data
# (the csv is private, so here is a generator with the same columns)
CAT_COLS = ["region", "producer", "milk", "style"]
CARDS = [12, 70, 4, 14]
NUM_COLS = ["age_months", "weight_kg", "fat", "salt", "jury_score", "humidity"]


def make_lots(n):
    producer = np.random.randint(0, 70, n)
    region = (producer * 7 + 3) % 12
    milk = np.random.choice(4, n, p=[0.55, 0.2, 0.2, 0.05])
    style = (np.random.randint(0, 14, n) + (producer % 3)) % 14
    age = np.random.gamma(3.0, 3.0, n)
    weight = np.exp(np.random.normal(1.3, 0.5, n))
    fat = np.random.normal(48, 5, n)
    salt = np.random.normal(1.8, 0.3, n)
    jury = np.clip(np.random.normal(82, 6, n), 50, 100)
    humidity = np.random.normal(85, 4, n)
    day = np.random.randint(0, 1200, n)

    fame = np.random.normal(0, 0.45, 70)
    style_fx = np.random.normal(0, 0.30, 14)
    milk_fx = np.array([0.0, 0.15, 0.3, 0.5])
    likes_age = np.random.normal(0.25, 0.25, 14)
    log_price = (
        5.6 + fame[producer] + style_fx[style] + milk_fx[milk]
        + likes_age[style] * (age - 9) / 5 + 0.45 * np.log(weight)
        + 0.25 * (jury - 82) / 6 - 0.05 * (humidity - 85) / 4
        + np.random.normal(0, 0.18, n)
    )
    price = np.exp(np.clip(log_price, 3.5, 8.0))
    cats = np.stack([region, producer, milk, style], axis=1)
    nums = np.stack([age, weight, fat, salt, jury, humidity], axis=1)
    return day, cats, nums, price


day, X_cat, X_num, price = make_lots(N_LOTS)

# oldest lots first, easier to look at
order = np.argsort(day, kind="stable")
day, X_cat, X_num, price = day[order], X_cat[order], X_num[order], price[order]

print("lots:", len(price), "median price: %.0f" % np.median(price))

# ### Split
kf = KFold(n_splits=5, shuffle=True, random_state=42)
trn_idx, val_idx = next(kf.split(X_num))

num_mean, num_std = X_num[trn_idx].mean(0), X_num[trn_idx].std(0)
X_num = ((X_num - num_mean) / num_std).clip(-4, 4).astype(np.float32)

y_mean, y_std = price[trn_idx].mean(), price[trn_idx].std()
target = ((price - y_mean) / y_std).astype(np.float32)


class LotDataset(Dataset):
    def __init__(self, idx):
        self.cat = torch.as_tensor(X_cat[idx], dtype=torch.long)
        self.num = torch.as_tensor(X_num[idx])
        self.y = torch.as_tensor(target[idx])

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return self.cat[i], self.num[i], self.y[i]


trn_dl = DataLoader(LotDataset(trn_idx), batch_size=BATCH, shuffle=True, drop_last=True)
val_dl = DataLoader(LotDataset(val_idx), batch_size=256)


# ### Model
class CheeseNet(nn.Module):
    def __init__(self, cards, n_num, hidden=128, p=0.2):
        super().__init__()
        self.embs = nn.ModuleList([nn.Embedding(c, min(12, (c + 1) // 2)) for c in cards])
        n_emb = sum(e.embedding_dim for e in self.embs)
        self.body = nn.Sequential(
            nn.Linear(n_emb + n_num, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(p),
            nn.Linear(hidden, hidden // 2), nn.BatchNorm1d(hidden // 2), nn.ReLU(), nn.Dropout(p),
            nn.Linear(hidden // 2, 1),
        )

    def forward(self, cat, num):
        x = [e(cat[:, i]) for i, e in enumerate(self.embs)]
        x = torch.cat(x + [num], dim=1)
        return self.body(x).squeeze(1)


def validate(net):
    net.eval()
    preds, trues = [], []
    with torch.no_grad():
        for cat, num, y in val_dl:
            preds.append(net(cat, num))
            trues.append(y)
    preds = torch.cat(preds).numpy() * y_std + y_mean
    trues = torch.cat(trues).numpy() * y_std + y_mean
    return np.sqrt(np.mean((preds - trues) ** 2))


net = CheeseNet(CARDS, len(NUM_COLS))
opt = torch.optim.AdamW(net.parameters(), lr=LR, weight_decay=1e-2)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=LR, total_steps=EPOCHS * len(trn_dl))
criterion = nn.MSELoss()
# WATCH(net, opt)

# ### Train
for epoch in range(EPOCHS):
    net.train()
    running = 0.0
    for cat, num, y in trn_dl:
        opt.zero_grad()
        loss = criterion(net(cat, num), y)
        loss.backward()
        opt.step()
        sched.step()
        running += loss.item()
    rmse = validate(net)
    print(f"epoch {epoch + 1:02d}  loss {running / len(trn_dl):.4f}  val rmse {rmse:.1f} EUR")

print("guessing the mean: %.1f EUR" % price[val_idx].std())
print(f"RESULT {rmse:.2f} lower")
