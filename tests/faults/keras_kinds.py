"""Kinds of faults in programs that use Keras; see `kinds.py`."""

from __future__ import annotations

import re

import numpy as np

from tests.faults.kinds import (
    CLASSES,
    NUMBERS,
    SHARED,
    TWO,
    Change,
    Kind,
    Place,
    both,
    either,
    every,
    first,
    one,
    with_data,
)

# hidden layers as they are written: with their activation, in front of one, and with an initialiser of their own
ARGUMENTS = r"((?:[^()\n]|\([^()\n]*\))*?)"
WITH = rf"\b((?:Dense|Conv2D)\({ARGUMENTS}, activation=[\"']relu[\"'])\)"
BEFORE = rf"\b((?:Dense|Conv2D)\({ARGUMENTS})\)(?=(?:\)|\(h\))\n.*(?:Activation\(\"relu\"\)|ReLU\(\)))"
OWN = r"\b(Dense\(width), kernel_initializer=\"he_normal\"\)"
FIT = (r"(\.fit\((?:[^()]|\([^()]*\))*?\bepochs=[^,\n)]+)", r"(\.fit\(X_train, y_train, BATCH_SIZE, EPOCHS)")


def _hidden(text: str) -> tuple[tuple[str, str], ...]:
    """One more argument of a hidden layer."""
    return tuple((pattern, rf"\1, {text})") for pattern in (WITH, BEFORE, OWN))


def _drawn(text: str, low: float, high: float, power: bool = False) -> Change:
    """One more argument of one hidden layer, with a number drawn between these two."""

    def change(place: Place) -> dict[str, str] | None:
        number = place.rng.uniform(low, high)
        return one(*_hidden(text.format(f"{10**number:.1g}" if power else f"{number:.1f}")))(place)

    return _importing(change)


def _importing(change: Change) -> Change:
    """A change that writes `keras.`, where the file that it changes has that name, or imports it."""

    def limited(place: Place) -> dict[str, str] | None:
        changed = change(place)
        if changed is None:
            return None
        return {name: text if text == place.files[name] else _with_keras(text) for name, text in changed.items()}

    return limited


def _with_keras(text: str) -> str:
    if re.search(r"^import keras$", text, re.M):
        return text
    if "import tensorflow as tf" in text:
        return re.sub(r"(?<![\w.])keras\.(?=regularizers|initializers|losses)", "tf.keras.", text)
    return re.sub(r"^(?=(?:import|from) )", "import keras\n", text, count=1, flags=re.M)


def _sorted(place: Place) -> list[str]:
    data = place.program.data
    assert data is not None
    key = f"{data.y}.argmax(axis=1)" if "to_categorical" in "".join(place.files.values()) else data.y
    return [f"by_label = {key}.argsort()", f"{data.x}, {data.y} = {data.x}[by_label], {data.y}[by_label]"]


def _deep(rng: np.random.Generator, match: re.Match[str]) -> str:
    return match[0].replace("relu", "sigmoid") * int(rng.integers(6, 10)) + match[0]


def _penalty(place: Place) -> dict[str, str] | None:
    factor = f"{place.rng.uniform(0.5, 3):.1f}"
    own = every((r"(regularizers\.l2\()[\d.e-]+", rf"\g<1>{factor}"))
    ways = (*(pair for pair in _hidden(f"kernel_regularizer=keras.regularizers.L2({factor})")),)
    if "regularizers.l2(" in place.files["train.py"]:
        return own(place)
    if "he_normal" in "".join(place.files.values()):
        ways = ((r"(kernel_initializer=\"he_normal\")", rf"\1, kernel_regularizer=keras.regularizers.L2({factor})"),)
    return _importing(every(*ways))(place)


LOGITS = {"categorical_crossentropy": "Categorical", "sparse_categorical_crossentropy": "SparseCategorical"}


def _from_logits(rng: np.random.Generator, match: re.Match[str]) -> str:
    name = {**LOGITS, "binary_crossentropy": "Binary"}[match[1]]
    return f"keras.losses.{name}Crossentropy(from_logits=True)"


