"""Six healthy programs on real data, as text, with a few settings drawn from a seed: what faults are inoculated into."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HEAD = """import keras
import numpy as np
from sklearn.datasets import {loader}

from scram_plugin import SCRAM

keras.utils.set_random_seed({seed})
data = {loader}()
order = np.random.default_rng({seed}).permutation(len(data.target))
"""

FIT = """model.fit(
    x_train,
    y_train,
    batch_size={batch},
    epochs={epochs},
    validation_data=(x_val, y_val),
    callbacks=[SCRAM(log_dir="logs", print_findings=False)],
)
"""

DIGITS = """x = data.images[order]{channel} / 16.0
y = data.target[order]
x_train, x_val = x[:1400], x[1400:]
y_train, y_val = y[:1400], y[1400:]
"""

TABLE = """x = data.data[order]
x = (x - x.mean(axis=0)) / x.std(axis=0)
y = {target}
x_train, x_val = x[:{split}], x[{split}:]
y_train, y_val = y[:{split}], y[{split}:]
"""

CLASSES = """model.compile(
    optimizer=keras.optimizers.{optimizer}(learning_rate={rate}),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
"""

DENSE = """model = keras.Sequential([
    keras.Input(shape=(8, 8)),
    keras.layers.Flatten(),
    keras.layers.Dense({width}, activation="relu"),
    keras.layers.Dropout(0.2),
    keras.layers.Dense({width}, activation="relu"),
    keras.layers.Dense(10, activation="softmax"),
])
"""

CONVOLUTION = """model = keras.Sequential([
    keras.Input(shape=(8, 8, 1)),
    keras.layers.Conv2D({narrow}, 3, activation="relu"),
    keras.layers.Conv2D({narrow}, 3, activation="relu"),
    keras.layers.MaxPooling2D(),
    keras.layers.Flatten(),
    keras.layers.Dense({width}, activation="relu"),
    keras.layers.Dropout(0.2),
    keras.layers.Dense(10, activation="softmax"),
])
"""

RESIDUAL = """inputs = keras.Input(shape=(8, 8, 1))
h = keras.layers.Conv2D({narrow}, 3, padding="same", activation="relu")(inputs)
g = keras.layers.Conv2D({narrow}, 3, padding="same", activation="relu")(h)
h = keras.layers.Add()([h, g])
h = keras.layers.MaxPooling2D()(h)
h = keras.layers.Flatten()(h)
h = keras.layers.Dense({width}, activation="relu")(h)
h = keras.layers.Dropout(0.2)(h)
outputs = keras.layers.Dense(10, activation="softmax")(h)
model = keras.Model(inputs, outputs)
"""

RECURRENT = """model = keras.Sequential([
    keras.Input(shape=(8, 8)),
    keras.layers.LSTM({width}),
    keras.layers.Dense({width}, activation="relu"),
    keras.layers.Dropout(0.2),
    keras.layers.Dense(10, activation="softmax"),
])
"""

BINARY = """model = keras.Sequential([
    keras.Input(shape=(30,)),
    keras.layers.GaussianNoise(0.5),
    keras.layers.Dense({narrow}, activation="relu"),
    keras.layers.Dropout(0.2),
    keras.layers.Dense({narrow}, activation="relu"),
    keras.layers.Dense(1, activation="sigmoid"),
])
model.compile(
    optimizer=keras.optimizers.{optimizer}(learning_rate={rate}),
    loss="binary_crossentropy",
    metrics=["accuracy"],
)
"""

REGRESSION = """model = keras.Sequential([
    keras.Input(shape=(10,)),
    keras.layers.Dense({narrow}, activation="relu"),
    keras.layers.Dropout(0.2),
    keras.layers.Dense({narrow}, activation="relu"),
    keras.layers.Dense(1),
])
model.compile(
    optimizer=keras.optimizers.{optimizer}(learning_rate={rate}),
    loss="mse",
)
"""

CANCER = TABLE.format(target='data.target[order].astype("float32")', split=450)
DIABETES = TABLE.format(target="(data.target[order] - 152.0) / 77.0", split=350)


@dataclass(frozen=True)
class Program:
    """Text with settings in braces; `metric` is what its validation is measured by, `higher` whether more is better."""

    name: str
    text: str
    loader: str
    epochs: int
    metric: str = "epoch_accuracy"
    higher: bool = True
    head: str = HEAD
    foot: str = FIT

    def source(self, seed: int) -> str:
        """The program with the settings that this seed draws: widths, optimiser, learning rate, batch size."""
        rng = np.random.default_rng([seed, sum(map(ord, self.name))])
        optimizer = str(rng.choice(["Adam", "RMSprop", "AdamW"]))
        rate = float(f"{10 ** rng.uniform(-3.2, -2.6):.1g}")
        settings = {
            "seed": seed,
            "loader": self.loader,
            "width": int(rng.choice([32, 48, 64])),
            "narrow": int(rng.choice([12, 16, 24])),
            "optimizer": optimizer,
            "rate": rate,
            "batch": int(rng.choice([16, 32])),
            "epochs": self.epochs,
        }
        return (self.head + self.text + self.foot).format(**settings)


PROGRAMS = (
    Program("dense", DIGITS.replace("{channel}", "") + DENSE + CLASSES, "load_digits", 14),
    Program("convolution", DIGITS.replace("{channel}", "[..., None]") + CONVOLUTION + CLASSES, "load_digits", 12),
    Program("residual", DIGITS.replace("{channel}", "[..., None]") + RESIDUAL + CLASSES, "load_digits", 12),
    Program("recurrent", DIGITS.replace("{channel}", "") + RECURRENT + CLASSES, "load_digits", 16),
    Program("binary", CANCER + BINARY, "load_breast_cancer", 10),
    Program("regression", DIABETES + REGRESSION, "load_diabetes", 20, "epoch_loss", False),
)
