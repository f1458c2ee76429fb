# coffee cupping score - deep tabular net, v3 (public kernel)
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import Dataset, DataLoader

SEED = 77
np.random.seed(SEED)
torch.manual_seed(SEED)


class CFG:
    epochs = 12
    batch_size = 32
    accumulate = 4
    lr = 0.06
    decay = 0.9
    hidden = 48
    depth = 10
    dropout = 0.2


# ---------------------------------------------------------------- data
def make_frame(n):
    farm = np.random.randint(0, 40, n)
    farm_quality = np.random.RandomState(1).randn(40)
    altitude = np.random.normal(1500, 250, n)
    drum_temp = np.random.normal(205, 8, n)
    minutes = np.random.normal(11, 1.5, n)
    moisture = np.random.normal(11, 0.8, n)
    score = (82 + 1.8 * farm_quality[farm] + 0.004 * (altitude - 1500)
             - 0.02 * (drum_temp - 205 + 3 * (minutes - 11)) ** 2 - 0.6 * np.abs(moisture - 11)
             + np.random.normal(0, 0.35, n))
    return np.stack([altitude, drum_temp, minutes, moisture], 1), farm, score


X, farm, score = make_frame(5000)
N_TRAIN = 4096
m, s = X[:N_TRAIN].mean(0), X[:N_TRAIN].std(0)
y_m, y_s = score[:N_TRAIN].mean(), score[:N_TRAIN].std()
X = (X - m) / s
target = (score - y_m) / y_s


class CoffeeDataset(Dataset):
    def __init__(self, rows):
        self.num = torch.tensor(X[rows], dtype=torch.float32)
        self.farm = torch.tensor(farm[rows])
        self.y = torch.tensor(target[rows], dtype=torch.float32)

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return self.num[i], self.farm[i], self.y[i]


train_dl = DataLoader(CoffeeDataset(slice(0, N_TRAIN)), batch_size=CFG.batch_size, shuffle=True)
valid_dl = DataLoader(CoffeeDataset(slice(N_TRAIN, None)), batch_size=256)


# ---------------------------------------------------------------- model
class DeepRoast(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(40, 2)
        self.drop = nn.Dropout(CFG.dropout)
        dims = [X.shape[1] + 2] + [CFG.hidden] * CFG.depth
        self.body = nn.Sequential(*[nn.Sequential(nn.Linear(a, b), nn.ReLU()) for a, b in zip(dims, dims[1:])])
        self.head = nn.Linear(CFG.hidden, 1)
        for block in self.body:
            nn.init.kaiming_normal_(block[0].weight, nonlinearity="relu")
            nn.init.zeros_(block[0].bias)

    def forward(self, num, farm):
        e = self.emb(farm)
        h = self.body(torch.cat([num, e], dim=1))
        return self.head(self.drop(h)).squeeze(1)


model = DeepRoast()
loss_fn = nn.SmoothL1Loss()
optimizer = torch.optim.SGD(model.parameters(), lr=CFG.lr, momentum=0.9, weight_decay=1e-4)
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lr_lambda=lambda ep: CFG.decay ** ep)
# WATCH(model, optimizer)


# ---------------------------------------------------------------- train / valid
def train_fn():
    model.train()
    losses = []
    optimizer.zero_grad()
    for step, (num, farm, y) in enumerate(train_dl):
        loss = loss_fn(model(num, farm), y)
        losses.append(loss.item())
        loss = loss / CFG.accumulate
        loss.backward()
        if (step + 1) % CFG.accumulate == 0:
            optimizer.step()
            optimizer.zero_grad()
    return np.mean(losses)


def valid_fn():
    model.eval()
    preds, ys = [], []
    with torch.no_grad():
        for num, farm, y in valid_dl:
            preds.append(model(num, farm).numpy())
            ys.append(y.numpy())
    return np.sqrt(np.mean((np.concatenate(preds) - np.concatenate(ys)) ** 2)) * y_s


for epoch in range(CFG.epochs):
    tr = train_fn()
    rmse = valid_fn()
    scheduler.step()
    print(f"Epoch {epoch + 1} - train {tr:.4f} - valid RMSE {rmse:.4f}")

print(f"RESULT {rmse:.4f} lower")
