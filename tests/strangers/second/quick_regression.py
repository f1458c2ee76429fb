# energy use of office buildings from a handful of properties.
# quick script, just top to bottom. yearly consumption in kWh per building, made up but plausible
import numpy as np
import torch
from torch import nn

torch.manual_seed(1)
rng = np.random.RandomState(1)

# ---- data -------------------------------------------------------------------
n = 3000
floor_area = rng.uniform(200, 1500, n)          # m2
glazing = rng.uniform(0.1, 0.7, n)              # share of the facade
insulation = rng.uniform(0.2, 1.5, n)           # W/m2K
setpoint = rng.normal(21, 1.2, n)               # deg C
people = rng.poisson(floor_area / 25)
degree_days = rng.normal(2500, 450, n)

heating = 0.012 * floor_area * insulation * degree_days * (1 + 0.08 * (setpoint - 21))
cooling = 14 * floor_area * np.maximum(glazing - 0.35, 0) * (26 - setpoint)
plugs = 180 * people + 9 * floor_area
kwh = heating + cooling + plugs
kwh = kwh + rng.normal(0, 1200, n)

X = np.stack([floor_area, glazing, insulation, setpoint, people, degree_days], axis=1)
print("consumption: mean %.0f, std %.0f, min %.0f, max %.0f kWh" % (kwh.mean(), kwh.std(), kwh.min(), kwh.max()))

idx = rng.permutation(n)
tr, va, te = idx[:2100], idx[2100:2500], idx[2500:]
x_mean, x_std = X[tr].mean(0), X[tr].std(0)
y_mean, y_std = kwh[tr].mean(), kwh[tr].std()
Xs = torch.tensor((X - x_mean) / x_std, dtype=torch.float32)
ys = torch.tensor((kwh - y_mean) / y_std, dtype=torch.float32).unsqueeze(1)
xtr, ytr = Xs[tr], ys[tr]
xva, yva = Xs[va], ys[va]
xte, yte = Xs[te], ys[te]

# ---- model ------------------------------------------------------------------
model = nn.Sequential(
    nn.Linear(6, 64),
    nn.ReLU(),
    nn.Linear(64, 64),
    nn.ReLU(),
    nn.Linear(64, 1),
)
mse = nn.MSELoss()
opt = torch.optim.Adamax(model.parameters(), lr=0.01)
sched = torch.optim.lr_scheduler.MultiStepLR(opt, milestones=[30, 40], gamma=0.2)

# ---- training ---------------------------------------------------------------
# WATCH(model, opt)
for epoch in range(1, 46):
    model.train()
    shuffled = torch.randperm(len(xtr))
    running = 0.0
    for i in range(0, len(xtr), 50):
        b = shuffled[i:i + 50]
        pred = model(xtr[b])
        loss = mse(pred, ytr[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
        running += loss.item() * len(b)
    sched.step()

    if epoch == 1 or epoch % 5 == 0:
        model.eval()
        with torch.no_grad():
            val = mse(model(xva), yva).item()
        print("epoch %3d   train mse %.4f   val mse %.4f   (val rmse %.0f kWh)"
              % (epoch, running / len(xtr), val, val ** 0.5 * y_std))

# ---- test -------------------------------------------------------------------
model.eval()
with torch.no_grad():
    p = model(xte).numpy().ravel() * y_std + y_mean
err = p - kwh[te]
r2 = 1 - (err ** 2).sum() / ((kwh[te] - kwh[te].mean()) ** 2).sum()
print("test: MAE %.0f kWh, RMSE %.0f kWh (noise 1200), R2 %.4f" % (np.abs(err).mean(), np.sqrt((err ** 2).mean()), r2))
for k in te[:5]:
    j = list(te).index(k)
    print("   %4.0f m2, insulation %.2f:  measured %7.0f   predicted %7.0f" % (floor_area[k], insulation[k], kwh[k], p[j]))
print("RESULT %.1f lower" % np.sqrt((err ** 2).mean()))
