# Kaggle-style kernel: weekly price of ski chalets
# v3 - entity embeddings, early stopping

import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import keras
from keras import layers

SEED = 2024
keras.utils.set_random_seed(SEED)
rng = np.random.default_rng(SEED)

# ---------- 1. "read" the data ----------
N = 5000
N_RESORTS, N_KINDS, N_WEEKS = 30, 5, 20
resort = rng.integers(0, N_RESORTS, N)
kind = rng.integers(0, N_KINDS, N)
week = rng.integers(0, N_WEEKS, N)
bedrooms = rng.integers(0, 7, N)                         # 0 = studio
sqm = 22 + 19 * bedrooms + rng.normal(0, 6, N).clip(-12, 12)
lift_m = rng.gamma(1.5, 400, N)
altitude = rng.uniform(900, 2300, N)

resort_level = rng.normal(0, 0.35, N_RESORTS)
kind_level = np.array([0.0, 0.12, 0.3, -0.2, 0.5])
season = 0.35 * np.cos((np.arange(N_WEEKS) - 3) / 20 * 4 * np.pi)
snow_bonus = 0.25 * np.tanh((altitude - 1500) / 300) * (week > 12)
log_price = (5.6 + resort_level[resort] + kind_level[kind] + season[week] * (1 + 0.8 * (resort % 3 == 0))
             + 0.55 * np.log(sqm / 40) - 0.25 * np.tanh(lift_m / 500) + snow_bonus + rng.normal(0, 0.07, N))
price = np.exp(log_price)                                # EUR per week and person group

# ---------- 2. features ----------
sqm_per_bedroom = sqm / np.maximum(bedrooms, 1)
num = np.column_stack([bedrooms, sqm, sqm_per_bedroom, np.log1p(lift_m), altitude]).astype("float32")
idx = rng.permutation(N)
train_idx, valid_idx, test_idx = idx[:3500], idx[3500:4200], idx[4200:]
mean, std = num[train_idx].mean(0), num[train_idx].std(0)
num = (num - mean) / std

y = np.log(price)
y_mean, y_std = y[train_idx].mean(), y[train_idx].std()
y = (y - y_mean) / y_std


def pack(i):
    return {"resort": resort[i], "kind": kind[i], "week": week[i], "num": num[i]}, y[i]


x_train, y_train = pack(train_idx)
x_valid, y_valid = pack(valid_idx)
x_test, _ = pack(test_idx)

# ---------- 3. model ----------
def make_model(hidden=64, drop=0.05):
    ins, parts = {}, []
    for name, n, d in [("resort", N_RESORTS, 6), ("kind", N_KINDS, 3), ("week", N_WEEKS, 5)]:
        ins[name] = keras.Input((), dtype="int32", name=name)
        parts.append(layers.Embedding(n, d, name="emb_" + name)(ins[name]))
    ins["num"] = keras.Input((num.shape[1],), name="num")
    h = layers.Concatenate()(parts + [ins["num"]])
    for _ in range(2):
        h = layers.Dense(hidden, activation="relu")(h)
        h = layers.Dropout(drop)(h)
    out = layers.Dense(1)(h)
    return keras.Model(ins, out)


model = make_model()
model.compile(optimizer=keras.optimizers.Adam(2e-3), loss="mse", metrics=["mae"])
model.summary()

# WATCH(model)
model.fit(x_train, y_train, validation_data=(x_valid, y_valid), epochs=25, batch_size=64, verbose=2,
          callbacks=[keras.callbacks.EarlyStopping(patience=6, restore_best_weights=True)])

# ---------- 4. score ----------
pred = model.predict(x_test, verbose=0)[:, 0]
pred_price = np.exp(pred * y_std + y_mean)
mape = np.mean(np.abs(pred_price / price[test_idx] - 1)) * 100
print(f"RESULT {mape:.3f} lower")
