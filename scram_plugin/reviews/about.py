"""What a training run is, in a few facts: shown whatever was found."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timezone

from scram_plugin.heuristics.words import counted, number, one_line, place
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.settings import Settings, Value
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.reviews.model import SETTINGS
from scram_plugin.reviews.score import validation_score

UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
EARLIEST, LATEST = 946_684_800.0, 4_102_444_800.0  # 2000 and 2100: other times are of a clock that was not set


def about(run: TrainingRun) -> tuple[tuple[str, str], ...]:
    """(what it is, its value), of what is known."""
    return tuple((name, one_line(value)) for name, value in _facts(run))


def _facts(run: TrainingRun) -> Iterator[tuple[str, str]]:
    loss, batches = run.signal("training loss") or run.signal("validation loss"), run.signal("batch loss")
    longest = max((c for c in (loss, batches) if c is not None), key=len, default=None)
    if longest is not None:
        # of a text file only the time is known at which it was last written
        of_text = longest.tensorboard_run in run.without_event_files
        at, taken = float(longest.wall_times[-1 if of_text else 0]), float(longest.wall_times[-1] - longest.wall_times[0])
        if EARLIEST < at < LATEST:
            when = datetime.fromtimestamp(at, timezone.utc)
            yield "last written" if of_text else "began", f"{when:%Y-%m-%d %H:%M} UTC"
            if not of_text and 0 < taken < LATEST:
                yield "took", _duration(taken)
    if loss is not None:
        yield "length", _length(loss)
    fit, optimizer = run.facts.get("fit") or {}, run.facts.get("optimizer") or {}
    if fit.get("batch_size"):
        yield "batch size", f"{fit['batch_size']:,}"
    if optimizer.get("class"):
        rate, rates = optimizer.get("learning_rate"), run.signal("learning rate")
        said = f", learning rate {number(float(rate))}" if isinstance(rate, int | float) else ""
        if optimizer.get("schedule") and rates is not None and len(rates.finite):  # its first rate may be 0
            said = f", learning rate up to {number(float(rates.finite.values.max()))}"
        yield "optimizer", f"{optimizer['class']}{said}"
    if run.settings:
        yield SETTINGS, settings_in_words(run.settings)
    if (measured := _measured(run)) is not None:
        yield measured


def settings_in_words(settings: Settings) -> str:
    """Settings as a line, those of one source together: learning rate 5e-5, warm-up 500 steps (args)."""
    by_source: dict[str, list[str]] = {}
    for name, setting in settings.items():
        by_source.setdefault(setting.source, []).append(_setting(name, setting.value))
    return "; ".join(f"{', '.join(said)} ({source})" for source, said in by_source.items())


def _setting(name: str, value: Value) -> str:
    if value is None or isinstance(value, bool):
        return f"{name} {'on' if value else 'off'}"
    if isinstance(value, str):
        return f"{name} {value}"
    said = f"{value:,}" if isinstance(value, int) else number(value)
    what, _, unit = name.rpartition(" ")
    if what != "warmup":
        return f"{name} {said}"
    return f"warm-up {f'{number(100 * value)} %' if unit == 'ratio' else f'{said} {unit}'}"


def _measured(run: TrainingRun) -> tuple[str, str] | None:
    """The best and the last value of what was measured on the validation data."""
    of = validation_score(run)
    if of is None:
        return None
    last = number(math.nan if of.last is None else of.last)
    return of.signal, f"best {number(of.best)} at {place(of.axis, of.best_step)}, last {last}"


def _length(curve: Curve) -> str:
    last = int(curve.steps[-1])
    if curve.axis == "step":
        return f"{last:,} steps"
    return counted(last + 1, curve.axis)


def _duration(seconds: float) -> str:
    """A time in its two largest units: 1 hour 20 minutes."""
    parts, left = [], math.ceil(seconds)
    for size, unit in UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(counted(count, unit))
    return " ".join(parts[:2])
