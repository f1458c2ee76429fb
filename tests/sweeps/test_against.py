"""A run beside runs that are known to be good: worse, as good or better at equal steps, and what is new."""

import json
import re

import numpy as np
import pytest

from scram_plugin.cli.main import main
from scram_plugin.reviews.score import RunScore
from scram_plugin.sweeps.against import standing
from tests.event_files import curve
from tests.sweeps.runs import TITLES, review
from tests.test_cli import scram

EPOCHS = np.arange(30)


def run(name, level, length=30, found=(), noise=0.004, seed=0, higher=True):
    """A run whose accuracy approaches a level."""
    values = level - 0.4 * np.exp(-EPOCHS[:length] / 5) + np.random.default_rng(seed).normal(0, noise, length)
    score = RunScore("validation accuracy", "epoch", higher, values.max(), 0, values[-1], noise)
    score = RunScore(**{**vars(score), "steps": tuple(EPOCHS[:length].tolist()), "values": tuple(values.tolist())})
    made = review(name, found=found)
    return type(made)(**{**vars(made), "scores": (score,)})


GOOD = [run(f"good {seed}", 0.9, seed=seed) for seed in range(5)]


@pytest.mark.parametrize(
    ("level", "length", "verdict"),
    [
        (0.9, 30, "as good"),
        (0.85, 30, "worse"),
        (0.95, 30, "better"),
        (0.9, 8, "as good"),
        (0.8, 8, "worse"),
        (0.9, 60, "as good"),
    ],
)
def test_at_equal_steps(level, length, verdict):
    told = standing(run("new", level, min(length, 30), seed=9), GOOD, TITLES)
    assert told.verdict == verdict, told.text
    assert told.step == min(length, 30) - 1
    assert told.text.startswith(f"{verdict.capitalize()}: the validation accuracy is 0.")
    assert "5 good runs there: 0." in told.text


@pytest.mark.parametrize(("factor", "verdict"), [(1.2, "worse"), (1.0, "as good")])
@pytest.mark.parametrize("step", [100, 300])
def test_a_run_that_has_begun_beside_long_ones(tmp_path, factor, verdict, step):
    """The points of a long curve that are kept lie far apart: its beginning must be there."""
    for name, steps, scale in (*((f"good/{i}", 1000, 1.0) for i in range(5)), ("new/run", step // 10 + 1, factor)):
        values = scale * (2 * np.exp(-10 * np.arange(steps) / 300) + 0.3) + np.random.default_rng(steps).normal(0, 0.003, steps)
        curve(tmp_path / name, "val_loss", values)
    done = scram("check", tmp_path / "new", "--against", tmp_path / "good", "--format", "json")
    assert [one["verdict"] for one in json.loads(done.stdout)["against"]] == [verdict], done.stdout[-400:]


def test_other_axes_are_not_compared():
    other = run("new", 0.9)
    score = RunScore(**{**vars(other.score), "axis": "step"})
    assert standing(type(other)(**{**vars(other), "scores": (score,)}), GOOD, TITLES).verdict == "unknown"


def test_a_measure_that_is_no_longer_finite_is_worse():
    other = run("new", 0.95)
    score = RunScore(**{**vars(other.score), "last": None})
    assert standing(type(other)(**{**vars(other), "scores": (score,)}), GOOD, TITLES).verdict == "worse"


def test_huge_values_are_valid_json():
    good = [run(f"good {i}", 1e200, noise=1e199, seed=i) for i in range(4)]
    told = standing(run("new", 1e200), good, TITLES)
    json.dumps(vars(told), allow_nan=False)


def test_chance_is_no_fault():
    for seed in range(100, 160):
        good = [run(f"good {i}", 0.9 + 0.01 * np.random.default_rng(seed + i).normal(), seed=seed + i) for i in range(5)]
        verdicts = [standing(run("new", 0.9, seed=seed + i), good, TITLES).verdict for i in (50, 51)]
        assert verdicts.count("worse") <= 1


def test_for_a_loss_less_is_better():
    good = [run(f"good {seed}", 0.5, seed=seed, higher=False) for seed in range(5)]
    assert standing(run("new", 0.6, higher=False), good, TITLES).verdict == "worse"


def test_one_good_run_has_only_its_noise():
    assert standing(run("new", 0.902, seed=3), GOOD[:1], TITLES).verdict == "as good"
    assert standing(run("new", 0.85, seed=3), GOOD[:1], TITLES).verdict == "worse"


def test_findings_that_are_new_and_gone():
    good = [run(f"good {i}", 0.9, found=["overfitting"], seed=i) for i in range(3)]
    told = standing(run("new", 0.9, found=["divergence"]), good, TITLES)
    assert (told.new, told.gone) == (["divergence"], ["overfitting"])
    assert told.text.endswith("New: “Training loss diverges”. Gone: “Overfitting”.")


def test_no_measure():
    told = standing(review("new"), GOOD, TITLES)
    assert (told.verdict, told.value) == ("unknown", None)
    assert standing(run("new", 0.9), [review("good")], TITLES).text == "No good run has the same measure."


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    top = tmp_path_factory.mktemp("logs")
    for name, level in (
        *((f"good/seed{i}", 0.5) for i in range(4)),
        ("new/better", 0.3),
        ("new/same", 0.5),
        ("new/worse", 0.8),
    ):
        noise = np.random.default_rng(len(name) + ord(name[-1])).normal(0, 0.004, 40)
        curve(top / name, "val_loss", level + np.exp(-np.arange(40) / 8) + noise)
    return top


@pytest.mark.parametrize("kind", ["text", "markdown", "html"])
def test_the_command_says_it(logs, kind):
    done = scram("check", logs / "new", "--against", logs / "good", "--format", kind)
    assert done.returncode == 1
    text = " ".join(re.sub("<[^>]*>", " ", done.stdout).split())
    assert "worse: Worse: the validation loss is 0.8" in text
    assert "same: As good:" in text


def test_the_exit_status_and_the_json(logs):
    done = scram("check", logs / "new", "--against", logs / "good", "--format", "json")
    verdicts = {one["run"]: one["verdict"] for one in json.loads(done.stdout)["against"]}
    assert verdicts == {"better": "better", "same": "as good", "worse": "worse"}
    assert done.returncode == 1
    assert scram("check", logs / "new", "--run", "same", "--against", logs / "good").returncode == 0
    assert scram("check", logs / "new", "--against", logs / "good", "--fail-on", "never").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--against", "nowhere"], "nowhere"),
        (["--against", "{good}", "--format", "sarif"], "--against has no place in the format"),
    ],
)
def test_bad_input_is_a_sentence(logs, capsys, arguments, sentence):
    assert main(["check", str(logs / "new"), *(given.format(good=logs / "good") for given in arguments)]) == 2
    assert sentence in capsys.readouterr().err
