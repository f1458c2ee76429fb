"""GAN that makes up single heart beats (24 samples long). After the DCGAN tutorial, only with dense layers.

    python ecg_beat_gan.py --steps 1500 --batch 64
"""
import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=1500)
parser.add_argument("--batch", type=int, default=64)
parser.add_argument("--noise-dim", type=int, default=8)
parser.add_argument("--lr", type=float, default=5e-4)
parser.add_argument("--seed", type=int, default=5)
args = parser.parse_args()
tf.keras.utils.set_random_seed(args.seed)

T = np.linspace(0, 1, 24)


def beats(n, rng):
    """P, QRS and T wave with heights, places and widths that vary; scaled to about -1..1."""
    def wave(height, centre, width):
        return height[:, None] * np.exp(-((T[None] - centre[:, None]) / width) ** 2)
    shift = rng.normal(0, 0.02, n)
    x = wave(rng.normal(0.2, 0.04, n), 0.2 + shift, 0.06)
    x += wave(rng.normal(1.1, 0.15, n), 0.42 + shift, 0.05) - wave(rng.normal(0.3, 0.05, n), 0.52 + shift, 0.05)
    x += wave(rng.choice([0.45, -0.2], n, p=[0.7, 0.3]) + rng.normal(0, 0.05, n), 0.75 + shift, 0.09)
    return np.clip(x - 0.1 + rng.normal(0, 0.02, x.shape), -1, 1).astype("float32")


real = beats(4000, np.random.default_rng(args.seed))
held_back = beats(2000, np.random.default_rng(args.seed + 1))
dataset = tf.data.Dataset.from_tensor_slices(real).shuffle(4000).repeat().batch(args.batch, drop_remainder=True)


def make_generator_model():
    return tf.keras.Sequential([
        tf.keras.Input((args.noise_dim,)),
        tf.keras.layers.Dense(64),
        tf.keras.layers.LeakyReLU(negative_slope=0.2),
        tf.keras.layers.Dense(64),
        tf.keras.layers.LeakyReLU(negative_slope=0.2),
        tf.keras.layers.Dense(24, activation="tanh"),
    ], name="generator")


def make_discriminator_model():
    return tf.keras.Sequential([
        tf.keras.Input((24,)),
        tf.keras.layers.Dense(64),
        tf.keras.layers.LeakyReLU(negative_slope=0.2),
        tf.keras.layers.Dense(64),
        tf.keras.layers.LeakyReLU(negative_slope=0.2),
        tf.keras.layers.Dense(1),
    ], name="discriminator")


generator = make_generator_model()
discriminator = make_discriminator_model()

# This method returns a helper function to compute cross entropy loss
cross_entropy = tf.keras.losses.BinaryCrossentropy(from_logits=True)


def discriminator_loss(real_output, fake_output):
    real_loss = cross_entropy(0.9 * tf.ones_like(real_output), real_output)
    fake_loss = cross_entropy(tf.zeros_like(fake_output), fake_output)
    return real_loss + fake_loss


def generator_loss(fake_output):
    return cross_entropy(tf.ones_like(fake_output), fake_output)


generator_optimizer = tf.keras.optimizers.Adam(args.lr, beta_1=0.5)
discriminator_optimizer = tf.keras.optimizers.Adam(args.lr, beta_1=0.5)
# WATCH([generator, discriminator], [generator_optimizer, discriminator_optimizer])


@tf.function
def train_step(signals):
    noise = tf.random.normal([args.batch, args.noise_dim])

    with tf.GradientTape() as gen_tape, tf.GradientTape() as disc_tape:
        generated = generator(noise, training=True)

        real_output = discriminator(signals, training=True)
        fake_output = discriminator(generated, training=True)

        gen_loss = generator_loss(fake_output)
        disc_loss = discriminator_loss(real_output, fake_output)

    gradients_of_generator = gen_tape.gradient(gen_loss, generator.trainable_variables)
    gradients_of_discriminator = disc_tape.gradient(disc_loss, discriminator.trainable_variables)

    generator_optimizer.apply_gradients(zip(gradients_of_generator, generator.trainable_variables))
    discriminator_optimizer.apply_gradients(zip(gradients_of_discriminator, discriminator.trainable_variables))
    return gen_loss, disc_loss


def sliced_wasserstein(a, b, directions=200):
    """Mean distance of the sorted projections upon random directions."""
    rng = np.random.default_rng(0)
    v = rng.normal(size=(a.shape[1], directions))
    v /= np.linalg.norm(v, axis=0)
    return float(np.abs(np.sort(a @ v, axis=0) - np.sort(b @ v, axis=0)).mean())


test_noise = tf.random.normal([2000, args.noise_dim], seed=99)
for step, batch in enumerate(dataset.take(args.steps), start=1):
    g, d = train_step(batch)
    if step % 300 == 0:
        fake = generator(test_noise, training=False).numpy()
        print(f"step {step:5d}  g {float(g):.3f}  d {float(d):.3f}  distance {sliced_wasserstein(fake, held_back):.4f}")

fake = generator(test_noise, training=False).numpy()
print("distance of real beats among themselves:", round(sliced_wasserstein(real[:2000], held_back), 4))
print(f"RESULT {sliced_wasserstein(fake, held_back):.4f} lower")
