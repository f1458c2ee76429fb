# %% [markdown]
# ## Tomato yield per greenhouse bay -- gated experts on tabular data
# (notebook exported to a script)

# %%
import copy
import numpy as np
import torch
import torch.nn as nn
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

SEED = 17
np.random.seed(SEED)
torch.manual_seed(SEED)
torch.set_num_threads(1)

# %% make the table
n = 4500
sown = np.random.uniform(1.640e9, 1.655e9, n)           # unix time of sowing
temp = np.random.normal(22, 3, n)
humid = np.random.uniform(40, 90, n)
co2 = np.random.normal(800, 150, n)
ph = np.random.normal(6.3, 0.4, n)
lamps = np.random.randint(0, 5, n).astype(float)
area = np.random.uniform(20, 120, n)
variety = np.random.randint(0, 3, n)
extra = np.random.normal(0, 1, (n, 12))                 # sensor channels nobody could explain

season = np.cos((sown - 1.640e9) / 1.5e7 * 2 * np.pi)
per_m2 = (9 + 2.5 * season - 0.12 * (temp - 23) ** 2 + 0.004 * (co2 - 800) + 0.9 * lamps
          - 2.0 * (ph - 6.3) ** 2 + np.where(variety == 2, 0.05 * (humid - 60), -0.03 * (humid - 60)))
y = area * np.clip(per_m2, 0.5, None) * 10 + 1200 * np.random.randn(n)      # in hg... about 2000 - 15000

X = np.column_stack([sown, temp, humid, co2, ph, lamps, area, np.eye(3)[variety], extra])
print(X.shape, "yield mean %.0f std %.0f" % (y.mean(), y.std()))

# %% split and scale
X_tr, X_te, y_tr, y_te = train_test_split(X, y, test_size=0.25, random_state=SEED)
X_tr, X_va, y_tr, y_va = train_test_split(X_tr, y_tr, test_size=0.25, random_state=SEED)

scaler = StandardScaler()
X_tr = scaler.fit_transform(X_tr)
X_va = scaler.transform(X_va)
X_te = scaler.transform(X_te)

y_scaler = StandardScaler().fit(y_tr.reshape(-1, 1))


def t(a):
    return torch.tensor(a, dtype=torch.float32)


train_x, train_y = t(X_tr), t(y_scaler.transform(y_tr.reshape(-1, 1)))
val_x, val_y = t(X_va), t(y_scaler.transform(y_va.reshape(-1, 1)))
test_x = t(X_te)


# %% model
class GatedExperts(nn.Module):
    def __init__(self, d, experts=4, hidden=64):
        super().__init__()
        self.gate = nn.Linear(d, experts)
        self.body = nn.Sequential(nn.Linear(d, hidden), nn.ReLU(), nn.Dropout(0.2), nn.Linear(hidden, hidden), nn.ReLU())
        self.heads = nn.Linear(hidden, experts)

    def forward(self, x):
        g = torch.softmax(self.gate(x), dim=1)
        return (g * self.heads(self.body(x))).sum(1, keepdim=True)


model = GatedExperts(train_x.shape[1])
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
loss_fn = nn.MSELoss()

# %% train with early stopping
MAX_EPOCHS = 80
PATIENCE = 12
BS = 64
best, best_state, bad = float("inf"), None, 0

# WATCH(model, optimizer)
for epoch in range(MAX_EPOCHS):
    model.train()
    order = torch.randperm(len(train_x))
    tr_loss = 0.0
    for k in range(0, len(order), BS):
        sel = order[k:k + BS]
        optimizer.zero_grad()
        loss = loss_fn(model(train_x[sel]), train_y[sel])
        loss.backward()
        optimizer.step()
        tr_loss += loss.item() * len(sel) / len(order)

    model.eval()
    with torch.no_grad():
        va_loss = loss_fn(model(val_x), val_y).item()
    if epoch % 10 == 0:
        print(f"{epoch:3d} train {tr_loss:.4f} val {va_loss:.4f}")
    if va_loss < best:
        best, bad = va_loss, 0
        best_state = copy.deepcopy(model.state_dict())
    else:
        bad += 1
        if bad >= PATIENCE:
            print("stopping at epoch", epoch)
            break

# %% score
model.load_state_dict(best_state)
model.eval()
with torch.no_grad():
    pred = model(test_x).numpy()
pred = y_scaler.inverse_transform(pred).ravel()
mae = mean_absolute_error(y_te, pred)
print("predicting the mean: %.1f" % mean_absolute_error(y_te, np.full_like(y_te, y_tr.mean())))
print(f"RESULT {mae:.2f} lower")
