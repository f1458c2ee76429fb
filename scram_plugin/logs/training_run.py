"""Training runs: what a heuristic sees. Finds the signals in the TensorBoard runs of one training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from scram_plugin import schema
from scram_plugin.logs import gaps
from scram_plugin.logs.conventions import ADDED, CODE_OF, VALIDATION, Meaning, kind_of_loss, meaning, names_a_part, words
from scram_plugin.logs.curve import Curve, of_all_batches
from scram_plugin.logs.kinds import KINDS, RETURNS, Kind, kind_of
from scram_plugin.logs.measure import Measure
from scram_plugin.logs.run import PLUS, Run
from scram_plugin.logs.series import Series
from scram_plugin.logs.settings import Settings, Value, chosen, common

Source: TypeAlias = tuple[tuple[Any, ...], str, str, Meaning]  # order, TensorBoard run, tag, meaning
# signal -> the signals that replace it if it was not logged
FALLBACKS = {"training loss": ("batch loss", "training loss part"), "validation loss": ("validation loss part",)}
OTHERWISE = {"learning rate": ("bias learning rate",), "return": ("validation return",)}  # as `FALLBACKS`, for what is no loss
OPPONENTS = {"g", "d", "gen", "disc", "gan", "generator", "discriminator", "netg", "netd"}  # in names of their losses
# Metrics that can replace the loss, in a log that names no loss at all.
MEASURES = ("mse", "mae", "rmse", "perplexity", "ppl")
# If a log has more tags than this (for example one per parameter), only the first ones are searched for signals.
MOST_TAGS = 20_000
MOST_NAMED = 3  # text files that a note names


class TrainingRun:
    """One training as its user sees it.

    `parts` maps each TensorBoard run of it to its role ("training", "validation", "scram", "hyperparameters" or "" for all).
    Only what was written at or after `begin`, and before `end`, belongs to it (seconds since 1970); `note` says how it was told
    from other trainings in the same directory.
    """

    def __init__(
        self,
        name: str,
        parts: Mapping[str, str],
        logs: Mapping[str, Run],
        named: Mapping[str, Meaning] | None = None,
        begin: float = -math.inf,
        end: float = math.inf,
        note: str = "",
    ) -> None:
        self.name, self._begin, self._end = name, begin, end
        self.is_last = end == math.inf  # of the trainings in its directory
        self._is_only = self.is_last and begin == -math.inf
        self._note = note
        self._named = named or {}  # tag -> meaning, as the user's configuration says
        self.parts = dict(parts)
        self._logs = logs
        self._curves: dict[str, Curve | None] = {}
        self.read: dict[str, Curve] = {}  # what was asked of SCRAM's tables: tag -> curve
        self.measure: Measure | None = None  # of what the check that runs looked at: the one nearest to its limit
        self._columns: dict[str, dict[str, schema.Column]] = {}

    def between(self, name: str, begin: float, end: float, note: str) -> TrainingRun:
        """What was written in a part of the time, as a training run of its own."""
        return TrainingRun(name, self.parts, self._logs, self._named, begin, end, note)

    def logged(self, tensorboard_run: str) -> Run:
        """All that was logged in one of the TensorBoard runs of this training run."""
        return self._logs[tensorboard_run]

    @property
    def tensorboard_runs(self) -> list[str]:
        return sorted(self.parts)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """The facts of the last fit that SCRAM's recorder wrote (see `training/keras/model_facts.py`); else empty."""
        return next((f for f in (self._logs[n].facts for n, r in self.parts.items() if r == "scram") if f), {})

    @cached_property
    def tried(self) -> list[dict[str, Any]]:
        """The fixes that `scram fix --prove` tried, and what came of each (see `schema.py`)."""
        proofs = [proof for name, role in self.parts.items() if role == "scram" for proof in self._logs[name].proofs]
        return list(proofs[-1].get("tried") or []) if proofs else []

    @property
    def settings(self) -> Settings:
        return self.told[0]

    @cached_property
    def told(self) -> tuple[Settings, Mapping[str, Value]]:
        """The settings of its log, or a file beside it (see `settings.py`), and those without a canonical name: what all
        sub-runs for hyperparameters say. Those in SCRAM's own facts are not among them."""
        of_sub_runs = [one for n, r in self.parts.items() if r == "hyperparameters" for one in self._logs[n].settings]
        others = [one for n, r in self.parts.items() if r != "hyperparameters" for one in self._logs[n].settings]
        return chosen([*common(of_sub_runs), *others], self._begin, self.is_last)

    @cached_property
    def ended(self) -> str | None:
        """How the last fit ended, if SCRAM's recorder wrote that (see `Run.ended`)."""
        ends = [self._logs[n].ended for n, role in self.parts.items() if role == "scram"]
        return next((end for end in ends if end), None)

    @cached_property
    def gaps(self) -> list[dict[str, Any]]:
        """What SCRAM's recorder could not record of the last training (see `schema.py`)."""
        return [gap for name, role in self.parts.items() if role == "scram" for gap in self._logs[name].gaps]

    @cached_property
    def stopped(self) -> str:
        """Why and where the recording stopped while the training went on; empty if it did not."""
        tag = schema.column_tag(schema.BATCHES, "loss")
        logs = [self._logs[name] for name, role in self.parts.items() if role == "scram"] if self.gaps else []
        return gaps.stopped(self.gaps, max((int(log[tag].steps[-1]) for log in logs if tag in log), default=None))

    @property
    def without_event_files(self) -> list[str]:
        """The TensorBoard runs of which only text files were read: TensorBoard itself shows nothing of them."""
        return [name for name in self.tensorboard_runs if not self._logs[name].has_event_files]

    @property
    def last_wall_time(self) -> float:
        """When the last point was written, seconds since 1970."""
        return min(max(self._logs[name].last_wall_time for name in self.parts), self._end)

    @cached_property
    def _meanings(self) -> dict[str, list[Source]]:
        """signal -> its sources, the best one first."""
        found: dict[str, list[Source]] = {}
        for name in self.tensorboard_runs:
            if self.parts[name] == "hyperparameters":  # its values repeat the results of the other TensorBoard runs
                continue
            directory = name.rpartition("/")[2].lower()
            place = VALIDATION.index(directory) if directory in VALIDATION else 0
            for tag in _first(self._logs[name], MOST_TAGS):
                meant = self._named.get(tag) or meaning(self.parts[name], tag)
                if meant is not None and (self._is_only or self._points(name, tag)):
                    found.setdefault(meant.signal, []).append(((meant.rank, place, name, tag), name, tag, meant))
        for signal, sources in found.items():
            if signal and len(sources) > 1:
                # a curve of one point is a summary: it is used only if there is no other
                found[signal] = sorted(sources, key=lambda s: (len(self._logs[s[1]][s[2]]) < 2, s[0]))
        return self._with_only_kind(found)

    def _with_only_kind(self, found: dict[str, list[Source]]) -> dict[str, list[Source]]:
        """`found`, where a loss of one kind that each data set has (``train/ctc_loss``, ``val/ctc_loss``) is the loss itself.

        It comes before a loss that names no data set, which is of single batches. Not if another loss names its data set or was
        logged as often, nor if it is a penalty by its name.
        """
        parts = {total: found.get(f"{total} part", []) for total in FALLBACKS}
        kinds = {kind_of_loss(tag) for sources in parts.values() for _, _, tag, _ in sources}
        others = [(run, tag) for total in FALLBACKS for _, run, tag, _ in found.get(total, ())]
        logged = {len(self._logs[run][tag]) for sources in parts.values() for _, run, tag, _ in sources}
        whole = any(self.parts[run] or names_a_part(tag) or len(self._logs[run][tag]) in logged for run, tag in others)
        if len(kinds) == 1 and all(parts.values()) and not whole and not ADDED & set(" ".join(kinds).split()):
            found.update({total: [*sources, *found.get(total, ())] for total, sources in parts.items()})
        return found

    @cached_property
    def signals(self) -> list[str]:
        """The names of the signals that were logged."""
        return sorted({*self._meanings, *(s for s in (*FALLBACKS, *OTHERWISE) if self.signal(s) is not None)} - {""})

    def unknown_tags(self, most: int) -> list[str]:
        """The first tags whose meaning no convention knows."""
        known = {tag for sources in self._meanings.values() for _, _, tag, _ in sources}
        tags = dict.fromkeys(tag for name in self.tensorboard_runs for tag in _first(self._logs[name], MOST_TAGS))
        return list(_first((tag for tag in tags if tag not in known), most))

    @property
    def framework(self) -> str | None:
        """The framework that wrote the log, by its facts, tags or files ("keras", ...); None if it is not known."""
        return self.framework_of_facts or self._writer

    @property
    def _writer(self) -> str | None:
        """The framework that wrote the curves, by their tags or files, whatever recorded the training beside it."""
        named = [m.framework for sources in self._meanings.values() for _, _, _, m in sources if m.framework]
        if named:
            return max(sorted(set(named)), key=named.count)
        return next((name for run in self.tensorboard_runs if (name := self._logs[run].framework)), None)

    @property
    def framework_of_facts(self) -> str:
        """The framework in which SCRAM's recorder ran: "keras", "torch", or "" without the recorder."""
        return str(self.facts.get("framework") or "")

    @property
    def trainer(self) -> str | None:
        """The trainer that ran the loop, by SCRAM's recorder for it ("lightning", ...); None without one."""
        return self.facts.get("trainer")

    @property
    def loop(self) -> Mapping[str, Any]:
        """What the recorder saw of the loop of a PyTorch program; empty without it."""
        return self.facts.get("loop") or {}

    @property
    def languages(self) -> tuple[str, ...]:
        """The frameworks for code examples, "keras" and "torch": one if the framework is known, else the likelier one first.

        TensorFlow 2 ends the names of its event files with ".v2"; the writer of PyTorch, and all others, do not.
        """
        known = CODE_OF.get(self.framework or "", self.framework)
        if known in ("keras", "torch"):
            return (known,)
        v2 = any(path.endswith(".v2") for name in self.parts for path in self._logs[name].files)
        return ("keras", "torch") if v2 else ("torch", "keras")

    def signal(self, name: str) -> Curve | None:
        """The cleaned curve of one signal, for example "validation loss"; None if it was not logged.

        If no total of a loss was logged, it is the loss of every batch, or the sum of its parts. Where a validation loss has
        parts only, those of the training come first, so that the two can be compared.
        """
        if name not in self._curves:
            others = FALLBACKS.get(name, OTHERWISE.get(name, ()))
            known, parts = self._meanings.keys(), {"training loss part", "validation loss part"}
            if "validation loss" not in known and parts <= known:
                others = others[::-1]
            found = next((curve for curve in (self._best(name), *map(self.signal, others)) if curve is not None), None)
            if name == "training loss" and found is not None and found.axis == "epoch":
                found = of_all_batches(found, *map(self.signal, ("batch loss", "epoch")))
            self._curves[name] = found or (self._measure(name) if name in FALLBACKS else None)
        return self._curves[name]

    def _measure(self, loss: str) -> Curve | None:
        """A metric in place of a loss: the same one for training and validation, so that the two can be compared."""
        if any(name in self._meanings for total, parts in FALLBACKS.items() for name in (total, *parts)):
            return None
        for measure in MEASURES:
            if any(total.replace("loss", measure) in self._meanings for total in FALLBACKS):
                return self.signal(loss.replace("loss", measure))
        return None

    def _best(self, signal: str) -> Curve | None:
        sources = self._meanings.get(signal)
        if not sources:
            return None
        _, run, tag, meant = sources[0]
        if signal.endswith(" part"):
            tag = PLUS.join(sorted(t for _, r, t, m in sources if r == run and m.rank == meant.rank))
            if self._logs[run].find(tag) is None:  # parts with different steps cannot be added up
                return None
        curve = self._curve(run, tag, meant.axis)
        return curve if len(curve) else None

    def series(self, curve: Curve) -> Series:
        """The raw points of a curve, with those that a restart replaced, and those of earlier trainings in its directory."""
        series = self._logs[curve.tensorboard_run].find(curve.tag)
        assert series is not None
        return series.between(self.session_start, self._end)

    def every(self, signal: str) -> list[Curve]:
        """The cleaned curves of all tags that mean this signal (`signal` gives the best of them)."""
        curves = [self._curve(run, tag, meant.axis) for _, run, tag, meant in self._meanings.get(signal, ())]
        return [curve for curve in curves if len(curve)]

    @property
    def kind(self) -> str | None:
        """Why the loss does not measure progress: "adversarial", "reinforcement" or "beside"; None for an ordinary training.

        "beside": another model is trained in the same loop.
        """
        return KINDS[self.training].kind_of_loss or ("beside" if self.facts.get("beside") else None)

    @cached_property
    def training(self) -> Kind:
        """The kind of the training, by its signals: "supervised" (also where nothing is known), "reinforcement", ..."""
        return kind_of(self._meanings, self._writer, self._competes)

    @property
    def _competes(self) -> bool:
        """Whether a generator or a discriminator has a loss: in reinforcement learning a critic alone has one."""
        tags = (tag for _, _, tag, _ in self._meanings.get("adversarial loss", ()))
        return any(set(words(tag)) & OPPONENTS for tag in tags) and not RETURNS & set(self._meanings)

    def statistic(self, table: str, column: str) -> Curve | None:
        """One column of one of SCRAM's own tables, as a curve over batches; None if it was not recorded."""
        tag = schema.column_tag(table, column)  # begins with scram/, unlike the name of any signal
        if tag not in self._curves:
            runs = [n for n, role in self.parts.items() if role == "scram" and tag in self._logs[n]]
            curve = self._curve(runs[0], tag, "batch") if runs else None
            self._curves[tag] = curve if curve is not None and len(curve) else None
        if (found := self._curves[tag]) is not None:
            self.read[tag] = found
        return found

    def _curve(self, run: str, tag: str, axis: str) -> Curve:
        """The cleaned curve of one tag; of the last session only, if SCRAM's facts say when that began."""
        series = self._points(run, tag)
        assert series is not None
        if axis == "step" and (self._logs[run].by_epochs(tag) or (self._by_epochs and _counts(series.steps))):
            axis = "epoch"
        return Curve.of(series, run, tag, axis)

    def _points(self, run: str, tag: str) -> Series | None:
        """The points of a tag that belong to this training; None if there is no such tag."""
        series = self._logs[run].find(tag)
        return None if series is None else series.between(max(self.session_start, self._begin), self._end)

    @cached_property
    def _by_epochs(self) -> bool:
        """Whether a validation loss was logged at 0, 1, 2, ...: these are epochs, since few programs validate every batch."""
        for _, run, tag, _ in self._meanings.get("validation loss", ())[:1]:
            series = self._points(run, tag)
            return series is not None and _counts(series.steps)
        return False

    @cached_property
    def session_start(self) -> float:
        """When the last recorded training began (seconds since 1970); minus infinity if that is not known.

        A program that runs again with the same log directory starts another training. What an earlier one wrote (for example a
        validation curve that this one does not have) is not evidence for it.
        """
        starts = (self._logs[n].session_start for n, role in self.parts.items() if role == "scram")
        return max(starts, default=-math.inf)

    def curve(self, tensorboard_run: str, tag: str) -> Curve | None:
        """The curve with this source (see `Curve.source`), of the last recorded training; None if there is none."""
        series = self._points(tensorboard_run, tag) if tensorboard_run in self.parts else None
        return None if series is None else Curve.of(series, tensorboard_run, tag, "")

    def measured(
        self,
        what: str,
        value: float,
        *,
        above: float | None = None,
        below: float | None = None,
        percent: bool = False,
        curve: Curve | None = None,
    ) -> None:
        """A check notes what it looked at, so that a pass can be told with this run's value and the limit.

        `what` is a quantity in words ("rise of the validation loss"). There is a finding `above` or `below` the limit; give
        one of them, or none if no limit decides. Of several measures the nearest to its limit is told.
        """
        limit = below if above is None else above
        noted = Measure(
            what,
            float(value),
            None if limit is None else float(limit),
            below is None,
            percent,
            None if curve is None else curve.source(),
        )
        if not math.isnan(noted.value) and (self.measure is None or noted.nearness > self.measure.nearness):
            self.measure = noted

    def columns(self, table: str) -> list[str]:
        """The names of the columns of one of SCRAM's own tables."""
        return list(self.parsed(table))

    def parsed(self, table: str) -> Mapping[str, schema.Column]:
        """The names of the columns of one of SCRAM's own tables, each with its parts."""
        if table not in self._columns:
            prefix = schema.column_tag(table, "")
            runs = [n for n, role in self.parts.items() if role == "scram"]
            names = (tag.removeprefix(prefix) for n in runs for tag in self._logs[n] if tag.startswith(prefix))
            self._columns[table] = {name: schema.Column.parse(name) for name in names}
        return self._columns[table]

    def notes(self) -> list[str]:
        """Sentences for the reader of a review on how this run was read."""
        notes = [self._note] if self._note else []
        read = sorted({name for run in self.parts for name in self._logs[run].text_files})
        if read:
            notes.append(f"Read from {', '.join(read[:MOST_NAMED])}{', ...' if len(read) > MOST_NAMED else ''}.")
        if sentence := KINDS[self.training].sentence:
            notes.append(sentence)
        if self.facts.get("preflight"):
            notes.append("This is a preflight: a short training and tests of the model, run before the training itself.")
        notes += gaps.notes(self.gaps, self.stopped)
        if self.ended not in (None, "finished", "stopped"):
            notes.append(f"The last training did not run to its end: {self.ended}.")
        crowded = [name for name in self.tensorboard_runs if len(self._logs[name]) > MOST_TAGS]
        notes += [f"{name}: {said}." for name in self.tensorboard_runs if (said := self._logs[name].limit.sentence)]
        if crowded:
            notes.append(f"{crowded[0]} has more than {MOST_TAGS:,} tags; SCRAM searched the first {MOST_TAGS:,} for signals.")
        return notes


def _counts(steps: np.ndarray) -> bool:
    """Whether steps are 0, 1, 2, ..."""
    return len(steps) > 2 and steps[0] == 0 and bool((np.diff(steps) == 1).all())


def _first(tags: Iterable[str], most: int) -> Iterable[str]:
    return (tag for _, tag in zip(range(most), tags, strict=False))
