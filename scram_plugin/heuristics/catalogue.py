"""All heuristics, which of them can explain which, and the user's choices of them."""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from scram_plugin.errors import BadOption
from scram_plugin.heuristics.heuristic import GROUPS, Heuristic
from scram_plugin.heuristics.installed import installed
from scram_plugin.own_code import import_file


def _found() -> tuple[Heuristic, ...]:
    """The `HEURISTIC` of every module in the packages of the groups, in their order."""
    modules = (
        import_module(f"{__package__}.{group}.{module.name}")
        for group in GROUPS
        for module in iter_modules([str(Path(__file__).with_name(group))])
    )
    return tuple(sorted((m.HEURISTIC for m in modules if hasattr(m, "HEURISTIC")), key=lambda h: (h.order, h.id)))


HEURISTICS = _found()
CHECK_SECONDS = 5.0  # of processor time that one check may take; by definition


def consequences(heuristics: Iterable[Heuristic]) -> dict[str, frozenset[str]]:
    """Heuristic -> those whose findings are consequences of its own; what explains first is first."""
    all_of = sorted(heuristics, key=lambda h: h.precedence)
    return {
        h.id: frozenset(o.id for o in all_of if o.id != h.id and not {o.id, *o.families}.isdisjoint(h.explains))
        for h in all_of
        if h.explains
    }


@dataclass(frozen=True)
class Accepted:
    """What the user knows of and finds no fault with: a heuristic, in the training runs whose names match a pattern (`*`, `?`
    and `[...]` as in file names)."""

    heuristic: str
    runs: str = "*"
    reason: str = ""

    def covers(self, run: str) -> bool:
        return fnmatchcase(run, self.runs)


@dataclass(frozen=True)
class Catalogue:
    """The heuristics to apply, with the options to apply them with. `notes` tells what could not be loaded.

    `signals` says what tags mean that no convention knows: tag -> signal. `accepted`: findings that are no problem here.
    `modules`: the files that heuristics of the user's own come from; `broken`: the notes about these; `refused`: those about
    files that may not be loaded. `seconds`: of processor time that one check may take; 0 for no limit.
    """

    heuristics: tuple[Heuristic, ...]
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    signals: Mapping[str, str] = field(default_factory=dict)
    accepted: tuple[Accepted, ...] = ()
    modules: tuple[Path, ...] = ()
    broken: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    seconds: float = CHECK_SECONDS

    def __reduce__(self) -> tuple[Any, ...]:
        """To another process travel names and choices; heuristics are code, and found again there."""
        ids = tuple(heuristic.id for heuristic in self.heuristics)
        return catalogue, (ids, (), self.options, self.modules, self.signals, self.accepted, (), self.seconds)

    @cached_property
    def consequences(self) -> dict[str, frozenset[str]]:
        return consequences(self.heuristics)

    def options_of(self, heuristic: Heuristic) -> dict[str, Any]:
        return {**heuristic.defaults, **self.options.get(heuristic.id, {})}

    def __getitem__(self, id_: str) -> Heuristic:
        for heuristic in self.heuristics:
            if heuristic.id == id_:
                return heuristic
        raise KeyError(id_)


