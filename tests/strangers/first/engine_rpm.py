"""Estimate the engine speed (rpm) from half a second of microphone signal.

Small-scale reimplementation for the ablation table; everything is in one file on purpose.
"""
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from keras import layers


@dataclass
class Config:
    seed: int = 31
    clips: int = 3600
    sample_rate: int = 4000
    samples: int = 2048
    frame: int = 512
    hop: int = 256
    batch_size: int = 48
    epochs: int = 12
    lr: float = 2e-3
    weight_decay: float = 1e-4
    dropout: float = 0.2


cfg = Config()


def record(rng):
    """One clip: harmonics of the firing frequency, road noise, and sometimes a wireless drop-out."""
    rpm = rng.uniform(900, 5400)
    t = np.arange(cfg.samples) / cfg.sample_rate
    drift = 1 + 0.01 * rng.normal() * t
    base = rpm / 60 * drift
    wave = np.zeros(cfg.samples)
    for order in (0.5, 1, 1.5, 2, 3, 4, 6, 8):
        strength = rng.gamma(2.0, 0.5) * (2.0 if order in (2, 4) else 0.7) / (1 + 0.15 * order)
        wave += strength * np.sin(2 * np.pi * np.cumsum(base * order) / cfg.sample_rate + rng.uniform(0, 2 * np.pi))
    noise = np.cumsum(rng.normal(0, 1, cfg.samples))
    noise = rng.normal(0, 1, cfg.samples) + 0.05 * (noise - noise.mean())
    wave += rng.uniform(0.4, 1.6) * noise
    wave *= np.exp(rng.normal(0, 0.4))
    if rng.random() < 0.04:
        start = rng.integers(0, cfg.samples - 700)
        wave[start : start + 700] = 0.0
    return wave, rpm


def spectrogram(waves):
    starts = np.arange(0, cfg.samples - cfg.frame + 1, cfg.hop)
    frames = np.stack([waves[:, s : s + cfg.frame] for s in starts], axis=1)
    frames = frames * np.hanning(cfg.frame)
    power = np.abs(np.fft.rfft(frames, axis=-1))[..., 1:129] ** 2
    return np.log(power + 1e-3).astype("float32")


def build_model(bins):
    reg = keras.regularizers.L2(cfg.weight_decay)
    inputs = keras.Input((None, bins))
    x = layers.GaussianNoise(0.3)(inputs)
    x = layers.Dense(96, kernel_regularizer=reg)(x)
    x = layers.LayerNormalization()(x)
    x = layers.Activation("gelu")(x)
    x = layers.Conv1D(64, 3, padding="same", activation="gelu", kernel_regularizer=reg)(x)
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dense(64, activation="gelu", kernel_regularizer=reg)(x)
    x = layers.Dropout(cfg.dropout)(x)
    return keras.Model(inputs, layers.Dense(1)(x), name="rpm_net")


keras.utils.set_random_seed(cfg.seed)
rng = np.random.default_rng(cfg.seed)
waves, rpm = zip(*[record(rng) for _ in range(cfg.clips)])
spec = spectrogram(np.stack(waves))
rpm = np.array(rpm, dtype="float32")

n_val = n_test = cfg.clips // 6
n_train = cfg.clips - n_val - n_test
mu, sd = spec[:n_train].mean(axis=(0, 1)), spec[:n_train].std(axis=(0, 1))
spec = (spec - mu) / sd
rpm_mu, rpm_sd = rpm[:n_train].mean(), rpm[:n_train].std()
target = (rpm - rpm_mu) / rpm_sd

train_ds = tf.data.Dataset.from_tensor_slices((spec[:n_train], target[:n_train]))
train_ds = train_ds.shuffle(n_train, seed=cfg.seed).batch(cfg.batch_size, drop_remainder=True)
x_val, y_val = spec[n_train : n_train + n_val], target[n_train : n_train + n_val]
x_test, rpm_test = spec[n_train + n_val :], rpm[n_train + n_val :]

model = build_model(spec.shape[-1])
steps = cfg.epochs * (n_train // cfg.batch_size)
optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(cfg.lr, steps, alpha=0.05))
params = model.trainable_variables


@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        pred = tf.squeeze(model(x, training=True), axis=-1)
        data_loss = tf.reduce_mean(tf.square(pred - y))
        loss = data_loss + tf.add_n(model.losses)
    grads = tape.gradient(loss, params)
    grads, _ = tf.clip_by_global_norm(grads, 5.0)
    optimizer.apply_gradients(zip(grads, params))
    return data_loss


@tf.function
def predict(x):
    return tf.squeeze(model(x, training=False), axis=-1)


# WATCH(model, optimizer)
for epoch in range(cfg.epochs):
    running = []
    for x, y in train_ds:
        running.append(float(train_step(x, y)))
    val_loss = float(tf.reduce_mean(tf.square(predict(x_val) - y_val)))
    print(f"epoch {epoch:2d}  train {np.mean(running):.4f}  val {val_loss:.4f}")

estimate = predict(x_test).numpy() * rpm_sd + rpm_mu
mae = np.abs(estimate - rpm_test).mean()
print(f"guessing the mean: {np.abs(rpm_mu - rpm_test).mean():.0f} rpm")
print(f"RESULT {mae:.1f} lower")
