"""Reads a large object of JSON value by value, so that no more than one of them is in memory.

The values are decoded by the json module: it reads NaN and Infinity, which trainers write when a loss diverges, and which are
no JSON to incremental parsers such as ijson.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator
from typing import Any

from scram_plugin.logs.configs import LARGEST_TEXT

PIECE = 1 << 16  # bytes read at once, or as many as a value has so far
_NEAR = 4  # characters behind which a number may go on in the next piece: "1" and ".5", "1e+" and "5"
_SPACE = " \t\n\r"


def members(read: Callable[[int], bytes], listed: str) -> Iterator[tuple[str, Any]]:
    """(key, value) of the entries of an object; of the list under the key `listed` None, and then each entry by itself.

    `read` gives the next bytes, at most so many. Raises ValueError for what is no JSON, or not whole, and TypeError for what is
    no object, or no list there.
    """
    text = _Text(read)
    if not text.next():
        raise ValueError("it is empty")
    if text.next() != "{":
        raise TypeError("it is no object")
    for key in text.entries("}", text.key):
        if key != listed:
            yield key, text.value()
        elif text.next() != "[":
            raise TypeError(f"{listed} is no list")
        else:
            yield key, None
            yield from ((key, row) for row in text.entries("]", text.value))
    if text.next():
        raise ValueError("something follows the object")


class _Text:
    """The part of a text that was read and not taken yet."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read, self._decoder = read, codecs.getincrementaldecoder("utf-8-sig")()
        self._decode = json.JSONDecoder().raw_decode
        self._text, self._at, self._ended = "", 0, False

    def next(self) -> str:
        """The next character that is no space, which remains to be taken; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._more()

    def entries(self, end: str, entry: Callable[[], Any]) -> Iterator[Any]:
        """The entries between the bracket that comes next and its `end`, each taken by `entry`."""
        self._at += 1
        if self.next() == end:
            self._at += 1
            return
        while True:
            yield entry()
            sign = self.next()
            self._at += 1
            if sign == end:
                return
            if sign != ",":
                raise ValueError("a comma is missing")

    def key(self) -> str:
        key = self.value() if self.next() == '"' else None
        if self.next() != ":" or not isinstance(key, str):
            raise ValueError("a key is missing")
        self._at += 1
        return key

    def value(self) -> Any:
        """The next value. Raises ValueError also for one that is too long."""
        self.next()
        while True:
            try:
                value, end = self._decode(self._text, self._at)
                if self._ended or len(self._text) - end >= _NEAR:
                    self._at = end
                    return value
            except ValueError:
                if self._ended:
                    raise
            if len(self._text) - self._at > LARGEST_TEXT:
                raise ValueError("a value is too long")
            self._more()

    def _more(self) -> None:
        piece = self._read(max(PIECE, len(self._text) - self._at))
        self._ended = not piece
        self._text, self._at = self._text[self._at :] + self._decoder.decode(piece, self._ended), 0
