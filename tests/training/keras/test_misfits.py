"""Real trainings whose loss does not fit its labels, with softmax in a hidden layer, or a negative rate; and healthy twins."""

import keras
import numpy as np
import pytest
from keras import layers

import scram_plugin
from scram_plugin import SCRAM
from tests.sizes import few
from tests.training.keras.models import IMAGES, LABELS, loss_by_hand

X, ODD = IMAGES.reshape(len(IMAGES), -1)[:640], (LABELS[:640] % 2).astype("float32")
Y = LABELS[:640]
ONE_HOT = np.eye(10, dtype="float32")[Y]
COUNTS = np.random.default_rng(0).poisson(3.0, 640).astype("float32")
SEEDS = few((0, 1), lambda seed: seed == 0)
SPARSE = "sparse_categorical_crossentropy"


def net(units=10, activation="softmax", hidden=(32, "relu"), seed=0):
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((64,)), layers.Dense(*hidden), layers.Dense(units, activation)])


def fitted(path, model, y, loss, optimizer="adam", x=X, epochs=8, accuracy=True):
    model.compile(optimizer, loss, metrics=["accuracy"] if accuracy else None)
    callbacks = [SCRAM(path, every=5, print_findings=False)]
    model.fit(x, y, epochs=epochs, batch_size=32, validation_split=0.2, verbose=0, callbacks=callbacks)
    (review,) = scram_plugin.review(str(path), cache=False)
    return [(f.heuristic, f.causes[0].id, f.severity) for f in review.alone if f.severity != "info"]


# what is wrong -> (units and activation of the output, targets, loss, what is found first)
MISFITS = {
    "class numbers divided": ((10, "softmax"), Y / 255, SPARSE, ("label-range", "fractions", "error")),
    "binary labels divided": ((1, "sigmoid"), ODD / 255, "binary_crossentropy", ("label-range", "fractions", "error")),
    "one-hot labels divided": ((10, "softmax"), ONE_HOT / 255, "mse", ("label-range", "fractions", "error")),
    "one class left": ((10, "softmax"), 0 * Y, SPARSE, ("label-range", "one-value", "error")),
    "a percentage of zeros": ((1, None), COUNTS, "mape", ("label-range", "percentage", "error")),
    "a percentage of one-hot labels": ((10, "softmax"), ONE_HOT, "mape", ("label-range", "percentage", "error")),
    "a hinge of class numbers": ((1, None), Y, "hinge", ("label-range", "hinge", "error")),
    "a hinge of sigmoid": ((1, "sigmoid"), ODD, "hinge", ("output-activation-mismatch", "one-sided", "warning")),
    "a hinge of softmax": ((10, "softmax"), ONE_HOT, "squared_hinge", ("output-activation-mismatch", "one-sided", "warning")),
    "a squared error of class numbers": ((1, None), Y, "mse", ("label-range", "class-numbers", "warning")),
}
FITS = {
    "class numbers": ((10, "softmax"), Y, SPARSE),
    "binary labels": ((1, "sigmoid"), ODD, "binary_crossentropy"),
    "a squared error that learns": ((10, "softmax"), ONE_HOT, "mse"),
    "a hinge of -1 and 1": ((1, "tanh"), 2 * ODD - 1, "hinge"),
    "a hinge of 0 and 1, which Keras changes": ((1, None), ODD, "hinge"),
    "a percentage of large numbers": ((1, None), 5 + COUNTS, "mape"),
    "a squared error of counts": ((1, None), COUNTS, "mse"),
}
# what differs from another one in the kind of the labels alone
ALIKE = {
    *("binary labels divided", "one-hot labels divided", "a percentage of one-hot labels", "a hinge of softmax"),
    *("binary labels", "a hinge of -1 and 1", "a squared error of counts"),
}
LEFT_OUT = {"undertrained", "overfitting", "no-learning"}  # few epochs, and targets that have nothing to do with the inputs


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", few(MISFITS, lambda name: name not in ALIKE))
def test_a_loss_that_does_not_fit_its_labels_is_named_first(name, seed, tmp_path):
    (units, activation), y, loss, expected = MISFITS[name]
    assert fitted(tmp_path, net(units, activation, seed=seed), y, loss)[0] == expected


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", few(FITS, lambda name: name not in ALIKE))
def test_a_loss_that_fits_is_not(name, seed, tmp_path):
    (units, activation), y, loss = FITS[name]
    how = {"optimizer": keras.optimizers.Adam(3e-3), "epochs": 12, "accuracy": y is not COUNTS}
    found = fitted(tmp_path, net(units, activation, seed=seed), y, loss, **how)
    assert [f for f in found if f[0] not in LEFT_OUT] == []


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("how", few([{}, {"jit_compile": True}], lambda how: not how))
@pytest.mark.parametrize(("shape", "found"), [((-1,), ["label-range"]), ((-1, 1), [])])
def test_a_loss_by_hand_that_compares_all_pairs(shape, found, how, seed, tmp_path):
    keras.utils.set_random_seed(seed)
    model, (x, y) = loss_by_hand(shape, **how)
    model.fit(x, y, epochs=3, batch_size=32, verbose=0, callbacks=[SCRAM(tmp_path, print_findings=False)])
    (review,) = scram_plugin.review(str(tmp_path), cache=False)
    assert [f.heuristic for f in review.alone if f.severity == "error"] == found
    if found:
        (broadcast,) = [f for f in review.alone if f.heuristic == "label-range"]
        assert "(None, 1), the targets (None,)" in broadcast.causes[0].for_


