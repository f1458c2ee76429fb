# %% [markdown]
# # Dawn chorus: which birds sing in this clip? (multi-label baseline, raw audio)
# %%
import numpy as np, torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import Dataset, DataLoader

class CFG:
    seed = 2024
    birds = ['wren', 'robin', 'blackcap', 'chiffchaff', 'dunnock', 'great tit']
    n_train, n_valid, n_test = 1600, 400, 800
    length = 512
    bs = 50
    epochs = 10
    lr = 4e-3

np.random.seed(CFG.seed)
torch.manual_seed(CFG.seed)
torch.set_num_threads(1)

# %% synthetic clips: every bird has its sweep (from, to) and its number of syllables
SWEEP = [(.05, .09), (.12, .07), (.17, .22), (.26, .21), (.30, .36), (.43, .38)]
SYLLABLES = [3, 2, 2, 3, 2, 3]

def song(k):
    out = np.zeros(CFG.length)
    for _ in range(SYLLABLES[k]):
        m = np.random.randint(70, 120)
        start = np.random.randint(0, CFG.length - m)
        f = np.linspace(*SWEEP[k], m) * np.random.uniform(.97, 1.03)
        out[start:start + m] += np.hanning(m) * np.sin(2 * np.pi * np.cumsum(f) + np.random.uniform(0, 2 * np.pi))
    return out * np.random.uniform(.5, 1.2)

def make_clips(n):
    labels = (np.random.rand(n, len(CFG.birds)) < [.45, .4, .3, .35, .3, .4]).astype('float32')
    clips = np.random.randn(n, CFG.length) * .35
    for i in range(n):
        for k in np.flatnonzero(labels[i]):
            clips[i] += song(k)
    return clips.astype('float32'), labels

class ClipDataset(Dataset):
    def __init__(self, n):
        self.clips, self.labels = make_clips(n)
    def __len__(self):
        return len(self.clips)
    def __getitem__(self, i):
        return torch.from_numpy(self.clips[i])[None], torch.from_numpy(self.labels[i])

train_dl = DataLoader(ClipDataset(CFG.n_train), CFG.bs, shuffle=True)
valid_dl = DataLoader(ClipDataset(CFG.n_valid), 200)
test_dl = DataLoader(ClipDataset(CFG.n_test), 200)

# %% model
class Block(nn.Module):
    def __init__(self, ci, co, k, stride):
        super().__init__()
        self.conv = nn.Conv1d(ci, co, k, stride, padding=k // 2, bias=False)
        self.bn = nn.BatchNorm1d(co)
    def forward(self, x):
        x = self.bn(self.conv(x))
        x = F.relu(x)
        return x

class BirdNet(nn.Module):
    def __init__(self, n_out):
        super().__init__()
        self.features = nn.Sequential(Block(1, 20, 31, 2), Block(20, 24, 9, 4), Block(24, 32, 5, 2))
        self.head = nn.Sequential(
            nn.Dropout(.1),
            nn.Linear(32, n_out),
        )
    def forward(self, x):
        x = self.features(x).mean(-1)
        return self.head(x)

# %% metric
def macro_f1(logits, y):
    p = (logits.sigmoid() > .5).float()
    tp, fp, fn = (p * y).sum(0), (p * (1 - y)).sum(0), ((1 - p) * y).sum(0)
    return (2 * tp / (2 * tp + fp + fn).clamp(min=1)).mean().item()

def predict(model, dl):
    model.eval()
    with torch.no_grad():
        out = [(model(xb), yb) for xb, yb in dl]
    return torch.cat([o[0] for o in out]), torch.cat([o[1] for o in out])

# %% train
model = BirdNet(len(CFG.birds))
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.AdamW(model.parameters(), lr=CFG.lr, weight_decay=1e-3)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, CFG.lr, epochs=CFG.epochs, steps_per_epoch=len(train_dl))
# WATCH(model, optimizer)
for epoch in range(CFG.epochs):
    model.train()
    running = 0.
    for xb, yb in train_dl:
        loss = criterion(model(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        running += loss.item()
    logits, y = predict(model, valid_dl)
    print(f'epoch {epoch:02d} | loss {running / len(train_dl):.4f} | valid loss {criterion(logits, y).item():.4f} | F1 {macro_f1(logits, y):.4f}')

# %% test
logits, y = predict(model, test_dl)
print(f'RESULT {macro_f1(logits, y):.4f} higher')
