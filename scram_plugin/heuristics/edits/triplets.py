"""Triplet losses that get the negative example where they want the positive one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits.bindings import follow
from scram_plugin.heuristics.edits.program import Change, Piece, program
from scram_plugin.heuristics.edits.uncalled import WrongLine

LOSSES_OF_TRIPLETS = ("triplet_margin_loss", "TripletMarginLoss", "TripletMarginWithDistanceLoss")  # source: PyTorch
POSITIVE = re.compile(r"(^|_)(pos|positives?|similar|same)(_|\d|$)|^[a-z]p$", re.I)
NEGATIVE = re.compile(r"(^|_)(neg|negatives?|dissimilar|other|different)(_|\d|$)|^[a-z]n$", re.I)
TRIPLET = 3  # anchor, positive and negative; by definition


def swapped_triplets(facts: Mapping[str, Any]) -> Iterator[WrongLine]:
    """``criterion(anchor, negative, positive)``, by the names of the variables."""
    known = program(facts)
    for call in known.nodes(ast.Call):
        source, node = call
        if len(node.args) != TRIPLET or not all(isinstance(a, ast.Name) for a in node.args):
            continue
        made = follow(known, Piece(source, node.func))
        if known.called(made if isinstance(made.node, ast.Call) else call) not in LOSSES_OF_TRIPLETS:
            continue
        _, second, third = node.args
        if NEGATIVE.search(second.id) and POSITIVE.search(third.id):
            edit = known.edit(
                [
                    Change(source, *source.span(second), third.id),
                    Change(source, *source.span(third), second.id),
                ]
            )
            yield WrongLine(source.of(node), node.lineno, edit)
