"""
Yield of tomatoes from the climate and the soil of a greenhouse.

Two towers (climate, soil) and a head on top. The model is subclassed and overrides
`train_step` with a Huber loss of its own, `fit` does the rest.
"""
from __future__ import annotations

import dataclasses
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf


@dataclasses.dataclass
class Config:
    seed: int = 23
    hidden: int = 48
    lr: float = 2e-3
    batch: int = 64
    epochs: int = 25
    init_scale: float = 0.3


class Tower(keras.layers.Layer):
    def __init__(self, hidden: int, init_scale: float):
        super().__init__()
        init = keras.initializers.RandomUniform(-init_scale, init_scale)
        self.first = keras.layers.Dense(hidden, activation="relu", kernel_initializer=init)
        self.second = keras.layers.Dense(hidden, activation="relu", kernel_initializer=init)

    def call(self, x):
        return self.second(self.first(x))


class YieldModel(keras.Model):
    def __init__(self, cfg: Config):
        super().__init__()
        self.climate = Tower(cfg.hidden, cfg.init_scale)
        self.soil = Tower(cfg.hidden, cfg.init_scale)
        self.out = keras.layers.Dense(1)
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.mae = keras.metrics.MeanAbsoluteError(name="mae")

    @property
    def metrics(self):
        return [self.loss_tracker, self.mae]

    def call(self, inputs, training=None):
        climate, soil = inputs
        h = tf.concat([self.climate(climate), self.soil(soil)], axis=-1)
        return self.out(h)[:, 0]

    def objective(self, y, y_pred):
        error = y - y_pred
        return tf.reduce_mean(tf.where(tf.abs(error) < 1.0, 0.5 * error**2, tf.abs(error) - 0.5))

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.objective(y, y_pred)
        grads = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables))
        self.loss_tracker.update_state(loss)
        self.mae.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics}

    def test_step(self, data):
        x, y = data
        y_pred = self(x, training=False)
        self.loss_tracker.update_state(self.objective(y, y_pred))
        self.mae.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics}


def greenhouse(n: int, rng: np.random.Generator):
    temp, hum = rng.normal(22, 4, n), rng.uniform(40, 95, n)
    co2, light = rng.uniform(380, 1200, n), rng.gamma(6, 35, n)
    ph, n_, k, moist = rng.normal(6.3, 0.5, n), rng.uniform(50, 250, n), rng.uniform(80, 400, n), rng.uniform(10, 60, n)
    photo = light / (light + 150) * co2 / (co2 + 400) * np.exp(-((temp - 23) / 7) ** 2)
    food = np.minimum(n_ / 180, k / 260) * np.exp(-((ph - 6.4) / 0.8) ** 2) * np.exp(-((moist - 35) / 25) ** 2)
    grams = 5200 * photo + 1500 * food + 300 * np.sin(hum / 12) + rng.normal(0, 60, n)
    return np.stack([temp, hum, co2, light], 1), np.stack([ph, n_, k, moist], 1), grams


def min_max(train, *others):
    low, high = train.min(0), train.max(0)
    return [((a - low) / (high - low)).astype("float32") for a in (train, *others)]


def main(cfg: Config):
    keras.utils.set_random_seed(cfg.seed)
    climate, soil, grams = greenhouse(5000, np.random.default_rng(cfg.seed))
    cut = [3500, 4200]
    c_tr, c_va, c_te = min_max(*np.split(climate, cut))
    s_tr, s_va, s_te = min_max(*np.split(soil, cut))
    y_tr, y_va, y_te = np.split(grams, cut)
    centre, spread = y_tr.mean(), y_tr.std()
    z_tr, z_va = [((y - centre) / spread).astype("float32") for y in (y_tr, y_va)]

    model = YieldModel(cfg)
    steps = cfg.epochs * (len(z_tr) // cfg.batch)
    model.compile(optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(cfg.lr, steps)))
    # WATCH(model)
    history = model.fit((c_tr, s_tr), z_tr, batch_size=cfg.batch, epochs=cfg.epochs, verbose=0,
                        validation_data=((c_va, s_va), z_va))
    for e in range(0, cfg.epochs, 4):
        print(f"epoch {e}: mae {history.history['mae'][e]:.4f}, val mae {history.history['val_mae'][e]:.4f}")

    guess = model.predict((c_te, s_te), verbose=0) * spread + centre
    mae = np.mean(np.abs(guess - y_te))
    print(f"mean absolute error {mae:.1f} g, of the mean {np.mean(np.abs(y_te - centre)):.1f} g")
    print(f"RESULT {mae:.2f} lower")


if __name__ == "__main__":
    main(Config())
