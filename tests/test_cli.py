"""The command line, as a process: answers on standard output alone, sentences on standard error, exit statuses 0, 1, 2."""

import json
import os
import subprocess
import sys

import fsspec
import numpy as np
import pytest

from scram_plugin.cli.main import main
from tests.event_files import curve
from tests.paths import DEMO_LOGS
from tests.sizes import size


def scram(*arguments, cwd=None):
    done = subprocess.run(
        [sys.executable, "-m", "scram_plugin", *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=60
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


def findings(document):
    return {run["name"]: [f["heuristic"] for f in run["findings"] if f["explained_by"] is None] for run in document["runs"]}


EXPECTED = {
    "cifar10/normalized": [],
    "cifar10/unnormalized": ["unnormalized-inputs"],
    "fashion_mnist/overfit": ["overfitting"],
    "fashion_mnist/regularized": [],
    "movie_reviews/lr_1e10": ["nonfinite-loss"],
    "movie_reviews/lr_default": [],
}


def test_the_demo_logs_as_json():
    done = scram("check", DEMO_LOGS, "--format", "json")
    assert (done.returncode, done.stderr) == (1, "")
    document = json.loads(done.stdout)
    assert document["schema_version"] == 1
    assert findings(document) == EXPECTED
    assert scram("check", DEMO_LOGS, "--format", "json").stdout == done.stdout, "the same bytes each time"
    finding = next(r for r in document["runs"] if r["name"] == "movie_reviews/lr_1e10")["findings"][0]
    promised = "heuristic severity confidence title summary steps curves evidence explained_by causes fixes"
    assert set(finding) >= set(promised.split())
    assert set(finding["fixes"][0]) >= {"cause", "title", "framework", "code", "edit"}
    assert set(finding["fixes"][0]["edit"]) == {"file", "line", "before", "after", "more", "reason"}
    assert finding["fixes"][0]["edit"]["more"] == []
    assert finding["fixes"][0]["proof"] is None
    assert set(finding["causes"][0]) == {"id", "title", "for", "against"}


def test_the_three_are_still_found_by_the_strict_rules():
    strict = [part for h in ("overfitting", "nonfinite-loss", "unnormalized-inputs") for part in ("--set", f"{h}.strict=true")]
    found = findings(json.loads(scram("check", DEMO_LOGS, "--format", "json", *strict).stdout))
    for run, ids in EXPECTED.items():
        assert set(ids) <= set(found[run])


def test_text_names_run_finding_cause_and_fix():
    done = scram("check", DEMO_LOGS)
    for part in (
        "movie_reviews/lr_1e10",
        "error: Loss became NaN at batch 4 of epoch 1",
        "The learning rate is 1e10",
        "movie_reviews.py:19",
        "6 training runs: 2 errors, 1 warning",
    ):
        assert part in done.stdout
    assert "\x1b" not in done.stdout, "no colours where nobody sees them"
    assert not any(line.endswith(" ") for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ([], 1),
        (["--fail-on", "never"], 0),
        (["--run", "regularized"], 0),
        (["--run", "overfit"], 0),
        (["--run", "overfit", "--fail-on", "warning"], 1),
        (["--run", "lr_1e10", "--ignore", "nonfinite-loss,nonfinite-origin,dead-relu"], 0),
        (["--select", "overfitting,unnormalized-inputs"], 0),
        (["--select", "overfitting", "--fail-on", "warning"], 1),
    ],
)
def test_exit_status(arguments, status):
    assert scram("check", DEMO_LOGS, *arguments).returncode == status


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["check", "nowhere"], "no such directory"),
        (["check", "pyproject.toml"], "is a file"),
        (["check", "tests/heuristics"], "no event files"),
        (["check", "demo_logs", "--select", "no-such"], "there is no heuristic 'no-such'"),
        (["check", "demo_logs", "--run", "["], "not a regular expression"),
        (["check", "demo_logs", "--run", "zzz"], "no training run has a name"),
        (["check", "demo_logs", "--set", "overfitting.strict"], "not of the form ID.OPTION=VALUE"),
        (["check", "demo_logs", "--set", "overfitting.strict=perhaps"], "takes true or false"),
        (["check", "demo_logs", "--set", "overfitting.patience=1.5"], "takes a whole number"),
        (["check", "demo_logs", "--set", "overfitting.min_rise=nan"], "takes a number"),
        (["check", "demo_logs", "--set", "overfitting.x=1"], "has no option 'x'"),
        (["check", "demo_logs", "--config", "nowhere.toml"], "could not be read"),
        (["check", "demo_logs", "--output", "nowhere/x"], "could not be written"),
        (["check", "demo_logs", "--format", "xml"], "invalid choice"),
        (["check"], "required"),
        (["explain", "no-such"], "there is no heuristic"),
    ],
)
def test_bad_input_is_a_sentence_and_status_2(arguments, says):
    from tests.paths import ROOT

    done = scram(*arguments, cwd=ROOT)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


