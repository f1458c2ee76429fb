# ## Customer churn - Wide & Deep baseline
# v7: separate optimizers for wide/deep, plateau LR on the deep part, early stopping
import copy
import random
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import Dataset, DataLoader
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

class CFG:
    seed = 42
    n = 9000
    bs = 256
    epochs = 25
    patience = 4
    lr_wide = 0.1
    lr_deep = 2e-3

def seed_everything(seed):
    random.seed(seed); np.random.seed(seed); torch.manual_seed(seed)

seed_everything(CFG.seed)
torch.set_num_threads(1)

# ---------------------------------------------------------------- data
cat_sizes = {'region': 12, 'plan': 4, 'device': 6, 'job': 20}

def make_customers(n):
    g = np.random.default_rng(CFG.seed)
    cats = np.stack([g.integers(0, s, n) for s in cat_sizes.values()], 1)
    tenure = g.gamma(2., 14., n)
    usage = g.lognormal(1., .6, n)
    calls = g.poisson(1.5, n)
    age = g.normal(44, 13, n)
    bill = 8 + 6 * cats[:, 1] + 2.5 * usage + g.normal(0, 3, n)
    nums = np.stack([tenure, usage, calls, age, bill], 1)
    reg, job = g.normal(0, .7, 12), g.normal(0, .6, 20)
    logit = (-1.9 + reg[cats[:, 0]] + job[cats[:, 3]] - .05 * (tenure - 28) + .7 * calls
             + .9 * np.where(cats[:, 1] == 3, (usage > 3), -.3) - .5 * np.abs((age - 44) / 13)
             + 1.2 * ((cats[:, 2] == 2) & (calls > 1)))
    y = (g.random(n) < 1 / (1 + np.exp(-logit))).astype('float32')
    return nums.astype('float32'), cats, y

nums, cats, y = make_customers(CFG.n)
idx = np.arange(CFG.n)
tr, te = train_test_split(idx, test_size=.2, stratify=y, random_state=CFG.seed)
tr, va = train_test_split(tr, test_size=.2, stratify=y[tr], random_state=CFG.seed)
nums[:, [0, 1, 4]] = np.log1p(np.clip(nums[:, [0, 1, 4]], 0, None))
scaler = StandardScaler().fit(nums[tr])
nums = scaler.transform(nums).astype('float32')
print(f'train {len(tr)}  valid {len(va)}  test {len(te)}  churn rate {y.mean():.3f}')

class ChurnDataset(Dataset):
    def __init__(self, ids):
        self.num, self.cat, self.y = (torch.from_numpy(a[ids]) for a in (nums, cats, y))
    def __len__(self):
        return len(self.y)
    def __getitem__(self, i):
        return {'num': self.num[i], 'cat': self.cat[i], 'y': self.y[i]}

def collate(items):
    return {k: torch.stack([it[k] for it in items]) for k in items[0]}

train_dl = DataLoader(ChurnDataset(tr), batch_size=CFG.bs, shuffle=True, collate_fn=collate)
valid_dl = DataLoader(ChurnDataset(va), batch_size=CFG.bs * 2, collate_fn=collate)
test_dl = DataLoader(ChurnDataset(te), batch_size=CFG.bs * 2, collate_fn=collate)

# ---------------------------------------------------------------- model
class WideDeep(nn.Module):
    def __init__(self, sizes, n_num):
        super().__init__()
        self.wide_cat = nn.ModuleList([nn.Embedding(s, 1) for s in sizes])
        self.wide_num = nn.Linear(n_num, 1)
        for e in self.wide_cat:
            nn.init.zeros_(e.weight)
        self.emb = nn.ModuleList([nn.Embedding(s, min(6, (s + 1) // 2)) for s in sizes])
        n_in = n_num + sum(e.embedding_dim for e in self.emb)
        self.deep = nn.Sequential(
            nn.BatchNorm1d(n_in),
            nn.Linear(n_in, 32), nn.ReLU(), nn.Dropout(.3),
            nn.Linear(32, 16), nn.ReLU(), nn.Dropout(.3),
            nn.Linear(16, 1),
        )
    def wide_parameters(self):
        yield from self.wide_cat.parameters()
        yield from self.wide_num.parameters()
    def deep_parameters(self):
        yield from self.emb.parameters()
        yield from self.deep.parameters()
    def forward(self, num, cat):
        wide = self.wide_num(num) + sum(e(cat[:, i]) for i, e in enumerate(self.wide_cat))
        z = torch.cat([num] + [e(cat[:, i]) for i, e in enumerate(self.emb)], 1)
        return (wide + self.deep(z)).squeeze(1)

model = WideDeep(list(cat_sizes.values()), nums.shape[1])
criterion = nn.BCEWithLogitsLoss()
opt_wide = torch.optim.Adagrad(model.wide_parameters(), lr=CFG.lr_wide)
opt_deep = torch.optim.AdamW(model.deep_parameters(), lr=CFG.lr_deep, weight_decay=5e-2)
sched = torch.optim.lr_scheduler.ReduceLROnPlateau(opt_deep, mode='max', factor=.3, patience=1)

def train_fn(dl):
    model.train()
    tot = 0
    for b in dl:
        logits = model(b['num'], b['cat'])
        loss = criterion(logits, b['y'])
        loss.backward()
        opt_wide.step()
        opt_deep.step()
        opt_wide.zero_grad()
        opt_deep.zero_grad()
        tot += loss.item() * len(b['y'])
    return tot / len(dl.dataset)

@torch.no_grad()
def valid_fn(dl):
    model.eval()
    out, ys = [], []
    for b in dl:
        out.append(model(b['num'], b['cat']))
        ys.append(b['y'])
    out, ys = torch.cat(out), torch.cat(ys)
    return criterion(out, ys).item(), roc_auc_score(ys.numpy(), out.sigmoid().numpy())

# ---------------------------------------------------------------- fit
best_auc, best_state, bad = 0, None, 0
# WATCH(model, [opt_wide, opt_deep])
for epoch in range(CFG.epochs):
    tl = train_fn(train_dl)
    vl, auc = valid_fn(valid_dl)
    sched.step(auc)
    flag = ''
    if auc > best_auc:
        best_auc, best_state, bad, flag = auc, copy.deepcopy(model.state_dict()), 0, ' *'
    else:
        bad += 1
    print(f'[{epoch:02d}] train {tl:.4f} | valid {vl:.4f} | auc {auc:.4f}{flag}')
    if bad >= CFG.patience:
        print('early stopping')
        break

model.load_state_dict(best_state)
tl, auc = valid_fn(test_dl)
print(f'TEST logloss {tl:.4f}  AUC {auc:.4f}  (best valid {best_auc:.4f})')
print(f'RESULT {auc:.4f} higher')
