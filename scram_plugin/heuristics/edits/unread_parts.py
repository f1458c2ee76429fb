"""Parts of a model's inputs that its lines never read, because another part is read twice."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits.parts import Skipped
from scram_plugin.heuristics.edits.program import Code
from scram_plugin.heuristics.edits.source import SourceFile

FORWARD = ("forward", "call")  # methods of a model; source: PyTorch, Keras
CHANNELS = 1  # the axis of the parts: examples come first; by definition
PAIR = 2  # parts that overlap; by definition


def unread_parts(known: Code, facts: Mapping[str, Any]) -> Iterator[Skipped]:
    """Channels that no line of `forward` reads."""
    sizes, model = _sizes(facts), (facts.get("model") or {}).get("class")
    for source, function in known.nodes(ast.FunctionDef) if sizes else ():
        if function.name in FORWARD and getattr(source.scope(function), "name", None) == model:
            yield from _channels(source, function, sizes[0])


def _sizes(facts: Mapping[str, Any]) -> list[int]:
    """The number of channels of the only input; empty where that is not known."""
    inputs = (facts.get("model") or {}).get("inputs") or []
    shape = (inputs[0].get("shape") or []) if len(inputs) == 1 else []
    return [size for size in shape[CHANNELS : CHANNELS + 1] if isinstance(size, int)]


def _channels(source: SourceFile, function: ast.FunctionDef, channels: int) -> Iterator[Skipped]:
    """``x[:, :3]`` and ``x[:, 2:3]`` of four channels: one of them is read twice, and the last one never."""
    given = [a.arg for a in function.args.args[1:]]
    name = given[0] if len(given) == 1 else ""
    parts: list[tuple[ast.Subscript, range]] = []
    for node in ast.walk(function):
        if not isinstance(node, ast.Name) or node.id != name:
            continue
        used = source.parent(node)
        if isinstance(used, ast.Attribute) and used.attr in ("shape", "size", "device", "dtype"):
            continue
        part = _part(used, channels) if isinstance(used, ast.Subscript) and used.value is node else None
        if part is None:
            return  # it is read as a whole
        parts.append((used, part))  # type: ignore[arg-type]
    never = set(range(channels)) - {i for _, part in parts for i in part} if parts else set[int]()
    total, read = sum(len(part) for _, part in parts), {i for _, part in parts for i in part}
    twice = total > len(read) and total == channels and len({*(part for _, part in parts)}) == len(parts)
    if never and twice and len(parts) == PAIR:
        last = parts[-1][0]
        said = (
            f"Lines {parts[0][0].lineno} and {last.lineno} read a channel twice, and channel {min(never)} of {channels} never."
        )
        yield Skipped(
            "unread", last.lineno, said.replace(f"Lines {last.lineno} and {last.lineno} read", f"Line {last.lineno} reads")
        )


def _part(node: ast.Subscript, size: int) -> range | None:
    """The channels of ``x[:, 1:3]``; None for another expression."""
    places = node.slice.elts if isinstance(node.slice, ast.Tuple) else []
    if len(places) != CHANNELS + 1 or not isinstance(places[0], ast.Slice) or any((places[0].lower, places[0].upper)):
        return None
    part = places[CHANNELS]
    if not isinstance(part, ast.Slice) or part.step is not None:
        return None
    ends = [_number(end, default) for end, default in ((part.lower, 0), (part.upper, size))]
    return range(size)[slice(*ends)] if None not in ends else None


def _number(node: ast.expr | None, default: int) -> int | None:
    try:
        value = default if node is None else ast.literal_eval(node)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, int) else None