def catalogue(
    select: Iterable[str] | None = None,
    ignore: Iterable[str] = (),
    options: Mapping[str, Mapping[str, Any]] | None = None,
    modules: Iterable[Path] = (),
    signals: Mapping[str, str] | None = None,
    accepted: Iterable[Accepted] = (),
    refused: Iterable[str] = (),
    seconds: float = CHECK_SECONDS,
) -> Catalogue:
    """The catalogue after the user's choices; `modules` are files of heuristics of the user's own.

    `refused` are sentences on heuristics that may not be loaded: then ids that are not known may be theirs, and are left out.

    Raises BadOption for an unknown id or option, or a value of another type.
    """
    accepted, modules, refused = tuple(accepted), tuple(modules), tuple(refused)
    packaged = [(f"The heuristic {e.name!r} of another package", e.load, None) for e in installed()]
    heuristics, notes = _with([*HEURISTICS], packaged)
    own = [(f"The heuristic in {path}", partial(from_file, path), path) for path in modules]
    heuristics, broken = _with(heuristics, own)
    known = {heuristic.id: heuristic for heuristic in heuristics}
    chosen = set(known) if select is None else set(select)
    if refused:
        options = {id_: given for id_, given in (options or {}).items() if id_ in known}
        accepted = tuple(a for a in accepted if a.heuristic in known)
    for id_ in [*(select or ()), *ignore, *(options or {}), *(a.heuristic for a in accepted)]:
        if id_ not in known and not refused:
            raise BadOption(" ".join([no_heuristic(id_, known), *(f"({note})" for note in (*notes, *broken))]))
    checked = {
        id_: {name: _value(known[id_], name, value) for name, value in given.items()} for id_, given in (options or {}).items()
    }
    kept = tuple(sorted((h for h in heuristics if h.id in chosen - set(ignore)), key=lambda h: h.order))
    if not kept:
        raise BadOption(" ".join(["no heuristic is left to apply; change select or ignore.", *refused]).rstrip("."))
    said = (*notes, *broken, *refused)
    return Catalogue(kept, checked, said, dict(signals or {}), accepted, modules, tuple(broken), refused, seconds)


def _with(
    heuristics: list[Heuristic], found: Iterable[tuple[str, Callable[[], Any], Path | None]]
) -> tuple[list[Heuristic], list[str]]:
    """These heuristics and those `found`: what each is called, how it is loaded, and its file. And a note of each that does
    not load."""
    heuristics, notes = list(heuristics), []
    for name, load, path in found:
        try:
            loaded = load()
            if not isinstance(loaded, Heuristic):
                raise TypeError(f"HEURISTIC is of the type {type(loaded).__name__}, and not Heuristic")
            if any(loaded.id == h.id for h in heuristics):
                raise ValueError(f"there is a heuristic {loaded.id!r} already")
            for problem in loaded.page.problems():
                raise problem
            heuristics.append(loaded)
        except (Exception, SystemExit) as error:
            place = f"; {path.name}, line {line}" if path is not None and (line := line_in(path, error)) else ""
            notes.append(f"{name} could not be loaded ({type(error).__name__}: {error}{place}).")
    return heuristics, notes


def line_in(path: Path, error: BaseException) -> int | None:
    """The line of a file, from 1, in which an error came up; None if the file is not on the stack."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).resolve() == path.resolve()]
    return frames[-1].lineno if frames else None


def from_file(path: Path) -> Any:
    """The `HEURISTIC` of a module that is no part of a package. Raises whatever importing it raises."""
    return import_file(path).HEURISTIC


def no_heuristic(id_: str, known: Iterable[str]) -> str:
    """A sentence for an id that there is none of."""
    near = difflib.get_close_matches(id_.lower(), known)
    mean = f"did you mean {' or '.join(near)}? " if near else ""
    return f"there is no heuristic {id_!r}; {mean}`scram list` names them all"


def _value(heuristic: Heuristic, name: str, value: Any) -> Any:
    """`value` in the type of the option's default; text (from a command line) is converted."""
    if name not in heuristic.defaults:
        names = ", ".join(heuristic.defaults) or "none"
        raise BadOption(f"{heuristic.id} has no option {name!r}; its options are: {names}")
    default = heuristic.defaults[name]
    kind = type(default)
    try:
        if kind is bool:
            if isinstance(value, str):
                value = {"true": True, "false": False}[value.lower()]
            if not isinstance(value, bool):
                raise ValueError
            return value
        if isinstance(value, bool) or (kind is str and not isinstance(value, str)):
            raise ValueError
        if kind is int and isinstance(value, float) and not value.is_integer():
            raise ValueError
        value = kind(value)
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError
        return value
    except (ValueError, KeyError, TypeError):
        word = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}[kind]
        raise BadOption(f"{heuristic.id}.{name} takes {word}, not {value!r}") from None
