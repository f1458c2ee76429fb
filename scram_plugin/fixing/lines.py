"""A change that was made on recorded lines, carried over to the lines on the disk.

A log holds programs with hidden texts and comments (`redaction.py`). The lines on the disk have them: what the change leaves
alone stays as it is there, byte for byte.
"""

from __future__ import annotations

import difflib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scram_plugin.redaction import HIDDEN, hidden_texts, redacted

_HIDDEN_TEXT = re.compile(rf'"""{HIDDEN}\n*"""|"{HIDDEN}"|# {HIDDEN}')
# words, signs and spaces, each hidden text as one
_TOKEN = re.compile(rf"{_HIDDEN_TEXT.pattern}|\w+|\s|.", re.S)
_NAMED = re.compile(r"""name=["']([\w./-]+)["']""")  # names of layers stay in a log
_SURE = 8  # signs other than spaces: shorter lines may stand elsewhere by chance; by definition


class Changed(ValueError):
    """The lines are others now; a sentence that says so."""


@dataclass(frozen=True)
class Replacement:
    """Lines `first` to `first + count` (from 0) of a file become `new`, without line ends."""

    first: int
    count: int
    new: tuple[str, ...]

    def meets(self, other: Replacement) -> bool:
        """Whether both change the same line, or insert at the same place."""
        return self.first < other.first + max(other.count, 1) and other.first < self.first + max(self.count, 1)


def split(text: str) -> list[str]:
    """The lines as Python counts them, without their ends."""
    return [line.rstrip("\r\n") for line in io.StringIO(text, newline="").readlines()] if text else []


def carried_over(source: str, line: int, before: str, after: str) -> Replacement:
    """What becomes of the lines of `source` by a change of the recorded lines `before`, the first of which was `line` (from 1).

    Where these stand elsewhere now, and only once, they are changed there. Raises Changed.
    """
    plain = source.replace("\r\n", "\n").replace("\r", "\n")
    lines, recorded = split(plain), before.split("\n")
    names = frozenset(_NAMED.findall(before))
    hidden = redacted(plain, names)
    shown = split(hidden) if hidden is not None else lines
    if len(shown) != len(lines):
        shown = lines
    known = [at for at in (line - 1,) if _fits(lines, shown, at, recorded)]
    if not known and len(re.sub(r"\s", "", before)) >= _SURE:
        known = [at for at in range(len(lines)) if _fits(lines, shown, at, recorded)]
    if len(known) != 1:
        raise Changed("it has changed since" if not known else "the lines to change stand there more than once now")
    here = slice(known[0], known[0] + len(recorded))
    if lines[here] == recorded:
        if HIDDEN in after and HIDDEN not in before:
            raise Changed("the change has hidden text")
        new = after.split("\n") if before or after else []
    else:
        texts: dict[int, list[str]] = {}
        for number, text in hidden_texts(plain, names):
            texts.setdefault(number - 1 - known[0], []).append(text)
        new = _with_texts(lines[here], shown[here], after.split("\n"), texts)
    return _narrowed(known[0], lines[here], new)


def _fits(lines: Sequence[str], shown: Sequence[str], at: int, recorded: Sequence[str]) -> bool:
    here = slice(at, at + len(recorded))
    return at >= 0 and list(recorded) in (list(lines[here]), list(shown[here]))


def _narrowed(first: int, old: Sequence[str], new: Sequence[str]) -> Replacement:
    """Without the lines at both ends that stay."""
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return Replacement(first + head, len(old) - head - tail, tuple(new[head : len(new) - tail]))


def _with_texts(lines: Sequence[str], shown: Sequence[str], after: Sequence[str], texts: Mapping[int, list[str]]) -> list[str]:
    """The new lines with the texts that the log has not. Raises Changed where one cannot be told.

    `lines` are those on the disk, `shown` the same as a log has them, and `texts` what is hidden in each of them.
    """
    new: list[str] = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, shown, after, autojunk=False).get_opcodes():
        if kind == "equal":
            new += lines[a:b]
        elif not any(HIDDEN in line for line in after[c:d]):
            new += after[c:d]
        else:
            hidden = [text for at in range(a, b) for text in texts.get(at, ())]
            new += _filled("\n".join(after[c:d]), "\n".join(shown[a:b]), hidden).split("\n")
    return new


def _filled(after: str, shown: str, texts: list[str]) -> str:
    """The new text of a few lines, with the hidden texts in the order in which they stand there."""
    places = list(_HIDDEN_TEXT.finditer(after))
    if len(places) != len(texts):
        matched = _matched(shown, after)
        if len(matched) != len(places) or len(_HIDDEN_TEXT.findall(shown)) != len(texts):
            raise Changed("the change moves texts that are not in the log")
        texts = [texts[i] for i in matched]
    whole, at = "", 0
    for place, text in zip(places, texts, strict=True):
        whole += after[at : place.start()] + text
        at = place.end()
    return whole + after[at:]


def _matched(shown: str, after: str) -> list[int]:
    """For each hidden text of `after` the number of that of `shown` which stays there; shorter where that is not sure.

    It is sure for the value of a keyword, which stands between the same signs in both.
    """
    old, new = _surroundings(shown), _surroundings(after)
    return [old.index(place) for place in new if "=" in place and old.count(place) == 1]


def _surroundings(text: str) -> list[tuple[str, ...]]:
    """For each hidden text the three signs or words before it, and the one behind it."""
    tokens = ["", "", "", *(token for token in _TOKEN.findall(text) if not token.isspace()), ""]
    return [(*tokens[at - 3 : at], tokens[at + 1]) for at, token in enumerate(tokens) if HIDDEN in token]