def ranking(tf, x, y, p):
    wanted, told = tf.sign(y[:, None] - y), p - tf.transpose(p)
    return tf.reduce_mean(tf.nn.softplus(-wanted * told))


def near(tf, x, y, p):
    """A kernel between a feature and the targets weighs the errors."""
    kernel = tf.exp(-tf.square(x[:, :1] - y))
    return tf.reduce_mean(kernel * tf.square(y[:, None] - p))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("loss_of", [ranking, near])
def test_differences_between_targets_are_no_fault(loss_of, seed, tmp_path):
    import tensorflow as tf

    class Ranks(keras.Model):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = loss_of(tf, x, y, self(x, training=True))
            self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
            return {"loss": loss}

    keras.utils.set_random_seed(seed)
    given = keras.Input((64,))
    model = Ranks(given, layers.Dense(1)(layers.Dense(16, "relu")(given)))
    model.compile("adam", loss="mse")
    model.fit(X, X[:, :8].mean(axis=1), epochs=3, verbose=0, callbacks=[SCRAM(tmp_path, print_findings=False)])
    (review,) = scram_plugin.review(str(tmp_path), cache=False)
    assert [f.heuristic for f in review.alone if f.severity == "error"] == []


@pytest.mark.parametrize(
    ("callback", "found"),
    [
        (keras.callbacks.EarlyStopping(patience=3, mode="max"), ["EarlyStopping takes the highest val_loss for the best"]),
        (
            keras.callbacks.ReduceLROnPlateau("val_accuracy", mode="min"),
            ["ReduceLROnPlateau takes the lowest val_accuracy for the best"],
        ),
        (keras.callbacks.ModelCheckpoint("{epoch}.keras", mode="max"), []),  # it keeps every model
        (keras.callbacks.EarlyStopping("val_accuracy", patience=3), []),
    ],
)
def test_callbacks_that_take_the_worst_for_the_best(callback, found, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = net()
    model.compile("adam", SPARSE, metrics=["accuracy"])
    callbacks = [SCRAM("logs", every=5, print_findings=False), callback]
    model.fit(X, Y, epochs=3, validation_split=0.2, verbose=0, callbacks=callbacks)
    (review,) = scram_plugin.review("logs", cache=False)
    assert [f.title for f in review.findings if f.heuristic == "wrong-direction"] == found


@pytest.mark.parametrize("seed", SEEDS)
def test_a_squared_error_is_a_warning_where_it_costs_much(seed, tmp_path):
    found = fitted(tmp_path, net(seed=seed), ONE_HOT, "mse", keras.optimizers.SGD(0.1), epochs=10)
    assert found[0] == ("output-activation-mismatch", "squared-error", "warning")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("activation", "cause"), [("softmax", "softmax"), ("exponential", "exponential")])
def test_softmax_or_an_exponential_in_a_hidden_layer(activation, cause, seed, tmp_path):
    found = fitted(tmp_path, net(hidden=(64, activation), seed=seed), Y, SPARSE)
    assert found[0][:2] == ("hidden-activation", cause)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_activation_of_its_own_layer(seed, tmp_path):
    keras.utils.set_random_seed(seed)
    hidden = [layers.Dense(64), layers.Activation("softmax"), layers.Dropout(0.1)]
    model = keras.Sequential([keras.Input((64,)), *hidden, layers.Dense(10, "softmax")])
    assert fitted(tmp_path, model, Y, SPARSE)[0][:2] == ("hidden-activation", "softmax")


def gated():
    given = keras.Input((64,))
    gate = layers.Dense(4, "softmax")(given)
    experts = [layers.Reshape((1, 16))(layers.Dense(16, "relu")(given)) for _ in range(4)]
    mixed = layers.Dot(axes=1)([gate, layers.Concatenate(axis=1)(experts)])
    return keras.Model(given, layers.Dense(10, "softmax")(mixed))


def attentive():
    given = keras.Input((64,))
    rows = layers.Dense(16, "relu")(layers.Reshape((8, 8))(given))
    weights = layers.Softmax(axis=1)(layers.Dense(1)(rows))
    pooled = layers.Flatten()(layers.Dot(axes=1)([weights, rows]))
    return keras.Model(given, layers.Dense(10, "softmax")(pooled))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("made", [gated, attentive])
