# %% [markdown]
# # House prices (synthetic) - MLP with entity embeddings
# numeric + categorical columns, early stopping, best model restored

# %%
import copy
import os
import random

import numpy as np
import torch
import torch.nn as nn
from sklearn.metrics import mean_squared_error, r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, TensorDataset


class CFG:
    seed = 2024
    n_rows = 6000
    bs = 128
    epochs = 30
    lr = 3e-3
    wd = 1e-2
    patience = 6


def seed_everything(seed):
    random.seed(seed)
    os.environ["PYTHONHASHSEED"] = str(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


seed_everything(CFG.seed)
torch.set_num_threads(1)


# %% make the table
def make_houses(n, rng):
    area = rng.gamma(6.0, 20.0, n) + 30
    rooms = np.clip(np.round(area / 28 + rng.normal(0, 0.8, n)), 1, None)
    age = rng.uniform(0, 90, n)
    dist = rng.exponential(6.0, n)
    floor = rng.integers(0, 8, n).astype(float)
    district = rng.integers(0, 12, n)
    heating = rng.integers(0, 4, n)
    d_effect = rng.normal(0, 0.25, 12)
    h_effect = np.array([-0.1, 0.0, 0.05, 0.12])
    log_price = (
        10.5 + 0.85 * np.log(area) + 0.03 * rooms
        - 0.25 * np.sin(age / 90 * np.pi)          # old and new houses are dear
        - 0.03 * dist + 0.015 * floor
        + d_effect[district] + h_effect[heating]
        + 0.002 * (district % 3) * (age - 45)
        + rng.normal(0, 0.10, n)
    )
    num = np.stack([area, rooms, age, dist, floor], 1)
    cat = np.stack([district, heating], 1)
    return num, cat, log_price


num, cat, target = make_houses(CFG.n_rows, np.random.default_rng(CFG.seed))
idx_trn, idx_tmp = train_test_split(np.arange(CFG.n_rows), test_size=0.3, random_state=CFG.seed)
idx_val, idx_tst = train_test_split(idx_tmp, test_size=0.5, random_state=CFG.seed)

sc_x = StandardScaler().fit(num[idx_trn])
sc_y = StandardScaler().fit(target[idx_trn, None])


def to_ds(idx):
    return TensorDataset(
        torch.tensor(sc_x.transform(num[idx]), dtype=torch.float32),
        torch.tensor(cat[idx], dtype=torch.long),
        torch.tensor(sc_y.transform(target[idx, None]), dtype=torch.float32),
    )


trn_dl = DataLoader(to_ds(idx_trn), batch_size=CFG.bs, shuffle=True, drop_last=True)
val_dl = DataLoader(to_ds(idx_val), batch_size=512)
tst_dl = DataLoader(to_ds(idx_tst), batch_size=512)


# %% model
class TabNet(nn.Module):
    def __init__(self, n_num, cards, emb_dims, hidden=(96, 48), p=0.1):
        super().__init__()
        self.embs = nn.ModuleList(nn.Embedding(c, d) for c, d in zip(cards, emb_dims))
        self.bn = nn.BatchNorm1d(n_num)
        dims = [n_num + sum(emb_dims), *hidden]
        layers = []
        for a, b in zip(dims[:-1], dims[1:]):
            layers += [nn.Linear(a, b), nn.SiLU(), nn.Dropout(p)]
        self.body = nn.Sequential(*layers)
        self.out = nn.Linear(dims[-1], 1)

    def forward(self, x_num, x_cat):
        e = [emb(x_cat[:, i]) for i, emb in enumerate(self.embs)]
        x = torch.cat([self.bn(x_num)] + e, dim=1)
        return self.out(self.body(x))


def train_fn(model, dl, optimizer, loss_fn):
    model.train()
    tot = 0
    for xn, xc, y in dl:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_fn(model(xn, xc), y)
        loss.backward()
        optimizer.step()
        tot += loss.item()
    return tot / len(dl)


def valid_fn(model, dl):
    model.eval()
    preds, ys = [], []
    with torch.no_grad():
        for xn, xc, y in dl:
            preds.append(model(xn, xc).numpy())
            ys.append(y.numpy())
    preds, ys = np.concatenate(preds), np.concatenate(ys)
    return mean_squared_error(ys, preds), r2_score(ys, preds)


# %% train
model = TabNet(5, cards=[12, 4], emb_dims=[6, 2])
optimizer = torch.optim.AdamW(model.parameters(), lr=CFG.lr, weight_decay=CFG.wd)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=8, gamma=0.3)
loss_fn = nn.MSELoss()

best, best_state, wait = float("inf"), None, 0
# WATCH(model, optimizer)
for epoch in range(CFG.epochs):
    trn = train_fn(model, trn_dl, optimizer, loss_fn)
    val, r2 = valid_fn(model, val_dl)
    scheduler.step()
    flag = ""
    if val < best - 1e-4:
        best, wait, flag = val, 0, " *"
        best_state = copy.deepcopy(model.state_dict())
    else:
        wait += 1
    print(f"epoch {epoch:2d}  trn_mse {trn:.4f}  val_mse {val:.4f}  val_r2 {r2:.4f}{flag}")
    if wait >= CFG.patience:
        print("early stopping")
        break

model.load_state_dict(best_state)
mse, r2 = valid_fn(model, tst_dl)
print(f"TEST  rmse(log price) {np.sqrt(mse) * sc_y.scale_[0]:.4f} (noise floor 0.100)   r2 {r2:.4f}")
print(f"RESULT {np.sqrt(mse) * sc_y.scale_[0]:.4f} lower")