KINDS = (
    *SHARED,
    Kind(
        "softmax over one unit",
        "One output with softmax is 1 for every input.",
        ("output-activation-mismatch/one-unit-softmax",),
        first((r"((?:activation=|Activation\()[\"'])sigmoid", r"\1softmax")),
        TWO,
    ),
    Kind(
        "outputs as they are",
        "The loss expects probabilities, and the last layer has no activation.",
        ("output-activation-mismatch/missing-softmax", "output-activation-mismatch/missing-sigmoid"),
        first(
            (r", activation=[\"'](?:softmax|sigmoid)[\"']", ""),
            (r"^model\.add\(layers\.Activation\(\"softmax\"\)\)\n", ""),
            (r"^( *outputs = )Activation\(\"sigmoid\"\)\(x\)", r"\1x"),
            (r"Crossentropy\(from_logits=True\)", "Crossentropy()"),
        ),
        (*CLASSES, *TWO),
    ),
    Kind(
        "softmax or sigmoid twice",
        "The model applies it, and the loss does so again.",
        ("output-activation-mismatch/twice",),
        either(
            first((r"(Dense\(10)(\)\(h\))", r'\1, activation="softmax"\2')),
            first((r"SparseCategoricalCrossentropy\(\)", "SparseCategoricalCrossentropy(from_logits=True)")),
            _importing(first((r"[\"']((?:sparse_)?categorical_crossentropy|binary_crossentropy)[\"']", _from_logits))),
        ),
        (*CLASSES, *TWO),
    ),
    Kind(
        "sigmoid for classes",
        "The classes exclude one another, and the last layer has sigmoid.",
        ("output-activation-mismatch/sigmoid-for-classes",),
        first((r"((?:activation=|Activation\()[\"'])softmax", r"\1sigmoid")),
        CLASSES,
    ),
    Kind(
        "ReLU for classes",
        "The last layer has ReLU where softmax should be.",
        ("output-activation-mismatch",),
        first(
            (r"((?:activation=|Activation\()[\"'])softmax", r"\1relu"), (r"(Dense\(10)(\)\(h\))", r'\1, activation="relu"\2')
        ),
        CLASSES,
    ),
    Kind(
        "categorical loss of one output",
        "The loss is that of many classes, the model has one output.",
        ("output-activation-mismatch/one-class",),
        first((r"([\"'])binary_crossentropy", r"\1categorical_crossentropy")),
        TWO,
    ),
    Kind(
        "output cut off",
        "The targets lie on both sides of 0, the output between 0 and 1.",
        ("output-activation-mismatch/range",),
        first((r"Dense\(1\)", 'Dense(1, activation="sigmoid")')),
        NUMBERS,
    ),
    Kind(
        "squared error of class numbers",
        "The loss is that of a regression, the labels are numbers of classes.",
        ("label-range/class-numbers",),
        first(
            (r"\"sparse_categorical_crossentropy\"", '"mse"'),
            (r"SparseCategoricalCrossentropy\((?:from_logits=True)?\)", "MeanSquaredError()"),
        ),
        CLASSES,
    ),
    Kind(
        "no activations",
        "The hidden layers have no activation, so the model is linear.",
        ("missing-activation",),
        every(
            (r", activation=[\"']relu[\"']", ""),
            (r"^model\.add\(layers\.Activation\(\"relu\"\)\)\n", ""),
            (r"^ *x = Activation\(\"relu\"\)\(x\)\n", ""),
            (r"^h = tf\.keras\.layers\.ReLU\(\)\(h\)\n", ""),
        ),
    ),
    Kind(
        "deep with sigmoid",
        "Many layers with sigmoid, through which hardly any gradient passes.",
        ("vanishing-gradients/activation", "vanishing-gradients"),
        either(
            first((r"^ *layers\.Dense\(\d+, activation=\"relu\"\),\n(?= *layers\.Dense\()", _deep)),
            first((r"^ *model\.add\(layers\.Dense\(hidden, activation=\"relu\"\)\)\n(?= *model\.add\(layers\.Dense\()", _deep)),
            first((r"^x = Dense\(16, activation=\"relu\"\)\(x\)\n", _deep)),
        ),
    ),
    Kind(
        "constant weights",
        "All weights of a layer begin with the same value.",
        ("poor-initialization/same",),
        lambda place: one(*_hidden(f'kernel_initializer="{place.rng.choice(["ones", "zeros"])}"'))(place),
    ),
    Kind(
        "large weights",
        "The weights of a layer begin far too large.",
        ("poor-initialization/large",),
        _drawn("kernel_initializer=keras.initializers.RandomNormal(stddev={})", 2, 8),
    ),
    Kind(
        "tiny weights",
        "The weights of a layer begin far too small.",
        ("poor-initialization/small",),
        _drawn("kernel_initializer=keras.initializers.RandomNormal(stddev={})", -6, -4, power=True),
    ),
    Kind(
        "biases far below 0",
        "The biases of a layer begin so low that no unit is ever active.",
        ("dead-relu/start",),
        _drawn("bias_initializer=keras.initializers.Constant(-{})", 8, 30),
    ),
    Kind(
        "all weights frozen",
        "The model was set to be not trainable, and was never set back.",
        ("frozen-weights",),
        first((r"^( *)(model|network)(\.compile\()", r"\1\2.trainable = False\n\1\2\3")),
    ),
    Kind(
        "sorted and not shuffled",
        "The training data are sorted by their label, and not shuffled.",
        ("unshuffled-data",),
        either(
            both(with_data(_sorted), first((r"^    \.shuffle\(split\)\n", ""))),
            both(with_data(_sorted), first(*((pattern, r"\1, shuffle=False") for pattern in FIT))),
        ),
    ),
    Kind(
        "targets in their unit",
        "The targets are large numbers: they were not scaled.",
        ("unnormalized-targets",),
        either(
            both(
                first((r"^( *)X = X \* np\.array.*\n", r"\g<0>\1y = y * 1000  # in grams\n")),
                first((r"^ *y_train = y_scaler.*\n *y_test = y_scaler.*\n", "")),
            ),
            both(
                first((r"^y = \(price - y_mean\) / y_std$", "y = price * 1000")),
                first((r"\.ravel\(\) \* y_std \+ y_mean", ".ravel() / 1000")),
            ),
        ),
        NUMBERS,
    ),
    Kind("penalty far too strong", "The penalty on the weights outweighs the loss.", ("strong-regularization",), _penalty),
    Kind(
        "dropout behind the output",
        "Dropout sets outputs to 0 at random.",
        ("high-dropout/output",),
        first(
            (r"^( *)(layers\.Dense\(10, activation=\"softmax\"\),\n)", r"\1\2\1layers.Dropout(0.4),\n"),
            (r"^(model\.add\(layers\.)Activation\(\"softmax\"\)\)\n", r"\g<0>\1Dropout(0.4))\n"),
            (r"^(model\.add\()Dense\(1, activation='sigmoid'\)\)\n", r"\g<0>\1Dropout(0.4))\n"),
            (r"^( *)model\.add\(layers\.Dense\(num_classes.*\n", r"\g<0>\1model.add(layers.Dropout(0.4))\n"),
            (r"^outputs = Dense\(1, .*\n", r"\g<0>outputs = Dropout(0.4)(outputs)\n"),
            (r"^( *)outputs = Activation\(\"sigmoid\"\)\(x\)\n", r"\g<0>\1outputs = Dropout(0.4)(outputs)\n"),
        ),
    ),
    Kind(
        "running means that lag",
        "Batch normalisation has a momentum with which its running means come too late.",
        ("normalization-lag",),
        first((r"BatchNormalization\(\)", "BatchNormalization(momentum=0.9999)")),
    ),
    Kind(
        "a rate that falls too early",
        "The callback lowers the learning rate at once and by much.",
        ("learning-rate-schedule", *("undertrained", "unconventional-learning-rate/too-low")),
        first((r"(ReduceLROnPlateau\(.*)factor=0\.5, patience=5", r"\1factor=0.01, min_delta=0.5, patience=1")),
    ),
)
