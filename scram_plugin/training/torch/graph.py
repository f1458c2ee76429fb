"""Reads the autograd graph of one step: which loss it computes, and how data flow from layer to layer.

The graph shows what was computed, however the program is written: with `nn.ReLU()` or `F.relu(x)`, with a loss module or a
function. Nodes have the names of operations (``AddmmBackward0``). What an operation saved for its gradient (``_saved_target``)
can be read until the backward pass frees it.
"""

from __future__ import annotations

import functools
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import torch
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.utils import parametrize

from scram_plugin.training.structures import leaves

# class of `torch.nn` -> whether it applies the softmax or sigmoid itself; None if it expects no probabilities
LOGITS = {
    "CrossEntropyLoss": True,
    "NLLLoss": False,
    "BCELoss": False,
    "BCEWithLogitsLoss": True,
    "KLDivLoss": False,
    "SoftMarginLoss": True,
    "MultiMarginLoss": True,
    "CTCLoss": False,
    "MSELoss": None,
    "L1Loss": None,
    "SmoothL1Loss": None,
    "HuberLoss": None,
}
LIKELIHOOD = "GaussianNLLLoss"  # for all forms of it, see `likelihoods`
DISTANCES = ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss")  # losses that compare number by number
# last operation of a loss -> the class of `torch.nn` that computes it
OPERATIONS = {
    "NllLoss": "NLLLoss",
    "NllLoss2D": "NLLLoss",
    "MseLoss": "MSELoss",
    "BinaryCrossEntropy": "BCELoss",
    "BinaryCrossEntropyWithLogits": "BCEWithLogitsLoss",
    "KlDiv": "KLDivLoss",
    "CtcLoss": "CTCLoss",
    **{name: name for name in ("L1Loss", "SmoothL1Loss", "HuberLoss", "SoftMarginLoss", "MultiMarginLoss")},
}
# function of `torch.nn.functional` -> the class of `torch.nn` that computes the same
FUNCTIONS = {
    "cross_entropy": "CrossEntropyLoss",
    "nll_loss": "NLLLoss",
    "binary_cross_entropy": "BCELoss",
    "binary_cross_entropy_with_logits": "BCEWithLogitsLoss",
    "mse_loss": "MSELoss",
    "l1_loss": "L1Loss",
    "smooth_l1_loss": "SmoothL1Loss",
    "huber_loss": "HuberLoss",
}
MEAN = 1  # the reduction of a loss, as its node stores it (0: none, 2: the sum)
NEAR = 24  # number of nodes, from the loss backwards, that are searched for its operation
FAR = 400  # nodes between two layers, at most
ACTIVATIONS = {
    "Relu": "relu",
    "Threshold": "relu",
    "Hardtanh": "relu6",
    "Tanh": "tanh",
    "Sigmoid": "sigmoid",
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Gelu": "gelu",
    "Silu": "silu",
    "Elu": "elu",
    "LeakyRelu": "leaky_relu",
    "Softplus": "softplus",
    "Hardswish": "hardswish",
    "Hardsigmoid": "hard_sigmoid",
    "Mish": "mish",
    "LogSigmoid": "log_sigmoid",
    "PreluKernel": "prelu",
}
SCALING = ("Mul", "Div", "Neg", "Add", "Sub", "Rsub")  # operations that scale or shift values by constants
CHOOSING = ("Index", "IndexSelect")  # operations that take some of the values
# operations that change no value
PASSING = re.compile(
    r"(View|UnsafeView|Reshape(Alias)?|Permute|Transpose|T|Unsqueeze|Squeeze|Expand|Clone|Select|Slice|ToCopy|Alias|Contiguous"
    r"|Split|Unbind|SplitWithSizes|Detach|MovedIm|Dropout|NativeDropout|FusedDropout|_DDPSink|Flatten)$"
)


def operation(node: Any) -> str:
    """``Relu`` for a node named ``ReluBackward0``."""
    return _without_number(node.name())


def before(node: Any) -> list[Any]:
    """The nodes whose results an operation takes, without those that need no gradient."""
    return [following for following, _ in node.next_functions if following is not None]


def through(node: Any) -> Any:
    """The first node, from this one backwards, that changes values; None without one."""
    for _ in range(NEAR):
        if node is None or not PASSING.match(operation(node)) or len(node.next_functions) != 1:
            break
        node = node.next_functions[0][0]
    return node


@functools.cache
def _without_number(name: str) -> str:
    return re.sub(r"Backward\w*$", "", name)


@dataclass
class Loss:
    """A loss, known from its last operation: the class that computes it, and the tensors it compared (None if not saved).

    `of_outputs`: whether it compares outputs of the model themselves, not values that the program derives from them. `mean`:
    whether the program's loss is exactly the mean of this one over the examples. `ignored`: the class that does not count.
    """

    name: str
    node: Any = None
    target: torch.Tensor | None = None
    prediction: torch.Tensor | None = None
    of_outputs: bool = True
    mean: bool = True
    ignored: int | None = None


