"""
Exercise 4: a glacier stream
============================
Hourly discharge (m3/s) of a meltwater stream, with air temperature, sunshine and
rain at the hut.  A GRU reads 48 hours and forecasts the next 12.  Summers 1-3
are for training, the start of summer 4 for tuning, its (warmer) rest is the exam.
Skill is 1 - MSE / MSE(persistence of yesterday), both in m3/s.

RESULT skill higher
"""
import os
os.environ["KERAS_BACKEND"] = "tensorflow"
import numpy as np
import keras

keras.utils.set_random_seed(7)
PAST, AHEAD, BATCH = 48, 12, 64


# ---------- part a: the stream
def summer(seed, warmth, days=100):
    g = np.random.default_rng(seed)
    hours = np.arange(days * 24)
    weather = np.zeros(len(hours)); front = np.zeros(len(hours))
    for t in range(1, len(hours)):
        weather[t] = 0.99 * weather[t - 1] + 0.35 * g.standard_normal()
        front[t] = max(0, 0.9 * front[t - 1] + (g.random() < 0.012) * g.exponential(6))
    season = np.sin(np.pi * hours / len(hours))
    sun = np.clip(np.sin(2 * np.pi * (hours % 24 - 6) / 24), 0, None) * 800 * np.exp(-front / 4)
    temp = 2 + warmth + 7 * season + weather + 0.006 * sun - 0.4 * front
    rain = front * (temp > 1)
    melt = np.clip(temp, 0, None) * 1.6 + 0.012 * sun
    fast, slow, q = 0.0, 40.0, []
    for t in range(len(hours)):
        fast = 0.80 * fast + 0.8 * melt[t] + 1.2 * rain[t]
        slow = 0.99 * slow + 0.12 * melt[t]
        q.append(60 + 1.5 * fast + 0.8 * slow)
    q = np.array(q) * np.exp(0.02 * g.standard_normal(len(q)))
    return np.stack([q, temp, sun, rain], axis=1).astype("float32")


past_years = [summer(1, 0.0), summer(2, 0.8), summer(3, -0.7)]
this_year = summer(4, 1.6)
tuning, exam = this_year[:30 * 24], this_year[30 * 24:]


# ---------- part b: tables for the network
def scale_of(series):
    return series.mean(axis=0), series.std(axis=0)


def prepare(series, scale=None):
    mean, std = scale if scale is not None else scale_of(series)
    z = (series - mean) / std
    starts = range(0, len(z) - PAST - AHEAD, 2)
    x = np.stack([z[s:s + PAST] for s in starts])
    y = np.stack([z[s + PAST:s + PAST + AHEAD, 0] for s in starts])
    return x, y


scale = scale_of(np.concatenate(past_years))
tables = [prepare(s, scale) for s in past_years]
x_train, y_train = (np.concatenate(part) for part in zip(*tables))
x_tune, y_tune = prepare(tuning, scale)
x_exam, y_exam = prepare(exam, scale)

# ---------- part c: network and training
model = keras.Sequential([
    keras.layers.Input((PAST, 4)),
    keras.layers.Conv1D(24, 4, strides=4, activation="relu"),
    keras.layers.GRU(40),
    keras.layers.Dense(AHEAD),
])
# WATCH(model)
EPOCHS = 14
rate = keras.optimizers.schedules.CosineDecay(1e-2 * BATCH / 256, EPOCHS * (len(x_train) // BATCH))
model.compile(optimizer=keras.optimizers.Adam(rate), loss="mse", metrics=["mae"])
log = model.fit(x_train, y_train, validation_data=(x_tune, y_tune), batch_size=BATCH, epochs=EPOCHS, verbose=0)
for name in ("loss", "val_loss"):
    print(f"{name:>9}", " ".join(f"{v:.3f}" for v in log.history[name]))

# ---------- part d: the exam, in m3/s
forecast = model.predict(x_exam, verbose=0) * scale[1][0] + scale[0][0]
raw = exam[:, 0]
begin = np.arange(0, len(raw) - PAST - AHEAD, 2)[:, None] + PAST + np.arange(AHEAD)
truth, yesterday = raw[begin], raw[begin - 24]
skill = 1 - np.mean((forecast - truth) ** 2) / np.mean((yesterday - truth) ** 2)
print(f"rms error {np.sqrt(np.mean((forecast - truth) ** 2)):.1f} m3/s of a mean of {truth.mean():.0f}")
print(f"RESULT skill {skill:.4f}")
