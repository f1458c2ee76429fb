"""The user's choices: which heuristics, with which options; from `scram.toml` or `pyproject.toml`, and from flags."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scram_plugin.errors import BadOption
from scram_plugin.heuristics.trust import distrust

if TYPE_CHECKING:
    from scram_plugin.heuristics.catalogue import Accepted, Catalogue

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


SIGNALS = ("training loss", "validation loss", "batch loss", "learning rate", "epoch", "return")


def configured(
    config: str | None = None,
    settings: Iterable[str] = (),
    select: str | None = None,
    ignore: str | None = None,
    start: Path | None = None,
    logdirs: Iterable[str] = (),
) -> Catalogue:
    """The catalogue as the configuration file and then the flags set it.

    `config` names a file; without it the nearest `scram.toml`, or `pyproject.toml` with a table ``[tool.scram]``, from
    `start` (default: the working directory) upwards. `settings` are texts ``ID.OPTION=VALUE``; `select` and `ignore` are
    ids separated by commas. Raises BadOption, with a sentence, for any mistake.

    Code that a file names which was only found may be untrusted, by its owner or since it is part of one of `logdirs`: then it
    is not loaded, a note says so, and the rest of the file counts.
    """
    from scram_plugin.heuristics.catalogue import (
        CHECK_SECONDS,
        catalogue,
    )  # imported late: `sources` does not need it and must be fast

    table, where = _read(Path(config)) if config else _find(start or Path.cwd())
    try:
        chosen = _ids(table.pop("select", None)) if select is None else _ids(select)
        ignored = _ids(table.pop("ignore", None)) or []
        table.pop("select", None)
        signals = _signals(table.pop("signals", {}))
        modules, refused = _loadable(table.pop("heuristics", []), Path(where), config is not None, logdirs)
        accepted = _accepted(table.pop("accept", []))
        seconds = _seconds(table.pop("check_seconds", CHECK_SECONDS))
        options: dict[str, dict[str, Any]] = {}
        for id_, given in table.items():
            if not isinstance(given, dict):
                raise BadOption(f"{id_!r} is not a table of options; write [{id_}] with its options below it")
            options[id_] = dict(given)
        of_file = catalogue(chosen, ignored, options, modules, signals, accepted, refused, seconds)
    except BadOption as error:
        raise BadOption(f"{where}: {error}") from None
    settings = list(settings)
    if not settings and ignore is None:
        return of_file
    for setting in settings:
        name, equals, value = setting.partition("=")
        id_, dot, option = name.strip().rpartition(".")
        if not (equals and dot and id_ and option):
            raise BadOption(f"{setting!r} is not of the form ID.OPTION=VALUE, for example overfitting.strict=true")
        options.setdefault(id_, {})[option] = value.strip()
    return catalogue(chosen, [*ignored, *(_ids(ignore) or [])], options, modules, signals, accepted, refused, seconds)


def sources(config: str | None = None, start: Path | None = None, logdirs: Iterable[str] = ()) -> list[tuple[str, str]]:
    """The files that the choices come from, each with its text: the configuration, and the heuristics that it may load.

    Raises BadOption like `configured`.
    """
    table, where = _read(Path(config)) if config else _find(start or Path.cwd())
    if not Path(where).is_file():
        return []
    try:
        modules, _ = _loadable(table.get("heuristics", []), Path(where), config is not None, logdirs)
    except BadOption as error:
        raise BadOption(f"{where}: {error}") from None
    files = [Path(where), *modules, *(module.with_suffix(".md") for module in modules)]
    return [(str(path), path.read_text(encoding="utf-8", errors="replace")) for path in files if path.is_file()]


def _ids(value: Any) -> list[str] | None:
    if value is None:
        return None
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise BadOption("select and ignore take ids, separated by commas")
    return [part.strip() for part in parts if part.strip()]


def _signals(table: Any) -> dict[str, str]:
    """tag -> signal, from a table of signal = tag, or a list of tags."""
    if not isinstance(table, dict):
        raise BadOption('[signals] is a table, for example "validation loss" = "my/tag"')
    signals = {}
    for signal, tags in table.items():
        if not (signal in SIGNALS or re.fullmatch(r"(?:training|validation) \S.*", signal)):
            raise BadOption(
                f"[signals]: there is no signal {signal!r}; the signals are {', '.join(SIGNALS)}, and training or validation "
                "followed by the name of a metric"
            )
        for tag in [tags] if isinstance(tags, str) else tags if isinstance(tags, list) else [None]:
            if not isinstance(tag, str):
                raise BadOption(f"[signals]: {signal!r} takes a tag, or a list of tags")
            signals[tag] = signal
    return signals


def _accepted(entries: Any) -> list[Accepted]:
    """``[[accept]]``: findings that are no problem here: each a heuristic, and optionally runs (a pattern) and a reason."""
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BadOption("accept is a list of tables; write [[accept]] with double brackets")
    from scram_plugin.heuristics.catalogue import Accepted

    found = []
    for entry in entries:
        unknown = entry.keys() - {"heuristic", "runs", "reason"}
        if unknown or "heuristic" not in entry or not all(isinstance(value, str) for value in entry.values()):
            raise BadOption('[[accept]] takes heuristic = "ID", and optionally runs = "PATTERN" and reason = "TEXT"')
        found.append(Accepted(**entry))
    return found


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise BadOption("check_seconds takes the seconds of processor time that one check may take; 0 for no limit")
    return float(value)


def _modules(paths: Any, folder: Path) -> list[Path]:
    """The files of the user's own heuristics; paths are relative to the configuration file."""
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise BadOption('heuristics takes a list of Python files, for example ["checks/slow_start.py"]')
    modules = [folder / path for path in paths]
    for module in modules:
        if not module.is_file():
            raise BadOption(f"heuristics: there is no file {module}")
    return modules


def _loadable(paths: Any, where: Path, named: bool, logdirs: Iterable[str]) -> tuple[list[Path], list[str]]:
    """The modules that the configuration `where` may load; and a sentence on each other one: why not, and how to load it.

    It may load all of them if the user has `named` it.
    """
    logdirs, modules, refused = list(logdirs), [], []
    for module in _modules(paths, where.parent):
        why = None if named else distrust(where, logdirs) or distrust(module, logdirs)
        if why is None:
            modules.append(module)
        else:
            ask = f"to load it, name {where} with --config (for TensorBoard: --scram_config)"
            refused.append(f"The heuristic in {module} was not loaded, since {why}; {ask}.")
    return modules, refused


def _find(directory: Path) -> tuple[dict[str, Any], str]:
    for folder in (directory, *directory.parents):
        own, project = folder / "scram.toml", folder / "pyproject.toml"
        if own.is_file():
            return _read(own)
        if project.is_file():
            table, where = _read(project)
            if table:
                return table, where
    return {}, "the options given"


def _read(path: Path) -> tuple[dict[str, Any], str]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeEncodeError) as error:  # the latter for a name that no file can have
        raise BadOption(f"{path} could not be read ({getattr(error, 'strerror', error)})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadOption(f"{path} is not valid TOML: {error}") from None
    if path.name == "pyproject.toml":
        tool = content.get("tool")
        content = tool.get("scram", {}) if isinstance(tool, dict) else {}
    if not isinstance(content, dict):
        raise BadOption(f"{path}: [tool.scram] is not a table")
    return dict(content), str(path)
