import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
import keras
from keras import layers, ops
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

keras.utils.set_random_seed(31)

PIXEL_STD = 0.2
EPOCHS = 25


class Sampling(layers.Layer):
    """Draws z from (z_mean, z_log_var), the reparameterised way."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs):
        z_mean, z_log_var = inputs
        noise = keras.random.normal(ops.shape(z_mean), seed=self.seed_generator)
        return z_mean + ops.exp(0.5 * z_log_var) * noise


class VAE(keras.Model):
    def __init__(self, latent_dim=6, hidden=96, **kwargs):
        super().__init__(**kwargs)
        inputs = keras.Input((8, 8, 1))
        h = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(inputs)
        h = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(h)
        h = layers.Dense(hidden, activation="relu")(layers.Flatten()(h))
        z_mean, z_log_var = layers.Dense(latent_dim)(h), layers.Dense(latent_dim)(h)
        self.encoder = keras.Model(inputs, [z_mean, z_log_var, Sampling()([z_mean, z_log_var])], name="encoder")

        latent = keras.Input((latent_dim,))
        h = layers.Dense(hidden, activation="relu")(latent)
        h = layers.Dense(hidden, activation="relu")(h)
        picture = layers.Reshape((8, 8, 1))(layers.Dense(64, activation="sigmoid")(h))
        self.decoder = keras.Model(latent, picture, name="decoder")

        self.total = keras.metrics.Mean(name="loss")
        self.recon = keras.metrics.Mean(name="recon")
        self.kl = keras.metrics.Mean(name="kl")

    @property
    def metrics(self):
        return [self.total, self.recon, self.kl]

    def call(self, x):
        return self.decoder(self.encoder(x)[0])

    def losses_of(self, x):
        z_mean, z_log_var, z = self.encoder(x)
        # Gaussian pixels with a fixed standard deviation
        squared = ops.square(x - self.decoder(z)) / (2 * PIXEL_STD**2)
        recon = ops.mean(ops.sum(squared, axis=(1, 2, 3)))
        kl = ops.mean(ops.sum(-0.5 * (1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var)), axis=1))
        return recon + kl, recon, kl

    def update_metrics(self, total, recon, kl):
        self.total.update_state(total)
        self.recon.update_state(recon)
        self.kl.update_state(kl)
        return {m.name: m.result() for m in self.metrics}

    def train_step(self, data):
        with tf.GradientTape() as tape:
            total, recon, kl = self.losses_of(data)
        weights = self.trainable_weights
        grads = tape.gradient(total, weights)
        self.optimizer.apply_gradients(zip(grads, weights))
        return self.update_metrics(total, recon, kl)

    def test_step(self, data):
        return self.update_metrics(*self.losses_of(data))


images = load_digits().images.astype("float32")[..., None] / 16.0
x_train, x_test = train_test_split(images, test_size=0.2, random_state=31)

vae = VAE()
schedule = keras.optimizers.schedules.CosineDecay(3e-3, decay_steps=EPOCHS * 45)
vae.compile(optimizer=keras.optimizers.Adam(schedule))
# WATCH(vae)
vae.fit(x_train, epochs=EPOCHS, batch_size=32, validation_data=(x_test, None), verbose=2)

# How well are unseen digits rebuilt from the mean of their code?
rebuilt = vae.predict(x_test, verbose=0)
mse = float(np.mean((rebuilt - x_test) ** 2))
trivial = float(np.mean((x_train.mean(axis=0) - x_test) ** 2))
print(f"mean squared error per pixel: {mse:.4f}; of the average digit: {trivial:.4f}")

# A row of made-up digits
z = np.random.default_rng(0).normal(size=(6, 6)).astype("float32")
art = vae.decoder.predict(z, verbose=0)[..., 0]
for row in range(8):
    print("   ".join("".join(" .:*#"[int(v * 4.99)] for v in digit[row]) for digit in art))
print(f"RESULT {mse:.5f} lower")
