"""Short-term load forecasting with a small convolutional network (Keras, subclassed)."""
import argparse
import os
from dataclasses import dataclass

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np


@dataclass
class Split:
    x: np.ndarray
    y: np.ndarray

    def __len__(self):
        return len(self.x)


def synth_load(hours: int, rng: np.random.Generator) -> np.ndarray:
    """Hourly load of a town in MW: day and week pattern, slow weather, AR(1) noise."""
    t = np.arange(hours)
    day = 9 * np.sin(2 * np.pi * (t - 8) / 24) + 4 * np.sin(4 * np.pi * (t - 5) / 24)
    weekend = np.where((t // 24) % 7 >= 5, 0.55, 1.0)
    weather = np.convolve(rng.normal(0, 1, hours + 199), np.ones(200) / 14, mode="valid")
    noise = np.zeros(hours)
    for i in range(1, hours):
        noise[i] = 0.7 * noise[i - 1] + rng.normal(0, 0.7)
    return (60 + weekend * day + 3 * weather + noise).astype("float32")


def windows(series: np.ndarray, context: int, horizon: int) -> Split:
    starts = range(len(series) - context - horizon + 1)
    x = np.stack([series[s:s + context] for s in starts])
    y = np.stack([series[s + context:s + context + horizon] for s in starts])
    return Split(x[..., None], y)


class LoadNet(keras.Model):
    """Predicts the change against the last known hour, for every hour of the horizon."""

    def __init__(self, horizon: int, width: int, dropout: float):
        super().__init__()
        self.conv1 = keras.layers.Conv1D(width, 5, strides=2, activation="relu")
        self.conv2 = keras.layers.Conv1D(width, 3, strides=2, activation="relu")
        self.flatten = keras.layers.Flatten()
        self.hidden = keras.layers.Dense(64, activation="relu")
        self.drop = keras.layers.Dropout(dropout)
        self.head = keras.layers.Dense(horizon)

    def call(self, x, training=False):
        h = self.conv2(self.conv1(x))
        h = self.hidden(self.flatten(h))
        h = self.drop(h, training=training)
        return x[:, -1, :] + self.head(h)


def parse():
    p = argparse.ArgumentParser()
    p.add_argument("--days", type=int, default=240)
    p.add_argument("--context", type=int, default=48)
    p.add_argument("--horizon", type=int, default=6)
    p.add_argument("--width", type=int, default=24)
    p.add_argument("--dropout", type=float, default=0.1)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--epochs", type=int, default=14)
    p.add_argument("--seed", type=int, default=3)
    return p.parse_args()


def main():
    args = parse()
    keras.utils.set_random_seed(args.seed)
    series = synth_load(24 * args.days, np.random.default_rng(args.seed))

    n = len(series)
    cuts = int(0.7 * n), int(0.85 * n)
    mean, std = series[:cuts[0]].mean(), series[:cuts[0]].std()
    scaled = (series - mean) / std
    train, valid, test = (windows(part, args.context, args.horizon) for part in np.split(scaled, cuts))
    print(f"windows: train {len(train)}, valid {len(valid)}, test {len(test)}")

    model = LoadNet(args.horizon, args.width, args.dropout)
    total = args.epochs * (len(train) // args.batch)
    schedule = keras.optimizers.schedules.CosineDecay(args.lr, total, alpha=0.02)
    model.compile(optimizer=keras.optimizers.AdamW(schedule, weight_decay=1e-3), loss="mse", metrics=["mae"])

    # WATCH(model)
    model.fit(train.x, train.y, validation_data=(valid.x, valid.y), batch_size=args.batch,
              epochs=args.epochs, shuffle=True, verbose=2)

    pred = model.predict(test.x, batch_size=256, verbose=0)
    mae = float(np.abs(pred - test.y).mean() * std)
    persistence = float(np.abs(test.x[:, -1] - test.y).mean() * std)
    print(f"test MAE {mae:.3f} MW, persistence {persistence:.3f} MW")
    print(f"RESULT {mae:.4f} lower")


if __name__ == "__main__":
    main()
