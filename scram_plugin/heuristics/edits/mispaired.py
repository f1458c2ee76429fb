"""What is known of inputs and targets that are in different orders."""

from __future__ import annotations

from typing import NamedTuple

PAIR = 2  # inputs and targets; by definition


class Key(NamedTuple):
    """One step of a history. `random`: it is an order that was drawn. `cut`: the examples were cut to the length of others."""

    text: str
    random: bool = False
    cut: bool = False
    line: int = 0


class Made(NamedTuple):
    """The variable and the line with a value that is not understood, and what happened to it since."""

    root: str
    line: int
    keys: tuple[Key, ...] = ()


class Mispaired(NamedTuple):
    """The cause, the line that uses two variables side by side, what is used, and a sentence on what tells them apart."""

    cause: str
    line: int
    inputs: str
    targets: str
    said: str
