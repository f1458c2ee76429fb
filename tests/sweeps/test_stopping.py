"""Runs that can no longer become good are told, with the reason; those that still can are not."""

import json
import os
import re
import subprocess
import sys
import time

import numpy as np
import pytest

from scram_plugin.cli.main import main
from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.logs.curve import Curve
from scram_plugin.reviews.monitor import Reviewer
from scram_plugin.reviews.score import score_of
from scram_plugin.sweeps.groups import groups
from scram_plugin.sweeps.risks import RISKS, SLOWER
from scram_plugin.sweeps.stopper import Stopper
from scram_plugin.sweeps.stopping import could_have_stopped, goal_of, stop
from scram_plugin.sweeps.study import study
from tests.event_files import curve
from tests.sweeps.runs import TITLES, finding, review
from tests.test_cli import scram

STEPS = np.arange(1, 101) * 100


def run(name, pace=1.0, level=0.9, until=100, settings=None, found=(), higher=True, values=None):
    """A run whose accuracy approaches a level; with half the pace, it takes twice as long."""
    values = level * (1 - np.exp(-pace * STEPS[:until] / 2_000)) if values is None else np.asarray(values, float)
    steps = STEPS[: len(values)]
    values = values if higher else -values
    score = score_of("validation accuracy", Curve("", "", "step", steps, steps * 36.0, values, 0, 0), higher)
    made = review(name, settings, found)
    return type(made)(**{**vars(made), "scores": (score,)})


GOOD = [run(f"good {i}", pace=1 + 0.1 * i) for i in range(4)]


def lower_is_better(runs):
    return [run(r.name, values=r.scores[0].values, higher=False) for r in runs]


@pytest.mark.parametrize(
    ("one", "stopped"),
    [
        (run("as fast", until=30), False),
        (run("a little slower", pace=0.7, until=60), False),
        (run("slow, and early", pace=0.2, until=2), False),
        (run("slow", pace=0.2, until=30), True),
        (run("stays low", level=0.3, until=60), True),
        (run("fell", values=[*(0.6 * np.linspace(0.1, 1, 20)), *([0.1] * 40)]), True),
        (run("fell for a moment", values=[*(0.88 * (1 - np.exp(-STEPS[:20] / 2_000))), 0.01]), False),
        (run("is no number", values=[0.1, 0.2, 0.3, np.nan, np.nan]), True),
        (run("was no number", values=[0.1, 0.2, 0.3, np.nan, 0.3]), False),
        (run("has arrived, and fell", values=[*np.linspace(0.1, 0.89, 50), *([0.1] * 50)]), False),
    ],
    ids=lambda one: one.name if hasattr(one, "name") else "",
)
def test_what_can_no_longer_become_good(one, stopped):
    goal = goal_of([*GOOD, one], value=0.85)
    found = stop(one, goal)
    assert (found is not None) == stopped
    (down,) = lower_is_better([one]) if one.scores[0].nonfinite == 0 and "moment" not in one.name else [one]
    if down is not one:
        mirrored = stop(down, goal_of([*lower_is_better(GOOD), down], value=-0.85))
        assert (mirrored is not None) == stopped


def test_the_reason_has_the_numbers():
    one = run("slow", pace=0.2, until=50)
    found = stop(one, goal_of(GOOD, value=0.85))
    told = re.fullmatch(
        r"At step 5,000 it is no further than the slowest of 4 runs with a validation accuracy of 0\.85 was at step ([\d,]+): "
        r"(\S+) times slower\.",
        found.text,
    )
    then = int(told[1].replace(",", ""))
    assert found.slower == pytest.approx(5_000 / then)
    assert found.slower == pytest.approx(float(told[2]), rel=0.01)
    assert found.slower > SLOWER[RISKS[0]]
    assert then == 1_000, "the accuracy of 0.2 * 5,000 steps"


def test_hours_and_the_step_of_a_run_that_has_ended():
    one = run("low", level=0.3)
    found = could_have_stopped(one, goal_of([*GOOD, one], value=0.85))
    assert 300 <= found.step < 2_500
    assert found.hours == pytest.approx((10_000 - found.step) * 36 / 3_600)
    assert could_have_stopped(run("good"), goal_of(GOOD, value=0.85)) is None


def test_what_is_not_compared():
    slow = run("slow", pace=0.2, until=30)
    assert stop(slow, goal_of([GOOD[0], slow], value=0.85)) is None, "one good run may have been lucky"
    assert stop(slow, goal_of([*GOOD, slow], value=0.95)) is None, "no run has reached it"
    long = run("slow", pace=0.2, until=30, settings={"epochs": 100})
    short = [run(r.name, pace=1.2, settings={"epochs": 10}) for r in GOOD]
    assert stop(long, goal_of([*short, long], value=0.85)) is None, "it is to train ten times as long"
    assert stop(long, goal_of([*GOOD, long], value=0.85)) is not None
    assert goal_of([review("nothing logged")]) is None
    assert goal_of([*GOOD, slow], live={r.name for r in GOOD}) is None, "too few have ended to tell what is good"


