import keras
import numpy as np
from sklearn.datasets import make_moons
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.utils import shuffle

import networks
from scram_plugin import SCRAM

SEED = 13
keras.utils.set_random_seed(SEED)

# two rings of moons, and six columns that say nothing
points, side = make_moons(1500, noise=0.15, random_state=SEED)
noise = np.random.default_rng(SEED).normal(size=(len(points), 6))
X = np.hstack([points * 300 + 1000, noise])
X, side = shuffle(X, side, random_state=SEED)
X_train, X_val, y_train, y_val = train_test_split(X, side, test_size=0.25, random_state=SEED)

scaler = StandardScaler()
scaler.fit(X_train)
X_train = scaler.transform(X_train)
X_val = scaler.transform(X_val)

model = networks.compiled("mlp", X_train.shape[1], learning_rate=0.006)
model.fit(
    x=X_train,
    y=y_train,
    validation_data=(X_val, y_val),
    epochs=20,
    batch_size=32,
    callbacks=[keras.callbacks.TerminateOnNaN(), SCRAM(log_dir="logs")],
    verbose=0,
)
print("accuracy:", model.evaluate(X_val, y_val, verbose=0, return_dict=True)["accuracy"])
