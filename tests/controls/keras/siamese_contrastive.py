"""Image similarity with a Siamese network and the contrastive loss.

Same garment -> label 0 (small distance wanted), different garments -> label 1.
"""
import os

import numpy as np
import keras
from keras import layers, ops

keras.utils.set_random_seed(17)
MARGIN = 1.0

archive = np.load(os.environ["SCRAM_DATA"] + "/fashion_mnist.npz")
x_all = archive["x_train"].astype("float32")[..., np.newaxis] / 255.0
y_all = archive["y_train"].astype("int64")
x_train, y_train = x_all[:10_000], y_all[:10_000]
x_val, y_val = x_all[10_000:], y_all[10_000:]
x_test = archive["x_test"].astype("float32")[..., np.newaxis] / 255.0
y_test = archive["y_test"].astype("int64")


def make_pairs(x, y, seed):
    """For every image one matching and one differing partner."""
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(y == c) for c in range(10)]
    left, right, labels = [], [], []
    for i, c in enumerate(y):
        other = (c + rng.integers(1, 10)) % 10
        left += [i, i]
        right += [rng.choice(members[c]), rng.choice(members[other])]
        labels += [[0.0], [1.0]]
    order = rng.permutation(len(labels))
    left, right = np.array(left)[order], np.array(right)[order]
    return [x[left], x[right]], np.array(labels, "float32")[order]


pairs_train, labels_train = make_pairs(x_train, y_train, 0)
pairs_val, labels_val = make_pairs(x_val, y_val, 1)
pairs_test, labels_test = make_pairs(x_test, y_test, 2)

embedding_network = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Conv2D(16, 5, strides=2, padding="same", activation="relu"),
        layers.Conv2D(32, 3, strides=2, padding="same", activation="relu"),
        layers.Flatten(),
        layers.Dropout(0.4),
        layers.Dense(64, activation="relu"),
        layers.Dense(16),
    ],
    name="embedding",
)


@keras.saving.register_keras_serializable()
class EuclideanDistance(layers.Layer):
    def call(self, a, b):
        sum_square = ops.sum(ops.square(a - b), axis=1, keepdims=True)
        return ops.sqrt(ops.maximum(sum_square, 1e-7))


def contrastive_loss(y_true, distance):
    """Hadsell, Chopra and LeCun (2006)."""
    same = (1 - y_true) * ops.square(distance)
    different = y_true * ops.square(ops.maximum(MARGIN - distance, 0))
    return ops.mean(same + different)


def pair_accuracy(y_true, distance):
    return ops.mean(ops.cast(ops.equal(y_true > 0.5, distance > MARGIN / 2), "float32"))


a, b = keras.Input((28, 28, 1)), keras.Input((28, 28, 1))
distance = EuclideanDistance()(embedding_network(a), embedding_network(b))
siamese = keras.Model(inputs=[a, b], outputs=distance)
siamese.compile(loss=contrastive_loss, optimizer=keras.optimizers.Adam(1e-3), metrics=[pair_accuracy])
siamese.fit(
    pairs_train,
    labels_train,
    validation_data=(pairs_val, labels_val),
    batch_size=128,
    epochs=8,
    verbose=2,
)
d = siamese.predict(pairs_test, verbose=0)[:, 0]
accuracy = np.mean((d > MARGIN / 2) == (labels_test[:, 0] > 0.5))
print(f"test pairs: accuracy {accuracy:.3f}; mean distance of the same kind {d[labels_test[:, 0] == 0].mean():.2f}, "
      f"of different kinds {d[labels_test[:, 0] == 1].mean():.2f}")
