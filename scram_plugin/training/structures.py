"""Nested structures of tensors, as models take and return them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def leaves(structure: Any) -> list[Any]:
    """The leaves of nested dicts, lists and tuples, in the order of `keras.tree.flatten` (which Keras 3.0 does not have)."""
    if isinstance(structure, dict):
        return [leaf for key in sorted(structure, key=str) for leaf in leaves(structure[key])]
    if isinstance(structure, (list, tuple)):
        return [leaf for part in structure for leaf in leaves(part)]
    return [structure]


def mapped(structure: Any, function: Callable[[Any], Any]) -> Any:
    """The same structure with `function` applied to each leaf, in the order of `leaves`."""
    if isinstance(structure, Mapping):
        made = {key: mapped(structure[key], function) for key in sorted(structure, key=str)}
        return {key: made[key] for key in structure}
    if isinstance(structure, (list, tuple)):
        parts = [mapped(part, function) for part in structure]
        return tuple(parts) if type(structure) is tuple else parts
    return function(structure)
