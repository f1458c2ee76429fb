"""A small DCGAN for 28x28 clothing pictures, written by overriding `train_step`."""
import os

import numpy as np
import tensorflow as tf
from scipy import linalg
from sklearn.decomposition import PCA
import keras
from keras import layers

keras.utils.set_random_seed(7)

BATCH_SIZE = 64
LATENT_DIM = 64
EPOCHS = 5

images = np.load(os.environ["SCRAM_DATA"] + "/fashion_mnist.npz")["x_train"]
images = (images.astype("float32") - 127.5) / 127.5  # to [-1, 1], the range of tanh
images = images[..., None]

dataset = (
    tf.data.Dataset.from_tensor_slices(images)
    .shuffle(12_000)
    .batch(BATCH_SIZE, drop_remainder=True)
    .prefetch(2)
)

dcgan_init = keras.initializers.RandomNormal(stddev=0.02)

discriminator = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Conv2D(16, 4, strides=2, padding="same", kernel_initializer=dcgan_init),
        layers.LeakyReLU(negative_slope=0.2),
        layers.Dropout(0.3),
        layers.Conv2D(32, 4, strides=2, padding="same", kernel_initializer=dcgan_init),
        layers.LeakyReLU(negative_slope=0.2),
        layers.Dropout(0.3),
        layers.Flatten(),
        layers.Dense(1),
    ],
    name="discriminator",
)

generator = keras.Sequential(
    [
        keras.Input((LATENT_DIM,)),
        layers.Dense(7 * 7 * 32, use_bias=False),
        layers.BatchNormalization(momentum=0.9),
        layers.LeakyReLU(negative_slope=0.2),
        layers.Reshape((7, 7, 32)),
        layers.Conv2DTranspose(24, 4, strides=2, padding="same", use_bias=False,
                               kernel_initializer=dcgan_init),
        layers.BatchNormalization(momentum=0.9),
        layers.LeakyReLU(negative_slope=0.2),
        layers.Conv2DTranspose(12, 4, strides=2, padding="same", use_bias=False,
                               kernel_initializer=dcgan_init),
        layers.BatchNormalization(momentum=0.9),
        layers.LeakyReLU(negative_slope=0.2),
        layers.Conv2D(1, 3, padding="same", activation="tanh"),
    ],
    name="generator",
)


class GAN(keras.Model):
    def __init__(self, discriminator, generator, latent_dim):
        super().__init__()
        self.discriminator = discriminator
        self.generator = generator
        self.latent_dim = latent_dim
        self.d_loss_metric = keras.metrics.Mean(name="d_loss")
        self.g_loss_metric = keras.metrics.Mean(name="g_loss")
        self.d_acc_metric = keras.metrics.BinaryAccuracy(name="d_acc", threshold=0.0)

    def compile(self, d_optimizer, g_optimizer, loss_fn):
        super().compile()
        self.d_optimizer = d_optimizer
        self.g_optimizer = g_optimizer
        self.loss_fn = loss_fn

    @property
    def metrics(self):
        return [self.d_loss_metric, self.g_loss_metric, self.d_acc_metric]

    def train_step(self, real_images):
        batch_size = tf.shape(real_images)[0]

        # --- discriminator
        noise = tf.random.normal((batch_size, self.latent_dim))
        fake_images = self.generator(noise, training=True)
        real_targets = 0.9 * tf.ones((batch_size, 1))  # one-sided label smoothing
        fake_targets = tf.zeros((batch_size, 1))
        with tf.GradientTape() as tape:
            real_logits = self.discriminator(real_images, training=True)
            fake_logits = self.discriminator(fake_images, training=True)
            d_loss = 0.5 * (
                self.loss_fn(real_targets, real_logits)
                + self.loss_fn(fake_targets, fake_logits)
            )
        grads = tape.gradient(d_loss, self.discriminator.trainable_weights)
        self.d_optimizer.apply_gradients(zip(grads, self.discriminator.trainable_weights))

        # --- generator (non-saturating loss)
        noise = tf.random.normal((batch_size, self.latent_dim))
        with tf.GradientTape() as tape:
            logits = self.discriminator(self.generator(noise, training=True), training=True)
            g_loss = self.loss_fn(tf.ones((batch_size, 1)), logits)
        grads = tape.gradient(g_loss, self.generator.trainable_weights)
        self.g_optimizer.apply_gradients(zip(grads, self.generator.trainable_weights))

        self.d_loss_metric.update_state(d_loss)
        self.g_loss_metric.update_state(g_loss)
        self.d_acc_metric.update_state(tf.ones_like(real_logits), real_logits)
        self.d_acc_metric.update_state(tf.zeros_like(fake_logits), fake_logits)
        return {m.name: m.result() for m in self.metrics}


pca = PCA(n_components=32, random_state=0).fit(images.reshape(len(images), -1)[:6000])


def frechet_distance(a, b):
    """Frechet distance of two sets of images in the space of 32 principal components."""
    a, b = (pca.transform(v.reshape(len(v), -1)) for v in (a, b))
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = linalg.sqrtm(cov_a @ cov_b).real
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root))


class FrechetMonitor(keras.callbacks.Callback):
    def __init__(self, n=1000):
        self.codes = np.random.default_rng(0).normal(size=(n, LATENT_DIM)).astype("float32")

    def on_epoch_end(self, epoch, logs=None):
        fakes = self.model.generator.predict(self.codes, verbose=0)
        self.last = frechet_distance(images[:2000], fakes)
        print(f"  frechet distance after epoch {epoch + 1}: {self.last:.1f}")


untrained = frechet_distance(
    images[:2000],
    generator.predict(np.random.normal(size=(1000, LATENT_DIM)).astype("float32"), verbose=0),
)
gan = GAN(discriminator, generator, LATENT_DIM)
gan.compile(
    d_optimizer=keras.optimizers.Adam(2e-4, beta_1=0.5),
    g_optimizer=keras.optimizers.Adam(2e-4, beta_1=0.5),
    loss_fn=keras.losses.BinaryCrossentropy(from_logits=True),
)
monitor = FrechetMonitor()
gan.fit(dataset, epochs=EPOCHS, callbacks=[monitor], verbose=2)
print(f"frechet distance: untrained {untrained:.1f}, trained {monitor.last:.1f}")
