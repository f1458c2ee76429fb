"""Methods of one object replaced for a while: nothing is subclassed, and nothing stays behind."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
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


@contextlib.contextmanager
def wrapped(wrappers: list[tuple[Any, str, Callable[..., Any]]]) -> Iterator[None]:
    """Within it each wrapper stands in for a method, (instance, name, wrapper), and is given that first when it is called."""
    with contextlib.ExitStack() as stack:
        for instance, name, wrapper in wrappers:
            stack.enter_context(shadowed(instance, name, functools.partial(wrapper, getattr(instance, name))))
        yield


def calls(model: keras.Model, wrapper: Callable[..., Any]) -> list[tuple[Any, str, Callable[..., Any]]]:
    """For `wrapped`: `wrapper(layer, method, ...)` of the `call` of each layer that is looked at."""
    return [(layer, "call", functools.partial(_of_layer, wrapper, layer)) for layer in looked_at(model)]


def _of_layer(wrapper: Callable[..., Any], layer: Any, method: Any, *args: Any, **kwargs: Any) -> Any:
    return wrapper(method, layer, *args, **kwargs)


def looked_at(model: keras.Model) -> list[Any]:
    """The layers that are looked at, nested models opened; each once."""
    layers = {id(layer): layer for layer in model._flatten_layers(include_self=False)}
    return [layer for layer in layers.values() if not isinstance(layer, (keras.Model, *UNSEEN))]


def outputs_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`y_pred`, of the arguments that `compute_loss` is called with."""
    return kwargs.get("y_pred", args[2] if len(args) > 2 else None)


def with_gradients(optimizer: Any, grads: list[Any], trainable_variables: Any) -> list[tuple[Any, Any]]:
    """Variable and gradient, of the arguments that an optimizer's `apply` is called with; without those that have none."""
    variables = list(optimizer._trainable_variables if trainable_variables is None else trainable_variables)
    return [(v, g) for v, g in zip(variables, grads, strict=True) if g is not None and "float" in str(v.dtype)]


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
