"""Methods of one object replaced for a while: nothing is subclassed, and nothing stays behind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

# Not looked at: most only pass on what they get, and what there is to say of it is said of the layer before.
UNSEEN = tuple(
    getattr(keras.layers, name)
    for name in (
        *("InputLayer", "Flatten", "Reshape", "Permute", "RepeatVector", "Identity", "Dropout"),
        *("Add", "Subtract", "Average", "Maximum", "Minimum", "Concatenate"),
        # TensorFlow computes it together with a ReLU behind it, unless somebody looks in between: other last bits
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
    """Set an entry in an instance's `__dict__`, past `__setattr__` (which Keras tracks); put back what was there."""
    namespace = instance.__dict__
    before = [namespace[name]] if name in namespace else []
    namespace[name] = replacement
    try:
        yield
    finally:
        namespace.pop(name, None)
        for value in before:
            namespace[name] = value


def path_in(model: keras.Model, thing: Any) -> str:
    """The path of a layer or variable within the model."""
    return (getattr(thing, "path", None) or thing.name).removeprefix(f"{model.name}/")


def activation_of(layer: Any) -> str | None:
    """The name of the activation that a layer applies; None if it is none."""
    if isinstance(layer, keras.layers.ReLU):
        return "relu" if layer.negative_slope == 0 and layer.threshold == 0 else None
    return getattr(getattr(layer, "activation", None), "__name__", None)


def slots(optimizer: Any, variables: list[Any]) -> list[Any]:
    """For each variable what the optimizer keeps of its gradients: it is not finite from a gradient on that was not."""
    base = getattr(optimizer, "inner_optimizer", None) or optimizer
    names = ("_momentums", "momentums", "_velocities", "_accumulators", "_m")
    kept: list[Any] = next((found for name in names if (found := getattr(base, name, None))), [])
    return kept if len(kept) == len(variables) else []
