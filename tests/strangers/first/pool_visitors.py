# Week 9 - Forecasting with tf.data: how many people will be in the swimming pool six hours from now?
# (exported from the notebook with nbconvert)

# In[1]:

import numpy as np
import tensorflow as tf
import keras

keras.utils.set_random_seed(9)


# In[2]: An hourly series: turnstile counts, air temperature, and the calendar

def pool_series(days=400, seed=9):
    rng = np.random.default_rng(seed)
    h = np.arange(days * 24)
    hour, day = h % 24, h // 24
    dow = day % 7
    season = np.cos(2 * np.pi * (day - 170) / 365)
    weather = np.zeros(len(h))
    for i in range(1, len(h)):
        weather[i] = 0.98 * weather[i - 1] + rng.normal(0, 0.7)
    temp = 15 + 9 * season + 4 * np.sin(2 * np.pi * (hour - 9) / 24) + weather
    opened = (hour >= 7) & (hour < 21)
    shape = np.exp(-0.5 * ((hour - 15.5) / 3.0) ** 2) + 0.35 * np.exp(-0.5 * ((hour - 8) / 1.2) ** 2) * (dow < 5)
    visitors = opened * shape * (90 + 18 * np.clip(temp - 12, 0, None)) * np.where(dow >= 5, 1.5, 1.0)
    visitors = rng.poisson(visitors * np.exp(rng.normal(0, 0.12, len(h))))
    features = np.stack(
        [visitors, temp,
         np.sin(2 * np.pi * hour / 24), np.cos(2 * np.pi * hour / 24),
         np.sin(2 * np.pi * dow / 7), np.cos(2 * np.pi * dow / 7)], axis=1)
    return features.astype("float32")


raw = pool_series()
print(raw.shape, "visitors: mean %.1f, max %.0f" % (raw[:, 0].mean(), raw[:, 0].max()))


# In[3]: Split by time, normalise with the statistics of the training part only

n_train = int(0.7 * len(raw))
n_val = int(0.85 * len(raw))
mean = raw[:n_train].mean(axis=0)
std = raw[:n_train].std(axis=0)

WINDOW, AHEAD, BATCH, EPOCHS = 48, 6, 128, 6


def windows(start, end, shuffle):
    part = raw[start:end]
    part = (part - mean) / std
    target = part[WINDOW + AHEAD - 1:, 0]
    ds = keras.utils.timeseries_dataset_from_array(
        part[:-AHEAD], target, sequence_length=WINDOW,
        batch_size=BATCH, shuffle=shuffle, seed=1)
    return ds.prefetch(tf.data.AUTOTUNE)


train_ds = windows(0, n_train, True)
val_ds = windows(n_train, n_val, False)
test_ds = windows(n_val, len(raw), False)
steps_per_epoch = int(train_ds.cardinality())


# In[4]: A GRU on top of a strided convolution

schedule = keras.optimizers.schedules.CosineDecay(3e-3, decay_steps=EPOCHS * steps_per_epoch, alpha=0.02)

model = keras.Sequential([
    keras.Input((WINDOW, raw.shape[1])),
    keras.layers.Conv1D(32, 6, strides=4, activation="relu"),
    keras.layers.GRU(32),
    keras.layers.Dense(32, activation="relu"),
    keras.layers.Dense(1),
])
model.compile(optimizer=keras.optimizers.Adam(schedule), loss="mse", metrics=["mae"])
model.summary()


# In[5]:

# WATCH(model)
history = model.fit(train_ds, validation_data=val_ds, epochs=EPOCHS, verbose=2)


# In[6]: In people, not in standard deviations. The naive forecast: the same hour yesterday

pred = model.predict(test_ds, verbose=0).ravel() * std[0] + mean[0]
truth = raw[n_val + WINDOW + AHEAD - 1:, 0][:len(pred)]
naive = raw[n_val + WINDOW + AHEAD - 1 - 24:, 0][:len(pred)]
print("naive MAE %.2f" % np.abs(truth - naive).mean())
print("RESULT %.3f lower" % np.abs(truth - pred).mean())
