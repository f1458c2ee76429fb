"""Every loss that falls, rises, stays, jumps or goes back, in each order of up to three: nobody leaves a bad one to another."""

import itertools

import numpy as np
import pytest

from tests.event_files import event, write
from tests.reviews import review_of

PART = 20  # points of each part
STANDS_FOR_OTHERS = ("missing-validation", "undertrained")
ABOVE = 1.1  # times the best level: what ends there has lost something


def loss(kinds):
    levels, level, before = [], 1.0, 1.0
    for kind in kinds:
        begin, end = {
            "fall": (level, level / 2),
            "rise": (level, 1.8 * level),
            "stay": (level, level),
            "jump": (2 * level, 2 * level),
            "back": (before, before),
        }[kind]
        before, level = before if kind == "stay" else level, end
        levels.append(np.linspace(begin, end, PART))
    return np.concatenate(levels) * (1 + 0.01 * np.random.default_rng(0).normal(size=PART * len(kinds)))


SHAPES = [
    kinds
    for count in (1, 2, 3)
    for kinds in itertools.product(("fall", "rise", "stay", "jump", "back"), repeat=count)
    if kinds[0] != "back"
]


def found(directory, kinds):
    values = loss(kinds)
    write(directory / "events.out.tfevents.1.host", [event(i, 1e9 + i, **{"train/loss": v}) for i, v in enumerate(values)])
    findings = [f for f in review_of(directory).findings if f.explained_by is None and f.heuristic not in STANDS_FOR_OTHERS]
    return values, {f.heuristic: f.severity for f in findings}


@pytest.mark.parametrize("kinds", SHAPES, ids="-".join)
def test_a_loss_that_ends_above_its_best_or_never_fell_is_told(tmp_path, kinds):
    values, told = found(tmp_path, kinds)
    best, end = min(np.convolve(values, np.ones(5) / 5, "valid")), values[-5:].mean()
    improves = kinds[-1] == "fall"  # it may still get there
    if not improves and (end > ABOVE * best or best > 0.95 * values[:5].mean()):
        assert "warning" in told.values() or "error" in told.values() or told.get("divergence") == "info"
    if set(kinds) <= {"fall", "stay"} and "fall" in kinds:
        assert told == ({"plateau": "warning"} if kinds == ("fall", "stay", "stay") else {})
