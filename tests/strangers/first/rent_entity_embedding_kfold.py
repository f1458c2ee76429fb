# Flat rents: entity embeddings + MLP, 4 folds, out-of-fold RMSE and a held-out test set (mean of the folds' models)
import numpy as np
import torch
import torch.nn as nn
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

CONFIG = {
    "seed": 42, "n_folds": 4, "epochs": 22, "batch_size": 64,
    "lr": 4e-3, "weight_decay": 1e-4, "hidden": [64, 32], "dropout": 0.0,
}
CARDS = {"district": 18, "heating": 5, "floor": 9}


def make_rents(n, rng):
    district_level = np.linspace(-3.0, 4.5, CARDS["district"])
    rng.shuffle(district_level)
    cats = np.stack([rng.integers(0, k, n) for k in CARDS.values()], 1)
    area = rng.gamma(9.0, 8.0, n) + 15
    year = rng.integers(1900, 2024, n)
    dist = rng.exponential(1.5, n)
    price = 9.0 + district_level[cats[:, 0]] + np.array([0, .6, -.8, .3, -.4])[cats[:, 1]]
    price = price + 0.15 * cats[:, 2] + 1.5 * np.cos((year - 1900) / 124 * 2 * np.pi) - 0.7 * np.minimum(dist, 3)
    rent = price * area / 10 * (1 - 0.0012 * area) + rng.normal(0, 2.5, n)
    nums = np.stack([area, year, dist], 1)
    return cats, nums.astype("float64"), rent


class RentNet(nn.Module):
    def __init__(self, cards, n_num, hidden, p):
        super().__init__()
        self.embeddings = nn.ModuleDict({
            name: nn.Embedding(k, min(10, (k + 1) // 2)) for name, k in cards.items()})
        width = sum(e.embedding_dim for e in self.embeddings.values()) + n_num
        layers = []
        for h in hidden:
            layers += [nn.Linear(width, h), nn.BatchNorm1d(h), nn.SiLU(), nn.Dropout(p)]
            width = h
        self.body = nn.Sequential(*layers)
        self.out = nn.Linear(width, 1)

    def forward(self, cats, nums):
        parts = [emb(cats[:, i]) for i, emb in enumerate(self.embeddings.values())]
        x = torch.cat(parts + [nums], dim=1)
        return self.out(self.body(x)).squeeze(1)


def init_weights(m):
    if isinstance(m, nn.Linear):
        nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
        nn.init.zeros_(m.bias)
    elif isinstance(m, nn.Embedding):
        nn.init.normal_(m.weight, std=0.1)


def build_model():
    model = RentNet(CARDS, 3, CONFIG["hidden"], CONFIG["dropout"])
    model.apply(init_weights)
    return model


def build_optimizer(model):
    opt = torch.optim.AdamW(model.parameters(), lr=CONFIG["lr"], weight_decay=CONFIG["weight_decay"])
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=CONFIG["epochs"], eta_min=1e-5)
    return opt, sched


def predict(model, cats, nums):
    model.eval()
    with torch.no_grad():
        return model(cats, nums)


def rmse(a, b):
    return float(np.sqrt(np.mean((a - b) ** 2)))


rng = np.random.default_rng(CONFIG["seed"])
torch.manual_seed(CONFIG["seed"])
cats, nums, rent = make_rents(2800, rng)
cats_test, nums_test, rent_test = cats[2200:], nums[2200:], rent[2200:]
cats, nums, rent = cats[:2200], nums[:2200], rent[:2200]
print(f"rents: mean {rent.mean():.1f} std {rent.std():.1f}")

oof = np.zeros(len(rent))
test_pred = np.zeros(len(rent_test))
criterion = nn.MSELoss()

for fold, (tr, va) in enumerate(KFold(CONFIG["n_folds"], shuffle=True, random_state=CONFIG["seed"]).split(cats)):
    xs, ys = StandardScaler().fit(nums[tr]), StandardScaler().fit(rent[tr, None])
    to_t = lambda a: torch.tensor(a, dtype=torch.float32)
    c_tr, n_tr, y_tr = torch.tensor(cats[tr]), to_t(xs.transform(nums[tr])), to_t(ys.transform(rent[tr, None])[:, 0])
    c_va, n_va, y_va = torch.tensor(cats[va]), to_t(xs.transform(nums[va])), to_t(ys.transform(rent[va, None])[:, 0])
    back = lambda t: ys.inverse_transform(t.numpy()[:, None])[:, 0]

    model = build_model()
    optimizer, scheduler = build_optimizer(model)
    # WATCH(model, optimizer)
    for epoch in range(CONFIG["epochs"]):
        model.train()
        order = torch.randperm(len(tr))
        total = 0.0
        for i in range(0, len(order) - CONFIG["batch_size"] + 1, CONFIG["batch_size"]):
            idx = order[i:i + CONFIG["batch_size"]]
            optimizer.zero_grad()
            loss = criterion(model(c_tr[idx], n_tr[idx]), y_tr[idx])
            loss.backward()
            optimizer.step()
            total += loss.item()
        scheduler.step()
        if (epoch + 1) % 11 == 0:
            va_loss = criterion(predict(model, c_va, n_va), y_va).item()
            print(f"fold {fold} epoch {epoch + 1}: train {total / (len(order) // CONFIG['batch_size']):.4f} valid {va_loss:.4f}")

    oof[va] = back(predict(model, c_va, n_va))
    test_pred += back(predict(model, torch.tensor(cats_test), to_t(xs.transform(nums_test)))) / CONFIG["n_folds"]
    print(f"fold {fold}: RMSE {rmse(oof[va], rent[va]):.3f}")

print(f"out-of-fold RMSE {rmse(oof, rent):.3f}")
print(f"RESULT {rmse(test_pred, rent_test):.4f} lower")
