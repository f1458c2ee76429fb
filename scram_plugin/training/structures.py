"""Nested structures of tensors, as models take and give them."""

from __future__ import annotations

from typing import Any


def leaves(structure: Any) -> list[Any]:
    """Whatever is in nested dicts, lists and tuples, in the order of `keras.tree.flatten` (which Keras 3.0 has not yet)."""
    if isinstance(structure, dict):
        return [leaf for key in sorted(structure, key=str) for leaf in leaves(structure[key])]
    if isinstance(structure, (list, tuple)):
        return [leaf for part in structure for leaf in leaves(part)]
    return [structure]
