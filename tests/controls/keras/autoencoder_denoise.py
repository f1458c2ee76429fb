"""Convolutional autoencoder that cleans noisy images."""
import os

import numpy as np
import tensorflow as tf
import keras
from keras import layers

tf.random.set_seed(8)
np.random.seed(8)

NOISE = 0.35
BATCH = 64


def preprocess(array):
    """Scales to [0, 1] and adds the channel axis."""
    return np.reshape(array.astype("float32") / 255.0, (len(array), 28, 28, 1))


def add_noise(clean):
    noisy = clean + NOISE * tf.random.normal(tf.shape(clean))
    return tf.clip_by_value(noisy, 0.0, 1.0), clean


arrays = np.load(os.environ["SCRAM_DATA"] + "/fashion_mnist.npz")
train_images = preprocess(arrays["x_train"])
test_images = preprocess(arrays["x_test"])

# fresh noise for the training images in each epoch, fixed noise for the test images
train = (
    tf.data.Dataset.from_tensor_slices(train_images)
    .shuffle(10_000 + 2_000)
    .batch(BATCH)
    .map(add_noise, num_parallel_calls=tf.data.AUTOTUNE)
    .prefetch(tf.data.AUTOTUNE)
)
noisy_test, _ = add_noise(tf.constant(test_images))
noisy_test = noisy_test.numpy()


class Denoiser(keras.Model):
    def __init__(self):
        super().__init__()
        conv = dict(kernel_size=3, padding="same", activation="relu")
        self.encoder = keras.Sequential(
            [
                layers.Conv2D(24, **conv),
                layers.MaxPooling2D(2),
                layers.Conv2D(24, **conv),
                layers.MaxPooling2D(2),
            ]
        )
        self.decoder = keras.Sequential(
            [
                layers.Conv2DTranspose(24, strides=2, **conv),
                layers.Conv2DTranspose(24, strides=2, **conv),
                layers.Conv2D(1, 3, padding="same", activation="sigmoid"),
            ]
        )

    def call(self, x):
        return self.decoder(self.encoder(x))


autoencoder = Denoiser()
autoencoder.compile(optimizer="adam", loss="binary_crossentropy", metrics=["mse"])
autoencoder.fit(train, epochs=8, validation_data=(noisy_test, test_images), verbose=2)


def psnr(a):
    return float(tf.reduce_mean(tf.image.psnr(a, test_images, max_val=1.0)))


print(f"PSNR of the test images: noisy {psnr(noisy_test):.2f} dB, "
      f"denoised {psnr(autoencoder.predict(noisy_test, verbose=0)):.2f} dB")
