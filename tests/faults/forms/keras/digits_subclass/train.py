import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from model import DigitClassifier
from scram_plugin import SCRAM

config = {
    "seed": 11,
    "filters": 16,
    "hidden": 64,
    "dropout": 0.2,
    "learning_rate": 0.002,
    "batch_size": 32,
    "epochs": 10,
}


def load_data(seed):
    digits = load_digits()
    images = (digits.images * 255 / 16).astype("uint8")[..., None]
    x_train, x_val, y_train, y_val = train_test_split(images, digits.target, test_size=0.2, random_state=seed)
    x_train = x_train.astype("float32") / 255.0
    x_val = x_val.astype("float32") / 255.0
    return x_train, y_train, x_val, y_val


def main():
    keras.utils.set_random_seed(config["seed"])
    x_train, y_train, x_val, y_val = load_data(config["seed"])

    model = DigitClassifier(config["filters"], config["hidden"], config["dropout"])
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=config["learning_rate"]),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
    )
    model.fit(
        x_train,
        y_train,
        batch_size=config["batch_size"],
        epochs=config["epochs"],
        validation_data=(x_val, y_val),
        callbacks=[SCRAM(log_dir="logs")],
    )
    _, accuracy = model.evaluate(x_val, y_val, verbose=0)
    print(f"final accuracy = {accuracy:.4f}")


if __name__ == "__main__":
    main()
