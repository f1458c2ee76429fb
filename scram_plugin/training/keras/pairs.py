"""Targets of shape (batch,) beside outputs of shape (batch, 1), in a train step that the program wrote itself.

Keras's own losses give both the same shape. Where a program subtracts one from the other, TensorFlow compares all pairs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

COMPARES = ("Sub", "SquaredDifference", "Mul")  # operations that compare outputs with targets, or weigh them by these
PASSES = ("Cast", "Identity", "IdentityN", "StopGradient")  # operations that change no value


def shapes(graph: Any, targets: Iterable[Any], outputs: Iterable[Any]) -> dict[str, list[int | None]] | None:
    """The shapes of ``output``, ``target`` and ``compared``, their differences; None where nothing is compared in pairs.

    `graph`: that of a step, while it is traced; `outputs`: what the model returned in it. Shapes have None for the number of
    examples.
    """
    if not isinstance(graph, tf.Graph):
        return None
    plain = {id(t) for t in targets if tf.is_tensor(t) and t.shape.rank == 1}
    made = {id(t) for t in outputs if tf.is_tensor(t) and t.shape.rank == 2 and t.shape[1] == 1}
    for operation in graph.get_operations() if plain and made else ():
        given = list(operation.inputs)
        if operation.type in PASSES and len(given) == 1:
            for known in (plain, made):
                if id(given[0]) in known:
                    known.update(map(id, operation.outputs))
        elif operation.type in COMPARES:
            (result,) = operation.outputs
            target, output = sorted(given, key=lambda t: id(t) not in plain)
            paired = id(target) in plain and id(output) in made and result.shape.rank == 2 and result.shape[1] != 1
            if paired:
                found = {"output": output, "target": target, "compared": result}
                return {which: list(tensor.shape) for which, tensor in found.items()}
    return None
