# Which of five sounds is it?  Short synthetic clips, log spectrogram, small CNN (Keras Sequential).
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import keras
from keras import layers

keras.utils.set_random_seed(2024)
rng = np.random.default_rng(2024)

RATE, SECONDS = 4000, 0.5
N = int(RATE * SECONDS)
CLASSES = ["rising", "falling", "steady", "warble", "clicks"]


def clip(kind):
    t = np.arange(N) / RATE
    f0 = rng.uniform(400, 1000)
    span = rng.uniform(150, 500)
    if kind == "rising":
        f = f0 + span * t / SECONDS
    elif kind == "falling":
        f = f0 + span - span * t / SECONDS
    elif kind == "steady":
        f = np.full(N, f0 + span / 2)
    elif kind == "warble":
        f = f0 + span / 2 + rng.uniform(60, 150) * np.sin(2 * np.pi * rng.uniform(6, 12) * t)
    else:
        f = np.full(N, f0 + span / 2)
    wave = np.sin(2 * np.pi * np.cumsum(f) / RATE + rng.uniform(0, 6.28))
    if kind == "clicks":
        wave *= (np.sin(2 * np.pi * rng.uniform(8, 16) * t) > 0.3)
    # loudness differs, the tone fades in and out, and there is a good deal of noise
    fade = np.clip(np.minimum(t, SECONDS - t) / 0.03, 0, 1)
    wave = wave * fade * rng.uniform(0.4, 1.0) + rng.uniform(0.3, 1.0) * rng.normal(size=N)
    return wave.astype("float32")


def spectrogram(wave, frame=128, hop=64):
    starts = range(0, len(wave) - frame + 1, hop)
    frames = np.stack([wave[s:s + frame] * np.hanning(frame) for s in starts])
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    return np.log(power[:, 8:56] + 1e-3).astype("float32")


def dataset(n):
    y = rng.integers(0, len(CLASSES), n)
    x = np.stack([spectrogram(clip(CLASSES[k])) for k in y])[..., None]
    return x, y


x_train, y_train = dataset(1600)
x_val, y_val = dataset(400)
x_test, y_test = dataset(500)
mean, std = x_train.mean(), x_train.std()
x_train, x_val, x_test = [(x - mean) / std for x in (x_train, x_val, x_test)]
print("spectrograms:", x_train.shape, "classes:", np.bincount(y_train))

model = keras.Sequential()
model.add(keras.Input(shape=x_train.shape[1:]))
model.add(layers.Conv2D(16, 3, padding="same", activation="relu"))
model.add(layers.MaxPooling2D(2))
model.add(layers.Conv2D(24, 3, padding="same", activation="relu"))
model.add(layers.MaxPooling2D(2))
model.add(layers.Conv2D(32, 3, padding="same", activation="relu"))
model.add(layers.GlobalMaxPooling2D())
model.add(layers.Dropout(0.25))
model.add(layers.Dense(len(CLASSES)))

model.compile(
    optimizer=keras.optimizers.Adam(2e-3),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
callbacks = [keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.3, patience=1, min_lr=1e-5)]
# WATCH(model)
model.fit(x_train, y_train, batch_size=32, epochs=8, validation_data=(x_val, y_val), callbacks=callbacks, verbose=2)

loss, acc = model.evaluate(x_test, y_test, verbose=0)
pred = model.predict(x_test, verbose=0).argmax(axis=1)
for k, name in enumerate(CLASSES):
    print(f"{name:8s} recall {np.mean(pred[y_test == k] == k):.3f}")
print(f"RESULT {acc:.4f} higher")
