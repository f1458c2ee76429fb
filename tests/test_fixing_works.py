"""The first fix of each scenario's finding, applied to its program and nothing else: the finding goes, the model is better."""

import shutil
import subprocess
import sys

import pytest

import scram_plugin
from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from scram_plugin.reviews import review
from tests.paths import DATA, DEMO_LOGS, SCENARIOS, environment

CASES = {
    "fashion_mnist": ("fashion_mnist/overfit", "overfitting", 0.0),
    "movie_reviews": ("movie_reviews/lr_1e10", "nonfinite-loss", 0.15),
    "cifar10": ("cifar10/unnormalized", "unnormalized-inputs", 0.15),
}


def best_accuracy(logdir, run=""):
    prefix = f"{run}/" if run else ""
    return float(scram_plugin.read(logdir)[f"{prefix}validation"]["epoch_accuracy"].values.max())


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the data sets of ../shared")
@pytest.mark.parametrize("name", CASES)
def test_first_fix(name, tmp_path, record_property):
    run, heuristic, least_gain = CASES[name]
    reviews = {r.name: review(r, catalogue()) for r in training_runs(read(DEMO_LOGS))}
    (finding,) = [f for f in reviews[run].findings if f["explained_by"] is None]
    assert finding["heuristic"] == heuristic
    edit = finding["fixes"][0]["edit"]
    assert edit["file"] == f"{name}.py"

    lines = (SCENARIOS / f"{name}.py").read_text().splitlines()
    before = edit["before"].splitlines()
    at = edit["line"] - 1
    assert lines[at : at + len(before)] == before, "the edit names the lines as they stand in the program"
    lines[at : at + len(before)] = edit["after"].splitlines()
    (tmp_path / f"{name}.py").write_text("\n".join(lines) + "\n")
    shutil.copy(SCENARIOS / "data.py", tmp_path)
    subprocess.run([sys.executable, f"{name}.py"], cwd=tmp_path, env=environment(), check=True, stdout=subprocess.DEVNULL)

    (fixed,) = [review(r, catalogue()) for r in training_runs(read(tmp_path / "logs"))]
    was, now = best_accuracy(DEMO_LOGS, run), best_accuracy(tmp_path / "logs" / name)
    print(f"{run}: best validation accuracy {was:.4f} before the fix, {now:.4f} after it")
    assert heuristic not in [f["heuristic"] for f in fixed.findings]
    assert heuristic in fixed.passed
    assert now >= was + least_gain
