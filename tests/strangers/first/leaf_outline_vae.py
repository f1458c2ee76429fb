"""
Variational autoencoder of leaf outlines (radius at 48 angles).

A `keras.Model` with its own `train_step`, so that `fit()` still does the looping.
"""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np
import tensorflow as tf
import keras
from keras import layers

keras.utils.set_random_seed(7)


def leaf_outlines(n, seed):
    r = np.random.default_rng(seed)
    a = np.linspace(0, 2 * np.pi, 48, endpoint=False)[None]
    stretch = r.uniform(0.1, 0.5, (n, 1))
    lobes = r.choice([3, 5, 7], (n, 1))
    depth = r.uniform(0.0, 0.3, (n, 1))
    tip = r.uniform(0.0, 0.4, (n, 1))
    radius = 1 + stretch * np.cos(2 * a) + depth * np.cos(lobes * a) + tip * np.exp(-((a - np.pi) / 0.3) ** 2)
    return (radius * r.uniform(0.8, 1.2, (n, 1)) + r.normal(0, 0.02, (n, 48))).astype("float32")


x_train, x_test = leaf_outlines(5000, 1), leaf_outlines(1000, 2)
offset, scale = x_train.mean(), x_train.std()
x_train, x_test = (x_train - offset) / scale, (x_test - offset) / scale

NOISE = 0.15        # standard deviation assumed of a measured radius (after scaling)


class Sampling(layers.Layer):
    """Uses (z_mean, z_log_var) to sample z, the vector encoding a leaf."""

    def call(self, inputs):
        z_mean, z_log_var = inputs
        epsilon = tf.random.normal(shape=tf.shape(z_mean))
        return z_mean + tf.exp(0.5 * z_log_var) * epsilon


def build_encoder(latent_dim):
    encoder_inputs = keras.Input(shape=(48,))
    x = layers.Dense(96, activation="relu")(encoder_inputs)
    x = layers.Dense(48, activation="relu")(x)
    z_mean = layers.Dense(latent_dim, name="z_mean")(x)
    z_log_var = layers.Dense(latent_dim, name="z_log_var")(x)
    z = Sampling()([z_mean, z_log_var])
    return keras.Model(encoder_inputs, [z_mean, z_log_var, z], name="encoder")


def build_decoder(latent_dim):
    latent_inputs = keras.Input(shape=(latent_dim,))
    x = layers.Dense(48, activation="relu", kernel_initializer="he_normal")(latent_inputs)
    x = layers.Dense(96, activation="relu", kernel_initializer="he_normal")(x)
    decoder_outputs = layers.Dense(48)(x)
    return keras.Model(latent_inputs, decoder_outputs, name="decoder")


class LeafVAE(keras.Model):
    def __init__(self, encoder, decoder, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder
        self.total_loss_tracker = keras.metrics.Mean(name="total_loss")
        self.reconstruction_loss_tracker = keras.metrics.Mean(name="reconstruction_loss")
        self.kl_loss_tracker = keras.metrics.Mean(name="kl_loss")

    @property
    def metrics(self):
        return [self.total_loss_tracker, self.reconstruction_loss_tracker, self.kl_loss_tracker]

    def call(self, inputs):
        return self.decoder(self.encoder(inputs)[0])

    def train_step(self, data):
        with tf.GradientTape() as tape:
            z_mean, z_log_var, z = self.encoder(data)
            reconstruction = self.decoder(z)
            reconstruction_loss = tf.reduce_mean(
                tf.reduce_sum(tf.square(data - reconstruction), axis=1)
            ) / (2 * NOISE**2)
            kl_loss = -0.5 * (1 + z_log_var - tf.square(z_mean) - tf.exp(z_log_var))
            kl_loss = tf.reduce_mean(tf.reduce_sum(kl_loss, axis=1))
            total_loss = reconstruction_loss + kl_loss
        variables = self.trainable_weights
        grads = tape.gradient(total_loss, variables)
        self.optimizer.apply_gradients(zip(grads, variables))
        self.total_loss_tracker.update_state(total_loss)
        self.reconstruction_loss_tracker.update_state(reconstruction_loss)
        self.kl_loss_tracker.update_state(kl_loss)
        return {
            "loss": self.total_loss_tracker.result(),
            "reconstruction_loss": self.reconstruction_loss_tracker.result(),
            "kl_loss": self.kl_loss_tracker.result(),
        }


latent_dim = 8
vae = LeafVAE(build_encoder(latent_dim), build_decoder(latent_dim))
vae.compile(optimizer=keras.optimizers.Adam(2e-3))
# WATCH(vae)
vae.fit(x_train, epochs=18, batch_size=64, verbose=2)

rebuilt = vae.decoder.predict(vae.encoder.predict(x_test, verbose=0)[0], verbose=0)
mse = float(np.mean(np.square(rebuilt - x_test)))
print("share of the variance not rebuilt: %.4f" % (mse / x_test.var()))

made_up = vae.decoder.predict(np.random.default_rng(0).normal(size=(500, latent_dim)), verbose=0)
print("sd of radius, real %.3f, made up %.3f" % (x_test.std(0).mean(), made_up.std(0).mean()))
print("RESULT %.5f lower" % mse)
