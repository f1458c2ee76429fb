"""The first fix of each scenario's finding, applied to its program and nothing else: the finding goes, the model is better."""

import pytest

import scram_plugin
from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from scram_plugin.reviews.run import review
from tests.paths import DEMO_LOGS, SCENARIOS
from tests.recorded import recorded
from tests.reviews import review_of

CASES = {
    "fashion_mnist": ("fashion_mnist/overfit", "overfitting", 0.0),
    "movie_reviews": ("movie_reviews/lr_1e10", "nonfinite-loss", 0.15),
    "cifar10": ("cifar10/unnormalized", "unnormalized-inputs", 0.15),
}


def fixed_program(name):
    """The text of a scenario's program with the first fix of its finding."""
    run, heuristic, _ = CASES[name]
    reviews = {r.name: review(r, catalogue()) for r in training_runs(read(DEMO_LOGS))}
    (finding,) = [f for f in reviews[run].findings if f.explained_by is None]
    assert finding.heuristic == heuristic
    edit = finding.fixes[0].edit
    assert edit.file == f"{name}.py"
    lines = (SCENARIOS / f"{name}.py").read_text().splitlines()
    before = edit.before.splitlines()
    at = edit.line - 1
    assert lines[at : at + len(before)] == before, "the edit names the lines as they stand in the program"
    lines[at : at + len(before)] = edit.after.splitlines()
    return "\n".join(lines) + "\n"


def best_accuracy(logdir, run=""):
    prefix = f"{run}/" if run else ""
    return float(scram_plugin.read(logdir)[f"{prefix}validation"]["epoch_accuracy"].values.max())


@pytest.mark.parametrize("name", CASES)
def test_first_fix(name):
    run, heuristic, least_gain = CASES[name]
    logs = recorded("keras_scenarios", name)
    assert (logs / f"{name}.py").read_text() == fixed_program(name), (
        "another fix is made now: make record PROGRAMS=keras_scenarios"
    )
    fixed = review_of(logs)
    was, now = best_accuracy(DEMO_LOGS, run), best_accuracy(logs)
    print(f"{run}: best validation accuracy {was:.4f} before the fix, {now:.4f} after it")
    assert heuristic not in [f.heuristic for f in fixed.findings]
    assert heuristic in fixed.passed
    assert now >= was + least_gain
