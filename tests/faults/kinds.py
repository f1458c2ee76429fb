"""Kinds of faults: each changes the text of a healthy program at a place and with a strength drawn at random.

A fault's `right` names the findings that are the right diagnosis: a heuristic, or a heuristic with its first cause.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tests.faults.programs import Program

HIDDEN = re.compile(r'(Dense|Conv2D)\((\d+)(, 3)?(, padding="same")?, activation="relu"\)')
LAST = re.compile(r'Dense\((\d+), activation="(softmax|sigmoid)"\)')
CLASSES = ("dense", "convolution", "residual", "recurrent")
ALL = (*CLASSES, "binary", "regression")


@dataclass(frozen=True)
class Kind:
    """`apply(rng, source)` gives the program with the fault, or None where it has no place for it."""

    name: str
    programs: tuple[str, ...]
    apply: Callable[[np.random.Generator, str], str | None]
    right: tuple[str, ...]


def replaced(old: str, new: str) -> Callable[[np.random.Generator, str], str | None]:
    return lambda rng, source: source.replace(old, new, 1) if old in source else None


def _rate(argument: str, low: float, high: float) -> Callable[[np.random.Generator, str], str | None]:
    """The learning rate, which is given as this argument, times 10 to a power between `low` and `high`."""

    def apply(rng: np.random.Generator, source: str) -> str:
        times = 10 ** rng.uniform(low, high)
        given = re.compile(rf"\b{argument}=([0-9.e-]+)")
        return given.sub(lambda m: f"{argument}={float(f'{float(m[1]) * times:.1g}')!r}", source)

    return apply


def learning_rates(argument: str) -> tuple[Kind, ...]:
    """Learning rates out of proportion, in programs that give it as this argument."""
    high = ("unconventional-learning-rate", "*/learning-rate")
    return (
        Kind("learning rate too high", ALL, _rate(argument, 2.2, 4.0), high),
        Kind("learning rate far too high", ALL, _rate(argument, 8.0, 14.0), high),
        Kind("learning rate too low", ALL, _rate(argument, -5.0, -3.0), ("unconventional-learning-rate",)),
    )


def _one_hidden(
    change: Callable[[np.random.Generator, re.Match[str]], str],
) -> Callable[[np.random.Generator, str], str | None]:
    """Change one hidden layer, chosen at random."""

    def apply(rng: np.random.Generator, source: str) -> str | None:
        places = list(HIDDEN.finditer(source))
        if not places:
            return None
        place = places[int(rng.integers(len(places)))]
        return source[: place.start()] + change(rng, place) + source[place.end() :]

    return apply


def _with(match: re.Match[str], argument: str) -> str:
    return match[0][:-1] + f", {argument})"


def _no_activation(rng: np.random.Generator, source: str) -> str | None:
    """Of all hidden layers at once: a single one before a pooling or an addition would be another thing."""
    return re.sub(r'(Dense|Conv2D)\((\d+)(, 3)?(, padding="same")?, activation="relu"\)', r"\1(\2\3\4)", source)


def _deep(activation: str) -> Callable[[np.random.Generator, str], str | None]:
    """Six to nine layers of the kind in front of the last hidden layer of a Sequential."""

    def apply(rng: np.random.Generator, source: str) -> str | None:
        places = list(re.finditer(r'    keras\.layers\.Dense\((\d+), activation="relu"\),\n', source))
        if not places:
            return None
        place = places[-1]
        layer = f'    keras.layers.Dense({place[1]}, activation="{activation}"),\n'
        return source[: place.start()] + layer * int(rng.integers(6, 10)) + source[place.start() :]

    return apply


def _nan(variable: str) -> Callable[[np.random.Generator, str], str | None]:
    """A few missing values somewhere in the training data."""

    def apply(rng: np.random.Generator, source: str) -> str | None:
        rows = sorted(rng.choice(340, int(rng.integers(1, 6)), replace=False).tolist())
        return source.replace("\nmodel", f"\n{variable}[{rows}] = np.nan\nmodel", 1).replace(
            "\ninputs =", f"\n{variable}[{rows}] = np.nan\ninputs =", 1
        )

    return apply


def _shape(rng: np.random.Generator, source: str) -> str | None:
    """Sorted by class, and not shuffled."""
    sort = "\nx_train, y_train = x_train[np.argsort(y_train)], y_train[np.argsort(y_train)]"
    at = source.index("\ny_train, y_val")
    end = source.index("\n", at + 1)
    return (source[:end] + sort + source[end:]).replace(
        "    x_train,\n    y_train,\n", "    x_train,\n    y_train,\n    shuffle=False,\n"
    )


def _frozen(rng: np.random.Generator, source: str) -> str | None:
    return source.replace("model.compile(", "model.trainable = False\nmodel.compile(", 1)


def _penalty(rng: np.random.Generator, source: str) -> str | None:
    factor = rng.uniform(0.5, 3)
    return HIDDEN.sub(lambda m: _with(m, f"kernel_regularizer=keras.regularizers.L2({factor:.1f})"), source)


def inoculated(kinds: Sequence[Kind], program: Program, seed: int, chosen: Sequence[str] | None) -> Iterator[tuple[Kind, str]]:
    """Each kind of fault that a program has a place for, and the program with it; `chosen` names some, None means all."""
    healthy = program.source(seed)
    for number, kind in enumerate(kinds):
        if program.name in kind.programs and (chosen is None or kind.name in chosen):
            source = kind.apply(np.random.default_rng([seed, number]), healthy)
            if source is not None and source != healthy:
                yield kind, source


# the same change of the same text, whatever the framework
BYTES = Kind("inputs as bytes", CLASSES, replaced(" / 16.0", " * 15.9375"), ("unnormalized-inputs",))
DROPOUT = Kind(
    "dropout of nearly everything",
    ALL,
    lambda rng, s: s.replace("Dropout(0.2)", f"Dropout({rng.uniform(0.85, 0.97):.2f})"),
    ("high-dropout",),
)
UNSCALED_VALIDATION = Kind(
    "validation not scaled",
    CLASSES,
    replaced("x_train, x_val = x[:1400], x[1400:]", "x_train, x_val = x[:1400], x[1400:] * 255"),
    ("input-distribution-shift",),
)
LARGE_TARGETS = Kind(
    "targets in their unit",
    ("regression",),
    lambda rng, s: s.replace("(data.target[order] - 152.0) / 77.0", f"data.target[order] * {rng.uniform(30, 3000):.0f}"),
    ("unnormalized-targets",),
)
LOST = Kind("inputs lost", ALL, replaced("\nx_train, x_val =", "\nx = x * 0\nx_train, x_val ="), ("constant-inputs/constant",))

KINDS = (
    *learning_rates("learning_rate"),
    BYTES,
    Kind(
        "features in their units",
        ("binary",),
        replaced("x = (x - x.mean(axis=0)) / x.std(axis=0)\n", ""),
        ("unnormalized-inputs",),
    ),
    Kind("values missing in the inputs", ALL, _nan("x_train"), ("nonfinite-inputs/missing-values", "nonfinite-inputs")),
    Kind("values missing in the targets", ("binary", "regression"), _nan("y_train"), ("nonfinite-inputs/targets",)),
    Kind(
        "classes counted from 1",
        CLASSES,
        replaced("y = data.target[order]", "y = data.target[order] + 1"),
        ("label-range/from-one",),
    ),
    Kind(
        "labels -1 and 1", ("binary",), replaced('astype("float32")', 'astype("float32") * 2 - 1'), ("label-range/minus-one",)
    ),
    Kind(
        "softmax over one unit",
        ("binary",),
        replaced('activation="sigmoid"', 'activation="softmax"'),
        ("output-activation-mismatch/one-unit-softmax",),
    ),
    Kind(
        "no softmax",
        CLASSES,
        replaced('Dense(10, activation="softmax")', "Dense(10)"),
        ("output-activation-mismatch/missing-softmax",),
    ),
    Kind(
        "no sigmoid",
        ("binary",),
        replaced('Dense(1, activation="sigmoid")', "Dense(1)"),
        ("output-activation-mismatch/missing-sigmoid",),
    ),
    Kind(
        "softmax twice",
        CLASSES,
        replaced('loss="sparse_categorical_crossentropy"', "loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)"),
        ("output-activation-mismatch/twice",),
    ),
    Kind(
        "sigmoid for classes",
        CLASSES,
        replaced('activation="softmax"', 'activation="sigmoid"'),
        ("output-activation-mismatch/sigmoid-for-classes",),
    ),
    Kind(
        "categorical loss of one output",
        ("binary",),
        replaced("binary_crossentropy", "categorical_crossentropy"),
        ("output-activation-mismatch/one-class",),
    ),
    Kind(
        "output cut off",
        ("regression",),
        replaced("Dense(1)", 'Dense(1, activation="sigmoid")'),
        ("output-activation-mismatch/range",),
    ),
    Kind(
        "squared error of class numbers",
        CLASSES,
        replaced("sparse_categorical_crossentropy", "mse"),
        ("label-range/class-numbers",),
    ),
    Kind("no activations", ("dense", "convolution", "binary", "regression"), _no_activation, ("missing-activation",)),
    Kind(
        "deep with sigmoid",
        ("dense", "recurrent", "convolution", "binary"),
        _deep("sigmoid"),
        ("vanishing-gradients/activation",),
    ),
    Kind(
        "constant weights",
        ALL,
        _one_hidden(lambda rng, m: _with(m, f'kernel_initializer="{rng.choice(["ones", "zeros"])}"')),
        ("poor-initialization/same",),
    ),
    Kind(
        "large weights",
        ALL,
        _one_hidden(
            lambda rng, m: _with(m, f"kernel_initializer=keras.initializers.RandomNormal(stddev={rng.uniform(2, 8):.1f})")
        ),
        ("poor-initialization/large",),
    ),
    Kind(
        "tiny weights",
        ALL,
        _one_hidden(
            lambda rng, m: _with(
                m, f"kernel_initializer=keras.initializers.RandomNormal(stddev={10 ** rng.uniform(-6, -4):.1g})"
            )
        ),
        ("poor-initialization/small",),
    ),
    Kind(
        "biases far below 0",
        ALL,
        _one_hidden(lambda rng, m: _with(m, f"bias_initializer=keras.initializers.Constant(-{rng.uniform(8, 30):.0f})")),
        ("dead-relu/start",),
    ),
    Kind("all weights frozen", ALL, _frozen, ("frozen-weights",)),
    DROPOUT,
    Kind("sorted and not shuffled", (*CLASSES, "binary"), _shape, ("unshuffled-data/off",)),
    UNSCALED_VALIDATION,
    LARGE_TARGETS,
    Kind("penalty far too strong", ALL, _penalty, ("strong-regularization",)),
    Kind(
        "dropout behind the output",
        ("dense", "convolution", "recurrent", "binary"),
        lambda rng, s: LAST.sub(lambda m: f"{m[0]},\n    keras.layers.Dropout({rng.uniform(0.1, 0.5):.1f})", s),
        ("high-dropout/output",),
    ),
    Kind(
        "labels of other inputs",
        (*CLASSES, "binary"),
        replaced("\ny_train, y_val =", "\ny = np.random.default_rng(1).permutation(y)\ny_train, y_val ="),
        ("no-learning/shuffled-apart",),
    ),
    LOST,
)
