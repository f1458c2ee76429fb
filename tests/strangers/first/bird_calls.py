"""
Kaggle-style kernel: which of eight (artificial) birds is calling? Keras, functional model, fit.

Clips of half a second with chirps, trills and tones in noise are turned into log spectrograms
and classified by a small 2-D convolution net; a hold-out set is scored at the end.
RESULT holdout_f1 higher
"""
# ---- 1 | imports ---------------------------------------------------------------------------
import os
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np
import keras
import tensorflow as tf
from keras import layers
from sklearn.metrics import confusion_matrix, f1_score

SEED = 2024
keras.utils.set_random_seed(SEED)
BIRDS = ["riser", "faller", "triller", "fluter", "two-tone", "warbler", "ticker", "bell"]
SR, N = 4000, 2048
N_TRAIN, N_VALID, N_HOLD = 1280, 240, 400


# ---- 2 | sounds ----------------------------------------------------------------------------
def call(kind, rng):
    t = np.arange(N) / SR
    f0 = rng.uniform(500, 900)
    d = t[-1]
    if kind == 0:
        f = f0 + 500 * t / d
    elif kind == 1:
        f = f0 + 500 * (1 - t / d)
    elif kind == 2:
        f = f0 + 150 * np.sign(np.sin(2 * np.pi * rng.uniform(14, 18) * t))
    elif kind == 3:
        f = f0 + 0 * t
    elif kind == 4:
        f = f0 + 350 * (t > d / 2)
    elif kind == 5:
        f = f0 + 200 * np.sin(2 * np.pi * rng.uniform(4, 6) * t)
    else:
        f = f0 + 250 + 0 * t
    wave = np.sin(2 * np.pi * np.cumsum(f) / SR + rng.uniform(0, 6.28))
    if kind == 6:
        wave *= np.sin(2 * np.pi * rng.uniform(8, 11) * t) > 0.3
    if kind == 7:
        wave = (wave + 0.7 * np.sin(2 * np.pi * 2.3 * np.cumsum(f) / SR)) * np.exp(-3 * t / d)
    return rng.uniform(0.4, 1.0) * wave + rng.uniform(0.3, 0.7) * rng.normal(size=N)


def spectrogram(clips, win=128, hop=128):
    frames = np.lib.stride_tricks.sliding_window_view(clips, win, axis=1)[:, ::hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(win), axis=-1)) ** 2
    return np.log(power[..., :64] + 1e-3)[..., None]


def make_split(n, seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, len(BIRDS), n)
    clips = np.stack([call(k, rng) for k in y])
    return spectrogram(clips), y


x_train, y_train = make_split(N_TRAIN, 1)
x_valid, y_valid = make_split(N_VALID, 2)
x_hold, y_hold = make_split(N_HOLD, 3)

lo, hi = np.percentile(x_train, [1, 99])
scale = lambda s: np.clip((s - lo) / (hi - lo), 0, 1).astype("float32")
x_train, x_valid, x_hold = scale(x_train), scale(x_valid), scale(x_hold)
print("train", x_train.shape, "range", x_train.min(), x_train.max())

# ---- 3 | pipeline --------------------------------------------------------------------------
features = tf.data.Dataset.from_tensor_slices(x_train)
labels = tf.data.Dataset.from_tensor_slices(y_train)
train_ds = tf.data.Dataset.zip((features, labels))
train_ds = train_ds.shuffle(N_TRAIN, seed=SEED).batch(32).prefetch(2)
valid_ds = tf.data.Dataset.from_tensor_slices((x_valid, y_valid)).batch(120)

# ---- 4 | model -----------------------------------------------------------------------------
inp = keras.Input(shape=x_train.shape[1:], name="spectrogram")
h = inp
for filters in (8, 16, 32):
    h = layers.Conv2D(filters, 3, padding="same", use_bias=False)(h)
    h = layers.BatchNormalization(momentum=0.9)(h)
    h = layers.ReLU()(h)
    h = layers.MaxPooling2D(2)(h)
h = layers.Flatten()(h)
h = layers.Dropout(0.3)(h)
h = layers.Dense(48, activation="relu")(h)
out = layers.Dense(len(BIRDS), activation="softmax", name="bird")(h)
model = keras.Model(inp, out)

# WATCH(model)
model.compile(optimizer=keras.optimizers.Adam(1.5e-3),
              loss="sparse_categorical_crossentropy", metrics=["accuracy"])
callbacks = [
    keras.callbacks.ReduceLROnPlateau(monitor="val_loss", patience=2, factor=0.4),
    keras.callbacks.EarlyStopping(monitor="val_loss", patience=5, restore_best_weights=True),
]
history = model.fit(train_ds, validation_data=valid_ds, epochs=6, callbacks=callbacks, verbose=2)

# ---- 5 | score -----------------------------------------------------------------------------
pred = model.predict(x_hold, batch_size=200, verbose=0).argmax(1)
print(confusion_matrix(y_hold, pred))
print("best epoch", int(np.argmin(history.history["val_loss"])) + 1)
print(f"RESULT holdout_f1 {f1_score(y_hold, pred, average='macro'):.4f}")
