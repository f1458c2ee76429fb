"""The shape of a curve: falling, or falling and then rising, and how strong the evidence is against the curve's own noise.

Both shapes are fitted without any formula for the curve: isotonic regression (Barlow et al., *Statistical Inference under
Order Restrictions*, 1972) finds the monotone curve nearest to the points. Two of them, one after the other, give the nearest
curve that falls to a lowest point and rises after it. Steps of a schedule, exponentials and power laws all fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from scram_plugin.heuristics.curves.noise import median, noise, reflected, sliding_medians
from scram_plugin.heuristics.limits import FOR_A_LEVEL, QUARTER, SIGMAS
from scram_plugin.logs.curve import Curve

MOST = 400  # points that are fitted; longer curves are reduced to the means of so many blocks; for speed
OUTLIER = (
    2.0  # noises from the running median of five: points further away are clipped (Huber, 1964: 1.345; three-sigma rule: 3)
)
# Chance alone drives the likelihood ratio (in squared noises) of a curve of n points that falls and then stays level beyond
# CHANCE + PER_LOG ln(n) in about one of 20 cases (simulated with 10 to 300 points). Every heuristic also requires a rise of
# several standard errors, and points that follow the best; the resulting error rates: by bench-verdicts.
CHANCE, PER_LOG = 1.0, 3.3
SURE = 1.0  # `strength` from which on a rise is real; from twice that on it is likely for any kind of noise; by bench-verdicts
# Points of which the lowest level is the median, from the best on, or up to it if a jump follows: a strip of Prechelt (1998).
STRIP = 5
NEAR = 10  # smallest number of points of which the noise is estimated; by bench-limits
PRIOR = 6  # weight, in points, of the robust estimate of the noise next to the squared residuals; by bench-limits
CLOSE = 1e-9  # share of the largest value: smaller differences are rounding of float64 sums; by definition
CALM = (7, 5)  # points from which on outliers are clipped, and points of the running median; by bench-limits
FOR_CORRELATION = 20  # points: in fewer a correlation of neighbours is chance; by bench-limits
MOST_ALIKE = 0.9  # correlation of neighbours: a higher one counts as this; by bench-limits


@dataclass(frozen=True)
class Shape:
    """A curve that falls to `best` and rises to its end, as far as the points show it.

    Positions count points of the curve (0 is the first); levels are in the unit of the curve.
    """

    best: int  # position of the lowest level
    start: float  # fitted level at the first point
    lowest: float  # level around the best point
    end: float  # fitted level of the last three points
    noise: float  # standard deviation of the points around the fitted curve
    strength: float  # how much better falling and rising fits than falling alone; 1 (`SURE`) is beyond chance
    fitted: np.ndarray  # levels at `positions`
    positions: np.ndarray
    block: int  # points of the curve for each position

    @property
    def rise(self) -> float:
        return self.end - self.lowest

    @property
    def gain(self) -> float:
        return self.start - self.lowest


_known: WeakKeyDictionary[Curve, Shape] = WeakKeyDictionary()


def shape_of(curve: Curve) -> Shape:
    """The shape of a curve without NaN, fitted only once for all heuristics."""
    if curve not in _known:
        _known[curve] = shape(curve.values)
    return _known[curve]


def shape(values: np.ndarray) -> Shape:
    """The shape of a curve of at least three finite points."""
    values = np.asarray(values, float)
    calm = _without_outliers(values)
    block = -(-len(values) // MOST)
    whole = len(values) // block * block
    points = calm[len(values) - whole :].reshape(-1, block).mean(axis=1)  # dropped at the start, where it matters least
    positions = np.arange(len(points)) * block + (len(values) - whole) + block // 2
    down, both = _both(points)
    at = int(np.argmin(both))
    top = median(points[-FOR_A_LEVEL:]) + SIGMAS * max(noise(points[len(points) // 2 :]), CLOSE * float(np.abs(points).max()))
    if (points[at + 1 :] > top).any():  # a bump between the best and the end does not count as part of the rise
        points = np.append(points[: at + 1], np.minimum(points[at + 1 :], top))
        down, both = _both(points)
        at = int(np.argmin(both))
    fitted = np.concatenate([falling(points[: at + 1]), _isotonic(points[at + 1 :])])
    # Noise is often proportional to the level, so higher at the start: it is estimated from shortly before the best on.
    near = max(min(at - (len(points) - at) // QUARTER, len(points) - NEAR), 0)
    residuals = (points - fitted)[near:]
    levels = fitted[near:]
    free = len(residuals) - 1 - np.count_nonzero(levels[1:] != levels[:-1])  # each level of the fit uses one degree of freedom
    robust = max(noise(points[near:]), noise(points[len(points) // 2 :]), CLOSE * float(np.abs(points).max()))
    sigma = float(np.sqrt((np.dot(residuals, residuals) + PRIOR * robust**2) / (free + PRIOR)))
    ratio = (down[-1] - both[at]) / (sigma**2 * _redundancy(residuals)) if sigma > 0 else 0.0
    strength = ratio / (CHANCE + PER_LOG * np.log(len(points)))
    best = int(np.argmin(fitted))
    while best + 1 < len(points) and fitted[best + 1] <= fitted[best]:
        best += 1
    best = min(best, at)
    # The lowest point of a fit may be a single point, low by chance, and so may the last: levels are medians of several.
    return Shape(
        best=int(positions[best]),
        start=float(fitted[0]),
        lowest=min(median(points[best : best + STRIP]), median(points[max(best + 1 - STRIP, 0) : best + 1])),
        end=median(fitted[-FOR_A_LEVEL:]),
        noise=max(sigma, robust) * float(np.sqrt(block)),
        strength=float(strength),
        fitted=fitted,
        positions=positions,
        block=block,
    )


def _without_outliers(values: np.ndarray) -> np.ndarray:
    if len(values) < CALM[0]:
        return values
    level = sliding_medians(reflected(values, CALM[1] // 2), CALM[1])
    reach = OUTLIER * max(noise(values), CLOSE * float(np.abs(values).max()))
    calm: np.ndarray = np.clip(values, level - reach, level + reach)
    if calm[-1] != values[-1]:
        calm[-1] = median(values[-CALM[1] : -1])  # a last point that is an outlier does not count until others confirm it
    return calm


def _redundancy(residuals: np.ndarray) -> float:
    """How many neighbouring points carry the information of one: (1 + r) / (1 - r) for their correlation r, at least 1."""
    power = float(np.dot(residuals, residuals))
    r = float(np.dot(residuals[1:], residuals[:-1])) / power if power > 0 else 0.0
    if len(residuals) < FOR_CORRELATION or r < 2 / np.sqrt(len(residuals)):
        return 1.0  # the correlation may be chance
    return (1 + min(r, MOST_ALIKE)) / (1 - min(r, MOST_ALIKE))


def _pools(values: np.ndarray) -> tuple[list[list[float]], np.ndarray]:
    """Pool adjacent violators: the final pools (sum, count) of the increasing fit, and the squared error of every prefix."""
    pools: list[list[float]] = []
    errors = np.empty(len(values))
    error = 0.0
    for i, value in enumerate(values.tolist()):
        total, count = value, 1.0
        while pools and pools[-1][0] * count >= total * pools[-1][1]:
            below, number = pools.pop()
            # two pools of means a and b and sizes m and n join: the error grows by mn/(m+n) (a-b)^2
            apart = below / number - total / count
            error += number * count / (number + count) * apart * apart  # `**` would raise an error if this is infinite
            total, count = total + below, count + number
        pools.append([total, count])
        errors[i] = error
    return pools, errors


def _both(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The squared errors of falling fits up to each point, and of falling to it and rising from the next one on."""
    down = _pools(-points)[1]
    rising = _pools(-points[::-1])[1][::-1]  # of the points from each one on
    return down, down + np.append(rising[1:], 0.0)


def falling(values: np.ndarray) -> np.ndarray:
    """The nearest curve that never rises."""
    return -_isotonic(-values)


def _isotonic(values: np.ndarray) -> np.ndarray:
    """The nearest increasing curve."""
    if not len(values):
        return values
    pools, _ = _pools(values)
    return np.repeat([total / count for total, count in pools], [int(count) for _, count in pools])
