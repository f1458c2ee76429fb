"""The data of the three scenarios: from the directory that SCRAM_DATA names, else the full sets through Keras."""

import gzip
import json
import os
import re
from pathlib import Path

import keras
import numpy as np

DATA = os.environ.get("SCRAM_DATA")


def fashion_mnist():
    """((x_train, y_train), (x_test, y_test)): images (n, 28, 28) of bytes, labels 0 to 9."""
    return _images("fashion_mnist.npz") if DATA else keras.datasets.fashion_mnist.load_data()


def cifar10():
    """((x_train, y_train), (x_test, y_test)): images (n, 32, 32, 3) of bytes, labels 0 to 9."""
    return _images("cifar10.npz") if DATA else keras.datasets.cifar10.load_data()


def movie_reviews(words=10000, length=200):
    """((x_train, y_train), (x_test, y_test)): word numbers (n, length), padded with 0, and labels 0 or 1."""
    if DATA:
        with gzip.open(Path(DATA) / "movie_reviews.json.gz", "rt", encoding="utf-8") as file:
            parts = json.load(file)
        texts = {part: [re.findall(r"[a-z']+", text.lower()) for _, text in parts[part]] for part in parts}
        counts = {}
        for text in texts["train"]:
            for word in text:
                counts[word] = counts.get(word, 0) + 1
        common = sorted(counts, key=lambda word: (-counts[word], word))[: words - 2]
        number = {word: i + 2 for i, word in enumerate(common)}
        numbered = {part: [[number.get(word, 1) for word in text] for text in texts[part]] for part in texts}
        labels = {part: np.array([label for label, _ in parts[part]]) for part in parts}
    else:
        (x_train, y_train), (x_test, y_test) = keras.datasets.imdb.load_data(num_words=words)
        numbered, labels = {"train": x_train, "test": x_test}, {"train": y_train, "test": y_test}
    padded = {part: keras.utils.pad_sequences(numbered[part], maxlen=length) for part in ("train", "test")}
    return (padded["train"], labels["train"]), (padded["test"], labels["test"])


def _images(name):
    with np.load(Path(DATA) / name) as data:
        return (data["x_train"], data["y_train"]), (data["x_test"], data["y_test"])