def test_configuration_files_are_found_upwards_and_checked(tmp_path):
    (tmp_path / "scram.toml").write_text('ignore = ["overfitting"]\n[nonfinite-loss]\nstrict = true\n')
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    listed = scram("list", cwd=below).stdout
    assert "overfitting" not in listed
    assert "strict=true" in listed
    (tmp_path / "scram.toml").write_text("[nonfinite-loss]\nstricter = true\n")
    done = scram("list", cwd=below)
    assert done.returncode == 2
    assert "scram.toml: nonfinite-loss has no option 'stricter'" in done.stderr
    (tmp_path / "pyproject.toml").write_text("[tool.scram.overfitting]\npatience = 9\n")
    (tmp_path / "scram.toml").unlink()
    assert "patience=9" in scram("list", cwd=below).stdout


def test_a_configuration_inside_the_log_directory_is_data_and_not_read(tmp_path):
    logs = tmp_path / "logs"
    curve(logs, "loss", [1, np.nan])
    (logs / "scram.toml").write_text('ignore = ["nonfinite-loss"]\n')
    assert scram("check", logs, cwd=tmp_path).returncode == 1


def test_output_goes_to_a_file(tmp_path):
    done = scram("check", DEMO_LOGS, "--format", "json", "--output", tmp_path / "out.json")
    assert done.stdout == ""
    assert json.loads((tmp_path / "out.json").read_text())["runs"]


def test_explain_and_list_and_help():
    page = scram("explain", "nonfinite-loss").stdout
    assert "## Why it matters" in page
    assert "overfitting" in scram("list").stdout
    assert "exit status" in scram("check", "--help").stdout
    assert scram("--version").stdout.startswith("scram ")


def test_names_in_a_log_cannot_write_to_the_terminal(tmp_path):
    curve(tmp_path / "evil\x1b[31m\x07", "loss", [1, np.nan])
    assert "\x1b" not in scram("check", tmp_path).stdout


def test_a_million_tags(tmp_path):
    from tests.event_files import event, write

    count = size(1_000_000, 100_000)
    write(
        tmp_path / "x.tfevents.1",
        [event(0, 0.0, **{f"t{i}": 1.0 for i in range(j, j + 50_000)}) for j in range(0, count, 50_000)],
    )
    done = scram("check", tmp_path, "--format", "json")
    assert done.returncode == 2, "none of those that were looked at is a loss"
    assert "more than 20,000 tags" in json.loads(done.stdout)["runs"][0]["notes"][0]


