"""Each option at its limit: just inside there is a finding, just outside there is none.

For most options recorded trainings show it, see `tests/recorded/turning_points.py`. The others have curves made by hand.
"""

import numpy as np
import pytest

from scram_plugin import schema
from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.heuristics.heuristic import TooEarly
from tests.recorded.turning_points import finds, kept, numeric_options, run_of
from tests.training_runs import training_run

POINTS = kept()
BY_HAND = {
    *("unnormalized-inputs.max_ratio", "class-imbalance.neglect", "overfitting.min_rise"),
    *("preference-memorised.rise", "preference-memorised.gap"),  # of which one is enough: see test_preferences.py
}


def outcome(id_, run, **options):
    heuristic = catalogue()[id_]
    return list(heuristic.check(run, {**heuristic.defaults, **options}))


@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"{point.heuristic}.{point.option}")
def test_a_recorded_training_turns_there(point):
    """After a change that is meant: `python -m tests.recorded.turning_points`, and read the difference."""
    heuristic, run = catalogue()[point.heuristic], run_of(point.log)
    inside, outside = point.values()
    assert finds(heuristic, run, {point.option: inside})
    assert not finds(heuristic, run, {point.option: outside})


def test_every_option_has_one():
    named = {f"{point.heuristic}.{point.option}" for point in POINTS}
    assert named.isdisjoint(BY_HAND)
    assert {f"{h.id}.{o.name}" for h, o in numeric_options()} == named | BY_HAND, (
        "a new option: record a training with the fault (docs/contributing.md), then `python -m tests.recorded.turning_points`"
    )


@pytest.mark.parametrize(("ratio", "found"), [(99.0, False), (101.0, True)])
def test_features_whose_spreads_differ(ratio, found):
    rows = np.ones(5)
    whole = {"min": -50 * ratio * rows, "max": 50 * ratio * rows, "mean": 0 * rows, "std": 8 * rows}
    narrow, wide = {"mean": 0 * rows, "std": 0.11 * rows}, {"mean": 0 * rows, "std": 0.11 * ratio * rows}
    statistics = {f"x0/{name}": values for name, values in whole.items()}
    statistics |= {f"x0/{name}/{i}": values for i, of in enumerate((narrow, wide)) for name, values in of.items()}
    run = training_run({}, statistics)
    kinds = [finding.evidence["ratio"] for finding in outcome("unnormalized-inputs", run)]
    assert kinds == ([pytest.approx(ratio)] if found else [])


@pytest.mark.parametrize(("given", "neglected"), [(24, True), (26, False)])
def test_a_rare_class_that_is_hardly_ever_predicted(given, neglected):
    counts = {"training": {"counts": [9000, 100 * 9]}}
    facts = {"data": counts, "loss": {"class": "SparseCategoricalCrossentropy"}, "model": {"output_units": 2}}
    share = 900 / 9900
    predicted = {"y_pred0/count/0": [10_000 - given * share * 100], "y_pred0/count/1": [given * share * 100]}
    run = training_run({"loss": np.ones(20)}, predicted, facts)
    (finding,) = outcome("class-imbalance", run, ratio=9.0)
    assert (finding.severity, finding.evidence["neglected"] is not None) == (("warning" if neglected else "info"), neglected)


@pytest.mark.parametrize(("batches", "early"), [(199, True), (200, False)])
def test_batches_before_nothing_was_learned(batches, early):
    flat = np.log(10) + 0.05 * np.random.default_rng(0).normal(size=batches)
    run = training_run({schema.column_tag(schema.BATCHES, "loss"): flat}, facts={"model": {"output_units": 10}})
    if early:
        with pytest.raises(TooEarly, match=r"it needs at least 200 points of the training loss, there are 199"):
            outcome("no-learning", run)
    else:
        assert [finding.heuristic for finding in outcome("no-learning", run)] == [""], "found, and not yet filled in"


@pytest.mark.parametrize(("rise", "severity"), [(0.048, "info"), (0.052, "warning")])
def test_a_rise_of_the_validation_loss(rise, severity):
    falls = 2 * 0.5 ** np.arange(30) + 0.5
    validation = np.concatenate([falls, np.full(30, falls[-1] * (1 + rise))])
    run = training_run({"train/loss": 2 * 0.9 ** np.arange(60), "val/loss": validation})
    (finding,) = outcome("overfitting", run)
    assert finding.severity == severity
