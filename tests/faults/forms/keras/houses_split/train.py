"""House-like prices: a regression whose validation part `fit` splits off itself."""
import keras
import numpy as np
from keras import layers, optimizers, regularizers
from sklearn.metrics import r2_score

from scram_plugin import SCRAM

SEED = 9
EPOCHS = 15
BATCH = 32
keras.utils.set_random_seed(SEED)


def houses(n, rng):
    """Rooms, area, age, distance, income; and what such a house costs, in thousands."""
    rooms = rng.integers(1, 8, n).astype("float32")
    area = 25 * rooms + rng.normal(0, 12, n)
    age = rng.uniform(0, 90, n)
    distance = rng.gamma(2.0, 4.0, n)
    income = rng.lognormal(10.6, 0.4, n)
    price = 60 + 2.1 * area + 120 * np.exp(-distance / 6) + 0.002 * income - 1.5 * np.minimum(age, 40)
    price = price * (1 + 0.35 * (age > 65)) + rng.normal(0, 12, n)
    return np.stack([rooms, area, age, distance, income], axis=1).astype("float32"), price.astype("float32")


rng = np.random.default_rng(SEED)
X, price = houses(1600, rng)
X_test, price_test = houses(400, rng)

mean, std = X.mean(axis=0), X.std(axis=0)
X = (X - mean) / std
X_test = (X_test - mean) / std
y_mean, y_std = price.mean(), price.std()
y = (price - y_mean) / y_std

network = keras.models.Sequential([
    layers.InputLayer(shape=(5,)),
    layers.Dense(48, activation="relu", kernel_regularizer=regularizers.l2(1e-5)),
    layers.Dense(48, activation="relu"),
    layers.Dense(1),
])
network.compile(optimizers.Adam(3e-3), loss=keras.losses.MeanSquaredError(), metrics=["mae"])
network.fit(X, y, epochs=EPOCHS, batch_size=BATCH, validation_split=0.2, callbacks=[SCRAM(log_dir="logs")], verbose=0)

predicted = network.predict(X_test, verbose=0).ravel() * y_std + y_mean
print(f"test R2: {r2_score(price_test, predicted):.4f}")
