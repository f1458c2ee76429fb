# %% [markdown]
# # Will they show up? Hotel booking cancellations with a small MLP
# If you find this kernel useful, an upvote is appreciated :)

# %%
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import numpy as np
import keras
from keras import layers, callbacks
from sklearn.compose import ColumnTransformer
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import OneHotEncoder, StandardScaler

SEED = 2024
keras.utils.set_random_seed(SEED)

# %% The csv of the competition is not public any more: a generator with the same columns
def load_bookings(n=7000):
    rng = np.random.default_rng(SEED)
    segment = rng.choice(4, n, p=[0.45, 0.25, 0.2, 0.1])       # OTA, offline TA, direct, corporate
    month = rng.integers(0, 12, n)
    deposit = (rng.random(n) < np.where(segment == 1, 0.35, 0.05)).astype(int)
    country = rng.choice(8, n, p=[0.35, 0.2, 0.12, 0.1, 0.08, 0.06, 0.05, 0.04])
    lead = rng.gamma(1.1, np.array([90, 130, 45, 20])[segment])
    nights = 1 + rng.poisson(2.2, n)
    adults = rng.choice([0, 1, 2, 3], n, p=[0.04, 0.24, 0.64, 0.08])
    children = np.where(adults > 0, rng.poisson(0.15, n), 0)
    requests = rng.poisson(0.6, n)
    previous = rng.poisson(np.where(rng.random(n) < 0.12, 1.6, 0.02))
    season = 20 * np.sin(2 * np.pi * (month - 3) / 12)
    adr = np.exp(rng.normal(4.45, 0.3, n)) + season + 8 * children
    logit = (
        -0.9
        + 1.5 * np.tanh((lead - 80) / 60) * np.where(segment == 2, -0.3, 1.0)
        + 2.8 * deposit * np.where(country < 2, 1.0, -0.6)
        - 0.8 * requests
        + 1.3 * (previous > 0)
        + 1.6 * np.abs(nights - 3) * (segment == 0) * 0.6
        + 1.8 * np.sign(adr - 95 - season) * np.sign(lead - 60)
        - 0.8 * (segment == 3)
    )
    y = (rng.random(n) < 1 / (1 + np.exp(-1.3 * logit))).astype("float32")
    X = np.stack([lead, nights, adults, children, requests, previous, adr, segment, month, country, deposit], axis=1)
    return X, y


X, y = load_bookings()
print(X.shape, "cancelled:", y.mean().round(3))

# %% Bookings without a single adult are bad rows, everybody drops them
keep = X[:, 2] > 0
X = X[keep]
y = y[keep]
print("after cleaning", X.shape, y.shape)

# %%
num_cols = [0, 1, 2, 3, 4, 5, 6]
cat_cols = [7, 8, 9, 10]
X_rest, X_test, y_rest, y_test = train_test_split(X, y, test_size=0.2, random_state=SEED, stratify=y)
X_tr, X_val, y_tr, y_val = train_test_split(X_rest, y_rest, test_size=0.15, random_state=SEED, stratify=y_rest)

prep = ColumnTransformer([
    ("num", StandardScaler(), num_cols),
    ("cat", OneHotEncoder(handle_unknown="ignore", sparse_output=False), cat_cols),
])
X_tr = prep.fit_transform(X_tr).astype("float32")
X_val = prep.transform(X_val).astype("float32")
X_test = prep.transform(X_test).astype("float32")

# %%
DROP = 0.3
model = keras.Sequential([
    keras.Input((X_tr.shape[1],)),
    layers.Dense(96, activation="relu"),
    layers.Dropout(DROP),
    layers.Dense(48, activation="relu"),
    layers.Dropout(DROP),
    layers.Dense(1),
])
model.compile(
    optimizer=keras.optimizers.Adam(1.5e-3),
    loss=keras.losses.BinaryCrossentropy(from_logits=True),
    metrics=[keras.metrics.BinaryAccuracy(threshold=0.0, name="acc")],
)
model.summary()

# %%
cbs = [
    callbacks.EarlyStopping(monitor="val_loss", patience=6, restore_best_weights=True),
    callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=3, min_lr=1e-5),
]
# WATCH(model)
history = model.fit(X_tr, y_tr, validation_data=(X_val, y_val), epochs=20, batch_size=64, callbacks=cbs, verbose=2)

# %%
p = 1 / (1 + np.exp(-model.predict(X_test, verbose=0).ravel().astype("float64")))
print("test AUC", round(roc_auc_score(y_test, p), 4))
print(f"RESULT {log_loss(y_test, np.clip(p, 1e-6, 1 - 1e-6)):.4f} lower")