def loss_of(loss: torch.Tensor) -> list[Loss]:
    """The losses whose sum, mean or multiple `loss` is; empty if none of `OPERATIONS` is among the nearest nodes."""
    found, waiting, seen = [], deque([loss.grad_fn]), set[Any]()
    while waiting and len(seen) < NEAR:
        node = waiting.popleft()
        if node is None or node in seen:  # a focal loss takes the same one twice
            continue
        seen.add(node)
        known = OPERATIONS.get(operation(node))
        if known is None:
            waiting.extend(following for following, _ in node.next_functions)
        else:
            ignored = getattr(node, "_saved_ignore_index", None)
            found.append(Loss(known, node, saved(node, "target"), saved(node, "self"), ignored=signed(ignored)))
    return found


def signed(number: int | None) -> int | None:
    """A node gives a negative number as one of 64 bits without a sign."""
    return number - 2**64 if number is not None and number >= 2**63 else number


def named(losses: list[Loss], outputs: list[Any]) -> list[Loss]:
    """Include the softmax in the names: `NLLLoss` of a log-softmax that is not an output of the model is `CrossEntropyLoss`."""
    for loss in losses:
        before = loss.node.next_functions[0][0] if loss.name == "NLLLoss" and loss.node is not None else None
        if before is not None and operation(before) == "LogSoftmax" and before not in outputs:
            loss.name = "CrossEntropyLoss"
    return losses


def placed(losses: list[Loss], loss: torch.Tensor | None, outputs: list[Any]) -> list[Loss]:
    """Set `of_outputs` and `mean` of each of `losses`, and return these.

    They depend on the operations between the model's outputs (the nodes `outputs`) and a loss, and between that and the
    program's `loss`.
    """
    if loss is None:  # the program failed while it computed the loss
        return losses
    among = {id(node) for node in outputs}
    way = list(along(loss.grad_fn, (*SCALING, "Mean")))
    between = way[:-1]
    factors = [saved(node, name) for node in between for name in ("self", "other")]
    weighted = any(factor is not None and factor.dim() for factor in factors)
    averaged = any(operation(node) == "Mean" for node in between)
    for known in losses:
        at = known.node.next_functions[0][0]
        if known.name == "CrossEntropyLoss" and at is not None and operation(at) == "LogSoftmax":
            at = at.next_functions[0][0]
        known.of_outputs = any(id(node) in among for node in along(at, (*SCALING, *CHOOSING)))
        if known.name == LIKELIHOOD:
            continue  # a sum, see `likelihoods`
        mean = averaged or getattr(known.node, "_saved_reduction", MEAN) == MEAN
        known.mean = way[-1] is known.node and mean and not weighted and saved(known.node, "pos_weight") is None
    return losses


def along(node: Any, also: tuple[str, ...]) -> Iterator[Any]:
    """A node and those before it, through operations that change no value.

    Operations named in `also` are passed, too, if only one of their inputs needs a gradient.
    """
    for _ in range(NEAR):
        if node is None:
            return
        yield node
        name, following = operation(node), before(node)
        several = name == "Index" and len([i for i in getattr(node, "_saved_indices", ()) if i is not None]) > 1
        if len(following) != 1 or several or not (name in also or PASSING.match(name)):
            return
        node = following[0]


def unscaled(loss: torch.Tensor) -> torch.Tensor:
    """The loss without the factor of a `GradScaler`, which is a float32 scalar tensor.

    A number by which the program itself multiplies the loss is kept.
    """
    node = loss.grad_fn
    if node is None or operation(node) != "Mul":
        return loss
    scale = kept(node, "other")
    if isinstance(scale, torch.Tensor) and scale.dim() == 0 and scale.dtype == torch.float32 and not scale.requires_grad:
        return loss.detach() / scale
    return loss


def failed_loss(trace: TracebackType | None) -> list[Loss]:
    """The loss function in which a program failed: the innermost one of PyTorch in the traceback; empty without one."""
    found: list[Loss] = []
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_name in FUNCTIONS and code.co_filename.endswith("functional.py"):
            found = [Loss(FUNCTIONS[code.co_name])]
        trace = trace.tb_next
    return found


def saved(node: Any, name: str) -> torch.Tensor | None:
    """The tensor that a node saved under this name; None if there is none, see `kept`."""
    value = kept(node, name)
    return value.detach() if isinstance(value, torch.Tensor) else None


def kept(node: Any, name: str) -> Any:
    """What a node saved under this name; None if it is freed, or the program has hooks that bring it back: a checkpoint
    computes its layers again, with their dropout and their running means."""
    try:
        if getattr(getattr(node, f"_raw_saved_{name}", None), "unpack_hook", None) is not None:
            return None
        return getattr(node, f"_saved_{name}", None)
    except RuntimeError:  # freed: this is a second backward pass
        return None


@dataclass
class Call:
    """One call of a layer: its path, and the graph's nodes of its inputs and outputs."""

    path: str
    module: torch.nn.Module
    sources: list[Any]
    made: list[Any] = field(default_factory=list)


