"""Trainings of digits whose curves show a fault, and healthy twins, logged by Keras's own TensorBoard callback.

The checks see the log alone, as with anybody's log.
"""

import keras
import numpy as np
from keras import layers

from tests.event_files import curve
from tests.recorded.digits import IMAGES, LABELS, noisy_labels
from tests.recorded.programs import Programs
from tests.recorded.programs.keras_models import Rates, classifier, trained, watched

PROGRAMS = Programs()


def pair(function):
    """`function(log_dir, bad)` trains both: the fault, and its healthy twin."""
    name = function.__name__.replace("_", "-")
    PROGRAMS.pair(name, lambda p: function(p, True), lambda p: function(p, False))
    return function


@pair
def divergence(log_dir, bad):
    rates = Rates({10: 1.0 if bad else 1e-3})  # Adam at 1.0 forgets everything, and its loss stays finite
    trained(log_dir, classifier(), callbacks=[rates])


@pair
def no_learning(log_dir, bad):
    trained(log_dir, classifier(optimizer=keras.optimizers.SGD(1e-9 if bad else 0.1)))


@pair
def plateau(log_dir, bad):
    # one hidden unit cannot tell ten digits apart: it learns what it can, soon, and then nothing more
    optimizer = keras.optimizers.Adam(3e-2 if bad else 1e-2)
    trained(log_dir, classifier(hidden=1 if bad else 32, optimizer=optimizer), epochs=160, validation=None)


@pair
def oscillating_loss(log_dir, bad):
    optimizer = keras.optimizers.Adam(0.1 if bad else 1e-3)
    trained(log_dir, classifier(hidden=64, optimizer=optimizer), epochs=30, validation=None)


@pair
def loss_spike(log_dir, bad):
    rates = Rates({20: 0.2, 21: 1e-3} if bad else {})
    trained(log_dir, classifier(hidden=32, optimizer=keras.optimizers.Adam(1e-3)), epochs=60, callbacks=[rates])


