"""A pruner for Optuna: ``study = optuna.create_study(pruner=ScramPruner())``."""

from __future__ import annotations

import optuna
from optuna.trial import TrialState

from scram_plugin.sweeps.risks import RISKS
from scram_plugin.tuners.trials import Judge, Trial, reported

ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


class ScramPruner(optuna.pruners.BasePruner):
    """Prunes a trial that is so much slower than all that reached the goal that hardly any such training has ever reached one.

    `goal`: the value to reach; by default what the best quarter of the finished trials has reached. `risk`: the share of good
    trials that may be pruned by mistake, 0.01, 0.02 or 0.05; how it was measured is told under ``bench-stopping`` in the
    documentation. Raises ValueError for others.
    """

    def __init__(self, goal: float | None = None, risk: float = RISKS[0]) -> None:
        self._judges = {
            direction: Judge(direction == optuna.study.StudyDirection.MAXIMIZE, goal, risk)
            for direction in optuna.study.StudyDirection
        }

    def prune(self, study: optuna.study.Study, trial: optuna.trial.FrozenTrial) -> bool:
        """Whether the trial should be pruned now; called by ``trial.should_prune()``."""
        known = study.get_trials(deepcopy=False, states=(*ENDED, TrialState.RUNNING))
        others = [_trial(one) for one in known if one.number != trial.number]
        return self._judges[study.direction].stop(_trial(trial), others) is not None


def _trial(trial: optuna.trial.FrozenTrial) -> Trial:
    return Trial(str(trial.number), reported(trial.intermediate_values), trial.state not in ENDED)