def test_of_long_noisy_curves_the_best_point_counts():
    """Only some of the points are kept: the best one must be among them."""
    for seed in range(20):
        draws = np.random.default_rng(seed)
        runs = [review(f"{i}") for i in range(6)]
        for i, made in enumerate(runs):
            steps = np.arange(1, 301)
            values = 0.9 * (1 - np.exp(-steps / 40)) + draws.normal(0, 0.02, 300)
            curve_ = Curve("", "", "step", steps, steps * 1.0, values, 0, 0)
            runs[i] = type(made)(**{**vars(made), "scores": (score_of("validation accuracy", curve_, True),)})
            assert max(runs[i].scores[0].values) == runs[i].scores[0].best
        goal = goal_of(runs)
        assert len(goal.good) == 2
        for one in runs:
            could_have_stopped(one, goal)


def test_runs_that_have_not_been_validated_yet_do_not_choose_the_measure():
    def without(name):
        made = review(name)
        curve_ = Curve("", "", "step", STEPS[:5], STEPS[:5] * 1.0, np.linspace(2, 1.5, 5), 0, 0)
        return type(made)(**{**vars(made), "scores": (score_of("training loss", curve_, False),)})

    young = [without(f"young {i}") for i in range(9)]
    goal = goal_of([*GOOD, *young], value=0.85, live={run.name for run in young})
    assert goal.signal == "validation accuracy"
    (group,) = groups([*GOOD, *young])
    assert study(group, TITLES).measure == "validation accuracy"
    assert all(stop(run, goal) is None for run in young)


def test_a_value_of_32_bits_reaches_the_goal():
    at = float(np.float32(0.9))
    assert at < 0.9
    runs = [run(f"{i}", values=np.minimum(np.linspace(0.1, 1.0 + i / 10, 60), at)) for i in range(4)]
    goal = goal_of(runs, value=0.9)
    assert len(goal.good) == 4
    assert all(stop(one, goal) is None for one in runs)


def test_an_evaluation_before_the_training_is_no_pace():
    """At step 0 all runs are as good as their initial weights: a run that begins a little later is not 50 times slower."""
    steps = np.arange(0, 1000, 50)

    def begins(name, delay):
        made = review(name)
        values = np.where(steps <= delay, 0.1, 0.1 + 0.8 * (1 - np.exp(-(steps - delay) / 300.0)))
        curve_ = Curve("", "", "step", steps, steps * 1.0, values, 0, 0)
        return type(made)(**{**vars(made), "scores": (score_of("validation accuracy", curve_, True),)})

    good = [begins(f"{i}", 0) for i in range(3)]
    late = begins("late", 60)
    assert could_have_stopped(late, goal_of([*good, late], value=0.85)) is None


def test_few_paces_are_kept_of_many_lengths():
    runs = [run(f"{i}", settings={"max steps": 1_000 + i}) for i in range(300)]
    goal = goal_of([*runs, *GOOD], value=0.85)
    low = [run(f"low {i}", level=0.2, settings={"max steps": 1_000 + i}) for i in range(300)]
    assert all(could_have_stopped(one, goal) for one in low)
    assert len(goal.paces) <= 3


def test_a_run_that_stands_still_at_its_last_step_has_saved_nothing():
    one = run("slow", pace=0.2, until=8)
    goal = goal_of([*GOOD, one], value=0.85)
    first = could_have_stopped(one, goal)
    short = run("slow", pace=0.2, until=int(first.step / 100))
    assert could_have_stopped(short, goal) is None
    assert stop(short, goal) is not None


def test_the_goal_is_what_the_best_quarter_reached():
    runs = [run(f"{level}", level=level) for level in (0.1, 0.2, 0.3, 0.4, 0.5)]
    goal = goal_of(runs)
    assert [r.name for r, _ in goal.good] == ["0.4", "0.5"], "at least two"
    assert not goal.given


@pytest.mark.parametrize(("heuristic", "stopped"), [("divergence", True), ("nonfinite-loss", True), ("overfitting", False)])
def test_findings_after_which_no_run_comes_back(heuristic, stopped):
    one = run("fine", until=30, found=[heuristic])
    found = stop(one, goal_of([*GOOD, one], value=0.85))
    assert (found is not None) == stopped
    assert (stop(one, None) is not None) == stopped, "also where nothing else has been trained"
    arrived = run("good", found=[heuristic])
    assert stop(arrived, goal_of([*GOOD, arrived], value=0.85)) is None


def test_possible_findings_stop_nothing():
    one = run("fine", until=30)
    unsure = type(finding("x"))(**{**vars(finding("divergence")), "confidence": "possible"})
    assert stop(type(one)(**{**vars(one), "findings": (unsure,)}), None) is None