@dataclass
class Place:
    """A layer, or operations between layers, in the data flow. `sources` are the paths of the places before it."""

    path: str
    module: torch.nn.Module | None
    kind: str  # class of the layer, or names of operations
    sources: list[str] = field(default_factory=list)
    activation: str | None = None
    activated_by: str | None = None  # the path of the layer that computes the activation, if it is a separate layer


class Calls:
    """Records the calls of layers during one forward pass: `begin` is a pre-hook, and `end` a hook, of each layer."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._kept: list[Any] = []  # keeps tensors alive, since they are distinguished by id

    def begin(self, path: str, module: torch.nn.Module, inputs: Any) -> None:
        if isinstance(module, torch.nn.Identity):
            return  # in several places it would join what has nothing to do with each other
        self.calls.append(Call(path, module, self.nodes(inputs)))

    def end(self, path: str, module: torch.nn.Module, output: Any) -> None:
        for call in reversed(self.calls):
            if call.module is module and not call.made:
                call.made = self.nodes(output)
                return

    def nodes(self, structure: Any) -> list[Any]:
        """The graph's node of each tensor; the id of the tensor if it has none."""
        found = [t for t in leaves(structure) if isinstance(t, torch.Tensor)]
        self._kept.append(found)
        return [t.grad_fn if t.grad_fn is not None else id(t) for t in found]

    def places(self, outputs: list[Any]) -> tuple[list[Place], list[str]]:
        """All places in the order of computation, and the paths of those that compute the model's outputs."""
        makers: dict[Any, Place] = {}
        found: dict[str, Place] = {}
        for call in self.calls:
            sources = self._sources(found, call.path, call.sources, makers, set(call.made))
            path = _path_of_call(found, call, sources)
            place = found.setdefault(path, Place(path, call.module, _kind(call.module)))
            place.sources = list(dict.fromkeys([*place.sources, *(s for s in sources if s != call.path)]))
            makers.update(dict.fromkeys(call.made, place))
        return list(found.values()), self._sources(found, "output", outputs, makers, set())

    @staticmethod
    def _sources(found: dict[str, Place], path: str, start: list[Any], makers: dict[Any, Place], own: set[Any]) -> list[str]:
        """Search backwards from the nodes `start` for the outputs of layers; returns the paths of the places found.

        Operations in between become a place of their own. An activation of a layer's output becomes a part of that layer.
        """
        sources: dict[str, None] = {}
        operations: list[str] = []
        waiting, seen = deque(start), set(own)
        while waiting and len(seen) < FAR:
            node = waiting.popleft()
            if node is None or node in seen:
                continue
            seen.add(node)
            if node in makers:
                sources[makers[node].path] = None
                continue
            if isinstance(node, int):  # the id of a tensor that needs no gradient
                continue
            name, following = operation(node), before(node)
            maker = _maker(makers, following[0]) if name in ACTIVATIONS and following else None
            if maker is not None and maker.module is not None and maker.activation in (None, ACTIVATIONS[name]):
                maker.activation = ACTIVATIONS[name]
            elif name == "torch::autograd::AccumulateGrad":
                operations.append("Parameter")
            elif not PASSING.match(name):
                operations.append(name)
            waiting.extend(following)
        if not operations:
            return list(sources)
        name = f"{path}:{'+'.join(dict.fromkeys(o.lower() for o in operations[:4]))}"
        single = ACTIVATIONS.get(operations[0]) if len(operations) == 1 else None
        found[name] = Place(name, None, operations[0] if len(operations) == 1 else "operations", list(sources), single)
        return [name]


def _kind(module: torch.nn.Module) -> str:
    """The class of a layer: of one with a parametrised weight, the class that PyTorch derived its own from."""
    kind = type(module)
    return (kind.__bases__[0] if parametrize.is_parametrized(module) else kind).__name__


def _path_of_call(found: Mapping[str, Place], call: Call, sources: list[str]) -> str:
    """The path of a layer. A dropout that is called for several layers has a place after each: ``drop``, ``drop#2``."""
    path, count = call.path, 1
    while isinstance(call.module, _DropoutNd) and path in found and found[path].sources != sources:
        count += 1
        path = f"{call.path}#{count}"
    return path


def _maker(makers: Mapping[Any, Place], node: Any) -> Place | None:
    """The layer whose output is this node, or one before it from which on no value changes."""
    while node not in makers and PASSING.match(operation(node)):
        if len(node.next_functions) != 1 or node.next_functions[0][0] is None:
            return None
        node = node.next_functions[0][0]
    return makers.get(node)


def layers(model: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Module]]:
    """Path and module of each layer: modules without children, and those of PyTorch whose children are not called."""
    seen: set[int] = set()
    waiting = [("", model)]
    while waiting:
        path, module = waiting.pop(0)
        if id(module) in seen:
            continue
        seen.add(id(module))
        children = list(module.named_children())
        whole = isinstance(module, torch.nn.MultiheadAttention | torch.nn.RNNBase)
        whole |= parametrize.is_parametrized(module)  # as `weight_norm` makes it
        if whole or not children:
            yield path or "model", module
        else:
            waiting = [(f"{path}.{name}" if path else name, child) for name, child in children] + waiting
