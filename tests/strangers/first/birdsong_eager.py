# Which bird sings? 6 species, short spectrograms (40 frames x 12 bands). My first try with tf.GradientTape.
# Everything runs eagerly, so that I can put a print anywhere I like.

import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"     # be quiet

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

tf.keras.utils.set_random_seed(44)
rng = np.random.RandomState(44)

species = ["wren", "robin", "chiffchaff", "great tit", "blackbird", "dunnock"]


# ---------- 1. make the songs ----------
def sing(kind):
    t = np.arange(40)
    bands = np.arange(12)
    # pitch over time: each bird has its own melody
    speed = rng.uniform(0.8, 1.2)
    start = rng.uniform(0, 6.28)
    if kind == 0:
        pitch = 6 + 3.0 * np.sin(0.9 * speed * t + start)             # fast trill
    elif kind == 1:
        pitch = 6 + 3.0 * np.sin(0.3 * speed * t + start)             # slow warble
    elif kind == 2:
        pitch = 6 + 2.5 * np.sign(np.sin(0.6 * speed * t + start))    # two notes
    elif kind == 3:
        pitch = 7 + 2.5 * (((0.15 * speed * t + start) % 1) - 0.5) * 2    # saw, upwards
    elif kind == 4:
        pitch = 7 - 2.5 * (((0.15 * speed * t + start) % 1) - 0.5) * 2    # saw, downwards
    else:
        pitch = 6 + 2.0 * np.sin(0.3 * speed * t + start) + 1.5 * np.sin(1.1 * speed * t)
    pitch = pitch + rng.uniform(-1, 1)
    song = np.exp(-((bands[None, :] - pitch[:, None]) ** 2) / 1.5)
    song = song * rng.uniform(0.5, 1.0) + 0.75 * np.abs(rng.randn(40, 12))   # wind, cars
    return song


labels = rng.randint(0, 6, size=1900)
songs = np.array([sing(k) for k in labels]).astype("float32")

x_train, y_train = songs[:1400], labels[:1400]
x_test, y_test = songs[1400:], labels[1400:]

# scale: mean 0 and standard deviation 1 for every band (from the training songs only!)
mean = x_train.mean(axis=(0, 1))
std = x_train.std(axis=(0, 1))
x_train = (x_train - mean) / std
x_test = (x_test - mean) / std


# ---------- 2. the network ----------
class BirdNet(tf.keras.Model):
    def __init__(self, number_of_birds):
        super().__init__()
        self.conv1 = layers.Conv1D(24, 5, strides=2, use_bias=False)
        self.norm1 = layers.BatchNormalization(momentum=0.9)
        self.conv2 = layers.Conv1D(48, 5, strides=2, use_bias=False)
        self.norm2 = layers.BatchNormalization(momentum=0.9)
        self.pool = layers.GlobalMaxPooling1D()
        self.drop = layers.Dropout(0.3)
        self.last = layers.Dense(number_of_birds)

    def call(self, x, training=False):
        x = tf.nn.relu(self.norm1(self.conv1(x), training=training))
        x = tf.nn.relu(self.norm2(self.conv2(x), training=training))
        x = self.drop(self.pool(x), training=training)
        return self.last(x)      # logits, one per bird


birdnet = BirdNet(len(species))
birdnet.build((None, 40, 12))
adam = tf.keras.optimizers.Adam(learning_rate=0.003)
# WATCH(birdnet, adam)

# ---------- 3. train ----------
batch_size = 50

for epoch in range(5):
    # a new order in each epoch
    order = rng.permutation(len(x_train))
    x_shuffled = x_train[order]
    y_shuffled = y_train[order]

    losses = []
    for i in range(0, len(x_train), batch_size):
        x = tf.constant(x_shuffled[i:i + batch_size])
        y = tf.constant(y_shuffled[i:i + batch_size])

        # the tape records what happens ...
        with tf.GradientTape() as tape:
            logits = birdnet(x, training=True)
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
            loss = tf.reduce_mean(loss)
        # ... and plays it backwards
        gradients = tape.gradient(loss, birdnet.trainable_variables)
        adam.apply_gradients(zip(gradients, birdnet.trainable_variables))
        losses.append(loss.numpy())

    # how many of the test songs are right now?
    answer = np.argmax(birdnet(x_test, training=False).numpy(), axis=1)
    print("epoch", epoch + 1, "loss", round(float(np.mean(losses)), 3), "test accuracy", round(np.mean(answer == y_test), 3))

# ---------- 4. which birds are hard? ----------
for k, name in enumerate(species):
    print("%-12s %.2f" % (name, np.mean(answer[y_test == k] == k)))

test_loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y_test, birdnet(x_test, training=False)))
print("test loss", round(float(test_loss), 3))
print("RESULT %.4f higher" % np.mean(answer == y_test))
