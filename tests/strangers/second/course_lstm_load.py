# %% [markdown]
# # Exercise 6: forecasting the electrical load of a campus
# Given the last 36 hours, predict the next hour with an LSTM. Compare against the persistence forecast.

# %%
import numpy as np
import keras

keras.utils.set_random_seed(6)

# %% [markdown]
# ## 6.1 The series
# Daily and weekly rhythm, a slow drift of the weather, and correlated noise. Unit: kilowatts.

# %%
hours = np.arange(24 * 7 * 26)
g = np.random.default_rng(66)
weekday = (hours // 24) % 7
daily = 90 * np.sin(2 * np.pi * (hours % 24 - 7) / 24) + 35 * np.sin(4 * np.pi * (hours % 24 - 3) / 24)
shape = np.where(weekday < 5, 1.0, 0.45)
noise = np.zeros(len(hours))
for t in range(1, len(hours)):
    noise[t] = 0.8 * noise[t - 1] + g.normal(0, 7)
load = 420 + shape * daily - 40 * (weekday >= 5) + 20 * np.sin(2 * np.pi * hours / (24 * 40)) + noise

# %% [markdown]
# ## 6.2 Windows
# The split is in time: first 70 % for training, next 15 % validation, the rest for the test.

# %%
LOOKBACK = 36
n_train, n_val = int(0.7 * len(load)), int(0.15 * len(load))
low, high = load[:n_train].min(), load[:n_train].max()
mean, std = load[:n_train].mean(), load[:n_train].std()


def windows(part):
    win = np.lib.stride_tricks.sliding_window_view(part, LOOKBACK + 1)
    inputs = 2 * ((win[:, :-1] - low) / (high - low)) - 1
    target = (win[:, -1] - mean) / std
    return inputs[..., None].astype("float32"), target[:, None].astype("float32")


x_tr, y_tr = windows(load[:n_train])
x_va, y_va = windows(load[n_train:n_train + n_val])
x_te, y_te = windows(load[n_train + n_val:])
print("windows:", x_tr.shape, x_va.shape, x_te.shape)

# %% [markdown]
# ## 6.3 Model and training

# %%
inp = keras.Input((LOOKBACK, 1))
h = keras.layers.LSTM(32)(inp)
h = keras.layers.Dense(16, activation="relu")(h)
forecaster = keras.Model(inp, keras.layers.Dense(1)(h), name="forecaster")
forecaster.compile(optimizer=keras.optimizers.Adam(learning_rate=3e-3, clipnorm=1.0), loss="mse", metrics=["mae"])

# WATCH(forecaster)
history = forecaster.fit(
    x_tr, y_tr, validation_data=(x_va, y_va), epochs=12, batch_size=64, verbose=0,
    callbacks=[keras.callbacks.ReduceLROnPlateau(patience=2, factor=0.3, min_lr=1e-4)],
)
for i in range(0, len(history.history["loss"]), 2):
    print(f"epoch {i + 1:2d}  train {history.history['loss'][i]:.4f}  val {history.history['val_loss'][i]:.4f}")

# %% [markdown]
# ## 6.4 Test, in kilowatts

# %%
guess = forecaster.predict(x_te, verbose=0) * std + mean
truth = y_te * std + mean
rmse = float(np.sqrt(np.mean((guess - truth) ** 2)))
persist = float(np.sqrt(np.mean((truth[1:] - truth[:-1]) ** 2)))
print(f"LSTM rmse {rmse:.2f} kW, persistence {persist:.2f} kW")
print(f"RESULT {rmse:.3f} lower")
