import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers, models

keras.utils.set_random_seed(10)

# generate images folder by folder: circle, ring, square, triangle, cross
CLASSES = ["circle", "ring", "square", "triangle", "cross"]
SIZE = 24


def draw(kind, rng):
    yy, xx = np.mgrid[0:SIZE, 0:SIZE]
    cx, cy = rng.uniform(8, SIZE - 8, 2)
    r = rng.uniform(4, 7)
    dx, dy = xx - cx, yy - cy
    if kind == "circle":
        m = dx ** 2 + dy ** 2 < r ** 2
    elif kind == "ring":
        d = np.sqrt(dx ** 2 + dy ** 2)
        m = (d < r) & (d > r - 2.2)
    elif kind == "square":
        m = (abs(dx) < r * 0.9) & (abs(dy) < r * 0.9)
    elif kind == "triangle":
        m = (dy < r) & (dy > -r + 2 * abs(dx))
    else:
        w = r * 0.35
        m = ((abs(dx) < w) & (abs(dy) < r)) | ((abs(dy) < w) & (abs(dx) < r))
    fg, bg = rng.uniform(130, 250), rng.uniform(0, 90)
    img = np.where(m, fg, bg) + rng.normal(0, 35, (SIZE, SIZE))
    return np.clip(img, 0, 255).astype("uint8")


rng = np.random.RandomState(10)
X, y = [], []
for label, name in enumerate(CLASSES):
    for _ in range(500):
        X.append(draw(name, rng))
        y.append(label)
X = np.array(X).reshape(-1, SIZE, SIZE, 1)
y = np.array(y)

# shuffle
p = np.random.permutation(len(X))
X, y = X[p], y[p]

X = X.astype("float32") / 255.0

model = models.Sequential()
model.add(layers.Input(shape=(SIZE, SIZE, 1)))
model.add(layers.Conv2D(16, (3, 3), activation="relu"))
model.add(layers.MaxPooling2D((2, 2)))
model.add(layers.Conv2D(32, (3, 3), activation="relu"))
model.add(layers.MaxPooling2D((2, 2)))
model.add(layers.Flatten())
model.add(layers.Dense(64, activation="relu"))
model.add(layers.Dropout(0.3))
model.add(layers.Dense(5, activation="softmax"))

model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])

# WATCH(model)
history = model.fit(X, y, epochs=10, batch_size=32, validation_split=0.2, verbose=2)

print("RESULT", round(history.history["val_accuracy"][-1], 4), "higher")
