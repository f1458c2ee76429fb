import os

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

SEED = 1234
keras.utils.set_random_seed(SEED)

cifar = np.load(os.environ["SCRAM_DATA"] + "/cifar10.npz")
x, y = cifar["x_train"], cifar["y_train"].astype("int64").ravel()
x_test, y_test = cifar["x_test"], cifar["y_test"].astype("int64").ravel()

# five of the ten classes: plane, car, deer, horse, ship
chosen = np.array([0, 1, 4, 7, 8])
keep, keep_test = np.isin(y, chosen), np.isin(y_test, chosen)
x, y = x[keep], np.searchsorted(chosen, y[keep])
x_test, y_test = x_test[keep_test], np.searchsorted(chosen, y_test[keep_test])

perm = np.random.permutation(len(x))
n_val = 700
val_idx, train_idx = perm[:n_val], perm[n_val:]

AUTOTUNE = tf.data.AUTOTUNE
train_ds = tf.data.Dataset.from_tensor_slices((x[train_idx], y[train_idx])).shuffle(5000).batch(64).prefetch(AUTOTUNE)
val_ds = tf.data.Dataset.from_tensor_slices((x[val_idx], y[val_idx])).batch(128).prefetch(AUTOTUNE)
test_ds = tf.data.Dataset.from_tensor_slices((x_test, y_test)).batch(128)

data_augmentation = keras.Sequential(
    [
        layers.RandomFlip("horizontal"),
        # nearest: bilinear resampling would blur such small pictures
        layers.RandomRotation(0.04, interpolation="nearest"),
    ],
    name="augmentation",
)


def conv_block(x, filters):
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
    x = layers.BatchNormalization(momentum=0.95)(x)
    x = layers.Activation("relu")(x)
    return layers.MaxPooling2D()(x)


inputs = keras.Input((32, 32, 3))
h = data_augmentation(inputs)
h = layers.Rescaling(1 / 127.5, offset=-1)(h)
h = conv_block(h, 24)
h = conv_block(h, 48)
h = conv_block(h, 96)
h = layers.GlobalAveragePooling2D()(h)
h = layers.Dropout(0.3)(h)
outputs = layers.Dense(len(chosen), activation="softmax")(h)
model = keras.Model(inputs, outputs)

model.compile(
    loss="sparse_categorical_crossentropy",
    optimizer=keras.optimizers.Adam(learning_rate=1e-3),
    metrics=["accuracy"],
)
callbacks = [
    keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.4, patience=3, min_lr=1e-5, verbose=1),
    keras.callbacks.EarlyStopping(monitor="val_loss", patience=7, restore_best_weights=True, verbose=1),
]
model.fit(train_ds, validation_data=val_ds, epochs=20, callbacks=callbacks, verbose=2)
test_loss, test_acc = model.evaluate(test_ds, verbose=0)
print("Test accuracy: %.3f  (chance 0.2), test loss: %.3f" % (test_acc, test_loss))
