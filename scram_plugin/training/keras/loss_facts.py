"""Facts of the loss of a Keras model, or of the losses of its outputs, as plain values."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import FrameType
from typing import Any

import keras

from scram_plugin.training.call_site import definition
from scram_plugin.training.keras.kinds import of_keras
from scram_plugin.training.structures import leaves


def loss_of(model: keras.Model, with_source: bool) -> dict[str, Any]:
    """Facts of the loss that a model was compiled with, or of the only one that a model with a step of its own holds.

    What else such a step adds to the loss is not known, so that it is not taken for a mean over the examples (`mean`).
    """
    given = getattr(model, "loss", None)
    held = [value for value in vars(model).values() if isinstance(value, keras.losses.Loss)]
    if given is None and len(held) == 1 and not of_keras(type(model).train_step):
        return {**loss_facts(held[0], with_source), "mean": False}
    return loss_facts(given, with_source)


def loss_facts(loss: Any, with_source: bool) -> dict[str, Any]:
    unknown = {"name": None, "class": None, "from_logits": None, "custom": None, "source": None}
    if loss is None or isinstance(loss, dict | list | tuple):  # a custom train step, or several losses
        return unknown
    if isinstance(loss, str):
        try:
            loss = keras.losses.get(loss)
        except ValueError:
            return {**unknown, "name": loss if loss.isidentifier() else None}
    single = loss if callable(loss) else None
    kind = single if inspect.isclass(single) or inspect.isfunction(single) else type(single)
    custom = single is not None and not of_keras(kind)
    name = getattr(single, "__name__", None) or getattr(single, "name", None) or type(loss).__name__
    if inspect.isfunction(single):  # keras.losses.get("mse") returns a function; its class has the clearer name
        classes = {f: c.__name__ for c in vars(keras.losses).values() if inspect.isclass(c) for f in [_function_of(c)] if f}
        label = classes.get(single.__name__, single.__name__)
    else:
        label = type(loss).__name__
    settings = getattr(single, "_fn_kwargs", None) or {}
    return {
        "name": str(name) if str(name).isidentifier() else label,
        "class": label,
        "from_logits": settings.get("from_logits"),
        **({"mean": False} if settings.get("label_smoothing") else {}),  # its floor is not that of the labels
        "custom": custom,
        "source": definition(kind) if custom and with_source else None,
    }


def _function_of(loss_class: type) -> str:
    """``mean_squared_error`` for ``MeanSquaredError``."""
    name = loss_class.__name__
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


def of_outputs(model: keras.Model, fit: FrameType | None) -> list[dict[str, Any]]:
    """Where a functional model has several outputs with a loss for each: their losses, in the order of the outputs.

    Each has `output` and `targets`, the numbers of its outputs and its targets in the data, and `layer`, the operation that
    makes the output. An output without a loss, or with one of the user's own, is left out. Empty if anything is unknown.
    """
    try:
        given, structure = model.loss, model.output
        tensors, by_layer = list(model.outputs), list(model.output_names)
    except (AttributeError, ValueError):  # a subclassed model, or one that was not compiled
        return []
    named = sorted(structure, key=str) if isinstance(structure, dict) else by_layer
    if len(tensors) < 2 or not len(named) == len(by_layer) == len(tensors):
        return []
    if not all(of_keras(getattr(type(model), method)) for method in ("compute_loss", "train_step")):
        return []  # of the user's own: they may do more to the outputs
    if isinstance(given, dict):
        losses = [given.get(name, given.get(layer)) for name, layer in zip(named, by_layer, strict=True)]
    elif isinstance(given, list | tuple) and len(given) == len(tensors):
        losses = list(given)
    else:
        return []
    found = []
    for number, (loss, tensor) in enumerate(zip(losses, tensors, strict=True)):
        facts = loss_facts(loss, False)
        if facts["class"] is None or facts["custom"]:
            continue
        targets = _place(named, by_layer, number, fit)
        layer, units = tensor._keras_history.operation.name, tensor.shape[-1] if len(tensor.shape) else None
        kept = {key: facts[key] for key in ("class", "from_logits")}
        found.append({**kept, "output": number, "targets": targets, "layer": layer, "units": units})
    return found


def _place(named: list[str], by_layer: list[str], number: int, fit: FrameType | None) -> int | None:
    """Which of the targets of `fit` belong to an output: those under one of its names, or those at its place; None where the
    structure of the targets is not known, and their order may be another one."""
    y = fit.f_locals.get("y") if fit is not None else None
    specification = getattr(fit.f_locals.get("x"), "element_spec", None) if fit is not None else None
    if y is None and isinstance(specification, tuple) and len(specification) > 1:
        y = specification[1]
    if isinstance(y, Mapping):
        alone = all(len(leaves(part)) == 1 for part in y.values())
        names = {named[number], by_layer[number]}
        return next((place for place, name in enumerate(sorted(map(str, y))) if name in names), None) if alone else None
    return number if y is not None or (named == sorted(named) and by_layer == sorted(by_layer)) else None
