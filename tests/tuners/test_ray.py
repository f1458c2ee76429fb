"""A real experiment of Ray Tune stops what can no longer become good."""

import pytest

from tests.tuners.curves import HOPELESS, STEPS, TRIALS, accuracy

tune = pytest.importorskip("ray.tune", reason="needs Ray")
ScramScheduler = pytest.importorskip("scram_plugin.tuners.ray").ScramScheduler


def train(config):
    pace, level = config["trial"]
    for step in range(1, STEPS + 1):
        tune.report({"accuracy": accuracy(step, pace, level), "loss": 1 - accuracy(step, pace, level)})


@pytest.mark.slow
@pytest.mark.parametrize(("metric", "mode", "goal"), [("accuracy", "max", None), ("loss", "min", 0.2)])
def test_an_experiment(metric, mode, goal, tmp_path, monkeypatch):
    import ray

    monkeypatch.setenv("RAY_AIR_NEW_OUTPUT", "0")
    ray.init(num_cpus=1, include_dashboard=False)
    try:
        tuner = tune.Tuner(
            train,
            param_space={"trial": tune.grid_search(TRIALS)},
            tune_config=tune.TuneConfig(metric=metric, mode=mode, scheduler=ScramScheduler(goal=goal), max_concurrent_trials=1),
            run_config=tune.RunConfig(storage_path=str(tmp_path), verbose=0),
        )
        results = tuner.fit()
    finally:
        ray.shutdown()
    assert not results.errors
    ended = {TRIALS.index(tuple(r.config["trial"])) for r in results if r.metrics["training_iteration"] < STEPS}
    assert ended == HOPELESS
