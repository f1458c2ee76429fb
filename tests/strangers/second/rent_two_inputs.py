# Rent prediction: numbers + neighbourhood embedding
# v7: went back to the plain two-branch net, boosting + stacking brought nothing
import os
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
import keras
from keras import layers as L

SEED = 2023
keras.utils.set_random_seed(SEED)


# ---------------------------------------------------------------- data
def make_listings(n=5000, n_hoods=24, seed=SEED):
    r = np.random.default_rng(seed)
    hood = r.integers(0, n_hoods, n)
    level = r.normal(0.0, 0.22, n_hoods)
    slope = r.uniform(0.6, 1.4, n_hoods)
    area = r.gamma(9.0, 8.5, n) + 18
    year = r.integers(1900, 2022, n)
    dist = r.exponential(3500, n)                # metres to the centre
    floor = r.integers(0, 9, n)
    energy = np.clip(r.normal(140 - 0.6 * (year - 1900), 25, n), 15, None)
    base = 9.5 + 4.0 * np.exp(-dist / 3000.0) * slope[hood] + 0.00045 * (year - 1940.0) ** 2
    rent = base * area ** 0.92 * np.exp(level[hood]) + 14 * floor - 0.9 * energy
    rent = 3.0 * rent * np.exp(r.normal(0, 0.05, n)) + 400
    return dict(hood=hood, area=area, year=year, dist=dist, floor=floor, energy=energy, rent=rent)


df = make_listings()
for k, v in df.items():
    print(f"{k:7s} mean {v.mean():9.1f}  std {v.std():8.1f}  min {v.min():8.1f}  max {v.max():9.1f}")

NUM = ["area", "year", "dist", "floor", "energy"]
rows = np.arange(len(df["rent"]))
i_tr, i_te = train_test_split(rows, test_size=0.2, random_state=SEED)
i_tr, i_va = train_test_split(i_tr, test_size=0.15, random_state=SEED)


def numbers(idx):
    return np.stack([df[c][idx] for c in NUM], axis=1).astype("float64")


def target(idx):
    return df["rent"][idx].astype("float64")[:, None]


sx = StandardScaler().fit(numbers(i_tr))
sy = StandardScaler().fit(target(i_tr))


def pack(idx):
    num = sx.transform(numbers(idx)).astype("float32")
    hood = df["hood"][idx].astype("int32")
    y = sy.transform(target(idx)).astype("float32")
    return {"num": num, "hood": hood}, y


# ---------------------------------------------------------------- model
def build(n_hoods, n_num, lr, steps):
    inp_num = keras.Input((n_num,), name="num")
    inp_hood = keras.Input((), dtype="int32", name="hood")
    e = L.Embedding(n_hoods, 4, name="hood_emb")(inp_hood)
    h = L.Dense(64, activation="relu")(inp_num)
    h = L.Concatenate()([h, e])
    h = L.Dense(64, activation="relu")(h)
    h = L.Dense(32, activation="relu")(h)
    out = L.Dense(1, name="rent")(h)
    net = keras.Model([inp_num, inp_hood], out)
    net.compile(optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(lr, steps, alpha=0.02)), loss="mse")
    return net


Xtr, ytr = pack(i_tr)
Xva, yva = pack(i_va)
Xte, yte = pack(i_te)

EPOCHS, BATCH = 24, 64
net = build(24, len(NUM), 5e-3, EPOCHS * (len(ytr) // BATCH + 1))
cbs = [
    keras.callbacks.EarlyStopping(monitor="val_loss", patience=8, restore_best_weights=True),
]
# WATCH(net)
hist = net.fit(Xtr, ytr, validation_data=(Xva, yva), epochs=EPOCHS, batch_size=BATCH, callbacks=cbs, verbose=2)

# ---------------------------------------------------------------- score
pred = sy.inverse_transform(net.predict(Xte, verbose=0))
true = df["rent"][i_te]
mae = float(np.mean(np.abs(pred[:, 0] - true)))
naive = float(np.mean(np.abs(true - np.median(df["rent"][i_tr]))))
print(f"MAE {mae:.1f} per month, predicting the median {naive:.1f}")
print(f"RESULT {mae:.2f} lower")
