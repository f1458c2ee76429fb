"""Forecasting a weather-like hourly series six hours ahead with an LSTM."""
import numpy as np
import keras
from keras import layers

keras.utils.set_random_seed(5)

# --- three years of hourly "measurements": temperature, pressure, wind
rng = np.random.default_rng(5)
hours = np.arange(3 * 365 * 24)


def ar1(phi, sigma):
    e = rng.normal(0, sigma, len(hours))
    out = np.zeros(len(hours))
    for t in range(1, len(out)):
        out[t] = phi * out[t - 1] + e[t]
    return out


front = ar1(0.985, 0.25)
pressure = 1013 - 4.0 * front + ar1(0.9, 0.4)
wind = np.abs(3 + 0.8 * front + ar1(0.8, 0.5))
temperature = (
    9
    - 9 * np.cos(2 * np.pi * hours / (365 * 24))
    - 4 * np.cos(2 * np.pi * (hours % 24 - 3) / 24)
    + 1.5 * np.roll(front, 6)
    + ar1(0.8, 0.25)
)
time_of_day = 2 * np.pi * hours / 24
raw = np.stack([temperature, pressure, wind, np.sin(time_of_day), np.cos(time_of_day)], axis=1).astype("float32")

n_train, n_val = int(0.6 * len(raw)), int(0.2 * len(raw))
mean, std = raw[:n_train].mean(axis=0), raw[:n_train].std(axis=0)
series = (raw - mean) / std

PAST, AHEAD, BATCH = 36, 6, 64


def make_dataset(start, end, shuffle):
    # target: normalised temperature AHEAD hours after the end of the window
    block = series[start:end]
    return keras.utils.timeseries_dataset_from_array(
        data=block[:-AHEAD],
        targets=block[PAST + AHEAD - 1 :, 0],
        sequence_length=PAST,
        sampling_rate=1,
        batch_size=BATCH,
        shuffle=shuffle,
        seed=5 if shuffle else None,
    )


train_ds = make_dataset(0, n_train, shuffle=True)
val_ds = make_dataset(n_train, n_train + n_val, shuffle=False)
test_ds = make_dataset(n_train + n_val, len(raw), shuffle=False)

model = keras.Sequential(
    [
        keras.Input((PAST, series.shape[1])),
        layers.LSTM(24),
        layers.Dropout(0.1),
        layers.Dense(1),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mse", metrics=["mae"])
model.summary()
model.fit(
    train_ds,
    validation_data=val_ds,
    epochs=10,
    callbacks=[
        keras.callbacks.EarlyStopping(monitor="val_loss", patience=4, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau(monitor="val_loss", patience=2, factor=0.3),
    ],
    verbose=2,
)

mae = model.evaluate(test_ds, verbose=0)[1] * std[0]
test_temp = raw[n_train + n_val :, 0]
persistence = np.abs(test_temp[AHEAD:] - test_temp[:-AHEAD]).mean()
yesterday = np.abs(test_temp[24:] - test_temp[:-24]).mean()
print(f"test MAE {mae:.2f} degrees; persistence {persistence:.2f}, same hour of the day before {yesterday:.2f}")
