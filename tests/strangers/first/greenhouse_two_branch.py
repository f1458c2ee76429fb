"""Title: Combining climate series and plant facts for harvest forecasts
Description: A functional model with two inputs and one regression output.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np
import keras
from keras import layers

keras.utils.set_random_seed(1234)

"""
## Data

Every row is one greenhouse compartment: 30 days of light, temperature, CO2 and humidity, plus a handful of facts
about the plants (age, density, variety). The target is the harvest in grams per square metre.
"""


def make_compartments(n, rng):
    days = np.arange(30)
    base = rng.normal(0, 1, (n, 1, 4))
    trend = rng.normal(0, 0.03, (n, 1, 4)) * days[None, :, None]
    series = base + trend + 0.5 * rng.normal(0, 1, (n, 30, 4))
    climate = series * np.array([120.0, 3.0, 90.0, 8.0]) + np.array([420.0, 21.0, 700.0, 75.0])
    age = rng.uniform(4, 30, n)
    density = rng.uniform(1.5, 4.0, n)
    variety = rng.integers(0, 3, n)
    z = series.mean(1)
    last = series[:, -7:].mean(1)
    grams = (
        5200
        + 600 * z[:, 0]
        + 350 * last[:, 0] * (density - 2.7)
        - 250 * z[:, 1] ** 2
        + 220 * z[:, 2]
        + 900 * np.sin(age / 9)
        + np.array([-700.0, 0.0, 650.0])[variety]
        + rng.normal(0, 120, n)
    )
    facts = np.concatenate([age[:, None], density[:, None], np.eye(3)[variety]], axis=1)
    return climate.astype("float32"), facts.astype("float32"), grams.astype("float32")


rng = np.random.default_rng(5)
climate, facts, harvest = make_compartments(3600, rng)
split = {"train": slice(0, 2600), "val": slice(2600, 3000), "test": slice(3000, 3600)}

climate_mean = climate[split["train"]].mean(axis=(0, 1))
climate_std = climate[split["train"]].std(axis=(0, 1))
climate = (climate - climate_mean) / climate_std

facts_mean = facts[split["train"]].mean(axis=0)
facts_std = facts[split["train"]].std(axis=0)
facts = (facts - facts_mean) / facts_std

harvest_mean = harvest[split["train"]].mean()
harvest_std = harvest[split["train"]].std()
target = (harvest - harvest_mean) / harvest_std


def pick(name):
    return {"climate": climate[split[name]], "facts": facts[split[name]]}, target[split[name]]


"""
## Model
"""

climate_in = keras.Input(shape=(30, 4), name="climate")
x = layers.Conv1D(24, 5, strides=2, activation="relu")(climate_in)
x = layers.Conv1D(24, 3, activation="relu")(x)
x = layers.Flatten()(x)
x = layers.Dense(32, activation="relu")(x)

facts_in = keras.Input(shape=(5,), name="facts")
f = layers.Dense(32, activation="relu")(facts_in)

merged = layers.Concatenate()([x, f])
merged = layers.Dense(64, activation="relu")(merged)
merged = layers.Dropout(0.1)(merged)
harvest_out = layers.Dense(1, name="harvest")(merged)

forecaster = keras.Model(inputs=[climate_in, facts_in], outputs=harvest_out)
forecaster.compile(
    optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1.5e-3, decay_steps=18 * 41)),
    loss="mse",
    metrics=["mae"],
)

"""
## Training
"""

train_x, train_y = pick("train")
stopper = keras.callbacks.EarlyStopping(monitor="val_loss", patience=5, restore_best_weights=True)
# WATCH(forecaster)
forecaster.fit(
    train_x,
    train_y,
    batch_size=64,
    epochs=18,
    validation_data=pick("val"),
    callbacks=[stopper],
    verbose=2,
)

"""
## Test
"""

test_x, _ = pick("test")
predicted = forecaster.predict(test_x, batch_size=256, verbose=0)[:, 0] * harvest_std + harvest_mean
mae = np.abs(predicted - harvest[split["test"]]).mean()
print(f"mean absolute error: {mae:.0f} g/m2 (spread of the harvests: {harvest_std:.0f})")
print(f"RESULT {mae:.2f} lower")
