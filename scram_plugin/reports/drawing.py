"""The curves of a finding as pictures without a server: block characters, and SVG."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from scram_plugin.heuristics.heuristic import Finding
from scram_plugin.heuristics.words import number, one_line, place
from scram_plugin.logs.curve import CurveName
from scram_plugin.reviews.model import Review

BLOCKS = "▁▂▃▄▅▆▇█"
NOT_FINITE = "×"
WIDE_RANGE_OF_BLOCKS = 20.0  # there are only eight of them
WIDTH, HEIGHT = 640, 200  # of the SVG, in its own units
LEFT, RIGHT, TOP, BOTTOM = 64, 8, 22, 24  # margins around the curves


@dataclass(frozen=True)
class Line:
    """One curve in few points, with its name for readers."""

    label: str
    steps: Sequence[int]
    values: Sequence[float]


def lines(review: Review, finding: Finding, most: int) -> list[Line]:
    """The first curves of a finding that share an axis, from the sketches of its review."""
    drawn = {CurveName(sketch.tensorboard_run, sketch.tag): sketch for sketch in review.sketches}
    named = zip(finding.picture.curves, finding.picture.labels, strict=True)
    found = [Line(one_line(label), drawn[c].steps, drawn[c].values) for c, label in named if c in drawn]
    return found[:most]


def part_shown(drawn: Sequence[Line], finding: Finding) -> tuple[int, int]:
    """The steps to show: all, or the part that the picture of the finding names."""
    return finding.picture.part or (min(line.steps[0] for line in drawn), max(line.steps[-1] for line in drawn))


def bars(drawn: Sequence[Line], width: int, shown: tuple[int, int]) -> tuple[list[str], list[int]]:
    """Each curve as blocks over the same columns, and the last step of each column.

    A column is a point, or a span of steps if there are more points than `width`. A column with a value that is not finite is
    a cross.
    """
    steps = sorted({step for line in drawn for step in line.steps if shown[0] <= step <= shown[1]})
    if len(steps) > width:
        low, high = shown
        steps = [low + (high - low) * (i + 1) // width for i in range(width)]
    return [_bars(line, steps) for line in drawn], steps


def _bars(line: Line, ends: Sequence[int]) -> str:
    columns: list[list[float]] = [[] for _ in ends]
    for step, value in zip(line.steps, line.values, strict=True):
        if step <= ends[-1]:
            columns[bisect.bisect_left(ends, step)].append(value)
    finite = [value for column in columns for value in column if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    height = _scale(low, high, log=low > 0 and high > WIDE_RANGE_OF_BLOCKS * low)
    text, before = "", " "
    end = bisect.bisect_left(ends, min(line.steps[-1], ends[-1]))
    for column in columns[: end + 1]:
        finite = [value for value in column if math.isfinite(value)]
        if len(finite) < len(column):
            before = NOT_FINITE
        elif finite:
            mean = sum(value / len(finite) for value in finite)  # their sum may overflow
            before = BLOCKS[min(int(height(mean) * len(BLOCKS)), len(BLOCKS) - 1)]
        text += before  # a column without a point repeats the one before it
    return text.ljust(len(ends))


def _scale(low: float, high: float, log: bool) -> Callable[[float], float]:
    """From a value to its height, 0 to 1."""
    if log:
        return lambda value: _part((math.log(max(value, low)) - math.log(low)) / (math.log(high) - math.log(low)))
    span = high / 2 - low / 2
    return lambda value: _part((value / 2 - low / 2) / span) if span > 0 else 0.0


def _part(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _ticks(low: float, high: float, log: bool) -> list[float]:
    """Round numbers from `low` to `high`, about four of them."""
    if log and high > 100 * low:
        powers = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
        return [10.0**power for power in powers][:: max(1, -(-len(powers) // 4))]
    if not 1e-300 < high / 2 - low / 2 < 1e300:
        return [low, high]
    size = 10.0 ** math.floor(math.log10((high - low) / 4))
    every = next(size * step for step in (1, 2, 5, 10) if (high - low) / (size * step) <= 5)
    first = math.ceil(low / every)
    return [i * every for i in range(first, first + 7) if i * every <= high]


def svg(drawn: Sequence[Line], finding: Finding) -> str:
    """The curves with the bad span shaded and the first bad point, or the best one, marked."""
    start, end = part_shown(drawn, finding)
    end = max(end, start + 1)
    drawn = [_between(line, start, end) for line in drawn]
    values = [value for line in drawn for value in line.values if math.isfinite(value)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if not high > low:
        low, high = low - 0.5 * abs(low or 1), high + 0.5 * abs(high or 1)
    log = finding.picture.log and low > 0  # it is not where the part shown is flat
    height = _scale(low, high, log)
    inner_width, inner_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(step: float) -> float:
        return round(LEFT + (min(max(step, start), end) - start) / (end - start) * inner_width, 1)

    def y(value: float) -> float:
        return round(TOP + (1 - height(value)) * inner_height, 1)

    axis, first, last = finding.axis, x(finding.first_step), x(finding.last_step)
    parts = [f'<rect class="span" x="{first}" y="{TOP}" width="{max(last - first, 3):.1f}" height="{inner_height}"/>']
    for tick in _ticks(low, high, log):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick)}" y2="{y(tick)}"/>')
        parts.append(f'<text class="tick" text-anchor="end" x="{LEFT - 6}" y="{y(tick) + 4}">{number(tick)}</text>')
    for step, anchor in ((start, "start"), (end, "end")):
        parts.append(f'<text class="tick" text-anchor="{anchor}" x="{x(step)}" y="{HEIGHT - 8}">{place(axis, step)}</text>')
    best, bad = finding.best_step, finding.bad_step
    mark, word, kind = (best, "best", "best") if best is not None else (bad, "first bad", "bad")
    if mark is not None:
        right = x(mark) > WIDTH * 0.7
        parts.append(f'<line class="mark {kind}" x1="{x(mark)}" x2="{x(mark)}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(
            f'<text class="marked {kind}" text-anchor="{"end" if right else "start"}" x="{x(mark) + (-5 if right else 5)}" '
            f'y="{TOP + 12}">{word}: {place(axis, mark)}</text>'
        )
    left = LEFT
    for i, line in enumerate(drawn):
        parts += _strokes(line, x, y, i)
        parts.append(f'<line class="curve c{i}" x1="{left}" x2="{left + 20}" y1="10" y2="10"/>')
        parts.append(f'<text class="tick" x="{left + 25}" y="14">{escape(_short(line.label))}</text>')
        left += 45 + 7 * len(_short(line.label))
    said = escape(one_line(finding.picture.description))
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{said}">{"".join(parts)}</svg>'


def _between(line: Line, start: int, end: int) -> Line:
    kept = [i for i, step in enumerate(line.steps) if start <= step <= end]
    return Line(line.label, [line.steps[i] for i in kept], [line.values[i] for i in kept])


def _strokes(line: Line, x: Callable[[float], float], y: Callable[[float], float], number_: int) -> list[str]:
    """The curve, interrupted where it is not finite; crosses mark those points."""
    runs: list[list[str]] = [[]]
    crosses: list[float] = []
    for step, value in zip(line.steps, line.values, strict=True):
        if math.isfinite(value):
            runs[-1].append(f"{x(step)},{y(value)}")
            continue
        runs.append([])
        if not crosses or x(step) - crosses[-1] >= 12:
            crosses.append(x(step))
    parts = [f'<polyline class="curve c{number_}" points="{" ".join(run)}"/>' for run in runs if len(run) > 1]
    parts += [
        f'<circle class="point c{number_}" cx="{at}" cy="{up}" r="2.5"/>'
        for run in runs
        if len(run) == 1
        for at, _, up in [run[0].partition(",")]
    ]
    top = TOP + 28
    return parts + [f'<path class="cross" d="M{at - 3:.1f} {top - 3}l6 6m0 -6l-6 6"/>' for at in crosses]


def _short(label: str) -> str:
    return label if len(label) <= 34 else f"{label[:33]}…"
