#!/usr/bin/env python
"""Train a classifier of Italian wines.

    python train.py --lr 0.01 --epochs 40
"""
import argparse

import keras
from keras import layers
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

from scram_plugin import SCRAM


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lr", type=float, default=0.005, help="learning rate")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--logdir", default="logs")
    return parser.parse_args()


def prepare(seed):
    wine = load_wine()
    x_train, x_val, y_train, y_val = train_test_split(
        wine.data, wine.target, test_size=0.3, random_state=seed, stratify=wine.target
    )
    mean, std = x_train.mean(axis=0), x_train.std(axis=0)
    x_train = (x_train - mean) / std
    x_val = (x_val - mean) / std
    return x_train, x_val, y_train, y_val


def make_model(input_dim, hidden, dropout, num_classes=3):
    model = keras.Sequential()
    model.add(keras.Input((input_dim,)))
    model.add(layers.Dense(hidden, activation="relu"))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(hidden, activation="relu"))
    model.add(layers.Dense(num_classes, activation="softmax"))
    return model


def main():
    args = parse_args()
    keras.utils.set_random_seed(args.seed)
    x_train, x_val, y_train, y_val = prepare(args.seed)

    model = make_model(x_train.shape[1], args.hidden, args.dropout)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=args.lr),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(
        x_train,
        y_train,
        batch_size=args.batch_size,
        epochs=args.epochs,
        validation_data=(x_val, y_val),
        callbacks=[SCRAM(log_dir=args.logdir)],
        verbose=0,
    )
    results = model.evaluate(x_val, y_val, return_dict=True, verbose=0)
    print(f"val accuracy: {results['accuracy']:.4f}")


if __name__ == "__main__":
    main()
