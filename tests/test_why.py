"""Why-questions: each answer is a chain of this run's own values, each in a curve or a line of code of this run."""

import math

import numpy as np
import pytest

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.reviews.monitor import Reviewer
from scram_plugin.views.why.questions import questions
from scram_plugin.views.why.thresholds import REACH, margins
from tests.event_files import curve
from tests.paths import DEMO_LOGS, REAL_RUNS

CATALOGUE = catalogue()
TITLES = {heuristic.id: heuristic.page.title for heuristic in CATALOGUE.heuristics}


@pytest.fixture(scope="module")
def demo():
    return Reviewer(str(DEMO_LOGS), CATALOGUE)


def asked(reviewer, name):
    reviewed = reviewer.reviewed(name)
    return {answer.id: answer for answer in questions(reviewed.run, reviewed.review, CATALOGUE)}


def told(answer):
    return " ".join([answer.question, *(step.text for step in answer.steps), answer.conclusion])


def test_why_the_loss_is_nan(demo):
    answer = asked(demo, "movie_reviews/lr_1e10")["loss-not-finite"]
    assert answer.question == "Why is the loss NaN from batch 4 on?"
    assert [step.at for step in answer.steps[:3]] == [3, 2, 2]
    assert all(part in told(answer) for part in ("4.4e32", "dense/kernel", "1e10", "9,990"))
    assert any(step.code and "1e10" in step.code["text"] for step in answer.steps)
    assert (answer.kind, answer.heuristic) == ("cause", "nonfinite-loss")


def test_why_the_accuracy_stays(demo):
    answer = asked(demo, "cifar10/unnormalized")["stuck-accuracy"]
    assert answer.question == "Why does the accuracy stay at 0.0943?"
    assert "100 % of the units of `conv2d` are never active" in told(answer)
    assert (answer.kind, answer.heuristic) == ("cause", "unnormalized-inputs")
    assert "stuck-accuracy" not in asked(demo, "cifar10/normalized")


def test_why_the_validation_loss_rose(demo):
    answer = asked(demo, "fashion_mnist/overfit")["validation-rises"]
    assert answer.question == "Why did the validation loss rise after epoch 3?"
    assert all(part in told(answer) for part in ("0.41", "0.565", "0.132", "1,863,690"))
    assert answer.heuristic == "overfitting"
    assert "validation-rises" not in asked(demo, "fashion_mnist/regularized")


def test_why_a_check_was_not_made_and_what_to_log(tmp_path):
    curve(tmp_path / "run", "epoch_loss", np.linspace(1, 0.1, 30))
    answers = asked(Reviewer(str(tmp_path), CATALOGUE), "run")
    answer = answers["silent-overfitting"]
    assert f"“{TITLES['overfitting']}”" in answer.question
    assert "validation loss" in told(answer)
    assert answer.how
    assert "from 1 (epoch 1) to 0.1 (epoch 30)" in told(answer)


def test_why_nothing_is_flagged(demo):
    answer = asked(demo, "fashion_mnist/regularized")["not-flagged"]
    assert answer.kind == "fine"
    assert "With `high-dropout.max_rate` at" in told(answer)
    assert "SCRAM would report “Dropout of 50 % in `dropout`”." in told(answer)
    assert "not-flagged" not in asked(demo, "fashion_mnist/overfit")


def values_stand_where_the_steps_point(reviewer, name):
    """Each step names a curve of this very run that has values in its span; each chain has one such step at least."""
    reviewed = reviewer.reviewed(name)
    answers = questions(reviewed.run, reviewed.review, CATALOGUE)
    for answer in answers:
        rested = 0
        for step in answer.steps:
            if step.curve is None:
                continue
            assert step.curve.tensorboard_run in reviewed.run.tensorboard_runs
            series = reviewer.curve("", step.curve)
            inside = (series.steps >= step.span[0]) & (series.steps <= step.span[1])
            assert inside.any(), (answer.question, step)
            rested += 1
        assert rested or any(step.code for step in answer.steps) or not reviewed.run.signals, answer.question
    return answers


def test_no_answer_reads_the_same_for_another_run(demo):
    seen = {}
    for name in sorted(run["name"] for run in demo.runs(patience=60)["runs"]):
        for answer in values_stand_where_the_steps_point(demo, name):
            text = told(answer)
            assert text not in seen, (name, seen.get(text))
            seen[text] = name
    assert len(seen) > 20


@pytest.mark.skipif(not REAL_RUNS.is_dir(), reason="needs the real runs of ../shared")
def test_the_questions_of_other_peoples_runs():
    count = 0
    for directory in sorted(path for path in REAL_RUNS.iterdir() if path.is_dir()):
        reviewer = Reviewer(str(directory), CATALOGUE)
        reviewer.review("")
        for run in reviewer.runs(patience=60)["runs"]:
            count += len(values_stand_where_the_steps_point(reviewer, run["name"]))
    assert count > 50


@pytest.mark.parametrize(
    ("run", "heuristic"), [("fashion_mnist/overfit", "overfitting"), ("fashion_mnist/regularized", "high-dropout")]
)
def test_at_the_margin_the_outcome_turns(run, heuristic, demo):
    training_run = demo.reviewed(run).run
    check = next(h for h in CATALOGUE.heuristics if h.id == heuristic)
    options = CATALOGUE.options_of(check)
    before = bool(list(check.check(training_run, options)))
    near = margins(training_run, check, options)
    assert near
    for margin in near:
        assert 1 < margin.factor <= REACH * 1.25
        there = list(check.check(training_run, {**options, margin.option: margin.turns_at}))
        assert bool(there) is not before
        inward = math.copysign(0.02, margin.turns_at - margin.value)
        short = {**options, margin.option: margin.turns_at * (1 - inward)}
        assert bool(list(check.check(training_run, short))) is before, "and not before"


def test_a_consequence_gives_no_advice_against_its_cause(demo):
    for run in demo.runs(patience=60)["runs"]:
        review, answers = demo.reviewed(run["name"]).review, asked(demo, run["name"])
        titles = {finding.heuristic: finding.title for finding in review.findings}
        for finding in review.findings:
            if finding.explained_by is not None:
                answer = answers[f"finding-{finding.heuristic}"]
                assert answer.heuristic == finding.explained_by
                assert answer.conclusion.startswith(f"“{titles[finding.explained_by]}”. Fix that first")
