"""Keras Functional API with three inputs and two outputs.

A simulated housing market: numeric attributes, a district id and a coarse 12x12 "aerial view" go in; out come
the sale price (regression) and whether the house sells within a month (binary). Price and demand depend on
all three inputs. The score is the R^2 of the price in the original unit, averaged with the
AUC of the sale flag, on held-out houses.

"""
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import layers
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

keras.utils.set_random_seed(1234)
rng = np.random.default_rng(1234)

# ----------------------------------------------------------------------
# 1. Data
# ----------------------------------------------------------------------
N, DISTRICTS, SIDE = 4000, 25, 12

area = rng.gamma(9.0, 12.0, N)                        # square metres
rooms = np.clip(np.round(area / 28 + rng.normal(0, 0.8, N)), 1, 9)
year = rng.integers(1900, 2024, N).astype(float)
distance = rng.gamma(2.0, 2500.0, N)                  # metres to the station
district = rng.integers(0, DISTRICTS, N)
level = rng.normal(0, 0.35, DISTRICTS)                # how expensive a district is

green = rng.beta(2, 2, N)                             # share of trees around the house
view = rng.normal(0.35, 0.08, (N, SIDE, SIDE, 1))
for i in range(N):
    for _ in range(int(green[i] * 14)):
        r, c = rng.integers(0, SIDE - 2, 2)
        view[i, r:r + 2, c:c + 2, 0] += 0.5           # a tree crown
view = np.clip(view, 0, 1).astype("float32")

log_price = (12.0 + 0.85 * np.log(area / 100) + level[district] + 0.5 * green
             - 0.06 * distance / 1000 + 0.15 * np.cos((year - 1900) / 20) + rng.normal(0, 0.08, N))
price = np.exp(log_price)
appeal = 2.5 * green + 2.0 * level[district] - 0.25 * distance / 1000 + 0.25 * rooms - 1.3
sold = (rng.random(N) < 1 / (1 + np.exp(-2.0 * appeal))).astype("float32")

numeric = np.column_stack([area, rooms, year, distance]).astype("float32")

# ----------------------------------------------------------------------
# 2. Split and scale
# ----------------------------------------------------------------------
tr, te = train_test_split(np.arange(N), test_size=0.25, random_state=0)
tr, va = train_test_split(tr, test_size=0.15, random_state=0)
num_scaler = StandardScaler().fit(numeric[tr])
y_scaler = StandardScaler().fit(np.log(price[tr])[:, None])


def pack(idx):
    x = {
        "numeric": num_scaler.transform(numeric[idx]),
        "district": district[idx],
        "view": view[idx],
    }
    y = {
        "price": y_scaler.transform(np.log(price[idx])[:, None]),
        "sold": sold[idx],
    }
    return x, y


# ----------------------------------------------------------------------
# 3. Model
# ----------------------------------------------------------------------
numeric_in = keras.Input((4,), name="numeric")
district_in = keras.Input((), dtype="int32", name="district")
view_in = keras.Input((SIDE, SIDE, 1), name="view")

a = layers.Dense(32, activation="relu")(numeric_in)
b = layers.Embedding(DISTRICTS, 6)(district_in)
c = layers.Rescaling(2.0, offset=-1.0)(view_in)
c = layers.Conv2D(8, 3, activation="relu")(c)
c = layers.Conv2D(16, 3, strides=2, activation="relu")(c)
c = layers.GlobalAveragePooling2D()(c)

shared = layers.Concatenate()([a, b, c])
shared = layers.Dense(64, activation="relu")(shared)
shared = layers.Dense(32, activation="relu")(shared)
price_out = layers.Dense(1, name="price")(shared)
sold_out = layers.Dense(1, activation="sigmoid", name="sold")(shared)

model = keras.Model([numeric_in, district_in, view_in], {"price": price_out, "sold": sold_out})
# WATCH(model)
model.compile(
    optimizer=keras.optimizers.Adam(3e-3),
    loss={"price": "mse", "sold": "binary_crossentropy"},
    loss_weights={"price": 1.0, "sold": 0.5},
    metrics={"price": ["mae"], "sold": ["accuracy"]},
)

# ----------------------------------------------------------------------
# 4. Fit and evaluate
# ----------------------------------------------------------------------
x_train, y_train = pack(tr)
x_val, y_val = pack(va)
x_test, y_test = pack(te)

history = model.fit(
    x_train, y_train,
    validation_data=(x_val, y_val),
    batch_size=64, epochs=14, verbose=0,
)
for name in ("loss", "val_loss", "val_price_mae", "val_sold_accuracy"):
    print(f"{name:>20}:", " ".join(f"{v:.3f}" for v in history.history[name][::4]))

out = model.predict(x_test, verbose=0)
predicted = np.exp(y_scaler.inverse_transform(out["price"]))[:, 0]
r2 = r2_score(price[te], predicted)
auc = roc_auc_score(y_test["sold"], out["sold"][:, 0])
print(f"test R^2 of the price {r2:.3f}, AUC of the sale {auc:.3f}, share sold {sold.mean():.2f}")
print(f"RESULT {(r2 + auc) / 2:.4f} higher")
