"""A scheduler for Ray Tune: ``tune.TuneConfig(metric="accuracy", mode="max", scheduler=ScramScheduler())``."""

from __future__ import annotations

from typing import Any

from ray.tune.schedulers import FIFOScheduler

from scram_plugin.errors import BadOption
from scram_plugin.sweeps.risks import RISKS
from scram_plugin.tuners.trials import Judge, Trial, is_higher, reported


class ScramScheduler(FIFOScheduler):
    """Stops a trial that is so much slower than all that reached the goal that hardly any such training has ever reached one.

    `metric` and `mode` ("max" or "min") may be given here or to ``TuneConfig``. `time_attr`: what counts the steps in the
    results. `goal`: the value to reach; by default what the best quarter of the finished trials has reached. `risk`: the share
    of good trials that may be stopped by mistake, 0.01, 0.02 or 0.05. Raises ValueError for others.
    """

    def __init__(
        self,
        metric: str | None = None,
        mode: str | None = None,
        time_attr: str = "training_iteration",
        goal: float | None = None,
        risk: float = RISKS[0],
    ) -> None:
        super().__init__()
        self._metric, self._mode, self._time, self._goal, self._risk = metric, mode, time_attr, goal, risk
        self._trials: dict[str, Trial] = {}
        self._judge: Judge | None = None
        self._make()

    def _make(self) -> None:
        """The judge, as soon as it is known which values are better. Raises BadOption for what is none."""
        judge = Judge(is_higher(self._mode or "max"), self._goal, self._risk)
        self._judge = judge if self._mode and self._metric else None

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Takes the metric and the mode of ``TuneConfig``; False if they are given twice."""
        if (self._metric and metric) or (self._mode and mode):
            return False
        self._metric, self._mode = metric or self._metric, mode or self._mode
        self._make()
        return bool(super().set_search_properties(None, None, **spec))

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Whether the trial goes on after this result."""
        one = self._trials.setdefault(trial.trial_id, Trial(trial.trial_id))
        one.running = True  # again, where it was paused
        if self._time in result:
            one.values |= reported({result[self._time]: result.get(str(self._metric))})
        if self._judge is None:
            raise BadOption("ScramScheduler needs a metric and a mode, here or in TuneConfig")
        return str(self.CONTINUE if self._judge.stop(one, self._trials.values()) is None else self.STOP)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        self._end(trial)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        self._end(trial)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        self._end(trial)

    def _end(self, trial: Any) -> None:
        if trial.trial_id in self._trials:
            self._trials[trial.trial_id].running = False

    def debug_string(self) -> str:
        """A line for Ray's table of trials."""
        return f"Using SCRAM: {sum(not one.running for one in self._trials.values())} trials have ended."
