"""Which layers of the model lie before which, by the facts: the order in which data flow forward."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Entry = Mapping[str, Any]  # of a layer, in the facts
Placed = Mapping[str, tuple[Entry, str]]  # path -> its entry, and the path of the model that it is nested in ("" for none)


def owner(entries: Sequence[Entry], path: str) -> str:
    """The path of the layer that a path of a recorded value belongs to: an activation may be a module of its own."""
    placed = _placed(entries)
    if path in placed:
        return path
    return next((known for known, (entry, _) in placed.items() if entry.get("activated_by") == path), path)


def upstream(entries: Sequence[Entry], path: str) -> set[str]:
    """The paths of a layer and of all layers that its output depends on, those of nested models included.

    Where no layer says what it reads, the layers come one after the other.
    """
    placed = _placed(entries)
    if not any(entry.get("from") for entry, _ in placed.values()):
        order = list(placed)
        return {*order[: order.index(path) + 1]} if path in placed else {path}
    found: set[str] = set()
    waiting = [path]
    while waiting:
        at = waiting.pop()
        if at in found:
            continue
        found.add(at)
        if at in placed:
            waiting += [*_sources(placed, at), *(str(inner["path"]) for inner in placed[at][0].get("layers") or [])]
    return found


def _placed(entries: Sequence[Entry], parent: str = "") -> dict[str, tuple[Entry, str]]:
    return dict(_walk(entries, parent))


def _walk(entries: Sequence[Entry], parent: str) -> Iterator[tuple[str, tuple[Entry, str]]]:
    for entry in entries:
        path = str(entry.get("path") or entry.get("name"))
        yield path, (entry, parent)
        yield from _walk(entry.get("layers") or [], path)


def _sources(placed: Placed, path: str) -> list[str]:
    """The paths of the layers that a layer reads; those of the model around it, where it reads what that model is given."""
    entry, parent = placed[path]
    named = entry.get("from") or []
    if not named:
        return _sources(placed, parent) if parent in placed else []
    return [inner if (inner := f"{parent}/{name}") in placed else name for name in named]
