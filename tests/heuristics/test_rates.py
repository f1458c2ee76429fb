"""How often the checks of curves raise an alarm on healthy curves; and that a stricter option never raises a new one."""

import functools
import math
from collections import Counter

import numpy as np
import pytest

from scram_plugin.heuristics.catalogue import HEURISTICS
from scram_plugin.heuristics.heuristic import Inconclusive, NotChecked
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from tests.benchmarks.simulated import FAULTS, faulty, healthy
from tests.heuristics import test_policies
from tests.heuristics.test_curves import ELSEWHERE
from tests.recorded import recorded
from tests.sizes import size
from tests.training_runs import training_run

CURVES = {heuristic.id: heuristic for heuristic in HEURISTICS if heuristic.group == "curves"}
SEEDS = 1_000
EPOCHS = 30
# The share of healthy trainings with an alarm that each check may have, at each level of noise: about one in thirty.
BOUND = 0.03
# The levels at which published rules fired on up to half of all healthy runs.
NOISES = (0.002, 0.01, 0.03, 0.06)
# They say what is true of such curves: thirty epochs are few, and the loss still falls.
DESCRIPTIVE = ("undertrained",)


def interval(count: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval of a share, 95 %."""
    share = count / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(middle - half, 0.0), middle + half


def findings(heuristic, run, **options):
    try:
        with np.errstate(all="ignore"):
            return list(heuristic.check(run, {**heuristic.defaults, **options}))
    except (Inconclusive, NotChecked):
        return []


def alarms(heuristic, run, **options):
    return [finding for finding in findings(heuristic, run, **options) if finding.severity != "info"]


def falling(points):
    """A loss that falls from 1.3 to 0.3: the noisiest validation loss has a noise of a fifth of its lowest value."""
    return 0.3 + np.exp(-np.arange(points) / 5)


@pytest.mark.parametrize("noise", NOISES)
def test_alarms_on_healthy_noise_are_rare(noise):
    count = Counter(dict.fromkeys(CURVES, 0))
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        training = falling(EPOCHS) + rng.normal(0, noise / 5, EPOCHS)
        validation = falling(EPOCHS) + 0.05 + rng.normal(0, noise, EPOCHS)
        run = training_run({"train/loss": training, "val/loss": validation})
        count.update(id_ for id_, heuristic in CURVES.items() if id_ not in DESCRIPTIVE and alarms(heuristic, run))
    for id_, n in count.items():
        low, high = interval(n, SEEDS)
        print(f"{id_:34} {n / SEEDS:6.1%}  ({low:.1%} to {high:.1%})")
    too_often = {id_: n / SEEDS for id_, n in count.items() if interval(n, SEEDS)[1] > BOUND}
    assert too_often == {}


# Options of which a higher value is stricter, and those of which a lower one is. The others are neither: of more points
# (plateau.flat) the mean is surer.
HIGHER = {
    "overfitting": ("patience", "min_rise", "noise_factor"),
    "divergence": ("patience", "lost"),
    "no-learning": ("least", "batches"),
    "plateau": ("least", "min_rise", "high"),
    "oscillating-loss": ("least", "max_noise", "min_part"),
    "loss-spike": ("least", "height", "noise_factor"),
    "noisy-validation": ("least", "max_noise", "ratio"),
    "metric-loss-disagreement": ("least", "min_rise", "min_gain"),
    "validation-better-than-training": ("least", "gap"),
    "zero-loss": ("least",),
    "undertrained": ("least", "fast"),
    "learning-rate-schedule": ("least", "drop"),
    "missing-validation": ("least",),
    "return-collapse": ("lost",),
    "entropy-collapse": ("poor",),
    "exploding-grad-norm": ("times", "worse"),
    "zero-gradient": ("share",),
    "vanishing-grad-norm": ("times", "kept"),
    "kl-blow-up": ("most",),
    "no-return-gain": ("least", "completions"),
    "clip-saturation": ("most",),
    "value-not-fitted": ("unexplained",),
    "box-loss-without-map": ("least",),
    "truncated-completions": ("share",),
    "preference-memorised": ("rise", "gap"),
    "likelihood-displacement": ("fall",),
    "length-drift": ("growth",),
    "reward-hacking": ("fall",),
    "epoch-steps": ("fall", "share"),
}
LOWER = {
    "no-learning": ("min_gain",),
    "undertrained": ("few",),
    "entropy-collapse": ("left",),
    "preference-memorised": ("loss",),
    "box-loss-without-map": ("most",),
    "adversarial-imbalance": ("won",),
}
NEITHER = {"plateau": ("flat",), "validation-better-than-training": ("scale",)}  # another scale makes it inconclusive
STRICT = [id_ for id_ in {**HIGHER, **LOWER} if id_ not in ELSEWHERE]  # those with a training in keras_curves
FACTORS = (1.2, 2.0, 5.0)


@functools.cache
def some_runs():
    rng = np.random.default_rng(3)
    kinds = [healthy, *(functools.partial(faulty, fault=fault) for fault in FAULTS)]
    simulated = [kinds[i % len(kinds)](rng).run for i in range(size(900, 180))]
    names = [*(("keras_curves", id_) for id_ in STRICT), *test_policies.ALL]
    return simulated + [run for name in names for run in training_runs(read(recorded(*name, "fault")))]


STRICTER = [(id_, name, sign) for sign, table in ((1, HIGHER), (-1, LOWER)) for id_, names in table.items() for name in names]


def test_every_option_of_a_check_of_curves_is_in_one_table():
    known = sorted((id_, name) for table in (HIGHER, LOWER, NEITHER) for id_, names in table.items() for name in names)
    options = [(id_, option) for id_, heuristic in CURVES.items() for option in heuristic.options]
    assert sorted((id_, o.name) for id_, o in options if not isinstance(o.default, bool)) == known, (
        "put a new option into HIGHER if a higher value is stricter, into LOWER if a lower one is, or else into NEITHER"
    )


@pytest.mark.parametrize(("id_", "name", "sign"), STRICTER)
def test_a_stricter_option_never_makes_a_new_finding(id_, name, sign):
    heuristic, fired = CURVES[id_], 0
    for run in some_runs():
        before = bool(findings(heuristic, run))
        fired += before
        for factor in FACTORS:
            value = heuristic.defaults[name] * factor**sign
            value = round(value) if isinstance(heuristic.defaults[name], int) else value
            assert before or not findings(heuristic, run, **{name: value}), (name, value)
    assert fired, "nothing was found at all: this test says nothing"
