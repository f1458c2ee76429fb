"""A real study of Optuna prunes what can no longer become good."""

import logging

import optuna
import pytest
from optuna.trial import TrialState

from scram_plugin.tuners.optuna import ScramPruner
from tests.tuners.curves import HOPELESS, STEPS, TRIALS, accuracy


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize("goal", [None, 0.8])
@pytest.mark.parametrize("first", [0, 1])
def test_a_study(direction, goal, first):
    """Steps are counted from 0, as most people do, or from 1."""
    optuna.logging.set_verbosity(logging.WARNING)
    sign = 1 if direction == "maximize" else -1

    def objective(trial):
        pace, level = TRIALS[trial.number]
        for step in range(1, STEPS + 1):
            trial.report(sign * accuracy(step, pace, level), step - 1 + first)
            if trial.should_prune():
                raise optuna.TrialPruned
        return sign * accuracy(STEPS, pace, level)

    study = optuna.create_study(direction=direction, pruner=ScramPruner(None if goal is None else sign * goal))
    study.optimize(objective, n_trials=len(TRIALS))
    assert {trial.number for trial in study.trials if trial.state == TrialState.PRUNED} == HOPELESS


def test_bad_values_are_refused_at_once():
    with pytest.raises(ValueError, match="risk"):
        ScramPruner(risk=0.3)