def test_a_sweep_tells_what_would_have_been_saved():
    runs = [*GOOD, *(run(f"low {i}", level=0.3) for i in range(4))]
    (group,) = groups(runs)
    found = study(group, TITLES, goal=0.85)
    assert [one.run for one in found.stops] == [f"low {i}" for i in range(4)]
    told = re.fullmatch(r"4 of 8 runs could have been stopped before the end: (\S+) of (\S+) hours\.", found.saved)
    assert float(told[2]) == pytest.approx(8 * 99, rel=0.01)
    assert float(told[1]) == pytest.approx(sum(one.hours for one in found.stops), rel=0.01)
    assert study(group, TITLES, goal=0.2).saved == ""


def write(logs, name, pace, until, live=False):
    values = 0.9 * (1 - np.exp(-pace * np.arange(until) / 20))
    now = time.time() if live else 1_600_000_000.0
    curve(logs / name, "val_accuracy", values, wall_time=now)
    curve(logs / name, "loss", 1 - values, wall_time=now)


def test_each_live_run_is_told_once(tmp_path):
    for i in range(4):
        write(tmp_path, f"good{i}", 1 + i / 10, 100)
    write(tmp_path, "slow", 0.2, 60, live=True)
    write(tmp_path, "fast", 1.0, 20, live=True)
    reviewer = Reviewer(str(tmp_path), catalogue())
    names = {"good0", "good1", "good2", "good3", "slow", "fast"}
    for stopper in (Stopper(reviewer, "", None, RISKS[0]), Stopper(reviewer, "val_accuracy", 0.85, RISKS[0])):
        (news,) = stopper.look(names, {"slow", "fast"})
        assert (news.run, news.severity) == ("slow", "stop")
        assert "times slower" in news.summary
        assert list(stopper.look(names, {"slow", "fast"})) == []


def test_a_run_that_comes_again_is_told_again(tmp_path):
    for i in range(4):
        write(tmp_path, f"good{i}", 1 + i / 10, 100)
    write(tmp_path, "slow", 0.2, 60, live=True)
    names = {"good0", "good1", "good2", "good3", "slow"}
    stopper = Stopper(Reviewer(str(tmp_path), catalogue()), "", 0.85, RISKS[0])
    for _ in range(2):
        assert len(list(stopper.look(names, {"slow"}))) == 1
        assert list(stopper.look(names - {"slow"}, set())) == []


def test_the_command_stops_the_training(tmp_path):
    """A training that waits for a file is ended by what `--stop` calls, and one that gets on is not."""
    logs, told = tmp_path / "logs", tmp_path / "told"
    for i in range(4):
        write(logs, f"good{i}", 1 + i / 10, 100)
    write(logs, "slow", 0.2, 60, live=True)
    write(logs, "fast", 1.0, 20, live=True)
    command = f'echo "$SCRAM_RUN $SCRAM_SEVERITY" >> {told}; cat >> {told}'
    watching = subprocess.Popen(
        [sys.executable, "-m", "scram_plugin", "watch", str(logs), "--every", "0.5", "--goal", "0.85", "--stop", command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "300"},
    )
    try:
        line = watching.stdout.readline()
        end = time.monotonic() + 20
        while not (told.exists() and told.read_text().endswith("}")) and time.monotonic() < end:
            time.sleep(0.1)
    finally:
        watching.kill()
        watching.communicate()
    assert re.match(r"\d\d:\d\d:\d\d  slow  stop: It can no longer become good\. At epoch|.*step", line)
    first, rest = told.read_text().split("\n", 1)
    assert first == "slow stop"
    assert json.loads(rest)["summary"].endswith("times slower.")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["watch", ".", "--goal", "0.9"], "give --stop, too"),
        (["watch", ".", "--risk", "0.05"], "give --stop, too"),
        (["sweep", ".", "--compare", "a", "b", "--goal", "1"], "--goal says which runs could have been stopped"),
        (["watch", ".", "--stop", "true", "--goal", "nan"], "--goal takes a finite number"),
        (["sweep", ".", "--goal", "inf"], "--goal takes a finite number"),
    ],
)
def test_clear_sentences_for_bad_input(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "a", 1.0, 20)
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


def test_the_metric_of_a_sweep(tmp_path):
    for i in range(4):
        write(tmp_path, f"good{i}", 1 + i / 10, 100)
        curve(tmp_path / f"good{i}", "val_f1", [0.1, 0.2 * i])
    for name in ("val_f1", "validation f1"):
        (group,) = json.loads(scram("sweep", tmp_path, "--metric", name, "--format", "json").stdout)["groups"]
        assert group["measure"] == "validation f1"
    done = scram("sweep", tmp_path, "--metric", "val_f2")
    assert done.returncode == 2
    assert "no training run is measured by 'val_f2'; there are validation accuracy, validation f1" in done.stderr
