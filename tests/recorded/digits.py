"""Scikit-learn's small real data sets, which need no download: 1,797 digits of 8 x 8 pixels, and 178 wines."""

import numpy as np
from sklearn.datasets import load_digits, load_wine

DIGITS = load_digits()
BYTES, LABELS = (DIGITS.images * 255 / 16).round().astype("float32"), DIGITS.target.astype("int32")
IMAGES = BYTES / 255
WINE = load_wine()


def noisy_labels(rate: float, seed: int = 0) -> np.ndarray:
    """The labels, of which this share was drawn anew."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(LABELS)) < rate
    return np.where(wrong, rng.integers(0, 10, len(LABELS)), LABELS)
