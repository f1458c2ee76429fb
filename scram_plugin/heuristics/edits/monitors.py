"""The direction in which a callback or a trainer looks for the best value of a metric."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from scram_plugin.heuristics.edits.arguments import argument, set_argument
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.program import Code, Piece, program
from scram_plugin.redaction import HIDDEN

DEFAULT_MONITOR = "val_loss"  # source: the documentation of Keras's callbacks
BY_POSITION = 2  # arguments by position: with more, the direction may be one of them; by the signatures of Keras and Lightning


def set_direction(facts: Mapping[str, Any], name: str, monitor: str, mode: str) -> Edit | None:
    """Let the only call of class `name` that watches `monitor` look for its "min" or "max"."""
    known = program(facts)
    of_trainer = facts.get("trainer") == "hugging face"
    watched, told = ("metric_for_best_model", "greater_is_better") if of_trainer else ("monitor", "mode")
    value = str(mode == "max") if of_trainer else f'"{mode}"'
    found = [
        call
        for call in known.calls(name)
        if _monitor(known, call, watched) in (monitor, HIDDEN) and len(call.node.args) <= BY_POSITION
    ]
    return known.edit([set_argument(known, found[0], told, value)]) if len(found) == 1 else None


def _monitor(known: Code, call: Piece, watched: str) -> str | None:
    given = argument(known, call, watched, 0 if watched == "monitor" else None)
    if given is None:
        return DEFAULT_MONITOR
    return str(given.node.value) if isinstance(given.node, ast.Constant) else None
