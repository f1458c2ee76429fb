"""Targets of shape (batch,) beside outputs of shape (batch, 1), in a train step that the program wrote itself.

Keras's own losses give both the same shape. Where a program subtracts one from the other, TensorFlow compares all pairs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

COMPARES = ("Sub", "SquaredDifference", "Mul")  # operations that compare outputs with targets, or weigh them by these


def shapes(graph: Any, targets: Iterable[Any]) -> dict[str, list[int | None]] | None:
    """The shapes of ``output``, ``target`` and ``compared``, their differences; None where nothing is compared in pairs.

    `graph`: that of a step, while it is traced. Shapes have None for the number of examples.
    """
    if not isinstance(graph, tf.Graph):
        return None
    of_targets = {id(t) for t in targets if tf.is_tensor(t)}
    plain = {id(t) for t in targets if tf.is_tensor(t) and t.shape.rank == 1}
    for operation in graph.get_operations() if plain else ():
        given = [t for t in operation.inputs if t.op.type != "Const"]
        if given and all(id(t) in of_targets for t in given):  # also the differences between targets, which are no fault
            of_targets.update(map(id, operation.outputs))
            if operation.type in ("Cast", "Identity", "StopGradient") and id(given[0]) in plain:
                plain.update(map(id, operation.outputs))
        elif operation.type in COMPARES and len(given) == 2:
            target, output = sorted(given, key=lambda t: id(t) not in plain)
            (result,) = operation.outputs
            paired = output.shape.rank == result.shape.rank == 2 and output.shape[1] == 1 and result.shape[1] != 1
            if id(target) in plain and paired and id(output) not in of_targets:
                found = {"output": output, "target": target, "compared": result}
                return {which: list(tensor.shape) for which, tensor in found.items()}
    return None
