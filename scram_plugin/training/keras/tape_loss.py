"""The loss of a loop with `tf.GradientTape`: what it compares, and by which loss of Keras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from scram_plugin.training.keras import pairs
from scram_plugin.training.keras.kinds import of_keras
from scram_plugin.training.keras.tape_patches import OF_NN, quietly
from scram_plugin.training.structures import leaves

CONSTANT = ("Const", "Fill", "OnesLike", "ZerosLike", "Range", "BroadcastTo")  # operations whose results are no labels
PASSES = (
    *pairs.PASSES,
    "Reshape",
    "Squeeze",
    "ExpandDims",
    "StridedSlice",
)  # operations that change no value, or leave some out
SUBTRACTS = ("Sub", "SquaredDifference")
DEEPEST = 8  # operations between a difference and what it compares; by definition


@dataclass
class Compared:
    """`by`: a loss of Keras, the name of a function of `tf.nn`, or None where that is not known."""

    by: Any
    targets: Any
    outputs: Any
    shapes: dict[str, list[int | None]] | None = None  # of what is compared in all pairs, see `pairs.shapes`

    @property
    def loss(self) -> Any:
        """The loss of Keras; None if it is not known."""
        return OF_NN[self.by](from_logits=True) if isinstance(self.by, str) else self.by

    def is_by(self, other: Any) -> bool:
        """Whether another comparison is by the same loss."""
        return self.by is other or (type(self.by) is type(other) and self.by == other)

    def again(self, targets: np.ndarray, outputs: np.ndarray) -> Any:
        """The same loss of other values; None if that is not known. A loss of the program's own may change something."""
        loss = self.loss
        own = loss is None or not (of_keras(type(loss)) and of_keras(getattr(loss, "fn", loss)))
        return None if own else quietly(lambda: loss(targets, outputs))


def in_graph(graph: Any, outputs: list[Any]) -> Compared | None:
    """What a function that is traced subtracts from the model's outputs: the mean squared, or the mean absolute error.

    None where the outputs are not subtracted from, or by, a tensor that the function was given.
    """
    made = {id(output) for output in outputs if tf.is_symbolic_tensor(output)}
    for operation in graph.get_operations() if made else ():
        if operation.type not in SUBTRACTS:
            continue
        one, other = operation.inputs
        for output, target in ((one, other), (other, one)):
            given = _given(target)
            if given is None or id(_source(output)) not in made or given is _given(output):
                continue
            used = {consumer.type for result in operation.outputs for consumer in result.consumers()}
            by = None
            if operation.type == "SquaredDifference" or used & {"Square", "Mul", "Pow"}:
                by = keras.losses.MeanSquaredError()
            elif "Abs" in used:
                by = keras.losses.MeanAbsoluteError()
            return Compared(by, target, output, pairs.shapes(graph, [target], outputs))
    return None


def _source(tensor: Any) -> Any:
    """What a tensor was before casts and changes of its shape."""
    for _ in range(DEEPEST):
        if tensor.op.type not in PASSES:
            break
        tensor = tensor.op.inputs[0]
    return tensor


def is_of(tensor: Any, outputs: Any) -> bool:
    """Whether a tensor is one of the model's outputs, but for its type and shape where a function is traced."""
    made = [leaf for leaf in leaves(outputs) if tf.is_tensor(leaf)]
    return any(tensor is one for one in made) or (
        tf.is_symbolic_tensor(tensor) and any(_source(tensor) is _source(one) for one in made if tf.is_symbolic_tensor(one))
    )


def takes_logits(by: Any) -> bool:
    """Whether a loss, as of `Compared`, applies a softmax itself."""
    return isinstance(by, str) or (getattr(by, "_fn_kwargs", None) or {}).get("from_logits") is True


def before_softmax(tensor: Any) -> Any:
    """What a traced function takes a softmax of to make a tensor; the tensor itself, if it is no result of one."""
    source = _source(tensor) if tf.is_symbolic_tensor(tensor) else None
    return source.op.inputs[0] if source is not None and source.op.type == "Softmax" else tensor


def is_constant(targets: Any) -> bool:
    """Whether targets are made in the step, all of them alike, as those of a generated image."""
    if tf.is_symbolic_tensor(targets):
        return _source(targets).op.type in CONSTANT
    if "float" not in str(targets.dtype):
        return False
    values = np.asarray(targets)
    return values.size > 1 and bool((values == values.flat[0]).all())


def _given(tensor: Any) -> Any:
    """The argument of the function that a tensor is, but for its type and shape."""
    source = _source(tensor)
    return source if source.op.type == "Placeholder" else None
