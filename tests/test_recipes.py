"""The recipes of docs/ci.md for CI and pre-commit, done as a runner does them: on the demo's logs, and with a baseline."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.heuristics.test_own_heuristic import block_of
from tests.paths import DEMO_LOGS
from tests.test_cli import scram

BESIDE = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture
def project(tmp_path):
    """A repository with the demo's logs, and without any file of SCRAM's."""
    for part in ("cifar10", "fashion_mnist", "movie_reviews"):
        shutil.copytree(DEMO_LOGS / part, tmp_path / "logs" / part)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    return tmp_path


def runner(project):
    """The job's steps that call SCRAM (docs/ci.md), each in the shell that GitHub's runner starts; name -> (status, output).

    After a step that fails only those are done that say ``if: always()``.
    """
    job = yaml.safe_load(block_of("docs/ci.md", "```", "yaml", "# .github/workflows/training.yml"))["jobs"]["training"]
    environment = {**os.environ, "PATH": BESIDE, "GITHUB_STEP_SUMMARY": str(project / "summary.md"), "CI": "true"}
    done, failed = {}, False
    for step in job["steps"]:
        command = step.get("run", "")
        if command.startswith("scram") and (not failed or step.get("if") == "always()"):
            shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command]
            ended = subprocess.run(shell, cwd=project, env=environment, capture_output=True, text=True, timeout=120)
            done[step["name"]] = ended
            failed |= ended.returncode != 0
    return done, failed


def test_the_job_fails_on_the_demo_and_passes_with_a_baseline(project):
    (project / "known.json").write_text('{"runs": []}')
    done, failed = runner(project)
    assert failed
    judged = done["Check the training"]
    assert judged.returncode == 1
    assert "::error file=movie_reviews.py,line=19,title=movie_reviews/lr_1e10" in judged.stdout
    assert "Loss became NaN" in (project / "summary.md").read_text(encoding="utf-8")
    assert (project / "scram.sarif").stat().st_size > 1000
    for step in done.values():
        assert step.stderr == ""

    assert (
        scram("check", "logs", "--format", "json", "--output", "known.json", "--fail-on", "never", cwd=project).returncode == 0
    )
    done, failed = runner(project)
    assert not failed
    assert "::error" not in done["Check the training"].stdout


def test_pre_commit(project):
    (project / ".pre-commit-config.yaml").write_text(block_of("docs/ci.md", "```", "yaml", "# .pre-commit-config.yaml"))
    (project / "train.py").write_text("")
    environment = {**os.environ, "PATH": BESIDE, "PRE_COMMIT_HOME": str(project / "home")}
    subprocess.run(["git", "add", "train.py", ".pre-commit-config.yaml"], cwd=project, check=True)

    def commit():
        command = [sys.executable, "-m", "pre_commit", "run"]
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=120)

    done = commit()
    assert done.returncode == 1
    assert "Loss became NaN at batch 4" in done.stdout
    shutil.rmtree(project / "logs" / "movie_reviews" / "lr_1e10")
    shutil.rmtree(project / "logs" / "cifar10" / "unnormalized")
    assert commit().returncode == 0, "a warning does not fail"


def test_what_the_readme_shows_is_what_is_printed():
    assert block_of("README.md", "```", "text", "fashion_mnist/overfit") in scram("check", DEMO_LOGS).stdout
