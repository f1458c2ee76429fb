"""One network, two questions: what is this garment, and by how much was it turned?"""
import os

import numpy as np
from scipy import ndimage
import keras
from keras import layers
from keras.optimizers.schedules import CosineDecay

keras.utils.set_random_seed(21)
rng = np.random.default_rng(21)
MAX_ANGLE = 40.0


def rotated(images):
    angles = rng.uniform(-MAX_ANGLE, MAX_ANGLE, len(images))
    turned = np.stack(
        [ndimage.rotate(im, a, reshape=False, order=1) for im, a in zip(images, angles)]
    )
    return turned[..., None], (angles / MAX_ANGLE).astype("float32")


with np.load(os.environ["SCRAM_DATA"] + "/fashion_mnist.npz") as npz:
    x_train, angle_train = rotated(npz["x_train"])
    x_test, angle_test = rotated(npz["x_test"])
    y_train, y_test = npz["y_train"].astype("int32"), npz["y_test"].astype("int32")

image = keras.Input((28, 28, 1), name="image")
x = layers.Rescaling(1.0 / 255)(image)
x = layers.Conv2D(16, 3, padding="same", activation="relu")(x)
x = layers.MaxPooling2D()(x)
x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
x = layers.MaxPooling2D()(x)
x = layers.Conv2D(48, 3, padding="same", activation="relu")(x)
x = layers.Flatten()(x)
x = layers.Dropout(0.3)(x)
trunk = layers.Dense(96, activation="relu", name="trunk")(x)
trunk = layers.Dropout(0.3)(trunk)
label = layers.Dense(10, activation="softmax", name="label")(trunk)
angle = layers.Dense(1, name="angle")(trunk)
model = keras.Model(image, {"label": label, "angle": angle})

BATCH, EPOCHS = 64, 8
steps = -(-len(x_train) // BATCH) * EPOCHS
model.compile(
    optimizer=keras.optimizers.Adam(CosineDecay(1e-3, steps, alpha=0.02)),
    loss={"label": "sparse_categorical_crossentropy", "angle": "mse"},
    loss_weights={"label": 1.0, "angle": 3.0},
    metrics={"label": ["accuracy"], "angle": ["mae"]},
)
model.fit(
    x_train,
    {"label": y_train, "angle": angle_train},
    validation_data=(x_test, {"label": y_test, "angle": angle_test}),
    batch_size=BATCH,
    epochs=EPOCHS,
    verbose=2,
)
pred = model.predict(x_test, verbose=0)
acc = np.mean(pred["label"].argmax(axis=1) == y_test)
err = np.abs(pred["angle"][:, 0] - angle_test).mean() * MAX_ANGLE
guess = np.abs(angle_test).mean() * MAX_ANGLE
print(f"test: accuracy {acc:.3f}; mean error of the angle {err:.1f} degrees (always guessing 0: {guess:.1f})")
