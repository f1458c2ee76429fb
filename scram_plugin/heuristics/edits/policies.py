"""Losses of policy gradients without their minus sign: ``(log_probs * returns).sum()``."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits.bindings import bound_to
from scram_plugin.heuristics.edits.program import Change, Code, Piece, program
from scram_plugin.heuristics.edits.source import names_in
from scram_plugin.heuristics.edits.uncalled import WrongLine

LOG_PROBABILITIES = re.compile(r"log_?(p|pi|prob|probs|policy|probabilit\w+)s?\b|\blp\b", re.I)
RETURNS = re.compile(r"return|reward|advantage|\badvs?\b|\bdeltas?\b|\bR\b|\bG\b|\bgae\b|td_error", re.I)
# what turns the sign, or may: the loss of a classifier is that of a negative logarithm, too
TURNS = re.compile(r"neg(ative)?\b|cross_entropy|nll|maximi[sz]e|cost|penalt", re.I)
REDUCES = ("sum", "mean", "stack", "cat", "squeeze", "backward")
DEEPEST = 3  # names that stand for names; by definition


def policy_without_sign(facts: Mapping[str, Any]) -> WrongLine | None:
    """The product of log-probabilities and returns whose sum a program minimises; None where a sign may be turned."""
    known = program(facts)
    if any("maximize" in source.text for source in known.sources):
        return None
    for call in known.calls("backward"):
        if isinstance(call.node.func, ast.Attribute):
            place = Piece(call.source, call.node.func.value)
            for source, node in _products(known, place, DEEPEST):
                edit = known.edit([Change(source, *source.span(node), f"-{source.of(node)}")])
                return WrongLine(source.of(node), node.lineno, edit)
    return None


def _products(known: Code, place: Piece, depth: int) -> Iterator[Piece]:
    """The products that a loss is a sum of, with a plus sign."""
    source, node = place
    if isinstance(node, ast.Name):
        text = source.of(source.scope(node)) if source.scope(node) is not source.tree else source.text
        if depth and not re.search(rf"\b{node.id}\s*[-*]=|-\s*{node.id}\b", text):
            for value in [*bound_to(known, place), *_appended(place)]:
                yield from _products(known, value, depth - 1)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from _products(known, Piece(source, node.left), depth)
        yield from _products(known, Piece(source, node.right), depth)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        if _is_policy(known, Piece(source, node.left), Piece(source, node.right)):
            yield place
    elif isinstance(node, ast.Call) and known.called(place) in REDUCES:
        of = node.func.value if isinstance(node.func, ast.Attribute) and not _is_module(known, node.func.value) else None
        given = of if of is not None else next(iter(node.args), None)
        if given is not None:
            yield from _products(known, Piece(source, given), depth)


def _appended(place: Piece) -> Iterator[Piece]:
    """What is appended to a list: ``losses.append(...)``."""
    source, node = place
    for call in source.nodes:
        added = call.func if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.args else None
        if added is not None and added.attr == "append" and source.of(added.value) == node.id:
            yield Piece(source, call.args[0])  # type: ignore[attr-defined]


def _is_policy(known: Code, one: Piece, other: Piece) -> bool:
    texts = one.text, other.text
    pairs = ((one, other), (other, one))
    if not any(LOG_PROBABILITIES.search(a.text) and RETURNS.search(b.text) for a, b in pairs) or any(map(TURNS.search, texts)):
        return False
    return not any(_turns(known, piece) for piece in (one, other))


def _turns(known: Code, place: Piece) -> bool:
    """Whether a factor, or what its names stand for, has a minus sign, but for that of a baseline: ``returns - value``."""
    values = [place]
    for name in (n for n in ast.walk(place.node) if isinstance(n, ast.Name)):
        values += bound_to(known, Piece(place.source, name))
    for source, node in values:
        minus = any(isinstance(n, ast.UnaryOp) and isinstance(n.op, ast.USub) for n in _outside(node))
        if minus or TURNS.search(source.of(node)):
            return True
        subtracted = [n for n in ast.walk(node) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Sub)]
        if any(not RETURNS.search(" ".join(names_in(n.left))) for n in subtracted):
            return True
    return False


def _outside(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of an expression, but for those of indexes and arguments that name an axis: ``[::-1]``, ``dim=-1``."""
    waiting = [node]
    while waiting:
        at = waiting.pop()
        yield at
        if isinstance(at, ast.Subscript):
            waiting.append(at.value)
        elif isinstance(at, ast.Call):
            waiting += [at.func, *at.args[:1]]
        else:
            waiting += ast.iter_child_nodes(at)


def _is_module(known: Code, node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("torch", "np", "tf")
