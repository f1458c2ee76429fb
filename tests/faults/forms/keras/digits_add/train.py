import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits
from tensorflow.keras import layers, models
from tensorflow.keras.optimizers import Adam

import scram_plugin

SEED = 1
BATCH_SIZE = 32
EPOCHS = 10
LEARNING_RATE = 0.002

tf.keras.utils.set_random_seed(SEED)

# ---------------------------------------------------------------- data
data = load_digits()
X = (data.images * 255 // 16).astype(np.uint8)
y = data.target

idx = np.random.permutation(len(X))
X, y = X[idx], y[idx]
n_train = 1400
X_train, y_train = X[:n_train], y[:n_train]
X_val, y_val = X[n_train:], y[n_train:]

X_train = X_train[..., np.newaxis].astype("float32") / 255.0
X_val = X_val[..., np.newaxis].astype("float32") / 255.0

# ---------------------------------------------------------------- model
model = models.Sequential()
model.add(layers.Input(shape=(8, 8, 1)))
model.add(layers.Conv2D(16, (3, 3), padding="same"))
model.add(layers.Activation("relu"))
model.add(layers.MaxPooling2D((2, 2)))
model.add(layers.Conv2D(32, (3, 3), padding="same"))
model.add(layers.Activation("relu"))
model.add(layers.Flatten())
model.add(layers.Dense(64))
model.add(layers.Activation("relu"))
model.add(layers.Dropout(0.25))
model.add(layers.Dense(10))
model.add(layers.Activation("softmax"))
model.summary()

opt = Adam(LEARNING_RATE)
model.compile(opt, "sparse_categorical_crossentropy", metrics=["accuracy"])

# ---------------------------------------------------------------- training
history = model.fit(X_train, y_train, BATCH_SIZE, EPOCHS, validation_data=(X_val, y_val), callbacks=[scram_plugin.SCRAM("logs")])

score = model.evaluate(X_val, y_val)
print("Validation accuracy:", score[1])
