"""Probabilistic forecast of the next six hours of a tide gauge (mean and standard deviation per hour).

Encoder and head are two models; a small Forecaster class owns both, the optimiser and the steps.
"""
import logging
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf

logging.basicConfig(level=logging.INFO, format="%(message)s")
log = logging.getLogger("tide")

PAST, AHEAD = 36, 6
BATCH = 64
EPOCHS = 9


def simulate_gauge(hours, rng):
    """Semi-diurnal and diurnal tides plus a slowly wandering surge by the wind, in centimetres."""
    t = np.arange(hours)
    tide = 140 * np.cos(2 * np.pi * t / 12.42) + 45 * np.cos(2 * np.pi * t / 12.0 + 1) + 30 * np.cos(2 * np.pi * t / 25.8)
    surge = np.zeros(hours)
    for k in range(1, hours):
        surge[k] = 0.96 * surge[k - 1] + rng.normal(0, 5)
    return 310 + tide + surge


def windows(series):
    idx = np.arange(len(series) - PAST - AHEAD + 1)[:, None] + np.arange(PAST + AHEAD)
    w = series[idx].astype("float32")
    return w[:, :PAST, None], w[:, PAST:]


class Forecaster:
    def __init__(self, learning_rate, clip=1.0):
        inputs = keras.Input((PAST, 1))
        h = keras.layers.Conv1D(32, 4, strides=2, activation="gelu")(inputs)
        h = keras.layers.Conv1D(48, 4, strides=2, activation="gelu")(h)
        h = keras.layers.Flatten()(h)
        self.encoder = keras.Model(inputs, keras.layers.Dense(64, activation="gelu")(h), name="encoder")

        code = keras.Input((64,))
        mu = keras.layers.Dense(AHEAD, name="mu")(code)
        sigma = keras.layers.Dense(AHEAD, activation="softplus", name="sigma")(code)
        sigma = keras.layers.Rescaling(1.0, offset=1e-3)(sigma)
        self.head = keras.Model(code, [mu, sigma], name="head")

        self.model = keras.Model(inputs, self.head(self.encoder(inputs)), name="forecaster")
        self.opt = keras.optimizers.Adam(learning_rate)
        self.variables = self.encoder.trainable_variables + self.head.trainable_variables
        self.opt.build(self.variables)
        self.clip = clip

    @staticmethod
    def nll(y, mu, sigma):
        return tf.reduce_mean(0.5 * tf.square((y - mu) / sigma) + tf.math.log(sigma))

    @tf.function
    def step(self, x, y, update):
        with tf.GradientTape() as tape:
            mu, sigma = self.model(x, training=True)
            loss = self.nll(y, mu, sigma)
        grads, norm = tf.clip_by_global_norm(tape.gradient(loss, self.variables), self.clip)
        if update:
            self.opt.apply(grads, self.variables)
        return loss, norm

    @tf.function
    def predict(self, x):
        return self.model(x, training=False)


def main():
    keras.utils.set_random_seed(1607)
    rng = np.random.default_rng(1607)
    level = simulate_gauge(5200, rng)
    train, valid, test = level[:3600], level[3600:4400], level[4400:]
    mean, std = train.mean(), train.std()
    (x, y), (xv, yv), (xt, yt) = [windows((part - mean) / std) for part in (train, valid, test)]

    rate = keras.optimizers.schedules.ExponentialDecay(2e-3, decay_steps=len(x) // BATCH, decay_rate=0.8)
    forecaster = Forecaster(rate)
    model, opt = forecaster.model, forecaster.opt
    # WATCH(model, opt)

    # before anything is learnt: is the loss what one expects of it?
    loss, norm = forecaster.step(x[:BATCH], y[:BATCH], update=False)
    log.info("sanity check: loss %.3f, gradient norm %.3f", loss, norm)

    for epoch in range(1, EPOCHS + 1):
        order = rng.permutation(len(x))
        total = 0.0
        starts = range(0, len(x) - BATCH + 1, BATCH)
        for s in starts:
            rows = order[s:s + BATCH]
            loss, norm = forecaster.step(x[rows], y[rows], update=True)
            total += float(loss)
        mu, sigma = forecaster.predict(xv)
        log.info("epoch %d  train nll %.3f  valid nll %.3f  rmse %.1f cm", epoch, total / len(starts),
                 forecaster.nll(yv, mu, sigma), std * np.sqrt(np.mean((mu.numpy() - yv) ** 2)))

    mu, sigma = forecaster.predict(xt)
    rmse = std * np.sqrt(np.mean((mu.numpy() - yt) ** 2))
    inside = np.mean(np.abs(mu.numpy() - yt) < 1.64 * sigma.numpy())
    print(f"test: rmse {rmse:.2f} cm, {100 * inside:.0f} % inside the 90 % band")
    print(f"RESULT {rmse:.3f} lower")


if __name__ == "__main__":
    main()