def test_softmax_that_is_meant_is_not(made, seed, tmp_path):
    keras.utils.set_random_seed(seed)
    assert "hidden-activation" not in {f[0] for f in fitted(tmp_path, made(), Y, SPARSE, epochs=4)}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("optimizer", few(["SGD", "Adam"], lambda name: name == "Adam"))
def test_a_negative_rate(optimizer, seed, tmp_path):
    found = fitted(tmp_path, net(seed=seed), Y, SPARSE, getattr(keras.optimizers, optimizer)(-0.001), epochs=3)
    assert found[0] == ("unconventional-learning-rate", "negative", "error")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("depth", "rate"), [(4, 0.02), pytest.param(6, 0.05, marks=pytest.mark.slow)])
def test_sigmoids_through_which_hardly_any_gradient_comes(depth, rate, seed, tmp_path):
    keras.utils.set_random_seed(seed)
    hidden = [layers.Dense(64, "sigmoid") for _ in range(depth)]
    model = keras.Sequential([keras.Input((64,)), *hidden, layers.Dense(10, "softmax")])
    found = fitted(tmp_path, model, Y, SPARSE, keras.optimizers.SGD(rate), epochs=30)
    assert found[0][:2] == ("vanishing-gradients", "activation")


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_few_epochs_are_too_few_where_the_loss_is_high_and_falls_fast(seed, tmp_path):
    few = fitted(tmp_path / "few", net(seed=seed), Y, SPARSE, keras.optimizers.Adam(2e-3), epochs=4)
    assert few == [("undertrained", "few-epochs", "warning")]
    assert fitted(tmp_path / "one", net(seed=seed), Y, SPARSE, epochs=1) == []
    trained = net(seed=seed)
    trained.compile("adam", SPARSE)
    trained.fit(X, Y, epochs=20, verbose=0)
    assert fitted(tmp_path / "tuned", trained, Y, SPARSE, keras.optimizers.Adam(1e-4), epochs=3) == []


def of_two(path, activation, loss, targets, as_list=False):
    """Findings of a model with an output of classes and one of a number, which are counted by their names."""
    keras.utils.set_random_seed(0)
    given = keras.Input((64,))
    hidden = layers.Dense(32, "relu")(given)
    number, classes = (
        layers.Dense(1, activation[0], name="number")(hidden),
        layers.Dense(10, activation[1], name="kind")(hidden),
    )
    y, losses = {"number": targets, "kind": Y}, {"number": "mse", "kind": loss}
    model = keras.Model(given, [number, classes] if as_list else {"number": number, "kind": classes})
    model.compile("adam", losses)
    model.fit(X, y, epochs=1, verbose=0, callbacks=[SCRAM(path, every=5, print_findings=False)])
    (review,) = scram_plugin.review(str(path), cache=False)
    return [f for f in review.alone if f.heuristic == "output-activation-mismatch"]


CENTRED = ((COUNTS - COUNTS.mean()) / COUNTS.std())[:, None]
LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@pytest.mark.parametrize("as_list", few((False, True), lambda listed: listed))  # whose order is not that of the names
@pytest.mark.parametrize(
    ("activation", "loss", "targets", "cause"),
    [
        ((None, "softmax"), SPARSE, CENTRED, None),
        ((None, None), LOGITS, CENTRED, None),
        (("softplus", "softmax"), SPARSE, COUNTS[:, None], None),
        (("softplus", "softmax"), SPARSE, CENTRED, "range"),
        ((None, None), SPARSE, CENTRED, "missing-softmax"),
        ((None, "softmax"), LOGITS, CENTRED, "twice"),
        ((None, "relu"), LOGITS, CENTRED, "cut-logits"),
    ],
)
def test_one_of_two_outputs(activation, loss, targets, cause, as_list, tmp_path):
    found = of_two(tmp_path, activation, loss, targets, as_list)
    assert [f.causes[0].id for f in found] == ([cause] if cause else [])


@pytest.mark.parametrize("generated", [False, True])
def test_targets_by_name_are_not_taken_for_those_of_another_output(generated, tmp_path):
    """They are counted by their names, and the outputs in the order in which the model gives them."""
    keras.utils.set_random_seed(0)
    given = keras.Input((64,))
    sign, share = layers.Dense(1, "tanh", name="sign")(given), layers.Dense(1, "sigmoid", name="share")(given)
    model = keras.Model(given, [sign, share])
    model.compile("adam", {"sign": "mse", "share": "mse"})
    y = {"sign": 2 * ODD[:, None] - 1, "share": ODD[:, None]}
    batches = ((X[:64], {name: of[:64] for name, of in y.items()}) for _ in range(10))
    how = {"x": batches, "steps_per_epoch": 10} if generated else {"x": X, "y": y}
    model.fit(**how, verbose=0, callbacks=[SCRAM(tmp_path, every=2, print_findings=False)])
    (found,) = scram_plugin.review(str(tmp_path), cache=False)
    assert "output-activation-mismatch" not in [f.heuristic for f in found.findings]
