"""Whether a fix helps: numbers of pairs of runs in, a verdict and a sentence out.

Both runs of a pair have the same seed and the same number of batches. A difference counts if all pairs agree on it and it is
larger than the noise: between seeds, and of each curve at its end. One pair alone shows only very large differences.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Literal

from scram_plugin.fixing.measures import ALIKE, Ending, Level
from scram_plugin.heuristics.words import counted, number

Outcome = Literal["better", "same", "worse", "breaks", "unknown"]
NOISES = 3.0  # standard errors of the mean difference; by `python -m tests.benchmarks.proofs`
LEAST_SHARE = 0.02  # of a score from 0 to 1: a smaller difference is none; by `python -m tests.benchmarks.proofs`
LEAST_FALL = 0.05  # of a loss: a smaller difference is none; by `python -m tests.benchmarks.proofs`
ALONE = 5.0  # times as large the difference of a single pair must be; by `python -m tests.benchmarks.proofs`
FEWEST_BATCHES = 10  # after fewer, a training shows only where it began; by definition
WORDS = {1: "one", 2: "two", 3: "three"}


@dataclass(frozen=True)
class Judged:
    """The verdict on a fix: what was compared, its levels before and after, and in how many of the pairs it is so."""

    outcome: Outcome
    sentence: str
    measure: str = ""
    before: float | None = None
    after: float | None = None
    seeds: int = 0
    batches: int = 0


def judge(pairs: Sequence[tuple[Ending, Ending]], wanted: Sequence[str] = (), touches_loss: bool = False) -> Judged:
    """The verdict on pairs of runs, before and after the fix.

    `wanted`: measures that the finding is about, which are looked at where the first measure shows no difference. See
    `_besides` for others.
    `touches_loss`: the fix changes lines that make the loss or the targets, so that no loss is compared.
    """
    batches = min(min(before.batches, after.batches) for before, after in pairs)
    if (failed := _failed(pairs, batches)) is not None:
        return failed
    if batches < FEWEST_BATCHES:
        said = f"the runs have only {counted(batches, 'batch')}: give them longer, by --seconds or --epochs"
        return Judged("unknown", said, seeds=len(pairs), batches=batches)
    known = list(_shared(pairs, touches_loss))
    if not known:
        return Judged("unknown", "the two runs have no measure in common", seeds=len(pairs), batches=batches)
    first = _of(pairs, known[0], batches)
    if first.outcome != "same":
        return first
    asked = [_of(pairs, name, batches) for name in wanted if name in known[1:]]
    besides = [_of(pairs, name, batches) for name in _besides(pairs, known[0]) if name in known[1:]]
    assert first.before is not None
    assert first.after is not None
    levels = f"{first.measure} {number(first.before)} → {number(first.after)}"
    both = [replace(judged, sentence=f"{levels}; {judged.sentence}") for judged in besides]
    return next((judged for judged in (*asked, *both) if judged.outcome == "better"), first)


def _besides(pairs: Sequence[tuple[Ending, Ending]], first: str) -> Iterator[str]:
    """Further measures, where each pair is better by the first one: that of a training which had diverged is unsteady."""
    if all(_gain(before.measures[first], after.measures[first]) > 0 for before, after in pairs):
        yield "validation loss"
        losses = [before.measures.get("training loss") for before, _ in pairs]
        if all(loss is not None and loss.diverged for loss in losses):
            yield "training loss"


def _failed(pairs: Sequence[tuple[Ending, Ending]], batches: int) -> Judged | None:
    """The verdict where a program failed, or its loss is not finite; None where neither is so, or in both."""
    count = len(pairs)
    for is_bad, word in ((lambda e: bool(e.error), "fails"), (lambda e: e.broken, "loss NaN")):
        before, after = [is_bad(b) for b, _ in pairs], [is_bad(a) for _, a in pairs]
        if any(after) and not all(before):
            sentence = next((a.error for _, a in pairs if a.error), "")
            if sentence:
                return Judged("breaks", f"the program fails with it: {sentence}", seeds=count, batches=batches)
            return Judged("worse", "the loss becomes NaN with it", "training loss", seeds=count, batches=batches)
        if any(after):
            return Judged("same", f"{_told_of(pairs, word)}, as before", seeds=count, batches=batches)
        if all(before):
            name, then, now = _levels(pairs)
            change = f"{name} {number(then)} → {number(now)}" if name and math.isfinite(then) else ""
            change = change or (f"{name} {number(now)}" if name else "")
            what = "the program failed before, and runs now" if word == "fails" else "the loss was NaN, and is finite now"
            said = f"{what}{'; ' if change else ''}{change} {_length(pairs, batches)}, {_agree(count, count)}"
            known = then if math.isfinite(then) else None
            return Judged("better", said, name, known, now if name else None, count, batches)
    return None


def _levels(pairs: Sequence[tuple[Ending, Ending]]) -> tuple[str, float, float]:
    """The best measure that all runs with the fix have, and its levels before and after; NaN where it has none."""
    afters = [after.measures for _, after in pairs]
    name = next((name for name in afters[0] if all(name in measures for measures in afters)), "")
    if not name:
        return "", math.nan, math.nan
    befores = [before.measures.get(name) for before, _ in pairs]
    then = math.nan if any(measure is None for measure in befores) else fmean(m.level for m in befores if m is not None)
    return name, then, fmean(measures[name].level for measures in afters)


def _told_of(pairs: Sequence[tuple[Ending, Ending]], word: str) -> str:
    sentence = next((a.error for _, a in pairs if a.error), "")
    return f"the program fails: {sentence}" if sentence else word


def _shared(pairs: Sequence[tuple[Ending, Ending]], touches_loss: bool) -> Iterator[str]:
    """The measures that all runs have under the same meaning, the best first."""
    runs = [ending for pair in pairs for ending in pair]
    losses = {ending.loss for ending in runs}
    same_loss = len(losses) == 1 and not touches_loss
    # a program that never steps has no recorded targets; what finds fault with targets has seen them
    unseen = not touches_loss and not any(before.targets for before, _ in pairs)
    same_targets = unseen or all(_alike(before.targets, after.targets) for before, after in pairs)
    for name, measure in runs[0].measures.items():
        if all(name in ending.measures for ending in runs) and (
            (same_loss or not measure.of_loss) and (same_targets or not measure.of_targets)
        ):
            yield name


def _alike(before: tuple[float, ...], after: tuple[float, ...]) -> bool:
    """Whether the targets of two runs have the same range, as far as it is known."""
    if len(before) != len(after) or not before:
        return not before and not after
    spread = max(before[1] - before[0], abs(before[1]), math.ulp(1.0))
    return all(abs(b - a) <= ALIKE * spread for b, a in zip(before[:2], after[:2], strict=True))


def _of(pairs: Sequence[tuple[Ending, Ending]], name: str, batches: int) -> Judged:
    """The verdict by one measure."""
    both = [(before.measures[name], after.measures[name]) for before, after in pairs]
    count = len(pairs)
    then, now = (_middle(side) for side in zip(*both, strict=True))
    if not all(math.isfinite(m.level) for pair in both for m in pair):
        bad = [sum(not math.isfinite(pair[i].level) for pair in both) for i in (0, 1)]
        outcome: Outcome = "better" if bad == [count, 0] else "worse" if bad[1] > bad[0] else "same"
        return _told(outcome, pairs, name, then, now, batches, count)
    settled = _settled(both)
    gains = [_gain(before, after) for before, after in settled]
    mean = fmean(gains)
    agree = sum(gain > 0 for gain in gains) if mean > 0 else sum(gain < 0 for gain in gains)
    if agree == count and abs(mean) > _least(settled):
        return _told("better" if mean > 0 else "worse", pairs, name, then, now, batches, agree)
    return _told("same", pairs, name, then, now, batches, agree)


def _settled(both: Sequence[tuple[Level, Level]]) -> Sequence[tuple[Level, Level]]:
    """The levels as they are compared. Where all runs of one side have diverged, and none of the other, they count as the best
    of them: how far each went is no noise."""
    sides: list[Sequence[Level]] = list(zip(*both, strict=True))
    for side, other in ((0, 1), (1, 0)):
        if all(m.diverged for m in sides[side]) and not any(m.diverged for m in sides[other]):
            least = min(m.level for m in sides[side])
            sides[side] = [replace(m, level=least, error=0.0) for m in sides[side]]
    return list(zip(*sides, strict=True))


def _as_logarithm(measure: Level) -> bool:
    """Whether ratios of it count, as of losses: those of a training that diverges differ by powers of ten."""
    return not measure.higher and measure.level > 0


def _gain(before: Level, after: Level) -> float:
    """How much better it is after: of a score the difference, of a loss that of the logarithms."""
    if _as_logarithm(before) and _as_logarithm(after):
        return math.log(before.level / after.level)
    return after.level - before.level if before.higher else before.level - after.level


def _middle(side: Sequence[Level]) -> float:
    """The level that is told of several runs: the mean, of losses that of the logarithms."""
    if all(map(_as_logarithm, side)):
        return math.exp(fmean(math.log(m.level) for m in side))
    return fmean(m.level for m in side)


def _least(both: Sequence[tuple[Level, Level]]) -> float:
    """The smallest mean gain that is larger than the noise: of the curves at their ends, and between seeds."""
    count, measure = len(both), both[0][0]
    logarithms = all(_as_logarithm(m) for pair in both for m in pair)
    largest = max(abs(m.level) for pair in both for m in pair)
    if logarithms:
        floor = -math.log1p(-LEAST_FALL)
    else:
        floor = LEAST_SHARE * max(largest, 1.0) if measure.higher else LEAST_FALL * largest
    sides = list(zip(*both, strict=True))
    curves = [fmean((m.error / m.level if logarithms else m.error) ** 2 for m in side) for side in sides]
    if count < 2:
        return ALONE * max(floor, NOISES * math.sqrt(sum(curves)))
    levels = [[math.log(m.level) if logarithms else m.level for m in side] for side in sides]
    seeds = [stdev(side) ** 2 for side in levels]
    noise = math.sqrt(sum(map(max, curves, seeds)) / count)
    return max(floor, NOISES * noise)


def _told(
    outcome: Outcome, pairs: Sequence[tuple[Ending, Ending]], name: str, then: float, now: float, batches: int, agree: int
) -> Judged:
    levels = f"{name} {number(then)} → {number(now)} {_length(pairs, batches)}"
    count = len(pairs)
    said = {
        "better": f"{levels}, {_agree(agree, count)}",
        "worse": f"worse: {levels}, {_agree(agree, count)}",
        "same": f"no difference that is larger than the noise: {levels}",
    }[outcome]
    return Judged(outcome, said, name, then, now, count, batches)


def _agree(agree: int, count: int) -> str:
    if count == 1:
        return "one seed only"
    return f"{WORDS.get(agree, str(agree))} seeds of {WORDS.get(count, str(count))}"


def _length(pairs: Sequence[tuple[Ending, Ending]], batches: int) -> str:
    epochs = min(min(before.epochs, after.epochs) for before, after in pairs)
    return f"after {counted(epochs, 'epoch')}" if epochs else f"after {counted(batches, 'batch')}"
