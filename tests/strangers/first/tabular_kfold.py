import os, gc, random
import numpy as np
import torch
import torch.nn as nn
from sklearn.model_selection import KFold
from sklearn.preprocessing import LabelEncoder, StandardScaler
from torch.utils.data import Dataset, DataLoader

# ====================================================
# CFG
# ====================================================
class CFG:
    seed = 2021
    n_fold = 3
    epochs = 12
    batch_size = 128
    lr = 4e-3
    weight_decay = 1e-4
    cat_cols = ['store', 'item', 'weekday', 'promo']
    num_cols = ['price', 'distance', 'temp', 'stock']
    target = 'sales'


def seed_everything(seed=42):
    random.seed(seed)
    os.environ['PYTHONHASHSEED'] = str(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)

seed_everything(CFG.seed)

# ====================================================
# Data  (columns as dict of arrays)
# ====================================================
def get_data(n):
    rng = np.random.RandomState(CFG.seed)
    store_eff, item_eff = rng.normal(0, .7, 40), rng.normal(0, .7, 60)
    elastic = rng.uniform(.2, 1.6, 60)
    week_eff = np.array([0, -.1, -.1, 0, .3, .6, .5])
    df = {
        'store': rng.randint(0, 40, n), 'item': rng.randint(0, 60, n),
        'weekday': rng.randint(0, 7, n), 'promo': rng.randint(0, 2, n),
        'price': rng.lognormal(2.5, .5, n), 'distance': rng.exponential(900, n),
        'temp': rng.normal(15, 8, n), 'stock': rng.poisson(30, n).astype(float),
    }
    z = (store_eff[df['store']] + item_eff[df['item']] + week_eff[df['weekday']] * (1 + df['promo'])
         - elastic[df['item']] * (np.log(df['price']) - 2.5) + .5 * df['promo'] * (df['temp'] > 18)
         - .3 * np.log1p(df['distance'] / 500))
    df['sales'] = 16000 + 4500 * z + rng.normal(0, 1300, n)
    df['stock'][rng.rand(n) < .05] = np.nan       # stock was not counted
    return df

data = get_data(7500)
is_test = np.arange(7500) >= 6000
train = {c: v[~is_test] for c, v in data.items()}
test = {c: v[is_test] for c, v in data.items()}

# ====================================================
# FE
# ====================================================
for df in (train, test):
    df['price'] = np.log(df['price'])
    df['distance'] = np.log1p(df['distance'])
    df['stock'] = np.nan_to_num(df['stock'], nan=np.nanmean(train['stock']))

cat_dims = []
for c in CFG.cat_cols:
    le = LabelEncoder().fit(train[c])
    train[c], test[c] = le.transform(train[c]), le.transform(test[c])
    cat_dims.append(len(le.classes_))

sc = StandardScaler()
X_num = sc.fit_transform(np.stack([train[c] for c in CFG.num_cols], 1)).astype(np.float32)
X_num_test = sc.transform(np.stack([test[c] for c in CFG.num_cols], 1)).astype(np.float32)
X_cat = np.stack([train[c] for c in CFG.cat_cols], 1)
X_cat_test = np.stack([test[c] for c in CFG.cat_cols], 1)

y = train[CFG.target].astype(np.float32)
y_test = test[CFG.target].astype(np.float32)
y_mean, y_std = y.mean(), y.std()
y_scaled = (y - y_mean) / y_std

# ====================================================
# Dataset / Model
# ====================================================
class TabularDataset(Dataset):
    def __init__(self, cat, num, target=None):
        self.cat, self.num, self.target = cat, num, target

    def __len__(self):
        return len(self.cat)

    def __getitem__(self, idx):
        if self.target is None:
            return self.cat[idx], self.num[idx]
        return self.cat[idx], self.num[idx], self.target[idx]


class TabularNN(nn.Module):
    def __init__(self, cat_dims, n_num, hidden=64, drop=0.1):
        super().__init__()
        emb_dims = [(d, min(16, (d + 1) // 2)) for d in cat_dims]
        self.embs = nn.ModuleList([nn.Embedding(x, y) for x, y in emb_dims])
        n_emb = sum(y for _, y in emb_dims)
        self.mlp = nn.Sequential(
            nn.Linear(n_emb + n_num, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Dropout(drop),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 1),
        )

    def forward(self, cat, num):
        x = torch.cat([e(cat[:, i]) for i, e in enumerate(self.embs)] + [num], 1)
        return self.mlp(x).squeeze(1)

# ====================================================
# Train helpers
# ====================================================
def train_fn(loader, model, optimizer, scheduler, criterion):
    model.train()
    losses = []
    for cat, num, target in loader:
        optimizer.zero_grad()
        pred = model(cat, num)
        loss = criterion(pred, target)
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return np.mean(losses)


def inference_fn(loader, model):
    model.eval()
    preds = []
    with torch.no_grad():
        for batch in loader:
            preds.append(model(batch[0], batch[1]).numpy().reshape(-1))
    return np.concatenate(preds)


def rmse(a, b):
    return float(np.sqrt(np.mean((a - b) ** 2)))


def run_fold(fold, trn_idx, val_idx):
    trn_loader = DataLoader(TabularDataset(X_cat[trn_idx], X_num[trn_idx], y_scaled[trn_idx]),
                            batch_size=CFG.batch_size, shuffle=True, drop_last=True)
    val_loader = DataLoader(TabularDataset(X_cat[val_idx], X_num[val_idx]), batch_size=512)
    tst_loader = DataLoader(TabularDataset(X_cat_test, X_num_test), batch_size=512)

    model = TabularNN(cat_dims, len(CFG.num_cols))
    optimizer = torch.optim.Adam(model.parameters(), lr=CFG.lr, weight_decay=CFG.weight_decay)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=CFG.lr, epochs=CFG.epochs,
                                                    steps_per_epoch=len(trn_loader))
    criterion = nn.MSELoss()

    # WATCH(model, optimizer)
    for epoch in range(CFG.epochs):
        loss = train_fn(trn_loader, model, optimizer, scheduler, criterion)
        val_pred = inference_fn(val_loader, model) * y_std + y_mean
        if epoch % 4 == 3:
            print(f'fold {fold} epoch {epoch} loss {loss:.4f} val rmse {rmse(val_pred, y[val_idx]):.2f}')
    return val_pred, inference_fn(tst_loader, model) * y_std + y_mean

# ====================================================
# CV
# ====================================================
oof = np.zeros(len(y), dtype=np.float32)
sub = np.zeros(len(y_test), dtype=np.float32)
kf = KFold(n_splits=CFG.n_fold, shuffle=True, random_state=CFG.seed)
for fold, (trn_idx, val_idx) in enumerate(kf.split(X_cat)):
    oof[val_idx], p = run_fold(fold, trn_idx, val_idx)
    sub += p / CFG.n_fold
    gc.collect()

print(f'CV {rmse(oof, y):.3f}   (std of target {y_std:.1f})')
print(f'RESULT {rmse(sub, y_test):.3f} lower')
