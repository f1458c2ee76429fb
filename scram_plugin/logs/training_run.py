"""Training runs: what a heuristic sees. Pairs TensorBoard runs and finds the signals in them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cached_property

from scram_plugin import schema
from scram_plugin.logs.conventions import CONVENTIONS, ROLES
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.logdir import Logdir
from scram_plugin.logs.run import Run

NAMES = list(ROLES)  # in order of preference: a validation set is watched while training, a test set only at the end

# A log with more tags than this (a tag for every parameter, say) is searched for signals only up to here.
MOST_TAGS = 20_000


class TrainingRun:
    """One training as its user sees it.

    `parts` maps each TensorBoard run of it to its role ("training", "validation", "scram" or "" for all).
    """

    def __init__(self, name: str, parts: Mapping[str, str], logs: Mapping[str, Run]) -> None:
        self.name = name
        self.parts = dict(parts)
        self._logs = logs
        self._curves: dict[str, Curve | None] = {}

    @property
    def tensorboard_runs(self) -> list[str]:
        return sorted(self.parts)

    @cached_property
    def facts(self) -> dict:
        """What SCRAM's training side wrote of the last fit (see `training/model_facts.py`); empty without it."""
        return next((f for f in (self._logs[n].facts for n, r in self.parts.items() if r == "scram") if f), {})

    @cached_property
    def ended(self) -> str | None:
        ends = [self._logs[n].ended for n, role in self.parts.items() if role == "scram"]
        return next((end for end in ends if end), None)

    @property
    def last_wall_time(self) -> float:
        return max(self._logs[name].last_wall_time for name in self.parts)

    @cached_property
    def _sources(self) -> dict[str, tuple[int, str, str]]:
        """signal -> (row of the table, TensorBoard run, tag): the preferred source of each signal."""
        best: dict[str, tuple[int, str, str]] = {}
        order = {name: (NAMES.index(last) if (last := _last(name)) in NAMES else 0, name) for name in self.parts}
        for name in self.tensorboard_runs:
            role = self.parts[name]
            for tag in _first(self._logs[name], MOST_TAGS):
                for row, convention in enumerate(CONVENTIONS):
                    signal = convention.match(role, tag)
                    if signal is not None:
                        known = best.get(signal)
                        if known is None or (row, order[name], tag) < (known[0], order[known[1]], known[2]):
                            best[signal] = (row, name, tag)
                        break
        return best

    @property
    def signals(self) -> list[str]:
        return sorted(self._sources)

    @property
    def framework(self) -> str | None:
        if self.facts.get("framework"):
            return str(self.facts["framework"])
        named = [CONVENTIONS[row].framework for row, _, _ in self._sources.values() if CONVENTIONS[row].framework]
        return max(set(named), key=named.count) if named else None

    def signal(self, name: str) -> Curve | None:
        """The cleaned curve of one signal, for example "validation loss"; None where it was not logged."""
        if name not in self._curves:
            source = self._sources.get(name)
            curve = None
            if source is not None:
                row, run, tag = source
                curve = self._curve(run, tag, CONVENTIONS[row].axis)
            self._curves[name] = curve if curve is None or len(curve) else None
        return self._curves[name]

    def statistic(self, table: str, column: str) -> Curve | None:
        """One column of a table of SCRAM's own, as a curve over batches."""
        tag = schema.column_tag(table, column)  # begins with scram/, as no signal does
        if tag not in self._curves:
            runs = [n for n, role in self.parts.items() if role == "scram" and tag in self._logs[n]]
            curve = self._curve(runs[0], tag, "batch") if runs else None
            self._curves[tag] = curve if curve is not None and len(curve) else None
        return self._curves[tag]

    def _curve(self, run: str, tag: str, axis: str) -> Curve:
        """The cleaned curve of one tag, of the present session alone where SCRAM's facts say when that began."""
        series = self._logs[run][tag]
        return Curve.of(series.since(self.session_start), run, tag, axis)

    @cached_property
    def session_start(self) -> float:
        """When the training that was recorded last began; minus infinity where nobody says.

        A program that is run again with the same log directory is another training: what an earlier one wrote (a
        validation curve that this one does not have, say) is not evidence for it.
        """
        starts = (self._logs[n].session_start for n, role in self.parts.items() if role == "scram")
        return max(starts, default=-math.inf)

    def columns(self, table: str) -> list[str]:
        """The names of the columns of one of SCRAM's own tables."""
        prefix = schema.column_tag(table, "")
        runs = [n for n, role in self.parts.items() if role == "scram"]
        return [tag.removeprefix(prefix) for n in runs for tag in self._logs[n] if tag.startswith(prefix)]

    def notes(self) -> list[str]:
        """What the reader of a review should know of how this run was read."""
        notes = []
        if self.ended not in (None, "finished", "stopped"):
            notes.append(f"The last training did not end by itself: {self.ended}.")
        crowded = [name for name in self.tensorboard_runs if len(self._logs[name]) > MOST_TAGS]
        if crowded:
            notes.append(f"{crowded[0]} has more than {MOST_TAGS:,} tags; signals were looked for in the first {MOST_TAGS:,}.")
        restarts = {c.restarts for c in map(self.signal, self.signals) if c is not None and c.restarts}
        if restarts:
            notes.append(
                f"The steps go back {max(restarts)} time{'s' * (max(restarts) > 1)}: the training was restarted or resumed in "
                "the same directory. Where steps overlap, the later points are judged."
            )
        return notes


def training_runs(logs: Logdir) -> list[TrainingRun]:
    """All training runs of a log directory, in the order of their names.

    ``exp/train`` and ``exp/validation`` make the training run ``exp``, together with ``exp`` itself where that holds event
    files. A directory with such a name and no sibling stays a run of its own, unless its tags are those that Keras writes
    into ``train/``.
    """
    roles: dict[str, set[str]] = {}  # parent -> roles of its children
    for name in logs:
        if name != ".":
            roles.setdefault(_parent(name), set()).add(_role(name))
    parts: dict[str, dict[str, str]] = {}
    for name in logs:
        role, parent = _role(name), _parent(name)
        paired = role and (
            role == "scram"
            or parent in logs
            or roles[parent] - {role, ""}
            or any(tag.startswith("epoch_") for tag in _first(logs[name], 100))
        )
        parts.setdefault(parent if paired else name, {})[name] = role if paired else ""
    return [TrainingRun(name, parts[name], logs) for name in sorted(parts)]


def _parent(name: str) -> str:
    return name.rpartition("/")[0] or "."


def _last(name: str) -> str:
    return name.rpartition("/")[2].lower()


def _role(name: str) -> str:
    return ROLES.get(_last(name), "")


def _first(tags: Iterable[str], most: int) -> Iterable[str]:
    return (tag for _, tag in zip(range(most), tags, strict=False))
