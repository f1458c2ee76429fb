"""Findings that the user calls no problem: kept and shown as such, counted nowhere."""

import json
import shutil

import pytest

from scram_plugin.errors import BadOption
from scram_plugin.heuristics.configuration import configured
from scram_plugin.reviews.monitor import NewFindings, Reviewer
from scram_plugin.views.comparison import compare
from scram_plugin.views.why.questions import questions
from tests.paths import DEMO_LOGS
from tests.servers import tensorboard
from tests.test_cli import EXPECTED, scram

ACCEPT = '[[accept]]\nheuristic = "overfitting"\nruns = "fashion_mnist/*"\nreason = "it is a lesson"\n'


def reviews(folder, text, logdir=DEMO_LOGS, name="scram.toml"):
    (folder / name).write_text(text)
    done = scram("check", logdir, "--format", "json", "--config", folder / name)
    return {run["name"]: run for run in json.loads(done.stdout)["runs"]}


def test_an_accepted_finding_counts_no_more_and_is_not_lost(tmp_path):
    before = reviews(tmp_path, "")["fashion_mnist/overfit"]
    run = reviews(tmp_path, ACCEPT)["fashion_mnist/overfit"]
    assert run["findings"] == []
    assert run["accepted"] == [{"finding": finding, "reason": "it is a lesson"} for finding in before["findings"]]
    assert "overfitting" not in run["passed"], "it did not pass"
    assert run["headline"]["kind"] == "fine"
    assert "1 accepted as no problem here" in run["headline"]["text"]


def test_only_the_runs_that_are_named_are_meant(tmp_path):
    found = reviews(tmp_path, ACCEPT.replace("fashion_mnist/*", "cifar10/*"))
    assert [f["heuristic"] for f in found["fashion_mnist/overfit"]["findings"]][:1] == ["overfitting"]
    without_runs = ACCEPT.replace('runs = "fashion_mnist/*"\n', "")
    assert reviews(tmp_path, without_runs)["fashion_mnist/overfit"]["accepted"]


def test_what_an_accepted_finding_brings_about_is_accepted_with_it(tmp_path):
    run = reviews(tmp_path, '[[accept]]\nheuristic = "unnormalized-inputs"\n')["cifar10/unnormalized"]
    assert run["findings"] == []
    assert "dead-relu" in [entry["finding"]["heuristic"] for entry in run["accepted"]]


def test_in_pyproject_and_in_the_terminal(tmp_path):
    text = ACCEPT.replace("[[accept]]", "[[tool.scram.accept]]")
    assert reviews(tmp_path, text, name="pyproject.toml")["fashion_mnist/overfit"]["accepted"]
    (tmp_path / "scram.toml").write_text(ACCEPT)
    done = scram("check", DEMO_LOGS / "fashion_mnist", "--config", tmp_path / "scram.toml", "--fail-on", "warning")
    assert done.returncode == 1, "the names of this log directory's runs are others"
    (tmp_path / "scram.toml").write_text(ACCEPT.replace("fashion_mnist/*", "overfit"))
    done = scram("check", DEMO_LOGS / "fashion_mnist", "--config", tmp_path / "scram.toml", "--fail-on", "warning")
    assert done.returncode == 0
    assert "accepted as no problem here: " in done.stdout
    assert "(it is a lesson)" in done.stdout


def test_in_tensorboard(tmp_path):
    (tmp_path / "scram.toml").write_text(ACCEPT)
    with tensorboard("--logdir", str(DEMO_LOGS), "--scram_config", str(tmp_path / "scram.toml")) as server:
        shown = {run["name"]: run for run in server.reviewed(len(EXPECTED))["runs"]}
        run = shown["fashion_mnist/overfit"]
        assert run["counts"] == {"error": 0, "warning": 0, "info": 0}
        assert "a" in run["outcomes"]
        _, answer = server.get("compare", run="fashion_mnist/regularized", **{"with": "fashion_mnist/overfit"})
        assert all(entry["change"] != "gone" for entry in answer["findings"])


def test_compared_an_accepted_finding_is_neither_new_nor_gone(tmp_path):
    shutil.copytree(DEMO_LOGS / "fashion_mnist" / "overfit", tmp_path / "logs" / "base")
    shutil.copytree(DEMO_LOGS / "fashion_mnist" / "overfit", tmp_path / "logs" / "exp")
    (tmp_path / "scram.toml").write_text(ACCEPT.replace("fashion_mnist/*", "base"))
    reviewer = Reviewer(str(tmp_path / "logs"), configured(str(tmp_path / "scram.toml")))
    base, exp = (reviewer.reviewed(name) for name in ("base", "exp"))
    for one, other, kind in ((base, exp, "same"), (exp, base, "same")):
        answer = compare(one, other)
        assert answer.findings[0].change == "stayed"
        assert answer.verdict.kind == kind
    (entry, *_) = compare(exp, base).findings
    assert entry.accepted


def test_why_nothing_is_flagged_names_it(tmp_path):
    (tmp_path / "scram.toml").write_text(ACCEPT)
    chosen = configured(str(tmp_path / "scram.toml"))
    reviewed = Reviewer(str(DEMO_LOGS), chosen).reviewed("fashion_mnist/overfit")
    answer = next(a for a in questions(reviewed.run, reviewed.review, chosen) if a.id == "not-flagged")
    assert "accepted as no problem (it is a lesson)" in " ".join(step.text for step in answer.steps)
    assert answer.conclusion == "What was found is accepted as no problem here."


def test_while_training_the_run_goes_by_any_of_its_names(tmp_path):
    """The callback knows a directory; the pattern is of the name that a run has from the log directory above it."""
    log_dir = tmp_path / "logs" / "fashion_mnist" / "overfit"
    shutil.copytree(DEMO_LOGS / "fashion_mnist" / "overfit", log_dir)
    (tmp_path / "scram.toml").write_text(ACCEPT)
    assert NewFindings(str(log_dir), configured(str(tmp_path / "scram.toml"))).look() == []
    (tmp_path / "scram.toml").write_text(ACCEPT.replace("fashion_mnist/*", "other/*"))
    assert NewFindings(str(log_dir), configured(str(tmp_path / "scram.toml"))).look()


@pytest.mark.parametrize(
    "text",
    [
        "accept = 3",
        '[accept]\nheuristic = "overfitting"',
        "[[accept]]\nruns = '*'",
        "[[accept]]\nheuristic = 3",
        '[[accept]]\nheuristic = "overfitting"\nrun = "x"',
        '[[accept]]\nheuristic = "no-such"',
    ],
)
def test_what_makes_no_sense_is_a_sentence(text, tmp_path):
    (tmp_path / "scram.toml").write_text(text)
    with pytest.raises(BadOption, match=r"accept|no heuristic 'no-such'"):
        configured(str(tmp_path / "scram.toml"))
