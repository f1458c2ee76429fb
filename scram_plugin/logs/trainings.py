"""Several trainings that were logged into one directory, one after the other: each is a training run of its own."""

from __future__ import annotations

import numpy as np

from scram_plugin.logs.run import PLUS, Run
from scram_plugin.logs.series import Series
from scram_plugin.logs.training_run import TrainingRun

SIGNALS = ("training loss", "validation loss", "adversarial loss", "policy loss", "return")
LEVEL = 3  # points: the fewest whose median a single outlier does not move
FEWEST = 4  # points of an earlier training: nothing can be judged with fewer
MOST_LOOKED_AT = 200  # tags of a TensorBoard run that are looked at to find out what it holds


def apart(run: TrainingRun) -> list[TrainingRun]:
    """The trainings of a run in the order in which they were done; the last one keeps the name of the run.

    SCRAM's recorder says itself when a training began, and that the last one counts: its runs stay whole.
    """
    whole = "scram" in run.parts.values() or not any(run.logged(name).goes_back for name in run.parts)
    begins = [] if whole else _begins(run)
    if not begins:
        return [run]
    edges = [-np.inf, *(when for when, _ in begins), np.inf]
    found = []
    for number, (_, points) in enumerate(begins, 1):
        if points >= FEWEST:
            note = f"This is training {number} of {len(begins) + 1} that were logged into the same directory."
            found.append(run.between(f"{run.name} (training {number})", edges[number - 1], edges[number], note))
    names = ", ".join(one.name for one in found)
    note = f"This is the last of {len(begins) + 1} trainings that were logged into the same directory"
    note += f"; judged apart: {names}." if names else "."
    return [*found, run.between(run.name, edges[-2], edges[-1], note)]


def _begins(run: TrainingRun) -> list[tuple[float, int]]:
    """For each training but the first: when it began (seconds since 1970), and the points of the one before it."""
    curve = next((c for signal in SIGNALS if (c := run.signal(signal)) is not None), None)
    if curve is None or not curve.restarts:
        return []
    logged = run.logged(curve.tensorboard_run)
    series, files = run.series(curve), logged.borders(curve.tag.split(PLUS)[0])
    found, start = [], 0
    for i in np.flatnonzero(np.diff(series.steps) < 0) + 1:
        first = series.steps[start] >= series.steps[i] and series.wall_times[i] >= series.wall_times[:i].max()
        if first and _begins_anew(series, start, int(i), new_file=bool(i in files)):
            found.append((_first_point(run, series.wall_times[i - 1], series.wall_times[i]), int(i) - start))
            start = int(i)
    return found


def _begins_anew(series: Series, start: int, at: int, new_file: bool) -> bool:
    """Whether the training that began at point `start` ended before point `at`, and another one begins there.

    The loss says so where it had fallen: it starts again as high. Where it had not, a new event file does.
    """
    first, last, after = levels(series, start, at)
    if np.isfinite((first, last, after)).all() and last < first:
        return after > (first + last) / 2
    return new_file


def levels(series: Series, start: int, at: int) -> tuple[float, float, float]:
    """The medians of the values from point `start` on, before point `at`, and from there on."""
    parts = slice(start, start + LEVEL), slice(max(at - LEVEL, start), at), slice(at, at + LEVEL)
    first, last, after = (float(np.median(series.values[part])) for part in parts)
    return first, last, after


def _first_point(run: TrainingRun, before: float, at: float) -> float:
    """When the first point of any tag was written by the training whose loss begins at the wall time `at`.

    `before`: when the loss was last written before that. What another tag wrote in between belongs to the new training from
    where its steps go back, too.
    """
    begin = at
    for name in run.tensorboard_runs:
        logged: Run = run.logged(name)
        for series in (logged[tag] for _, tag in zip(range(MOST_LOOKED_AT), logged, strict=False)):
            back = np.flatnonzero(np.diff(series.steps) < 0) + 1
            times = series.wall_times[back]
            begin = min([begin, *times[(times > before) & (times < at)]])
    return begin
