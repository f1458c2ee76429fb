"""Facts of a PyTorch model and its training, as plain values. They are read once; heuristics evaluate them."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from scram_plugin import __version__
from scram_plugin.redaction import settings
from scram_plugin.training.labels import MOST_CLASSES
from scram_plugin.training.structures import leaves
from scram_plugin.training.torch.graph import ACTIVATIONS, DISTANCES, LOGITS, Loss, Place, saved

MOST_LAYERS = 2_000
_SETTINGS = {
    "p": "rate",
    "in_features": "in_features",
    "out_features": "units",
    "out_channels": "filters",
    "kernel_size": "kernel_size",
    "stride": "strides",
    "num_embeddings": "input_dim",
    "embedding_dim": "output_dim",
    "momentum": "momentum",
    "dim": "dim",
    "hidden_size": "units",
}
# class of an activation layer -> name of the activation
ACTIVATING = {
    **{name.replace("_", "").lower(): name for name in ACTIVATIONS.values()},
    "relu6": "relu6",
    "hardsigmoid": "hard_sigmoid",
}
OF_CLASSES = ("CrossEntropyLoss", "NLLLoss")  # losses whose targets are numbers of classes; source: PyTorch
TRANSPOSED = "Conv1D"  # the layer of Hugging Face's GPT-2: a linear one, whose weight has the inputs first
WEIGHTED = (
    torch.nn.Linear,
    torch.nn.Bilinear,
    torch.nn.modules.conv._ConvNd,
)


def called(model: torch.nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> list[type]:
    """The classes whose arguments a fix may set."""
    kinds = {type(module) for module in model.modules()} | {type(optimizer) for optimizer in optimizers}
    return [*sorted(kinds, key=lambda kind: kind.__name__), torch.utils.data.DataLoader]


def facts(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer | None,
    flow: tuple[list[Place], list[str]],
    losses: list[Loss],
    tensors: Mapping[str, Any],
    policy: str,
    fit: Mapping[str, Any],
    source: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """All facts of one training, with the keys of `training/keras/model_facts.py`.

    `flow` describes the data flow through the layers in the first step; `tensors` are the ``inputs``,
    ``outputs`` and ``targets`` of that step; `policy`: see `precision`.
    """
    device = next((p.device.type for p in model.parameters()), "cpu")
    return {
        "framework": "torch",
        "versions": {"torch": torch.__version__, "python": platform.python_version(), "scram": __version__},
        "backend": device,
        "time": time.time(),
        "model": _model(model, flow, tensors),
        "loss": _loss(losses, tensors.get("outputs"), tensors.get("targets"), source),
        "optimizer": _optimizer(optimizer),
        "dtype_policy": policy,
        "fit": dict(fit),
        "source": source,
    }


def precision(model: torch.nn.Module) -> str:
    """The precision in which a model computes at this point, such as ``float32``, or ``mixed_bfloat16`` in an autocast."""
    first = next(model.parameters(), None)
    if first is None:
        return "float32"
    kind = _autocast(first.device.type)
    return f"mixed_{_name(kind)}" if kind is not None else _name(first.dtype)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _autocast(device: str) -> torch.dtype | None:
    """The type to which autocast converts operations on a device at this point; None without autocast."""
    if hasattr(torch, "get_autocast_dtype"):
        return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
    # before PyTorch 2.4
    enabled = torch.is_autocast_enabled() if device == "cuda" else torch.is_autocast_cpu_enabled()
    return (torch.get_autocast_gpu_dtype() if device == "cuda" else torch.get_autocast_cpu_dtype()) if enabled else None


def _model(model: torch.nn.Module, flow: tuple[list[Place], list[str]], tensors: Mapping[str, Any]) -> dict[str, Any]:
    inputs, outputs = (_tensors(tensors.get(which)) for which in ("inputs", "outputs"))
    parameters = list(model.parameters())
    places, _ = flow
    return {
        "name": type(model).__name__,
        "class": type(model).__name__,
        "kind": "subclass" if not places else "sequential" if isinstance(model, torch.nn.Sequential) else "functional",
        "parameters": sum(p.numel() for p in parameters) + sum(b.numel() for b in model.buffers()),
        "trainable_parameters": sum(p.numel() for p in parameters if p.requires_grad),
        # a library for adapters (LoRA) freezes all but these
        "adapters": any(type(m).__module__.startswith("peft.") for m in model.modules()),
        "inputs": inputs,
        "paths": _paths(places, len(inputs)),
        "outputs": outputs,
        "output_units": _units(outputs, places),
        "layers": merged(places)[:MOST_LAYERS],
    }


def _units(outputs: list[dict[str, Any]], places: list[Place]) -> int | None:
    """How many numbers the first output has for an example, or for each pixel: channels come first after a convolution."""
    if not outputs:
        return None
    shape = outputs[0]["shape"]
    weighted = [place.module for place in places if isinstance(place.module, WEIGHTED)]
    of_image = len(shape) > 2 and bool(weighted) and isinstance(weighted[-1], torch.nn.modules.conv._ConvNd)
    units: int = shape[1 if of_image else -1] if len(shape) > 1 else 1
    return units


def merged(places: list[Place]) -> list[dict[str, Any]]:
    """The entries of all places. An activation layer becomes part of a weighted layer that only it reads."""
    readers: dict[str, int] = {}
    for place in places:
        for source in place.sources:
            readers[source] = readers.get(source, 0) + 1
    by_path = {place.path: place for place in places}
    instead: dict[str, str] = {}
    kept = []
    for place in places:
        kind = ACTIVATING.get(place.kind.lower()) if place.module is not None else None
        place.activation = place.activation or kind
        before = by_path.get(instead.get(place.sources[0], place.sources[0])) if len(place.sources) == 1 else None
        mine = before is not None and isinstance(before.module, WEIGHTED) and before.activation is None
        if kind is not None and before is not None and mine and readers[place.sources[0]] == 1:
            before.activation, before.activated_by = kind, place.path
            instead[place.path] = before.path
        else:
            kept.append(place)
    return [_layer(place, [instead.get(source, source) for source in place.sources]) for place in kept]


def _layer(place: Place, sources: list[str]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": place.path,
        "path": place.path,
        "class": place.kind,
        "custom": place.module is not None and not type(place.module).__module__.startswith("torch.nn."),
        "activation": place.activation,
        "activated_by": place.activated_by,
        "from": sources,
        "settings": {},
    }
    module = place.module
    if module is None:
        return entry
    for attribute, name in _SETTINGS.items():
        value = getattr(module, attribute, None)
        if isinstance(value, tuple) and all(isinstance(v, int) for v in value):
            entry["settings"][name] = list(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            entry["settings"][name] = value
    parameters = list(module.parameters())
    entry["parameters"] = sum(p.numel() for p in parameters)
    entry["trainable"] = any(p.requires_grad for p in parameters) if parameters else True
    weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
    transposed = place.kind == TRANSPOSED and isinstance(weight, torch.Tensor) and weight.dim() == 2
    if (transposed or isinstance(module, WEIGHTED)) and isinstance(weight, torch.Tensor):
        # in Keras's order: inputs, then outputs
        entry["kernel"] = list(weight.shape) if transposed else [*weight.shape[2:], weight.shape[1], weight.shape[0]]
        entry["initializer"] = _start(weight.detach())
        entry["bias"] = float(bias.detach().float().mean()) if isinstance(bias, torch.Tensor) else None
    return entry


def _start(weight: torch.Tensor) -> dict[str, Any]:
    """The initial weights: their root mean square, or their common value if all are equal."""
    low, high = (float(value) for value in torch.aminmax(weight.float()))
    if low == high:
        return {"class": "Zeros" if low == 0 else "Ones" if low == 1 else "Constant", "value": low}
    deviation, mean = torch.std_mean(weight.float())
    return {"class": "Measured", "stddev": float(torch.hypot(deviation, mean))}


def _paths(places: list[Place], inputs: int) -> list[list[str]]:
    """For a model with one input, the paths of the layers that its values go through, up to the first branch."""
    if inputs != 1 or not places:
        return []
    readers: dict[str, list[str]] = {}
    for place in places:
        for source in place.sources or [""]:
            readers.setdefault(source, []).append(place.path)
    path: list[str] = []
    at = ""
    while len(path) < 12 and len(readers.get(at, [])) == 1:
        at = readers[at][0]
        path.append(at)
    return [path or readers.get("", [])]


def _tensors(structure: Any) -> list[dict[str, Any]]:
    found = [t for t in leaves(structure) if isinstance(t, torch.Tensor)]
    return [{"name": str(i), "shape": [None, *t.shape[1:]], "dtype": _name(t.dtype)} for i, t in enumerate(found)]


def _loss(losses: list[Loss], outputs: Any, targets: torch.Tensor | None, source: Mapping[str, Any] | None) -> dict[str, Any]:
    unknown: dict[str, Any] = {"name": None, "class": None, "from_logits": None, "custom": None, "source": None}
    if len(losses) == 1:
        loss = losses[0]
        if not loss.of_outputs:  # it compares values derived from the outputs, whose shape and scale may differ
            return unknown
        found = {**unknown, "name": loss.name, "class": loss.name, "from_logits": LOGITS.get(loss.name), "custom": False}
        found["mean"], found["ignored"] = loss.mean, loss.ignored
        if counts := _counts(loss):
            found["counts"] = counts
        if loss.name in DISTANCES and loss.prediction is not None and targets is not None:
            found["shapes"] = _shapes(outputs, loss.prediction, targets)
        return found
    # a loss with an unknown operation, or one that failed: use the name in the program, if there is one
    texts = [str(s.get("text")) for s in (source or {}).get("statements", ()) if s.get("role") == "loss"]
    names = {name for text in texts for name in re.findall(r"\b([A-Z]\w*Loss)\(", text)}
    if not losses and len(names) == 1 and hasattr(torch.nn, name := names.pop()):
        return {**unknown, "name": name, "class": name, "from_logits": LOGITS.get(name), "custom": False}
    return unknown


def _counts(loss: Loss) -> list[int]:
    """How many targets of the first batch belong to each class, as the words of a text; empty where that is not known."""
    target = loss.target
    if loss.name not in OF_CLASSES or target is None or target.is_floating_point() or saved(loss.node, "weight") is not None:
        return []
    counted = target[target != loss.ignored] if loss.ignored is not None else target
    if not counted.numel() or int(counted.min()) < 0 or int(counted.max()) >= MOST_CLASSES:
        return []
    counts: list[int] = torch.bincount(counted.reshape(-1).long()).tolist()
    return counts


def _shapes(outputs: Any, compared: torch.Tensor, targets: torch.Tensor) -> dict[str, list[int]]:
    """The shapes of the output and the targets that are compared, and of their difference. Of several outputs, the loss may
    read another one than the first; and the program may compare something else than the targets of its loader."""
    made = [t for t in leaves(outputs) if isinstance(t, torch.Tensor)]
    output = next((t for t in made if t.shape == compared.shape), next(iter(made), None))
    target = _as_given(targets)
    if output is None or not _gives(output.shape, target, compared.shape):
        return {}
    return {"output": list(output.shape), "compared": list(compared.shape), "target": target}


def _gives(one: Sequence[int], other: Sequence[int], both: torch.Size) -> bool:
    try:
        return bool(torch.broadcast_shapes(one, other) == both)
    except RuntimeError:
        return False


def _betas(given: Any) -> dict[str, float]:
    """With the names that Keras gives them."""
    if not isinstance(given, list | tuple) or len(given) != 2 or not all(isinstance(beta, float) for beta in given):
        return {}
    return {"beta_1": given[0], "beta_2": given[1]}


def _as_given(tensor: torch.Tensor) -> list[int]:
    """The shape without the axes along which one value stands for all, as after a broadcast."""
    given = [size for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride or size == 1]
    return given if len(given) < tensor.dim() else list(tensor.shape)


def _optimizer(optimizer: torch.optim.Optimizer | None) -> dict[str, Any]:
    if optimizer is None or not optimizer.param_groups:
        return {}
    group = optimizer.param_groups[0]
    rate = group.get("lr")
    return {
        "class": type(optimizer).__name__,
        "learning_rate": float(rate) if isinstance(rate, int | float | torch.Tensor) else None,
        "schedule": "initial_lr" in group,  # every scheduler of PyTorch sets it
        "settings": {**settings(group, without=("lr", "initial_lr")), **_betas(group.get("betas"))},
        "groups": len(optimizer.param_groups),
        "loss_scale": False,
    }
