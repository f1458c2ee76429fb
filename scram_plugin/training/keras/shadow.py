"""Replaces methods of single objects for a while. Nothing is subclassed, and the methods are restored."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras

# Layers that are not measured. Most only pass on values that were already measured as the output of the layer before.
UNSEEN = tuple(
    getattr(keras.layers, name)
    for name in (
        *("InputLayer", "Flatten", "Reshape", "Permute", "RepeatVector", "Identity", "Dropout"),
        *("Add", "Subtract", "Average", "Maximum", "Minimum", "Concatenate"),
        # TensorFlow fuses it with a ReLU that follows; recording the value in between would change the last bits
        "BatchNormalization",
        *(
            f"{kind}{n}D"
            for kind in ("ZeroPadding", "Cropping", "UpSampling", "SpatialDropout", "MaxPooling")
            for n in (1, 2, 3)
        ),
    )
    if hasattr(keras.layers, name)
)


@contextlib.contextmanager
def shadowed(instance: Any, name: str, replacement: Any) -> Iterator[None]:
    """Set an entry in an instance's `__dict__`, bypassing `__setattr__` (which Keras tracks); restore it at the end."""
    namespace = instance.__dict__
    before = [namespace[name]] if name in namespace else []
    namespace[name] = replacement
    try:
        yield
    finally:
        namespace.pop(name, None)
        for value in before:
            namespace[name] = value


@contextlib.contextmanager
def wrapped(wrappers: list[tuple[Any, str, Callable[..., Any]]]) -> Iterator[None]:
    """While open, wrappers replace methods: (instance, name, wrapper). A wrapper gets the method as its first argument."""
    with contextlib.ExitStack() as stack:
        for instance, name, wrapper in wrappers:
            stack.enter_context(shadowed(instance, name, functools.partial(wrapper, getattr(instance, name))))
        yield


def calls(model: keras.Model, wrapper: Callable[..., Any]) -> list[tuple[Any, str, Callable[..., Any]]]:
    """Entries for `wrapped`: `wrapper(method, layer, ...)` replaces the `call` of each layer that is measured."""
    return [(layer, "call", functools.partial(_of_layer, wrapper, layer)) for layer in looked_at(model)]


def _of_layer(wrapper: Callable[..., Any], layer: Any, method: Any, *args: Any, **kwargs: Any) -> Any:
    return wrapper(method, layer, *args, **kwargs)


def looked_at(model: keras.Model) -> list[Any]:
    """The layers that are measured, also those of nested models; each once."""
    layers = {id(layer): layer for layer in model._flatten_layers(include_self=False)}
    return [layer for layer in layers.values() if not isinstance(layer, (keras.Model, *UNSEEN))]


def outputs_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`y_pred` among the arguments of `compute_loss`; None if it is not there."""
    return kwargs.get("y_pred", args[2] if len(args) > 2 else None)


def with_gradients(optimizer: Any, grads: list[Any], trainable_variables: Any) -> list[tuple[Any, Any]]:
    """(variable, gradient) from the arguments of an optimizer's `apply`, for float variables that have a gradient."""
    variables = list(optimizer._trainable_variables if trainable_variables is None else trainable_variables)
    return [(v, g) for v, g in zip(variables, grads, strict=True) if g is not None and "float" in str(v.dtype)]


def path_in(model: keras.Model, thing: Any) -> str:
    """The path of a layer or variable, relative to the model."""
    return str(getattr(thing, "path", None) or thing.name).removeprefix(f"{model.name}/")


def activation_of(layer: Any) -> str | None:
    """The name of the activation that a layer applies; None if it has none."""
    if isinstance(layer, keras.layers.ReLU):
        return "relu" if layer.negative_slope == 0 and layer.threshold == 0 else None
    return getattr(getattr(layer, "activation", None), "__name__", None)


def slots(optimizer: Any, variables: list[Any]) -> list[Any]:
    """The optimizer state of each variable that stays non-finite after a non-finite gradient; empty if there is none."""
    base = getattr(optimizer, "inner_optimizer", None) or optimizer
    names = ("_momentums", "momentums", "_velocities", "_accumulators", "_m")
    kept: list[Any] = next((found for name in names if (found := getattr(base, name, None))), [])
    return kept if len(kept) == len(variables) else []
