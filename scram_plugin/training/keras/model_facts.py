"""Facts of a Keras model and its training, as plain values. They are read once per fit; heuristics evaluate them."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Mapping
from types import FrameType
from typing import Any

import keras
import numpy as np

from scram_plugin import __version__
from scram_plugin.redaction import settings
from scram_plugin.training.keras.kinds import of_keras
from scram_plugin.training.keras.loss_facts import loss_of
from scram_plugin.training.structures import leaves

MOST_LAYERS = 2_000
# standard deviations that the largest drawn weight may have; source: Keras (a normal one is cut at 2 of its own)
BOUNDS = {"uniform": math.sqrt(3) * 1.001, "truncated_normal": 2 / 0.8796 * 1.001}
FOR_A_DRAW = 64  # weights: fewer do not show how they were drawn
SIGMAS, SLACK = 3.0, 0.01  # standard errors, and what else, by which the spread of drawn weights may differ
PATH = 12
_SETTINGS = (
    "rate",
    "units",
    "filters",
    "kernel_size",
    "strides",
    "scale",
    "offset",
    "input_dim",
    "output_dim",
    "stddev",
    "momentum",
    "mask_zero",
)


def facts(model: keras.Model, fit: Mapping[str, Any], source: Mapping[str, Any] | None) -> dict[str, Any]:
    """All facts of one fit. `fit` holds batch_size, epochs, steps, samples and validation, as far as they are known.

    Keys: framework, versions, backend, time, model, loss, optimizer, dtype_policy, jit_compile, run_eagerly,
    steps_per_execution, fit, source. Whatever cannot be read is None.
    """
    return {
        "framework": "keras",
        "versions": {"keras": keras.__version__, "python": platform.python_version(), "scram": __version__},
        "backend": keras.backend.backend(),
        "time": time.time(),
        "model": model_facts(model),
        "loss": loss_of(model, source is not None),
        "optimizer": optimizer_facts(getattr(model, "optimizer", None)),
        "dtype_policy": getattr(getattr(model, "dtype_policy", None), "name", None)
        or keras.mixed_precision.dtype_policy().name,
        "jit_compile": bool(getattr(model, "jit_compile", False)),
        "run_eagerly": bool(getattr(model, "run_eagerly", False)),
        "steps_per_execution": getattr(model, "steps_per_execution", 1),
        "fit": dict(fit),
        "source": source,
    }


def fit_facts(fit: FrameType | None, params: Mapping[str, Any], every: int) -> dict[str, Any]:
    """The settings of `fit`: from the callback's parameters, and from the frame of Keras's `fit` if there is one."""
    known: dict[str, Any] = {"epochs": params.get("epochs"), "steps": params.get("steps"), "every": every}
    if fit is None:
        return known
    first = next(iter(leaves(fit.f_locals.get("x"))), None)
    adapter = getattr(fit.f_locals.get("epoch_iterator"), "data_adapter", None)
    known["batch_size"] = getattr(adapter, "batch_size", None)
    shape = getattr(first, "shape", None)
    if isinstance(shape, tuple) and shape and not hasattr(first, "element_spec"):
        known["samples"] = int(shape[0])
    elif known["batch_size"] and known["steps"]:
        known["samples"] = int(known["batch_size"]) * int(known["steps"])
    known["validation"] = fit.f_locals.get("validation_data") is not None
    known["shuffle"] = bool(fit.f_locals.get("shuffle"))
    structure = getattr(fit.f_locals.get("x"), "element_spec", None)
    given = any(fit.f_locals.get(name) is not None for name in ("class_weight", "sample_weight"))
    known["weighted"] = given or (isinstance(structure, tuple) and len(structure) > len(("x", "y")))
    return known


def in_order_of_data(model: dict[str, Any], fit: FrameType | None) -> None:
    """Put the inputs of a model in the order in which those of `fit` are counted: by name, if they are given by name."""
    given = fit.f_locals.get("x") if fit is not None else None
    specification = getattr(given, "element_spec", None)
    given = specification[0] if isinstance(specification, tuple) and specification else given
    named = [tensor["name"] for tensor in model["inputs"]]
    if isinstance(given, Mapping) and set(given) == set(named):
        order = sorted(range(len(named)), key=lambda i: str(named[i]))
        for which in ("inputs", "paths"):
            if len(model[which]) == len(named):
                model[which] = [model[which][i] for i in order]


def names(model: keras.Model) -> set[str]:
    """The names of the model, its inputs and its layers, also those of nested models."""
    inputs = {tensor["name"] for tensor in _tensors(model, "inputs")}
    return {model.name, *inputs, *(layer.name for layer in model._flatten_layers(include_self=False))}


def called(model: keras.Model) -> list[Any]:
    """The classes and functions whose arguments a fix may set: those of this model, and those that a fix may add."""
    layers = {type(layer) for layer in model._flatten_layers(include_self=False)}
    of_training = [
        type(thing) for thing in (getattr(model, "optimizer", None), getattr(model, "loss", None)) if thing is not None
    ]
    new = [keras.layers.Rescaling, keras.layers.Dropout, keras.layers.Activation, keras.callbacks.EarlyStopping]
    return [*sorted(layers, key=lambda kind: kind.__name__), *of_training, *new, type(model).fit, type(model).compile]


def is_built(model: keras.Model) -> bool:
    """Whether all layers have their weights."""
    return all(layer.built for layer in model._flatten_layers(include_self=False))


def model_facts(model: keras.Model) -> dict[str, Any]:
    """The model and its layers, with the sizes of their weights as far as they are built."""
    outputs = _tensors(model, "outputs")
    last = (outputs[0]["shape"] or [None])[-1] if outputs else None
    return {
        "name": model.name,
        "class": type(model).__name__,
        "kind": "sequential" if isinstance(model, keras.Sequential) else "functional" if outputs else "subclass",
        "parameters": _parameters(model.weights),
        "trainable_parameters": _parameters(model.trainable_weights),
        "inputs": _tensors(model, "inputs"),
        "paths": _paths(model),
        "outputs": outputs,
        "output_units": last,
        "layers": _layers(model, ""),
    }


def _layers(model: Any, prefix: str) -> list[dict[str, Any]]:
    operations = _operations(model)[:MOST_LAYERS]
    sources = _sources(model)
    return [{**_layer(operation, prefix), "from": sources.get(operation.name)} for operation in operations]


def _sources(model: Any) -> dict[str, list[str]]:
    """Name of an operation -> names of the operations whose outputs it takes; empty for a subclassed model."""
    if isinstance(model, keras.Sequential):
        names = [layer.name for layer in model.layers]
        return {name: names[i : i + 1] for i, name in enumerate(names[1:])}
    try:
        makers = {id(t): operation.name for operation in _operations(model) for t in leaves(operation.output)}
        return {
            operation.name: list(
                dict.fromkeys(n for node in operation._inbound_nodes for t in node.input_tensors if (n := makers.get(id(t))))
            )
            for operation in _operations(model)
        }
    except (AttributeError, ValueError, TypeError):  # the graph is not part of Keras's public interface
        return {}


def _operations(model: Any) -> list[Any]:
    """Layers, and for a functional model also plain operations (such as a division of the input), in the order of data flow."""
    if isinstance(model, keras.Sequential):
        return list(model.layers)
    return list(getattr(model, "operations", None) or model.layers)


def _layer(layer: Any, prefix: str) -> dict[str, Any]:
    settings = {name: getattr(layer, name) for name in _SETTINGS if isinstance(getattr(layer, name, None), int | float | tuple)}
    entry: dict[str, Any] = {
        "name": layer.name,
        "path": f"{prefix}{layer.name}",  # the same path as in the statistics
        "class": type(layer).__name__,
        "custom": not of_keras(layer),
        "settings": {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()},
    }
    if isinstance(layer, keras.layers.Layer):
        entry["activation"] = getattr(getattr(layer, "activation", None), "__name__", None)
        entry["parameters"] = _parameters(layer.weights)
        entry["trainable"] = bool(layer.trainable)
        entry["initializer"] = _made(getattr(layer, "kernel_initializer", None))
        bias = _made(getattr(layer, "bias_initializer", None)) if getattr(layer, "use_bias", False) else None
        entry["bias"] = {"Zeros": 0.0, "Ones": 1.0}.get(bias["class"], bias.get("value")) if bias else None  # its initial value
        kernel = getattr(layer, "_kernel", None) if hasattr(layer, "_kernel") else getattr(layer, "kernel", None)
        entry["kernel"] = list(kernel.shape) if kernel is not None else None
        if kernel is not None and not layer.trainable:
            entry["drawn"] = _is_drawn(layer, kernel)
        entry["regularizer"] = _made(getattr(layer, "kernel_regularizer", getattr(layer, "embeddings_regularizer", None)))
        entry["regularized"] = any(getattr(w, "regularizer", None) is not None for w in layer.trainable_weights)
    if isinstance(layer, keras.layers.Softmax) and (shape := _shape_of(layer)) and isinstance(layer.axis, int):
        entry["settings"]["along"] = shape[layer.axis]
    if isinstance(layer, keras.layers.Normalization) and layer.input_mean is None and layer.built:
        entry["settings"]["adapted"] = _adapted(layer)
    if isinstance(layer, keras.Model):
        entry["custom"] = not isinstance(layer, keras.Sequential) and not _tensors(layer, "inputs")
        entry["layers"] = _layers(layer, f"{prefix}{layer.name}/")
        entry["paths"] = _paths(layer)
    return entry


def _shape_of(layer: Any) -> tuple[int | None, ...]:
    """The shape of what a layer of a functional model gives; empty where it is not known, or called several times."""
    try:
        return tuple(layer.output.shape)
    except (AttributeError, ValueError):
        return ()


def _is_drawn(layer: Any, kernel: Any) -> bool:
    """Whether a layer still has what its initialisers gave it: biases of 0, if any, and weights with the spread of these and
    within their bounds, which trained ones leave."""
    bias, made, shape = getattr(layer, "bias", None), layer.kernel_initializer, tuple(kernel.shape)
    if not isinstance(made, keras.initializers.VarianceScaling) or len(shape) < 2 or math.prod(shape) < FOR_A_DRAW:
        return False
    if bias is not None and np.any(keras.ops.convert_to_numpy(bias) != 0):
        return False
    fan_in, fan_out = (math.prod(shape[:-2]) * size for size in shape[-2:])
    fan = {"fan_in": fan_in, "fan_out": fan_out}.get(made.mode, (fan_in + fan_out) / 2)
    values = keras.ops.convert_to_numpy(kernel)
    expected, spread = math.sqrt(made.scale / fan), float(np.std(values))
    if float(np.abs(values).max()) > BOUNDS.get(made.distribution, math.inf) * expected:
        return False
    return abs(spread / expected - 1) < SIGMAS * math.sqrt(0.5 / math.prod(shape)) + SLACK


def _adapted(layer: keras.layers.Normalization) -> bool:
    """Whether `adapt` was called: before it, mean and variance are 0 and 1."""
    mean, variance = (keras.ops.convert_to_numpy(v) for v in (layer.adapt_mean, layer.adapt_variance))
    return bool(np.any(mean != 0) or np.any(variance != 1))


def _made(by: Any) -> dict[str, Any] | None:
    """The class of an initialiser or a regulariser, and its settings that are numbers or texts; None without one."""
    if by is None or not hasattr(by, "get_config"):
        return None
    return {"class": type(by).__name__, **settings(by.get_config())}


def _paths(model: Any) -> list[list[str]]:
    """For each input of a functional model, the names of the operations that its values go through, about `PATH` at most.

    The path ends where the data flow branches; the first operation of each branch is still included.
    """
    paths = []
    try:
        consumers: dict[int, list[Any]] = {}
        for operation in _operations(model):
            for node in operation._inbound_nodes:
                for tensor in node.input_tensors:
                    consumers.setdefault(id(tensor), []).append((operation, node))
        for tensor in leaves(model.inputs):
            path: list[str] = []
            waiting = [tensor]
            while waiting and len(path) < PATH:
                following = [c for t in waiting for c in consumers.get(id(t), [])]
                path += [operation.name for operation, _ in following]
                waiting = [t for _, node in following for t in node.output_tensors] if len(following) == 1 else []
            paths.append(path)
    except (AttributeError, ValueError, TypeError):  # a subclassed model has no graph; the graph is not public, either
        return []
    return paths


def _tensors(model: Any, which: str) -> list[dict[str, Any]]:
    try:
        tensors = getattr(model, which) or []
    except (AttributeError, ValueError):  # a subclassed model without symbolic tensors
        return []
    return [{"name": t.name, "shape": list(t.shape), "dtype": str(t.dtype)} for t in leaves(tensors)]


def _parameters(weights: list[Any]) -> int:
    return sum(math.prod(w.shape) for w in weights)


def facts_of_several(models: list[keras.Model]) -> dict[str, Any]:
    """Models that are trained together, as parts of one; it is not known which one gets what another gives."""
    parts = [model_facts(model) for model in models]
    summed = {key: sum(part[key] for part in parts) for key in ("parameters", "trainable_parameters")}
    layers = [_layer(model, "") for model in models]
    unknown: dict[str, Any] = {"inputs": [], "paths": [], "outputs": [], "output_units": None}
    return {"name": "", "class": "", "kind": "subclass", **summed, **unknown, "layers": layers}


def optimizer_facts(optimizer: Any) -> dict[str, Any]:
    if optimizer is None:
        return {}
    inner = getattr(optimizer, "inner_optimizer", None)
    base = inner if inner is not None else optimizer
    try:
        # the shortest number that is this float32: 0.001, not 0.0010000000474974513
        rate = float(str(np.float32(keras.ops.convert_to_numpy(base.learning_rate))))
    except Exception:
        rate = None
    return {
        "class": type(base).__name__,
        "learning_rate": rate,
        "schedule": isinstance(getattr(base, "_learning_rate", None), keras.optimizers.schedules.LearningRateSchedule),
        "settings": settings(base.get_config(), without=("learning_rate",)),
        "loss_scale": bool(inner is not None or getattr(base, "loss_scale_factor", None)),
    }
