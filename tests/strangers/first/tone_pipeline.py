"""Recognises five kinds of synthetic machine sounds with a small 1-D convolution net.

The recordings are 16-bit integers, as they come out of a wav file, stored class after class. A tf.data
pipeline decodes and augments them; callbacks lower the rate on a plateau, stop early and restore the best weights.
The last figure is the accuracy on recordings that took no part in training or early stopping.

"""
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
import numpy as np
import tensorflow as tf
import keras
from keras import layers

AUTOTUNE = tf.data.AUTOTUNE
CLASSES = ["hum", "rattle", "whistle", "chirp", "beat"]
LENGTH, RATE, BATCH, EPOCHS = 256, 2000, 32, 10
keras.utils.set_random_seed(77)
tf.config.experimental.enable_op_determinism()


def record(kind, rng):
    t = np.arange(LENGTH) / RATE
    f = rng.uniform(120, 260)
    phase = rng.uniform(0, 2 * np.pi)
    if kind == "hum":
        s = np.sin(2 * np.pi * f * t + phase) + 0.5 * np.sin(4 * np.pi * f * t)
    elif kind == "rattle":
        s = np.sign(np.sin(2 * np.pi * f * t + phase)) * (rng.random(LENGTH) < 0.6)
    elif kind == "whistle":
        s = np.sin(2 * np.pi * rng.uniform(300, 700) * t + phase)
    elif kind == "chirp":
        s = np.sin(2 * np.pi * (f + 1800 * t) * t + phase)
    else:
        s = np.sin(2 * np.pi * f * t + phase) + np.sin(2 * np.pi * (f + rng.uniform(25, 60)) * t)
    s = s / np.sqrt(np.mean(s ** 2)) + rng.normal(0, 0.35, LENGTH)
    return np.clip(s * rng.uniform(3000, 6000), -32768, 32767).astype(np.int16)


def recordings(per_class, seed):
    rng = np.random.default_rng(seed)
    waves = np.stack([record(k, rng) for k in CLASSES for _ in range(per_class)])
    return waves, np.repeat(np.arange(len(CLASSES)), per_class)


# ---- input pipeline -------------------------------------------------
def decode(wave, label):
    wave = tf.cast(wave, tf.float32) / 5000.0
    return wave[:, tf.newaxis], label


def augment(wave, label):
    wave = tf.roll(wave, tf.random.uniform([], 0, LENGTH, tf.int32), axis=0)
    return wave * tf.random.uniform([], 0.8, 1.25), label


def make_train(waves, labels):
    ds = tf.data.Dataset.from_tensor_slices((waves, labels))
    ds = ds.shuffle(len(labels), seed=5)
    ds = ds.map(decode, num_parallel_calls=AUTOTUNE).map(augment, num_parallel_calls=AUTOTUNE)
    return ds.batch(BATCH).prefetch(AUTOTUNE)


def make_eval(waves, labels):
    ds = tf.data.Dataset.from_tensor_slices((waves, labels))
    return ds.map(decode, num_parallel_calls=AUTOTUNE).batch(128).cache().prefetch(AUTOTUNE)


train_ds = make_train(*recordings(240, seed=1))
val_ds = make_eval(*recordings(60, seed=2))
test_ds = make_eval(*recordings(120, seed=3))


# ---- network --------------------------------------------------------
def conv_block(x, filters, kernel, stride):
    x = layers.Conv1D(filters, kernel, strides=stride, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return layers.Activation("relu")(x)


inputs = keras.Input((LENGTH, 1))
x = conv_block(inputs, 16, 15, 2)
x = conv_block(x, 32, 9, 2)
x = conv_block(x, 32, 9, 2)
x = layers.GlobalAveragePooling1D()(x)
x = layers.Dropout(0.2)(x)
outputs = layers.Dense(len(CLASSES))(x)
net = keras.Model(inputs, outputs, name="tones")

# WATCH(net)
net.compile(
    optimizer=keras.optimizers.Adam(learning_rate=2e-3),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)

callbacks = [
    keras.callbacks.ReduceLROnPlateau(monitor="val_accuracy", mode="max", factor=0.3, patience=2),
    keras.callbacks.EarlyStopping(monitor="val_loss", patience=6, restore_best_weights=True),
    keras.callbacks.LambdaCallback(on_epoch_end=lambda e, logs: print(
        f"epoch {e + 1:2d}  loss {logs['loss']:.3f}  acc {logs['accuracy']:.3f}  "
        f"val_loss {logs['val_loss']:.3f}  val_acc {logs['val_accuracy']:.3f}  lr {float(net.optimizer.learning_rate):.1e}")),
]
net.fit(train_ds, validation_data=val_ds, epochs=EPOCHS, callbacks=callbacks, verbose=0)

# ---- test -----------------------------------------------------------
confusion = np.zeros((len(CLASSES), len(CLASSES)), dtype=int)
for waves, labels in test_ds:
    guess = tf.argmax(net(waves, training=False), axis=1).numpy()
    np.add.at(confusion, (labels.numpy(), guess), 1)
for name, row in zip(CLASSES, confusion):
    print(f"{name:>8}", row)
print(f"RESULT {np.trace(confusion) / confusion.sum():.4f} higher")
