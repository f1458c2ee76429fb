"""Metrics as witnesses of what was learned: one that never left its first level, and one that lost what it had reached."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from scram_plugin.heuristics.curves.checkable import rises_of_rate
from scram_plugin.heuristics.curves.noise import error_of_difference, median, noise, reflected, sliding_medians
from scram_plugin.heuristics.limits import FOR_A_LEVEL, SIGMAS, TENTH, THIRD, USUAL_RANGE
from scram_plugin.logs.conventions import AGREEMENTS, AREAS, ERROR_RATES, SCORES
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

NAMES = (
    AGREEMENTS
    | AREAS
    | ERROR_RATES
    | SCORES
    | {"m", "50", "95", "1", "5", "top", "macro", "micro", "weighted", "score", "box", "b"}
)
WORDS = {"wer", "cer"}  # rates that may exceed 1: more may be inserted than there are
EVALUATIONS = 8  # evaluations: fewer show no standstill; by bench-limits
PERCENT = 100  # the best value of a score that is given in percent; by definition
POOR_SCORE = 0.2  # score, 0 to 1: below that a metric that stands still has not learned; by bench-limits
STOOD = 0.03  # score: a smaller rise above the first evaluation is nothing; by bench-limits
ROSE = 0.05  # score: what rises by so much after the first evaluation is learning; by bench-limits
SAME = 0.01  # score: values after the first that differ by less are the same answers; by bench-limits
RISES = 0.1  # of what was gained so far: such a rise from one third to the next one goes on; by bench-limits
NOTHING_LEFT = 0.05  # of the first fall of the loss: all that followed was less; by bench-limits
LEAST_GAIN = 0.02  # score: a smaller gain cannot be lost; by bench-limits
LOST_BY_ALL = 0.8  # of what must be lost, in each of the last evaluations; by bench-limits
OF_THE_BEST = 1 / 3  # of the best score: a smaller loss may be a swing; by bench-limits
CLEAR = 5.0  # noises: such a gain and such a loss are no swings; by bench-limits
HALF_AGAIN = 0.4055  # of the logarithm of a loss: 1.5 times as high; by bench-limits
SUDDEN = 8.0  # noises: a single last evaluation that is worse by so much is no swing; by bench-limits


@dataclass(frozen=True)
class Score:
    """A metric of one data set: its name ("validation accuracy"), its points without NaN, and these as scores from 0 to 1, of
    which higher ones are better."""

    name: str
    curve: Curve
    values: np.ndarray


@dataclass(frozen=True)
class Collapse:
    """A score that was lost: the position of the best level before, and the scores there and after it.

    `until`: the position from which on it was back; None if it is lost to the end. `better`: later it was better than before.
    `sudden`: the last evaluation alone is bad.
    """

    score: Score
    best: int
    then: float
    now: float
    until: int | None = None
    better: bool = False
    sudden: bool = False


_known: WeakKeyDictionary[TrainingRun, list[Score]] = WeakKeyDictionary()


def scores(run: TrainingRun) -> list[Score]:
    """The metrics whose best and worst values are known, those of the validation first; of `EVALUATIONS` or more.

    They are found only once for all checks.
    """
    if run not in _known:
        _known[run] = _scores_of(run)
    return _known[run]


def _scores_of(run: TrainingRun) -> list[Score]:
    found = []
    for name in sorted(run.signals, key=lambda name: (not name.startswith("validation "), name)):
        side, _, metric = name.partition(" ")
        curve = run.signal(name) if side in ("validation", "training") else None
        if curve is None or len(curve.finite) < EVALUATIONS:
            continue
        values = _scores(set(metric.split()), curve.finite.values.astype(float))
        if values is not None:
            found.append(Score(name, curve.finite, values))
    return found


def _scores(words: set[str], values: np.ndarray) -> np.ndarray | None:
    if not words <= NAMES or (values.max() > 1 and np.ptp(values) == 0):
        return None  # of one class, or a setting
    if words & ERROR_RATES and values.min() >= 0 and (median(values) <= 1 if words & WORDS else values.max() <= 1):
        return np.asarray(1 - np.minimum(values, 1.0))  # more words may be wrong than there are
    if words & AREAS and values.min() >= 0 and values.max() <= 1:
        return np.asarray(np.maximum(2 * values - 1, 0.0))
    if words & AGREEMENTS and values.min() >= -1 and values.max() <= 1:
        return np.asarray(np.maximum(values, 0.0))
    if not words & SCORES or values.min() < 0 or values.max() > PERCENT:
        return None
    return np.asarray(values / PERCENT if values.max() > 1 else values)


def never_learned(run: TrainingRun) -> Score | None:
    """The first score that is poor and stayed at its first level, or the same, while the loss fell at once and no further.

    A score that is the same in every digit after the first evaluation counts whatever the loss did: the answers are the same.
    None if another one rose after the first evaluation, when a class or its absence may have been learned.
    """
    known, at_once = scores(run), _fell_at_once(run)
    stood = [s for s in known if (at_once or _is_frozen(s.values)) and _stood(s.values)]
    return stood[0] if stood and not any(_rose_later(s.values) for s in known) else None


def _is_frozen(values: np.ndarray) -> bool:
    return bool(values[1] > 0 and np.ptp(values[1:]) == 0)


def _rose_later(values: np.ndarray) -> bool:
    return median(values[-FOR_A_LEVEL:]) - median(values[1 : 1 + FOR_A_LEVEL]) > ROSE


def _stood(values: np.ndarray) -> bool:
    later = values[1:]
    if median(later) >= POOR_SCORE:
        return False  # most are; a median is quick
    low, high = np.quantile(later, USUAL_RANGE)
    gained = high - values[0]
    *before, end = np.array_split(later, THIRD)
    chance = SIGMAS * error_of_difference(noise(later), len(end))
    rises = median(end) - max(map(median, before)) > max(chance, RISES * gained)
    return bool(high < POOR_SCORE and not rises and (gained < STOOD or high - low < SAME))


def _fell_at_once(run: TrainingRun) -> bool:
    """Whether the training loss improved by little after its first tenth, compared with its fall until then."""
    curve = run.signal("training loss")
    values = curve.finite.values if curve is not None else np.array([])
    if len(values) < EVALUATIONS:
        return False
    soon, end = median(values[max(1, len(values) // TENTH) :][:FOR_A_LEVEL]), median(values[-FOR_A_LEVEL:])
    return bool(soon - end <= NOTHING_LEFT * (values[0] - end))


def gained_since(run: TrainingRun, step: int) -> float:
    """The largest share of its whole gain, 0 to 1, that a validation score made after a step, beyond chance.

    0.0 if one of them lost. One that is still poor at the end does not count, nor do precision and recall, of which one rises
    as the other falls.
    """
    found = 0.0
    for score in scores(run):
        known = int(np.searchsorted(score.curve.steps, step, "right"))
        of_validation = score.name.startswith("validation ") and not {"precision", "recall"} & set(score.name.split())
        if not of_validation or not 0 < known < len(score.values):
            continue
        first, best, end = score.values[0], score.values[:known].max(), median(score.values[-FOR_A_LEVEL:])
        chance = SIGMAS * error_of_difference(noise(score.values), FOR_A_LEVEL)
        if best - end > max(chance / SIGMAS, ROSE):
            return 0.0
        if end > POOR_SCORE and end - best > max(chance, ROSE):
            found = max(found, float((end - best) / (end - first)))
    return found


def collapsed(run: TrainingRun, share: float) -> Collapse | None:
    """The first score of which at least this share of what was gained is lost; None if there is none.

    Where the training loss is lower than at the best score, it is no collapse but overfitting.
    """
    lost = (found for s in scores(run) if (found := _lost(s, share)) is not None)
    return next((found for found in lost if not _overfits(run, found)), None) or _rose(run, share)


def _lost(score: Score, share: float) -> Collapse | None:
    values = score.values
    levels = sliding_medians(reflected(values, FOR_A_LEVEL // 2), FOR_A_LEVEL)
    best = int(np.argmax(levels))
    then, gained, swing = float(levels[best]), float(levels[best] - values[0]), noise(values)
    if gained <= max(CLEAR * swing, LEAST_GAIN):
        return None
    much, last = max(share * gained, OF_THE_BEST * then), values[-FOR_A_LEVEL:]
    falls = bool((np.diff(last) < 0).all())  # then the last value is the level
    now, kept = (float(last[-1]), last[1:].max()) if falls else (median(last), last.max())
    lost = then - now > max(much, CLEAR * swing) and then - kept > LOST_BY_ALL * share * gained
    if best < len(values) - FOR_A_LEVEL and lost:
        return Collapse(score, _nearest(values, best, then), then, now)
    before, now = float(levels[-2]), float(values[-1])
    if before - now > max(much, SUDDEN * noise(values[:-1])):
        return Collapse(score, _nearest(values[:-1], min(best, len(values) - 2), then), then, now, sudden=True)
    return _lost_for_a_while(score, levels, share)


def _rose(run: TrainingRun, share: float) -> Collapse | None:
    """The same of the logarithm of the training loss, only of a rise from which it came back: others are divergence."""
    curve = run.signal("training loss")
    if curve is None or len(curve.finite) < EVALUATIONS or curve.finite.values.min() <= 0:
        return None
    if rises_of_rate(run):
        return None  # a schedule that starts again, and the loss with it
    values = np.log(curve.finite.values)
    start = median(values[len(values) // TENTH // 2 :][:FOR_A_LEVEL])
    score = Score("training loss", curve.finite, np.append(0.0, start - values[1:]))
    levels = sliding_medians(reflected(score.values, FOR_A_LEVEL // 2), FOR_A_LEVEL)
    lost = _lost_for_a_while(score, levels, share)
    return lost if lost is not None and lost.then - lost.now > HALF_AGAIN else None


def _lost_for_a_while(score: Score, levels: np.ndarray, share: float) -> Collapse | None:
    """A collapse that lasted for a tenth of the training or more, after which the score came back."""
    highest = np.maximum.accumulate(levels)
    gained = highest - score.values[0]
    clear = gained > max(CLEAR * noise(score.values), LEAST_GAIN)
    gone = clear & (highest - levels > np.maximum(share * gained, OF_THE_BEST * highest))
    if not gone.any():
        return None
    begin = int(np.argmax(gone))
    back = (levels > highest - LOST_BY_ALL * share * gained) & (np.arange(len(levels)) > begin)
    until = int(np.argmax(back))
    if not back.any() or until - begin < max(FOR_A_LEVEL, len(levels) / TENTH):
        return None
    best = int(np.argmax(levels[: begin + 1]))
    better = bool(levels[until:].max() > levels[best])
    at = _nearest(score.values, best, levels[best])
    return Collapse(score, at, float(levels[best]), float(levels[begin:until].min()), until, better)


def _nearest(values: np.ndarray, around: int, level: float) -> int:
    """The position, of those whose median a level is, of the value that is nearest to it: no outlier."""
    first = max(around - 1, 0)
    return first + int(np.argmin(np.abs(values[first : around + 2] - level)))


def _overfits(run: TrainingRun, lost: Collapse) -> bool:
    """Whether the training data show no such loss: the same metric of them, or else the training loss."""
    side, _, metric = lost.score.name.partition(" ")
    loss = run.signal("training loss")
    twin = next((s for s in scores(run) if s.name == f"training {metric}"), None)
    if side == "training" or loss is None or not len(loss.finite):
        return False
    if twin is not None:
        then, now = _then_and_now(twin.curve.steps, twin.values, lost)
        return then - now < (lost.then - lost.now) / 2
    then, now = _then_and_now(loss.finite.steps, loss.finite.values, lost)
    return now < then - noise(loss.finite.values)


def _then_and_now(steps: np.ndarray, values: np.ndarray, lost: Collapse) -> tuple[float, float]:
    """The levels of a curve where the score was best, and where it was lost."""
    known = lost.score.curve.steps
    nearest = np.argsort(np.abs(steps - known[lost.best]), kind="stable")[:FOR_A_LEVEL]
    if lost.until is not None:
        within = values[(steps > known[lost.best]) & (steps <= known[lost.until])]
        return median(values[nearest]), median(within) if len(within) else median(values[nearest])
    return median(values[nearest]), float(values[-1]) if lost.sudden else median(values[-FOR_A_LEVEL:])