@pair
def noisy_validation(log_dir, bad):
    """Noise at the input, also when validating: on two samples it does not average out."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((8, 8))
    noisy = layers.Dropout(0.5)(layers.Flatten()(inputs), training=True)
    model = keras.Model(inputs, layers.Dense(10, "softmax")(layers.Dense(64, "relu")(noisy)))
    model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    few = slice(710, 712 if bad else 1500)
    trained(log_dir, model, epochs=40, validation=(IMAGES[few], LABELS[few]))


@pair
def validation_better_than_training(log_dir, bad):
    model = classifier(hidden=256, rest=[layers.Dropout(0.9 if bad else 0.0)])
    trained(log_dir, model, epochs=20)


@pair
def zero_loss(log_dir, bad):
    model = keras.Sequential([keras.Input((8, 8)), layers.Flatten(), layers.Dense(1, "softmax" if bad else "sigmoid")])
    model.compile("adam", "binary_crossentropy" if not bad else "categorical_crossentropy")
    two = LABELS[:600, None] % 2
    trained(log_dir, model, y=two, validation=(IMAGES[600:900], LABELS[600:900, None] % 2))


@pair
def undertrained(log_dir, bad):
    trained(log_dir, classifier(hidden=128), epochs=5 if bad else 40)


@pair
def learning_rate_schedule(log_dir, bad):
    curve(log_dir / "train", "epoch_learning_rate", [1e-3] * 6 + [1e-7 if bad else 1e-3] * 34)
    rates = Rates({6: 1e-7} if bad else {})
    trained(log_dir, classifier(), epochs=40, callbacks=[rates])


@pair
def metric_loss_disagreement(log_dir, bad):
    """A fifth of the validation labels is wrong: the surer the model, the more they cost, though it is right more often."""
    right = LABELS[600:900]
    wrong = np.where(np.random.default_rng(1).random(300) < (0.2 if bad else 0.0), (right + 3) % 10, right)
    model = classifier(hidden=64, optimizer=keras.optimizers.Adam(3e-3))
    trained(log_dir, model, epochs=60, validation=(IMAGES[600:900], wrong))


@pair
def missing_validation(log_dir, bad):
    trained(log_dir, classifier(), epochs=8, validation=None if bad else (IMAGES[600:900], LABELS[600:900]))


@pair
def step_rewind(log_dir, bad):
    model = classifier()
    trained(log_dir, model, epochs=8)
    trained(log_dir, model, epochs=16, initial_epoch=3 if bad else 8)


@pair
def nonfinite_metric(log_dir, bad):
    """Precision of a class by hand, undefined as soon as the class is not predicted."""
    model = classifier()

    def share(y_true, y_pred):
        chosen = keras.ops.cast(y_pred[:, 9] > (0.99999 if bad else -1.0), "float32")
        return keras.ops.sum(chosen * y_pred[:, 9]) / keras.ops.sum(chosen)

    share.__name__ = "precision"
    model.compile("adam", "sparse_categorical_crossentropy", metrics=[share])
    trained(log_dir, model, epochs=5)


@PROGRAMS
def overfits_noisy_labels(log_dir):
    watched(log_dir, classifier(hidden=512), IMAGES[:600], noisy_labels(0.3)[:600], epochs=40)


@PROGRAMS
def does_not_overfit(log_dir):
    model = classifier(hidden=16, rest=[layers.Dropout(0.2)])
    watched(log_dir, model, IMAGES, noisy_labels(0.0), epochs=20)


@PROGRAMS
def fell_to_guessing(log_dir):
    trained(log_dir, classifier(optimizer=keras.optimizers.Adam(3.0)), epochs=20)


@PROGRAMS
def all_layers_frozen(log_dir):
    model = classifier()
    for layer in model.layers:
        layer.trainable = False
    model.compile("adam", "sparse_categorical_crossentropy")
    trained(log_dir, model, epochs=12, shuffle=False)


@PROGRAMS
def rate_dropped_early(log_dir):
    model = classifier(optimizer=keras.optimizers.SGD(0.05))
    rates = {epoch: 0.05 if epoch < 4 else 2e-4 for epoch in range(30)}
    curve(log_dir / "train", "epoch_learning_rate", list(rates.values()))
    trained(log_dir, model, epochs=30, callbacks=[Rates(rates)])


def scheduled(log_dir, rates, first):
    curve(log_dir / "train", "epoch_learning_rate", rates)
    model = classifier(optimizer=keras.optimizers.SGD(first))
    trained(log_dir, model, epochs=40, callbacks=[Rates(dict(enumerate(rates.tolist())))])


EPOCHS = np.arange(40)
PROGRAMS["schedule/cosine"] = lambda p: scheduled(p, 0.05 * (1 + np.cos(np.pi * EPOCHS / 40)) + 1e-6, 0.1)
PROGRAMS["schedule/steps"] = lambda p: scheduled(p, 0.1 * 0.1 ** (EPOCHS // 14), 0.1)
PROGRAMS["schedule/late"] = lambda p: scheduled(p, np.where(EPOCHS < 25, 0.1, 1e-3), 0.1)
# a step schedule that counts batches where epochs were meant
PROGRAMS["schedule/to nothing"] = lambda p: scheduled(p, 0.05 * 0.1 ** (EPOCHS // 2.0), 0.05)


@PROGRAMS
def rerun_in_the_same_directory(log_dir):
    trained(log_dir, classifier(), epochs=8)
    keras.utils.set_random_seed(5)
    fresh = keras.models.clone_model(classifier())
    fresh.compile("adam", "sparse_categorical_crossentropy")
    trained(log_dir, fresh, epochs=8)


@PROGRAMS
def resumed(log_dir):
    model = classifier()
    trained(log_dir, model, epochs=8)
    trained(log_dir, model, epochs=12, initial_epoch=5)


@PROGRAMS
def always_zero(log_dir):
    model = keras.Sequential([keras.Input((8, 8)), layers.Flatten(), layers.Dense(1, "softmax")])
    model.compile("adam", "categorical_crossentropy")
    validation = (IMAGES[600:900], LABELS[600:900, None] % 2)
    trained(log_dir, model, y=LABELS[:600, None] % 2, validation=validation, epochs=60)
