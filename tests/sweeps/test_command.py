"""`scram sweep` on real event files: which settings make runs fail, in each format, and clear sentences for bad input."""

import json
import re

import numpy as np
import pytest

from scram_plugin.cli.main import main
from scram_plugin.sweeps.groups import groups
from scram_plugin.sweeps.study import TROUBLE, study
from tests.event_files import curve
from tests.sweeps.runs import TITLES, review
from tests.test_cli import scram


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Thirty runs as Lightning logs them; those with a high rate become NaN."""
    logs = tmp_path_factory.mktemp("logs")
    draws = np.random.default_rng(3)
    for i in range(30):
        rate, width, run = float(f"{10 ** draws.uniform(-4, 0):.3g}"), int(draws.choice([64, 128])), logs / f"version_{i}"
        values = 0.3 + 2.0 * np.exp(-np.arange(60) / 15) + draws.normal(0, 0.02, 60)
        curve(run, "train_loss", np.where(np.arange(60) > 20, np.nan, values) if rate >= 0.03 else values)
        (run / "hparams.yaml").write_text(f"lr: {rate}\nwidth: {width}\nactivation: relu\n")
    return logs


def test_the_setting_that_makes_runs_fail(sweep):
    done = scram("sweep", sweep, "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    (group,) = json.loads(done.stdout)["groups"]
    first = group["statements"][0]
    counts = re.fullmatch(
        r"“.+” was found in (\d+) of (\d+) runs with learning rate ≥ (\S+), and in 0 of (\d+) runs with learning rate < \3\.",
        first["text"],
    )
    assert first["settings"] == ["learning rate"]
    assert first["outcome"] == "nonfinite-loss"
    assert first["p"] <= 0.001
    assert counts[1] == counts[2] == str(len(first["runs"]))
    assert int(counts[2]) + int(counts[4]) == 30
    assert {(s["name"], s["verdict"]) for s in group["settings"]} == {("learning rate", "matters"), ("width", "nothing seen")}
    assert group["same"]["activation"] == "relu"
    assert scram("sweep", sweep, "--format", "json").stdout == done.stdout, "the same bytes each time"


@pytest.mark.parametrize("kind", ["text", "markdown", "html"])
def test_the_same_sentence_in_each_format(sweep, kind, tmp_path):
    done = scram("sweep", sweep, "--format", kind, "--output", tmp_path / "report")
    assert (done.returncode, done.stdout) == (0, "")
    text = " ".join((tmp_path / "report").read_text(encoding="utf-8").split())
    assert "runs with learning rate ≥" in text
    assert "30 training runs" in text
    assert "nothing seen" in text


def test_some_of_the_runs(sweep):
    (group,) = json.loads(scram("sweep", sweep, "--run", "version_[0-3]$", "--format", "json").stdout)["groups"]
    assert group["runs"] == [f"version_{i}" for i in range(4)]
    assert group["statements"] == []
    assert group["note"] == "4 runs: too few to tell a setting that matters from chance."


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "nowhere"),
        (["{logs}", "--run", "("], "--run"),
        (["{logs}", "--run", "nothing"], "no training run has a name that matches 'nothing'"),
        (["{logs}", "--jobs", "0"], "--jobs takes the number of processes"),
        (["{logs}", "--compare", "[", "x"], "--compare takes regular expressions"),
        (["{logs}", "--compare", "version_1", "nothing"], "no training run has a name that matches 'nothing'"),
        (["{logs}", "--compare", "version_1", "version_1"], "a training run matches both"),
        (["{logs}", "--output", "/no/such/place"], "/no/such/place could not be written"),
    ],
)
def test_bad_input_is_a_sentence(sweep, capsys, arguments, sentence):
    assert main(["sweep", *(given.format(logs=sweep) for given in arguments)]) == 2
    said = capsys.readouterr()
    assert (said.out, sentence in said.err) == ("", True)


@pytest.mark.parametrize("kind", ["text", "markdown", "html", "json"])
def test_two_groups(tmp_path, kind):
    draws = np.random.default_rng(4)
    for name, level in (("plain", 0.5), ("new", 0.3)):
        for seed in range(3):
            curve(tmp_path / f"{name}/seed{seed}", "val_loss", level + np.exp(-np.arange(40) / 8) + draws.normal(0, 0.005, 40))
    done = scram("sweep", tmp_path, "--compare", "plain", "new", "--format", kind)
    assert (done.returncode, done.stderr) == (0, "")
    if kind == "json":
        best, last = json.loads(done.stdout)["differences"]
        assert (best["of"], last["of"], best["verdict"], best["seeds"]) == ("best", "last", "better", [3, 3])
        assert best["difference"] == pytest.approx(-0.2, abs=0.02)
    else:
        assert re.search(r"The best validation loss is 0\.\d+ against 0\.\d+ \(3 runs", done.stdout)
        assert "which is better." in done.stdout


def runs(count, **more):
    return [review(f"run {i}", {"learning rate": 10.0 ** -(i % 6), "seed": i}, **more) for i in range(count)]


def told(reviews):
    (group,) = groups(reviews)
    return study(group, TITLES)


def test_the_measure_of_runs_without_trouble():
    good = [
        review(f"run {i}", {"optimizer": ("adam", "sgd")[i % 2]}, best=0.9 - 0.2 * (i % 2) + 0.001 * (i % 7)) for i in range(24)
    ]
    (statement,) = told(good).statements
    assert statement.outcome == "validation accuracy"
    assert re.fullmatch(
        r"The best validation accuracy has a median of 0\.\d+ in 12 runs with optimizer \w+, and of 0\.\d+ in 12 runs with "
        r"optimizer \w+\.",
        statement.text,
    )


def test_a_fault_that_all_runs_have_separates_nothing():
    said = told(runs(30, found=["overfitting"]))
    assert said.troubled == 30
    assert said.statements == []
    assert said.note.startswith("No setting goes together")


def test_any_trouble_counts_where_no_check_says_it_alone():
    reviews = [
        review(
            f"run {i}",
            {"learning rate": float(10 ** -(i % 4 + 1))},
            [("divergence", "overfitting")[i % 8 // 4]] if i % 4 == 0 else [],
        )
        for i in range(24)
    ]
    assert told(reviews).statements[0].outcome in (TROUBLE, "divergence", "overfitting")
    assert "learning rate ≥ 0.1" in told(reviews).statements[0].text


def test_runs_that_differ_in_nothing():
    assert told([review(f"a/{i}", {"learning rate": 0.1}) for i in range(9)]).note == (
        "The logs tell no setting in which these runs differ."
    )


def test_findings_that_cover_all_runs():
    reviews = [
        review(f"r{i}", {"lr": int(i >= 12), "wd": int(i < 13)}, ["divergence"] if i >= 12 else ["overfitting"], best=0.5)
        for i in range(24)
    ]
    assert told(reviews).statements


def test_measures_keep_their_sign():
    reviews = [review(f"r{i}", {"lr": (0.1, 0.2)[i % 2]}, best=-1000.0 * (1 + i % 2) - i) for i in range(24)]
    assert re.search(r"median of -\d.* and of -\d", told(reviews).statements[0].text)


def test_limits_are_exact():
    reviews = [review(f"r{i}", {"size": (1020, 1024)[i % 2]}, ["divergence"] if i % 2 else []) for i in range(24)]
    assert "size ≥ 1,024" in told(reviews).statements[0].text


def test_settings_that_are_secrets_are_not_read(tmp_path):
    curve(tmp_path / "a", "loss", [1.0, 0.5])
    (tmp_path / "a/config.yaml").write_text(
        "wandb_api_key: 0123456789abcdef0123456789abcdef01234567\npassword: hunter2\nuser: jane@example.org\nwidth: 3\n"
        "data: https://example.org/x\nname: 0123456789abcdef0123456789abcdef\n"
    )
    done = scram("sweep", tmp_path, "--format", "json")
    assert json.loads(done.stdout)["groups"][0]["same"] == {"width": 3}


@pytest.mark.parametrize("undecided", [True, False])
def test_where_a_check_cannot_see_it_has_not_seen_that_there_is_no_fault(undecided):
    """A large batch size gives a short log, of which less can be decided: then the size says nothing of the fault."""
    runs = [review(f"{i}", {"batch size": 16}, ["divergence"] if i % 4 else []) for i in range(20)] + [
        review(f"large {i}", {"batch size": 64}, undecided=["divergence"] if undecided and i > 1 else []) for i in range(20)
    ]
    (group,) = groups(runs)
    found = study(group, TITLES)
    assert [one.settings for one in found.statements] == ([] if undecided else [["batch size"]])


def test_runs_that_could_not_be_checked_are_counted():
    runs = [review(f"{i}", {"lr": 0.1 if i < 10 else 0.001}, ["divergence"] if i < 10 else []) for i in range(30)]
    runs += [review("short", {"lr": 0.001}, undecided=["divergence"])]
    (group,) = groups(runs)
    (said,) = study(group, TITLES).statements
    assert said.text.endswith("In 1 run it could not be checked.")


def test_a_text_of_its_own_for_each_run_is_no_setting():
    runs = [review(f"{i}", {"output_dir": f"out/{i}", "lr": i / 10}) for i in range(9)]
    (group,) = groups(runs)
    assert list(group.settings) == ["lr"]


def test_truth_values_are_on_or_off():
    runs = [review(f"{i}", {"warmup": i % 2 == 0}) for i in range(8)]
    (group,) = groups(runs)
    assert study(group, TITLES).settings[0].values == "on, off"
