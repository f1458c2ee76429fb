"""Nothing from a log directory runs, and no code that somebody else put where a configuration is looked for."""

import json
import os
import subprocess
import sys

import pytest

import scram_plugin
from scram_plugin.cli.main import main
from scram_plugin.heuristics import trust
from tests.event_files import curve
from tests.paths import ROOT
from tests.servers import tensorboard
from tests.sizes import few

EVIL = """
from pathlib import Path
Path({mark!r}).write_text("ran")
from dataclasses import replace
from scram_plugin.heuristics.curves import plateau
HEURISTIC = replace(plateau.HEURISTIC, id="mine")
"""
TOML = 'heuristics = ["evil.py"]\nignore = ["plateau"]\n\n[mine]\nleast = 7\n\n[[accept]]\nheuristic = "mine"\n'
PROJECT = '[tool.scram]\nheuristics = ["evil.py"]\nignore = ["plateau"]\n'


@pytest.fixture(params=few(["scram.toml", "pyproject.toml"], lambda name: name == "pyproject.toml"))
def project(request, tmp_path):
    """(folder, mark): a folder with a configuration that names code, and the file that this code writes when it runs."""
    folder, mark = tmp_path / "project", tmp_path / "mark"
    folder.mkdir()
    (folder / request.param).write_text(TOML if request.param == "scram.toml" else PROJECT)
    (folder / "evil.py").write_text(EVIL.format(mark=str(mark)))
    curve(folder / "logs" / "exp", "loss", [1.0, 0.5, 0.4, 0.3, 0.2])
    return folder, mark


def checked(folder, *arguments):
    command = [sys.executable, "-m", "scram_plugin", "check", *arguments, "--format", "json", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})


def test_code_beside_the_logs_does_not_run(project):
    folder, mark = project
    done = checked(folder, ".")
    assert done.returncode == 0, done.stderr
    assert not mark.exists()
    (run,) = json.loads(done.stdout)["runs"]
    (note,) = [note for note in run["notes"] if "evil.py" in note]
    assert "was not loaded, since" in note
    assert "is in the log directory ." in note
    assert "--config" in note
    assert "plateau" not in [*run["passed"], *(entry["heuristic"] for entry in run["inconclusive"])], "the rest counts"


def test_nor_for_a_command_that_lists_watches_or_reviews(project, monkeypatch, capsys):
    folder, mark = project
    monkeypatch.chdir(folder)
    reviews = scram_plugin.review(".", cache=False)
    assert any("evil.py" in note for note in reviews[0].notes)
    with tensorboard("--logdir", str(folder)) as server:  # started in `folder`, as its own process
        server.reviewed(1)
        assert any("evil.py" in note for note in server.get("review", run="logs/exp")[1]["notes"])
    assert not mark.exists()
    assert main(["list"]) == 0, "no log directory is looked at"
    assert mark.exists()


def test_code_beside_a_log_directory_runs(project):
    folder, mark = project
    done = checked(folder, "logs")
    assert done.returncode == 0, done.stderr
    assert mark.exists()


def test_what_is_asked_for_runs(project):
    folder, mark = project
    configuration = next(path.name for path in folder.iterdir() if path.suffix == ".toml")
    done = checked(folder, ".", "--config", configuration)
    assert done.returncode == 0, done.stderr
    assert mark.exists()


def test_a_link_out_of_the_log_directory_is_no_way_around(project, tmp_path):
    folder, mark = project
    inside = folder / "logs"
    (tmp_path / "elsewhere.py").write_text((folder / "evil.py").read_text())
    (inside / "scram.toml").write_text('heuristics = ["../../elsewhere.py"]\n')
    assert checked(inside, ".").returncode == 0
    (folder / "evil.py").unlink()
    (folder / "evil.py").symlink_to(inside / "real.py")
    (inside / "real.py").write_text((tmp_path / "elsewhere.py").read_text())
    assert checked(folder, "logs").returncode == 0
    assert not mark.exists()


@pytest.mark.parametrize("which", ["*.toml", "evil.py"])
@pytest.mark.parametrize(
    ("mode", "runs"),
    [(0o644, True), pytest.param(0o600, True, marks=pytest.mark.slow), (0o646, False), (0o666, False)],
)
def test_a_file_that_others_may_write_names_no_code(which, mode, runs, project):
    folder, mark = project
    next(folder.glob(which)).chmod(mode)
    done = checked(folder, "logs")
    assert done.returncode == 0, done.stderr
    assert mark.exists() == runs
    assert ("other users may write" in done.stdout) != runs


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
@pytest.mark.parametrize("which", ["*.toml", "evil.py"])
def test_a_file_of_another_user_names_no_code(which, project):
    folder, mark = project
    os.chown(next(folder.glob(which)), 12345, -1)
    done = checked(folder, "logs")
    assert done.returncode == 0, done.stderr
    assert not mark.exists()
    assert "belongs to another user" in done.stdout


def test_the_private_group_of_the_user_is_the_user(project, monkeypatch):
    folder, _ = project
    path = folder / "evil.py"
    path.chmod(0o664)
    monkeypatch.setattr(trust, "_alone_in", lambda group: True)
    assert trust.distrust(path, []) is None
    monkeypatch.setattr(trust, "_alone_in", lambda group: False)
    assert "other users may write" in trust.distrust(path, [])


def test_only_code_that_may_not_run_was_chosen(project):
    folder, mark = project
    done = checked(folder, ".", "--select", "mine")
    assert done.returncode == 2
    assert "no heuristic is left to apply" in done.stderr
    assert "evil.py was not loaded" in done.stderr
    assert not mark.exists()
