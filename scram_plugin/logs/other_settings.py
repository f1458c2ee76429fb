"""All settings that a source tells: those with a canonical name, and any other number, truth value and short text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.logs.facts import DROPPED
from scram_plugin.logs.settings import LONGEST_NAME, Path, Settings, Told, Value, is_aside, is_named, plain, settings_of
from scram_plugin.redaction import is_secret_name

# Of settings without a canonical name; each by definition.
MOST_OTHERS = 100  # from one source
DEEPEST_OTHER = 4  # levels of its path
LONGEST_LIST = 8  # entries of a list that is kept as a text
LARGEST_OTHER = 1e300  # a larger number is none that anybody chose
_PERSONAL = re.compile(r"@|://|[0-9A-Za-z_-]{24,}")  # in values that nobody else need know: addresses, and keys


def told(when: float, rank: int, source: str, pairs: Iterable[tuple[Path, Any]]) -> Told:
    """All that a configuration says."""
    entries = list(pairs)
    known = settings_of(entries, source)
    return Told(when, rank, source, known, _others(entries, known))


def _others(entries: Iterable[tuple[Path, Any]], known: Settings) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for path, value in entries:
        if len(path) > DEEPEST_OTHER or is_aside(path) or isinstance(value, Mapping):
            continue
        if any(map(is_secret_name, path)):
            continue
        short: Any = DROPPED if is_named(path, known) else _short(value)
        if isinstance(short, str) and _PERSONAL.search(short):  # not the value itself: written out, that may have no end
            continue
        if short is not DROPPED and len(name := "/".join(path)) <= LONGEST_NAME:
            found[name] = short
            if len(found) == MOST_OTHERS:
                break
    return found


def _short(value: Any) -> Any:
    """A number, a truth value or a short text; lists of a few of them as a text."""
    try:
        value = plain(value)
        if isinstance(value, list):
            plain_ones = len(value) <= LONGEST_LIST and all(isinstance(one, int | float | str) for one in value)
            value = f"[{', '.join(str(plain(one)) for one in value)}]" if plain_ones else DROPPED
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value if math.isfinite(value) and abs(value) <= LARGEST_OTHER else DROPPED
    except (ValueError, OverflowError):  # of anybody's making
        return DROPPED
    return (
        value
        if value is None or isinstance(value, bool) or (isinstance(value, str) and len(value) <= LONGEST_NAME)
        else DROPPED
    )
