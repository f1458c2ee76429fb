# %% [markdown]
# # Minerals from their spectra
# Ten minerals, each with some absorption bands in 96 channels. We write the training loop ourselves with `tf.GradientTape`.

# %%
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
import keras
from keras import layers
from sklearn.model_selection import train_test_split

keras.utils.set_random_seed(123)

# %% the spectra
CHANNELS, MINERALS, PER_MINERAL = 96, 10, 260
rng = np.random.default_rng(7)
wave = np.linspace(0, 1, CHANNELS)
common = rng.uniform(0.08, 0.92, 12)                    # bands that minerals share in different strengths

X, y = [], []
for m in range(MINERALS):
    bands = rng.choice(12, 5, replace=False)
    depth = rng.uniform(0.08, 0.35, 5)
    width = rng.uniform(0.015, 0.04, 5)
    for _ in range(PER_MINERAL):
        s = 0.6 + rng.normal() * 0.1 + rng.normal() * 0.25 * (wave - 0.5)      # background
        for b, d, w in zip(common[bands], depth, width):
            s = s - d * rng.uniform(0.5, 1.4) * np.exp(-((wave - b - rng.normal() * 0.008) / w) ** 2)
        X.append(s + rng.normal(size=CHANNELS) * 0.05)
        y.append(m)
X, y = np.array(X, "float32")[..., None], np.array(y, "int32")

# %% a third is for testing; the training spectra stay in the order of the catalogue, tf.data shuffles them
index_train, index_test = train_test_split(np.arange(len(y)), test_size=0.33, stratify=y, random_state=0)
index_train = np.sort(index_train)
X_train, y_train, X_test, y_test = X[index_train], y[index_train], X[index_test], y[index_test]
mean, std = X_train.mean(), X_train.std()
X_train, X_test = (X_train - mean) / std, (X_test - mean) / std

BATCH = 32
train_ds = tf.data.Dataset.from_tensor_slices((X_train, y_train)).shuffle(len(y_train), seed=1).batch(BATCH)
test_ds = tf.data.Dataset.from_tensor_slices((X_test, y_test)).batch(256)

# %% the network
inputs = keras.Input((CHANNELS, 1))
x = inputs
for filters in (16, 32, 48):
    x = layers.Conv1D(filters, 5, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    x = layers.ReLU()(x)
    x = layers.MaxPooling1D(2)(x)
x = layers.Flatten()(x)
x = layers.Dropout(0.5)(x)
outputs = layers.Dense(MINERALS)(x)
net = keras.Model(inputs, outputs)

loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
opt = keras.optimizers.Adam(1e-3)
train_acc = keras.metrics.SparseCategoricalAccuracy()
test_acc = keras.metrics.SparseCategoricalAccuracy()
test_loss = keras.metrics.Mean()


# %%
@tf.function
def train_step(xb, yb):
    with tf.GradientTape() as tape:
        logits = net(xb, training=True)
        loss = loss_fn(yb, logits)
    grads = tape.gradient(loss, net.trainable_variables)
    opt.apply_gradients(zip(grads, net.trainable_variables))
    train_acc.update_state(yb, logits)
    return loss


@tf.function
def test_step(xb, yb):
    logits = net(xb, training=False)
    test_loss.update_state(loss_fn(yb, logits))
    test_acc.update_state(yb, logits)


# %%
# WATCH(net)
for epoch in range(8):
    losses = [float(train_step(xb, yb)) for xb, yb in train_ds]
    for xb, yb in test_ds:
        test_step(xb, yb)
    print("epoch %d: loss %.4f acc %.3f | test loss %.4f acc %.3f" %
          (epoch + 1, np.mean(losses), float(train_acc.result()), float(test_loss.result()), float(test_acc.result())))
    final = float(test_acc.result())
    for metric in (train_acc, test_acc, test_loss):
        metric.reset_state()

print("RESULT %.4f higher" % final)
