"""A check may not pass on numbers that are broken: NaN, infinite, or exactly 0."""

import numpy as np
import pytest

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.logs.logdir import read
from scram_plugin.reviews.run import review, review_all
from tests.paths import DEMO_LOGS, REAL_RUNS
from tests.recorded import KEPT
from tests.training_runs import training_run

OF_GRADIENTS = {"vanishing-gradients", "exploding-gradients", "update-ratio"}
BATCHES = 100


def reviewed(norms, updates):
    """A training of two layers whose gradients and updates have these norms."""
    layers = [{"name": f"dense_{i}", "class": "Dense", "kernel": [8, 8], "activation": "relu"} for i in (0, 1)]
    statistics = {"x0/mean": np.zeros(BATCHES), "x0/std": np.ones(BATCHES)}
    for i in (0, 1):
        statistics[f"gradient/dense_{i}/kernel/norm"] = norms
        statistics[f"update/dense_{i}/kernel/norm"] = updates
        statistics[f"weight/dense_{i}/kernel/norm"] = np.full(BATCHES, 3.0)
    facts = {"framework": "keras", "model": {"layers": layers}, "optimizer": {"class": "Adam", "learning_rate": 1e-3}}
    return review(training_run({}, statistics, facts, {"loss": np.linspace(2, 1, BATCHES)}), catalogue())


def test_sound_gradients_pass():
    assert set(reviewed(np.full(BATCHES, 0.5), np.full(BATCHES, 0.003)).passed) >= OF_GRADIENTS


@pytest.mark.parametrize(("broken", "said"), [(np.nan, "already broken at batch 6"), (0.0, "exactly 0, since batch 6")])
def test_broken_gradients_are_inconclusive(broken, said):
    def after(value):
        return np.where(np.arange(BATCHES) < 5, value, broken)

    found = reviewed(after(0.5), after(0.003))
    reasons = {entry.heuristic: entry.reason for entry in found.inconclusive}
    assert not OF_GRADIENTS & set(found.passed)
    told = {f.heuristic for f in found.findings}
    assert all(said in reasons[check] for check in OF_GRADIENTS - told)


@pytest.mark.parametrize("logs", [DEMO_LOGS, KEPT, REAL_RUNS], ids=lambda path: path.name)
def test_no_check_of_gradients_passes_where_they_are_not_finite(logs):
    if not logs.is_dir():
        pytest.skip("the logs are not there")
    runs, broken = read(logs), 0
    for found in review_all(runs, catalogue()):
        recorded = next((runs[name] for name in found.tensorboard_runs if name.endswith("scram")), None)
        norms = [recorded[tag].values for tag in recorded or () if "/gradient/" in tag and tag.endswith("/norm")]
        if norms and np.mean(~np.isfinite(np.concatenate(norms))) > 0.5:
            broken += 1
            assert not OF_GRADIENTS & set(found.passed), found.name
    assert broken or logs == REAL_RUNS
