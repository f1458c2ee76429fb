# -*- coding: utf-8 -*-
# My first project with Keras :)
# Task: predict how much electricity (kWh in a month) the heat pump of a block of flats needs
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"    # hide the messages of TensorFlow
import numpy as np
import keras
from keras.models import Sequential
from keras.layers import Input, Dense, Dropout, Normalization
from keras.regularizers import L2

# always the same random numbers
keras.utils.set_random_seed(1)
random = np.random.RandomState(1)

# ---------- STEP 1: the data ----------
n = 2400
outside = random.uniform(-8, 18, n)              # mean temperature outside (deg C)
wanted = random.uniform(18, 23, n)               # what the thermostat says (deg C)
area = random.uniform(1200, 6000, n)              # living area of the whole block (square metres)
insulation = random.uniform(0.3, 1.6, n)         # the higher, the worse
people = random.randint(20, 150, n)              # they want hot water
flow = random.uniform(30, 58, n)                 # temperature of the heating water (deg C)
solar = random.randint(0, 2, n)                  # 1 = solar panels on the roof

heat = area * insulation * np.maximum(wanted - outside - 3, 0) * 0.72 + people * 75
cop = 0.45 * (flow + 273) / (flow - outside + 8)
kwh = heat / cop * np.where(solar == 1, 0.8, 1.0)
kwh = kwh * random.lognormal(0, 0.15, n)         # people behave differently
print("kWh: mean", kwh.mean(), "std", kwh.std())

X = np.column_stack([outside, wanted, area, insulation, people, flow, solar]).astype("float32")

# ---------- STEP 2: train / validation / test ----------
n_train, n_valid = 1600, 300
X_train, X_valid, X_test = np.split(X, [n_train, n_train + n_valid])
y_train, y_valid, y_test = np.split(kwh, [n_train, n_train + n_valid])

# the network likes small numbers, so I also scale the target (only with the training data!)
y_mean = y_train.mean()
y_std = y_train.std()

# ---------- STEP 3: the model ----------
scaler = Normalization()
scaler.adapt(X_train)

model = Sequential()
model.add(Input(shape=(7,)))
model.add(scaler)
model.add(Dense(48, activation="relu", kernel_regularizer=L2(1e-4)))
model.add(Dense(48, activation="relu", kernel_regularizer=L2(1e-4)))
model.add(Dropout(0.05))
model.add(Dense(1))

# small batches are good for my old laptop, so the optimizer collects the gradients of 4 of them (16 * 4 = 64)
batch_size = 16
optimizer = keras.optimizers.Adam(learning_rate=8e-3, gradient_accumulation_steps=4)
model.compile(optimizer=optimizer, loss="mse", metrics=["mae"])

# ---------- STEP 4: training ----------
stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=5, restore_best_weights=True)
# WATCH(model)
history = model.fit(X_train, (y_train - y_mean) / y_std,
                    validation_data=(X_valid, (y_valid - y_mean) / y_std),
                    epochs=20, batch_size=batch_size, callbacks=[stop], verbose=2)

# ---------- STEP 5: how good is it? ----------
prediction = model.predict(X_test, verbose=0).ravel() * y_std + y_mean   # back to kWh
error = np.sqrt(np.mean((prediction - y_test) ** 2))
print("root mean squared error on the test data: %.1f kWh" % error)
print("RESULT %.2f lower" % error)
