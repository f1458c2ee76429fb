# Hourly bike demand forecasting with a Temporal Convolutional Network
# (kernel: simple TCN baseline, no feature engineering)

import numpy as np
import keras
from keras import layers

SEED = 2024
keras.utils.set_random_seed(SEED)
np.random.seed(SEED)

LOOKBACK = 48
BATCH_SIZE = 64
EPOCHS = 8

# ============ 1. The data ============
hours = np.arange(4200)
daily = np.clip(np.sin(2 * np.pi * (hours - 8) / 24), -0.4, 1)
weekend = ((hours // 24) % 7 >= 5).astype("float32")
weather = np.zeros(len(hours))
for t in range(1, len(hours)):
    weather[t] = 0.95 * weather[t - 1] + 0.3 * np.random.randn()
demand = 320 + 180 * daily * (1 - 0.6 * weekend) + 40 * weather * (1 + daily) + 12 * np.random.randn(len(hours))
demand = demand.astype("float32")

n_train = int(0.8 * len(hours))
mean, std = demand[:n_train].mean(), demand[:n_train].std()
print("mean %.1f std %.1f" % (mean, std))
scaled = (demand - mean) / std
features = np.stack([scaled, weather.astype("float32"), weekend], axis=1)


def make_windows(begin, end):
    X, y = [], []
    age = np.linspace(1, 0, LOOKBACK)[:, None]      # tells the attention how old an hour is
    for i in range(begin, end - LOOKBACK):
        X.append(np.hstack([features[i:i + LOOKBACK], age]))
        y.append(scaled[i + LOOKBACK])
    return np.array(X, dtype="float32"), np.array(y, dtype="float32")


X_train, y_train = make_windows(0, n_train)
X_valid, y_valid = make_windows(n_train, len(hours))

perm = np.random.permutation(len(X_train))
X_train, y_train = X_train[perm], y_train[perm]
print(X_train.shape, y_train.shape, X_valid.shape, y_valid.shape)


class WindowSequence(keras.utils.PyDataset):
    def __init__(self, X, y, **kwargs):
        super().__init__(**kwargs)
        self.X, self.y = X, y

    def __len__(self):
        return int(np.ceil(len(self.X) / BATCH_SIZE))

    def __getitem__(self, idx):
        low = idx * BATCH_SIZE
        high = low + BATCH_SIZE
        return self.X[low:high], self.y[low:high]


# ============ 2. The model ============
def tcn_block(x, filters, dilation):
    skip = x
    x = layers.Conv1D(filters, 3, padding="causal", dilation_rate=dilation, activation="relu")(x)
    x = layers.SpatialDropout1D(0.05)(x)
    x = layers.Conv1D(filters, 3, padding="causal", dilation_rate=dilation, activation="relu")(x)
    if skip.shape[-1] != filters:
        skip = layers.Conv1D(filters, 1)(skip)
    return layers.add([x, skip])


inp = keras.Input((LOOKBACK, 4))
x = inp
for d in (1, 2, 4, 8):
    x = tcn_block(x, 24, d)
# attention pooling: which of the 48 hours matter?
scores = layers.Dense(1)(layers.Dense(16, activation="tanh")(x))
weights = layers.Softmax(axis=1)(scores)
x = layers.Dot(axes=1)([weights, x])
x = layers.Flatten()(x)
x = layers.Dense(24, activation="relu")(x)
out = layers.Dense(1)(x)
model = keras.Model(inp, out)

train_seq = WindowSequence(X_train, y_train)
valid_seq = WindowSequence(X_valid, y_valid)

lr = keras.optimizers.schedules.ExponentialDecay(2e-3, decay_steps=len(train_seq), decay_rate=0.75)
model.compile(optimizer=keras.optimizers.Adam(lr), loss="mse", metrics=["mae"])
# WATCH(model)

# ============ 3. Train ============
history = model.fit(train_seq, validation_data=valid_seq, epochs=EPOCHS, verbose=2)

# ============ 4. Score (back in bikes per hour) ============
pred = model.predict(X_valid, batch_size=256, verbose=0)[:, 0] * std + mean
mae = np.abs(pred - (y_valid * std + mean)).mean()
naive = np.abs(np.diff(demand[n_train:])).mean()
print("same as last hour: %.2f" % naive)
print("RESULT %.3f lower" % mae)
