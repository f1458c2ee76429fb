"""The penalty on the weights of Keras layers."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from scram_plugin.heuristics.edits.arguments import argument, replaced
from scram_plugin.heuristics.edits.bindings import follow
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.model import layer_calls
from scram_plugin.heuristics.edits.naming import written
from scram_plugin.heuristics.edits.program import Change, Piece, program

WEAK = "0.0001"  # source: Krizhevsky et al. 2012 (0.0005) and Keras's own examples (0.0001)
PENALTIES = ("kernel_regularizer", "embeddings_regularizer")  # source: Keras


def weaken_penalty(facts: Mapping[str, Any], paths: Sequence[str]) -> Edit | None:
    """Make the penalty of these layers weak, where its number is written, or with another regularizer in the layer."""
    known = program(facts)
    made_by = layer_calls(known, facts)
    changes: list[Change] = []
    for path in paths:
        call = made_by.get(path)
        told = [argument(known, call, name) for name in PENALTIES] if call is not None else []
        given = next(filter(None, told), None)
        if given is None:
            return None
        made = follow(known, given)
        numbers = [*made.node.args, *(k.value for k in made.node.keywords)] if isinstance(made.node, ast.Call) else []
        if len(numbers) == 1:
            changes.append(replaced(follow(known, Piece(made.source, numbers[0])), WEAK))
        else:
            text, imports = written(given.source, "keras.regularizers.L2")
            changes += [replaced(given, f"{text}({WEAK})"), *imports]
    return known.edit(changes)
