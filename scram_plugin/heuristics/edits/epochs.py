"""How long a program trains, and on what it validates."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits.arguments import argument, of_trainers, replaced, set_argument
from scram_plugin.heuristics.edits.bindings import follow, number
from scram_plugin.heuristics.edits.data import of_torch
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.flow import LOOPS, within_scope
from scram_plugin.heuristics.edits.model import fits
from scram_plugin.heuristics.edits.program import Code, Piece, program

LONGER = 3  # times as many epochs; source: a tripling shows whether the loss goes on falling, at a cost that is known
HELD_OUT = "0.2"  # share of the examples for the validation; source: the examples of Keras
EPOCHS = {"fit": "epochs", "Trainer": "max_epochs"}  # call -> its argument


def train_longer(facts: Mapping[str, Any]) -> Edit | None:
    """Three times as many epochs, where the program says how many."""
    known = program(facts)
    found = [piece for piece in _epochs(known) if number(known, piece) is not None]
    told = list(dict.fromkeys(follow(known, piece) for piece in found))
    if len(told) != 1 or (now := number(known, told[0])) is None or now < 1:
        return None
    return known.edit([replaced(told[0], f"{now * LONGER:g}")])


def _epochs(known: Code) -> Iterator[Piece]:
    """What says how many epochs there are: an argument of `fit` or of a trainer, or the range of the loop over epochs."""
    for name, given in EPOCHS.items():
        for call in fits(known) if name == "fit" else known.calls(name):
            place = argument(known, call, given)
            if place is not None:
                yield place
    for call in of_trainers(known):
        place = argument(known, call, "num_train_epochs")
        if place is not None:
            yield place
    for way in known.calls("backward"):
        loops = [n for n in within_scope(way.source, way.node) if isinstance(n, LOOPS)]
        scope = way.source.scope(way.node)
        if len(loops) < 2 and isinstance(scope, ast.FunctionDef):  # the function of one epoch
            calls = list(known.calls(scope.name))
            inner = [n for c in calls for n in within_scope(c.source, c.node) if isinstance(n, LOOPS)]
            loops = [*loops, *inner[-1:]]
        outer = loops[-1] if loops else None
        counted = outer.iter if isinstance(outer, ast.For) and isinstance(outer.iter, ast.Call) else None
        source = next((s for s in known.sources if any(n is counted for n in s.nodes)), None) if counted else None
        if counted is not None and source is not None and known.called(Piece(source, counted)) in ("range", "trange"):
            last = counted.args[-1]
            plus_one = isinstance(last, ast.BinOp) and isinstance(last.op, ast.Add)  # range(1, epochs + 1)
            yield Piece(source, last.left if plus_one and isinstance(last, ast.BinOp) else last)


def hold_out(facts: Mapping[str, Any]) -> Edit | None:
    """Let Keras's `fit` hold out a part of its arrays for the validation."""
    known = program(facts)
    found = fits(known)
    if (
        of_torch(facts)
        or len(found) != 1
        or argument(known, found[0], "y") is None
        or argument(known, found[0], "validation_data") is not None
    ):
        return None
    return known.edit([set_argument(known, found[0], "validation_split", HELD_OUT)])
