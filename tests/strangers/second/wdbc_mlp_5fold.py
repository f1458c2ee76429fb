# %% [markdown]
# # Breast cancer, MLP baseline, 5 folds
# Out-of-fold accuracy and AUC. Nothing fancy: standard scaling, two hidden layers, a little dropout.

# %%
import random

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, TensorDataset


def seed_everything(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


CFG = dict(seed=2021, n_folds=5, epochs=30, bs=32, lr=5e-4, wd=1e-2, hidden=48, p=0.3)
seed_everything(CFG["seed"])

# %%
raw = load_breast_cancer()
X, y = raw.data.astype(np.float32), raw.target.astype(np.float32)
print("rows / cols:", X.shape, " positive rate: %.3f" % y.mean())


# %%
class TabModel(nn.Module):
    def __init__(self, n_in, hidden, p):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(n_in, hidden), nn.ReLU(), nn.Dropout(p),
            nn.Linear(hidden, hidden // 2), nn.ReLU(), nn.Dropout(p),
        )
        self.out = nn.Linear(hidden // 2, 1)

    def forward(self, x):
        return self.out(self.body(x))


def predict(net, X_):
    net.eval()
    with torch.no_grad():
        return net(X_)


# %%
def run_fold(fold, tr, va):
    scaler = StandardScaler().fit(X[tr])
    X_tr = torch.tensor(scaler.transform(X[tr]))
    X_va = torch.tensor(scaler.transform(X[va]))
    y_tr = torch.tensor(y[tr]).unsqueeze(1)
    y_va = torch.tensor(y[va]).unsqueeze(1)

    loader = DataLoader(TensorDataset(X_tr, y_tr), batch_size=CFG["bs"], shuffle=True, drop_last=True)
    net = TabModel(X.shape[1], CFG["hidden"], CFG["p"])
    opt = torch.optim.AdamW(net.parameters(), lr=CFG["lr"], weight_decay=CFG["wd"])
    crit = nn.BCEWithLogitsLoss()

    # WATCH(net, opt)
    for ep in range(CFG["epochs"]):
        net.train()
        run_loss = 0.0
        for xb, yb in loader:
            opt.zero_grad()
            loss = crit(net(xb), yb)
            loss.backward()
            opt.step()
            run_loss += loss.item()
        if (ep + 1) % 10 == 0:
            z = predict(net, X_va)
            acc = ((z > 0).float() == y_va).float().mean().item()
            print(f"  fold {fold} ep {ep + 1:02d}  loss {run_loss / len(loader):.4f}  "
                  f"val_loss {crit(z, y_va).item():.4f}  val_acc {acc:.4f}")

    z = predict(net, X_va)
    acc = ((z > 0).float() == y_va).float().mean().item()
    return torch.sigmoid(z).squeeze(1).numpy(), acc


# %%
oof = np.zeros(len(y), dtype=np.float32)
accs = []
skf = StratifiedKFold(n_splits=CFG["n_folds"], shuffle=True, random_state=CFG["seed"])
for fold, (tr, va) in enumerate(skf.split(X, y)):
    oof[va], acc = run_fold(fold, tr, va)
    accs.append(acc)

# %%
print("fold accuracies:", np.round(accs, 4), " OOF AUC: %.4f" % roc_auc_score(y, oof))
print("RESULT %.4f higher" % np.mean(accs))
