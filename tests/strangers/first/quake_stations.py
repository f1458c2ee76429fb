"""Event type from seismograms (noise / local quake / quarry blast / distant quake), several stations.

Waveforms come in one block per station; a PyDataset feeds a 1D CNN. Keras 3.
"""
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import math

import keras
import numpy as np
from keras import layers

EVENTS = ("noise", "local", "blast", "distant")
STATIONS = {"ALP": (1.0, 1.0), "BRG": (0.55, 1.4), "CUX": (1.6, 0.7), "DON": (0.8, 1.9), "EMS": (2.2, 1.1)}   # gain, site frequency factor
N = 160


def read_station(code, n, rng):
    """Returns n waveforms in counts, and what the analyst picked."""
    gain, site = STATIONS[code]
    t = np.arange(N) / 40.0
    picks = rng.integers(0, len(EVENTS), n)
    waves = np.empty((n, N))
    for i, p in enumerate(picks):
        after = np.clip(t - rng.uniform(0.4, 1.4), 0, None)
        tone = lambda hz: np.sin(2 * np.pi * hz * site * rng.uniform(0.9, 1.1) * after + rng.uniform(0, 6.28))
        if EVENTS[p] == "local":
            w = tone(6) * after * np.exp(-2.2 * after) * 4
        elif EVENTS[p] == "blast":
            w = tone(2.5) * np.exp(-2.2 * after) * (after > 0) * 1.6
        elif EVENTS[p] == "distant":
            w = tone(1.2) * (1 - np.exp(-after)) * 1.2
        else:
            w = 0 * t
        waves[i] = w * rng.uniform(0.7, 1.5) + 0.35 * rng.standard_normal(N)
    return (1000 * gain * waves).astype("float32"), picks


class Waveforms(keras.utils.PyDataset):
    def __init__(self, x, y, batch_size, shuffle=False, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.x, self.y = x, y
        self.batch_size, self.shuffle = batch_size, shuffle
        self.rng = np.random.default_rng(seed)
        self.order = np.arange(len(x))
        self.on_epoch_end()

    def __len__(self):
        return math.ceil(len(self.x) / self.batch_size)

    def __getitem__(self, index):
        rows = self.order[index * self.batch_size:(index + 1) * self.batch_size]
        return self.x[rows, :, None], self.y[rows]

    def on_epoch_end(self):
        if self.shuffle:
            self.rng.shuffle(self.order)


def load(per_station, seed):
    rng = np.random.default_rng(seed)
    blocks, picks = [], []
    for code in STATIONS:
        waves, events = read_station(code, per_station, rng)
        waves = waves / (1000 * STATIONS[code][0])          # remove the instrument's gain
        blocks.append(waves)
        picks.append(events)
    return np.concatenate(blocks), np.concatenate(picks)


def conv(filters, size, activation="relu"):
    return layers.Conv1D(filters, size, padding="same", activation=activation, kernel_initializer="he_normal")


def build():
    return keras.Sequential([
        keras.Input((N, 1)),
        conv(12, 9),
        layers.AveragePooling1D(4),
        conv(24, 7),
        layers.AveragePooling1D(2),
        conv(24, 5),
        layers.GlobalAveragePooling1D(),
        layers.Dropout(0.1),
        layers.Dense(len(EVENTS)),
    ])


def main():
    keras.utils.set_random_seed(404)
    x_train, y_train = load(400, seed=1)
    x_valid, y_valid = load(60, seed=2)
    x_test, y_test = load(120, seed=3)
    train = Waveforms(x_train, y_train, 32, shuffle=True, seed=9)
    valid = Waveforms(x_valid, y_valid, 100)

    model = build()
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(6e-3, 10 * len(train), alpha=0.05)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="acc")],
    )
    # WATCH(model)
    model.fit(train, validation_data=valid, epochs=10, verbose=2)

    guess = model.predict(x_test[..., None], batch_size=200, verbose=0).argmax(-1)
    for k, name in enumerate(EVENTS):
        print(f"{name:8s} recall {np.mean(guess[y_test == k] == k):.3f}")
    print(f"RESULT {np.mean(guess == y_test):.4f} higher")


if __name__ == "__main__":
    main()
