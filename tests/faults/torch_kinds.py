"""Kinds of faults in programs that use PyTorch; see `kinds.py`.

What PyTorch refuses with a clear error in the first step is no silent fault and is left out: all weights frozen, classes
without any output of their own in another shape.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from tests.faults.kinds import (
    ALL,
    BYTES,
    CLASSES,
    DROPOUT,
    LARGE_TARGETS,
    LOST,
    UNSCALED_VALIDATION,
    Kind,
    learning_rates,
    replaced,
)

RATE = re.compile(r"lr=([0-9.e-]+)")
Apply = Callable[[np.random.Generator, str], str | None]
SEQUENTIAL = ("dense", "convolution", "binary", "regression")


def _behind_model(line: Callable[[np.random.Generator, str], str]) -> Apply:
    """A statement between the model and its loss."""
    return lambda rng, source: source.replace("\nloss_function", f"\n{line(rng, source)}\nloss_function", 1)


def _hidden(rng: np.random.Generator, source: str) -> str:
    """A hidden layer with weights, as the program names it."""
    names = re.findall(r"self\.(conv\d|hidden) = ", source)
    if names:
        return f"model.{rng.choice(names)}"
    modules = re.findall(r"^    nn\.(\w+)\(", source, re.M)
    places = [i for i, kind in enumerate(modules) if kind in ("Linear", "Conv2d")][:-1]
    return f"model[{rng.choice(places)}]"


def _last(source: str) -> str:
    """The last layer with weights."""
    if "self.out" in source:
        return "model.out"
    modules = re.findall(r"^    nn\.(\w+)\(", source, re.M)
    return f"model[{max(i for i, kind in enumerate(modules) if kind == 'Linear')}]"


def _weights(function: Callable[[np.random.Generator], str], which: str = "weight") -> Apply:
    """Weights of one hidden layer that are set by hand."""
    return _behind_model(lambda rng, source: f"nn.init.{function(rng).format(f'{_hidden(rng, source)}.{which}')}")


def _no_activation(rng: np.random.Generator, source: str) -> str | None:
    return re.sub(r"    nn\.ReLU\(\),\n", "", source)


def _deep(rng: np.random.Generator, source: str) -> str | None:
    """Six to nine layers with sigmoid in front of the last hidden layer of a Sequential."""
    places = list(re.finditer(r"    nn\.Linear\((\d+), (\d+)\),\n    nn\.ReLU\(\),\n", source))
    if not places:
        return None
    place = places[-1]
    layer = f"    nn.Linear({place[2]}, {place[2]}),\n    nn.Sigmoid(),\n"
    return source[: place.end()] + layer * int(rng.integers(6, 10)) + source[place.end() :]


def _output(module: str) -> Apply:
    """A module behind the last layer, or around what `forward` returns."""

    def apply(rng: np.random.Generator, source: str) -> str:
        if "return self.out(h)" in source:
            function = {"Softmax(dim=1)": "torch.softmax({}, dim=1)", "Sigmoid()": "torch.sigmoid({})"}[module]
            return source.replace("return self.out(h)", f"return {function.format('self.out(h)')}")
        return re.sub(r"(    nn\.Linear\([^\n]*\),\n)\)\n", rf"\1    nn.{module},\n)\n", source)

    return apply


def _both(*changes: Apply) -> Apply:
    def apply(rng: np.random.Generator, source: str) -> str | None:
        for change in changes:
            changed = change(rng, source)
            if changed is None:
                return None
            source = changed
        return source

    return apply


def _nan(variable: str) -> Apply:
    def apply(rng: np.random.Generator, source: str) -> str | None:
        rows = sorted(rng.choice(340, int(rng.integers(1, 6)), replace=False).tolist())
        return re.sub(r"(\ny_train, y_val = [^\n]*)", rf'\1\n{variable}[{rows}] = float("nan")', source, count=1)

    return apply


def _sorted(rng: np.random.Generator, source: str) -> str:
    sort = "\nat = torch.argsort(y_train.flatten())\nx_train, y_train = x_train[at], y_train[at]"
    return re.sub(r"(\ny_train, y_val = [^\n]*)", rf"\1{sort}", source, count=1).replace(", shuffle=True", "")


NLL = replaced("nn.CrossEntropyLoss()", "nn.NLLLoss()")
KINDS = (
    *learning_rates("lr"),
    BYTES,
    Kind(
        "features in their units",
        ("binary",),
        replaced("x = (x - x.mean(dim=0)) / x.std(dim=0)\n", ""),
        ("unnormalized-inputs",),
    ),
    Kind("values missing in the inputs", ALL, _nan("x_train"), ("nonfinite-inputs/missing-values", "nonfinite-inputs")),
    Kind("values missing in the targets", ("regression",), _nan("y_train"), ("nonfinite-inputs/targets",)),
    Kind(
        "classes counted from 1",
        CLASSES,
        replaced("torch.tensor(data.target[order])", "torch.tensor(data.target[order] + 1)"),
        ("label-range/from-one",),
    ),
    Kind(
        "labels -1 and 1",
        ("binary",),
        replaced("torch.tensor(data.target[order],", "torch.tensor(data.target[order] * 2 - 1,"),
        ("label-range/minus-one",),
    ),
    Kind(
        "softmax over one unit",
        ("binary",),
        replaced("nn.Sigmoid()", "nn.Softmax(dim=1)"),
        ("output-activation-mismatch/one-unit-softmax",),
    ),
    Kind("no log-softmax", CLASSES, NLL, ("output-activation-mismatch/missing-softmax",)),
    Kind(
        "no sigmoid",
        ("binary",),
        replaced("    nn.Sigmoid(),\n", ""),
        ("output-activation-mismatch/missing-sigmoid",),
    ),
    Kind("softmax twice", CLASSES, _output("Softmax(dim=1)"), ("output-activation-mismatch/twice",)),
    Kind(
        "probabilities without their logarithms",
        CLASSES,
        _both(_output("Softmax(dim=1)"), NLL),
        ("output-activation-mismatch/no-logarithm",),
    ),
    Kind("sigmoid for classes", CLASSES, _output("Sigmoid()"), ("output-activation-mismatch/sigmoid-for-classes",)),
    Kind(
        "sigmoid twice",
        ("binary",),
        replaced("nn.BCELoss()", "nn.BCEWithLogitsLoss()"),
        ("output-activation-mismatch/twice",),
    ),
    Kind(
        "categorical loss of one output",
        ("binary",),
        replaced("nn.BCELoss()", "nn.CrossEntropyLoss()"),
        ("output-activation-mismatch/one-class",),
    ),
    Kind("output cut off", ("regression",), _output("Sigmoid()"), ("output-activation-mismatch/range",)),
    Kind("targets stretched", ("regression",), replaced(".unsqueeze(1)", ""), ("label-range/broadcast",)),
    Kind("no activations", SEQUENTIAL, _no_activation, ("missing-activation",)),
    Kind("deep with sigmoid", ("dense", "binary"), _deep, ("vanishing-gradients/activation",)),
    Kind(
        "constant weights",
        ALL,
        _weights(lambda rng: f"{rng.choice(['ones_', 'zeros_'])}({{}})"),
        ("poor-initialization/same",),
    ),
    Kind(
        "large weights",
        ALL,
        _weights(lambda rng: f"normal_({{}}, std={rng.uniform(2, 8):.1f})"),
        ("poor-initialization/large",),
    ),
    Kind(
        "tiny weights",
        ALL,
        _weights(lambda rng: f"normal_({{}}, std={10 ** rng.uniform(-6, -4):.1g})"),
        ("poor-initialization/small",),
    ),
    Kind(
        "biases far below 0",
        ALL,
        _weights(lambda rng: f"constant_({{}}, -{rng.uniform(8, 30):.0f})", "bias"),
        ("dead-relu/start",),
    ),
    Kind(
        "last layer frozen",
        ALL,
        _behind_model(lambda rng, source: f"{_last(source)}.requires_grad_(False)"),
        ("frozen-weights",),
    ),
    DROPOUT,
    Kind("sorted and not shuffled", (*CLASSES, "binary"), _sorted, ("unshuffled-data/off",)),
    UNSCALED_VALIDATION,
    LARGE_TARGETS,
    Kind(
        "penalty far too strong",
        ALL,
        lambda rng, s: RATE.sub(lambda m: f"{m[0]}, weight_decay={rng.uniform(0.5, 3):.1f}", s.replace("AdamW(", "Adam(")),
        ("strong-regularization",),
    ),
    Kind(
        "dropout behind the output",
        SEQUENTIAL,
        lambda rng, s: re.sub(r"(\n    nn\.[^\n]*\),)\n\)\n", rf"\1\n    nn.Dropout({rng.uniform(0.1, 0.5):.1f}),\n)\n", s),
        ("high-dropout/output",),
    ),
    Kind("gradients kept", ALL, replaced("            optimizer.zero_grad()\n", ""), ("kept-gradients",)),
    Kind(
        "labels of other inputs",
        (*CLASSES, "binary"),
        replaced("\ny_train, y_val =", "\ny = y[torch.randperm(len(y))]\ny_train, y_val ="),
        ("no-learning/shuffled-apart",),
    ),
    LOST,
)