def test_a_terminal_without_the_signs_gets_others(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "scram_plugin", "check", str(DEMO_LOGS)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "error: Loss became NaN" in done.stdout


def test_code_is_never_cut(tmp_path):
    done = scram("check", DEMO_LOGS, "--set", "overfitting.strict=true")
    assert "\n      +     keras.layers.Dropout(0.5),\n" in done.stdout


def test_choosing_nothing_is_an_error():
    assert scram("check", DEMO_LOGS, "--select", "").returncode == 2


def test_signals_of_the_users_own(tmp_path, capsys, monkeypatch):
    curve(tmp_path / "logs", "objective", [3, 2, 1, 1, 1, 1, 1, 1])
    curve(tmp_path / "logs", "how well/it does", [3, 2, 1, 2, 3, 4, 5, 6])
    (tmp_path / "scram.toml").write_text('[signals]\n"training loss" = "objective"\n"validation loss" = ["how well/it does"]\n')
    monkeypatch.chdir(tmp_path)
    assert main(["check", "logs", "--format", "json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert run["signals"]["validation loss"]["tag"] == "how well/it does"
    assert "overfitting" in [f["heuristic"] for f in run["findings"]]
    assert main(["check", "logs"]) == 0
    assert "read as: training loss = objective; validation loss = how well/it does" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[signals]\n"loss" = "x"', "there is no signal 'loss'"),
        ('signals = "x"', "[signals] is a table"),
        ('[signals]\n"training loss" = 3', "takes a tag, or a list of tags"),
        ("heuristics = 3", "heuristics takes a list of Python files"),
    ],
)
def test_signals_that_cannot_be(text, sentence, tmp_path, capsys, monkeypatch):
    curve(tmp_path / "logs", "loss", [1])
    (tmp_path / "scram.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert main(["check", "logs"]) == 2
    assert sentence in capsys.readouterr().err


def test_a_remote_log_directory(tmp_path, capsys):
    files = fsspec.filesystem("memory")
    path = curve(tmp_path, "loss", [1, 2])
    files.pipe(f"/cli/exp/{path.name}", path.read_bytes())
    assert main(["check", "memory://cli", "--format", "json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert run["name"] == "exp"
    assert main(["check", "memory://nothing-here"]) == 2
    assert "no such directory" in capsys.readouterr().err


def test_what_another_finding_explains_is_told_in_a_line(tmp_path):
    curve(tmp_path, "val/loss", [2.0, 1.0, 0.8, *np.linspace(0.82, 1.6, 20)])
    curve(tmp_path, "train/loss", np.geomspace(2, 0.1, 23))
    curve(tmp_path, "val/accuracy", [0.5, 0.7, 0.85, *np.linspace(0.852, 0.9, 20)])
    out = scram("check", tmp_path).stdout
    assert "warning: Overfitting since" in out
    told = " ".join(out.split())
    assert (
        "Probably a consequence: The validation loss rises, but val/accuracy still improves (metric-loss-disagreement)" in told
    )


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", os.urandom(5000), b"\x18\0\0\0\0\0\0"])
@pytest.mark.parametrize("format_", ["text", "github"])
def test_a_log_that_nothing_can_be_judged_of_is_no_success(content, format_, tmp_path, capsys, monkeypatch):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "events.out.tfevents.1.x").write_bytes(content)
    monkeypatch.setattr("scram_plugin.reviews.cache.SETTLED", -60.0)
    for _ in range(2):  # the second answer is the one that was kept
        assert main(["check", str(tmp_path), "--format", format_]) == 2
        said = capsys.readouterr().err
        assert said.startswith("scram: no training run could be checked. run: Nothing could be checked: events.out")
        monkeypatch.setattr("scram_plugin.cli.report.report", None)
    monkeypatch.undo()
    curve(tmp_path / "other", "loss", [1.0, 0.9])
    assert scram("check", tmp_path, "--format", format_).returncode == 0, "of the other there is something to judge"


def test_runs_of_several_log_directories_are_told_apart(tmp_path):
    for name, values in (("a", [1.0, 0.9, float("nan")]), ("b", [1.0, 0.9, 0.8])):
        curve(tmp_path / name / "run", "loss", values)
    curve(tmp_path / "c", "loss", [1.0, 0.9])
    done = scram("check", "a", "b", "--format", "json", cwd=tmp_path)
    runs = {run["name"]: run for run in json.loads(done.stdout)["runs"]}
    assert {name: len(run["findings"]) > 0 for name, run in runs.items()} == {"a/run": True, "b/run": False}
    assert runs["a/run"]["findings"][0]["curves"] == [{"tensorboard_run": "a/run", "tag": "loss"}]
    assert runs["b/run"]["tensorboard_runs"] == ["b/run"]
    assert "c" in findings(json.loads(scram("check", "b", "c", "--format", "json", cwd=tmp_path).stdout)), "the run at c itself"
    log = json.loads(scram("check", "b", "a", "--format", "sarif", cwd=tmp_path).stdout)
    (place,) = log["runs"][0]["results"][0]["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "a/run"
    known = tmp_path / "known.json"
    assert scram("check", "a", "--format", "json", "--output", known, cwd=tmp_path).returncode == 1
    assert scram("check", "a", "b", "--baseline", known, cwd=tmp_path).returncode == 0, "names are those of a alone"
    for pattern in ("^a/run$", "^run$"):
        assert scram("check", "a", "c", "--run", pattern, cwd=tmp_path).stdout.startswith("a/run\n")
    (tmp_path / "scram.toml").write_text('[[accept]]\nheuristic = "nonfinite-loss"\nruns = "a/*"\nreason = "known: a test"\n')
    done = scram("check", "a", "b", cwd=tmp_path)
    assert done.returncode == 0
    assert "accepted as no problem here: Loss became NaN" in done.stdout
    (tmp_path / "scram.toml").unlink()
    (tmp_path / "latest").symlink_to("a")
    for once in (["a", "a"], ["a", "latest"], ["a", "./b/../a"]):
        done = scram("check", *once, cwd=tmp_path)
        assert done.stdout.startswith("run\n")
        assert "1 training run:" in done.stdout
        assert '"uri": "a/run"' in scram("check", *once, "--format", "sarif", cwd=tmp_path).stdout
    assert scram("check", "./a/", "--format", "json", "--output", known, cwd=tmp_path).returncode == 1
    assert scram("check", "a", "b", "--baseline", known, cwd=tmp_path).returncode == 0, "the same directory, written otherwise"
    done = scram("check", "a/run", "a", cwd=tmp_path)
    assert done.returncode == 2
    assert "a/run is inside a: its training runs would count twice" in done.stderr


def test_a_curve_that_the_configuration_names_and_nobody_logged_is_told(tmp_path):
    curve(tmp_path / "logs", "loss", [1.0, 0.9])
    (tmp_path / "scram.toml").write_text('[signals]\n"validation loss" = ["my/odd tag", "other"]\n"training loss" = "loss"\n')
    done = scram("check", "logs", cwd=tmp_path)
    assert done.stderr == (
        "scram: no training run has a tag 'my/odd tag' or 'other', which [signals] gives as the validation loss\n"
    )


def test_a_mistyped_id_is_told_what_is_near():
    for arguments in (["explain", "overfiting"], ["check", DEMO_LOGS, "--select", "OVERFITTING"]):
        done = scram(*arguments)
        assert done.returncode == 2
        assert "did you mean overfitting" in done.stderr
        assert len(done.stderr) < 200


def test_the_output_is_written_whole_or_not_at_all(tmp_path):
    file = tmp_path / "known.json"
    curve(tmp_path / "logs", "loss", [1.0, 0.9])
    assert scram("check", tmp_path / "logs", "--format", "json", "--output", file).returncode == 0
    assert json.loads(file.read_text())["runs"]
    assert {path.name for path in tmp_path.iterdir()} == {"logs", "known.json"}
    link = tmp_path / "link.json"
    link.symlink_to(file)
    assert scram("check", tmp_path / "logs", "--output", link).returncode == 0
    assert link.is_symlink()
    assert "Too few points to tell" in file.read_text()
    os.chmod(file, 0o600)
    assert scram("check", tmp_path / "logs", "--output", file).returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert scram("check", tmp_path / "logs", "--output", "/dev/stdout").stdout == file.read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"logs", "known.json", "link.json"}
    done = scram("check", tmp_path / "logs", "--output", "-", cwd=tmp_path)
    assert done.stdout == file.read_text()
    assert not (tmp_path / "-").exists()


def test_a_pipe_among_the_event_files_is_passed_over(tmp_path):
    curve(tmp_path, "loss", [1.0, 0.9])
    os.mkfifo(tmp_path / "events.out.tfevents.2.pipe")
    done = scram("check", tmp_path)
    assert done.returncode == 0
    assert "events.out.tfevents.2.pipe: it is not a regular file" in done.stderr
