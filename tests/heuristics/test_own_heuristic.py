"""A heuristic of the user's own, two files beside the configuration, is a full citizen: terminal, catalogue and tab."""

import json
import subprocess
import sys

import pytest

from scram_plugin.cli.main import main
from tests.event_files import curve
from tests.paths import ROOT
from tests.servers import tensorboard


def block_of(page, fence, language, beginning):
    """The block of a page, a path in the repository, that begins with this line."""
    text = (ROOT / page).read_text(encoding="utf-8")
    start = text.index(f"{fence}{language}\n{beginning}") + len(fence) + len(language) + 1
    return text[start : text.index(f"\n{fence}\n", start)] + "\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with the heuristic that docs/writing-a-check.md shows, and a log that it is about."""
    (tmp_path / "checks").mkdir()
    shown = "docs/writing-a-check.md"
    (tmp_path / "checks" / "slow_start.py").write_text(block_of(shown, "```", "python", "# checks/slow_start.py"))
    (tmp_path / "checks" / "slow_start.md").write_text(block_of(shown, "````", "markdown", "# It starts slowly"))
    (tmp_path / "scram.toml").write_text('heuristics = ["checks/slow_start.py"]\n\n[slow-start]\npoints = 4\n')
    curve(tmp_path / "logs" / "exp", "train/loss", [2.0, 2.0, 2.0, 2.0, 1.9, 1.0, 0.5, 0.4, 0.3, 0.2])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_in_the_terminal(project, capsys):
    assert main(["check", "logs", "--format", "json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    (finding,) = [f for f in run["findings"] if f["heuristic"] == "slow-start"]
    assert "2" in finding["summary"]
    assert finding["fixes"][0]["code"]
    assert main(["list"]) == 0
    assert "slow-start" in capsys.readouterr().out
    assert main(["explain", "slow-start"]) == 0
    assert "It starts slowly" in capsys.readouterr().out
    assert main(["check", "logs", "--set", "slow-start.points=9", "--select", "slow-start"]) == 0
    assert "(certain)" not in capsys.readouterr().out


def test_in_the_tab(project):
    with tensorboard("--logdir", "logs", "--scram_config", str(project / "scram.toml")) as server:
        server.reviewed(1)
        _, review = server.get("review", run="exp")
        assert "slow-start" in [f["heuristic"] for f in review["findings"]]
        assert "slow-start" in [h["id"] for h in server.get("heuristics")[1]["heuristics"]]


@pytest.mark.parametrize("error", ["RuntimeError('oh')", "SystemExit('oh')"])
def test_one_that_does_not_load_is_told(error, project, capsys):
    (project / "checks" / "slow_start.py").write_text(f"raise {error}")
    (project / "scram.toml").write_text('heuristics = ["checks/slow_start.py"]\n')
    for command in (["check", "logs"], ["list"], ["explain", "slow-start"]):
        assert main(command) == 2
        assert f"slow_start.py could not be loaded ({error[:10]}" in capsys.readouterr().err
    assert main(["check", "logs", "--select", "slow-start"]) == 2
    said = capsys.readouterr().err
    assert "there is no heuristic 'slow-start'" in said
    assert f"could not be loaded ({error[:10]}" in said
    assert "slow_start.py, line 1)" in said
    with tensorboard("--logdir", "logs", "--scram_config", str(project / "scram.toml")) as server:
        server.reviewed(1)
        assert any("could not be loaded" in note for note in server.get("review", run="exp")[1]["notes"])


def test_one_that_fails_is_told_with_its_line(project, capsys):
    module = project / "checks" / "slow_start.py"
    module.write_text(module.read_text().replace("def check(run, options):", "def check(run, options):\n    1 / 0"))
    assert main(["check", "logs"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "note: slow-start could not be checked: the check itself failed (ZeroDivisionError: division by zero;" in out
    assert "slow_start.py, line" in out


@pytest.mark.parametrize("format_", ["text", "markdown", "html"])
def test_its_code_may_be_for_another_framework(format_, project, capsys):
    page = project / "checks" / "slow_start.md"
    page.write_text(page.read_text().replace("```python keras", "```python jax"))
    assert main(["check", "logs", "--format", format_, "--set", "slow-start.points=4"]) == 0
    out = capsys.readouterr().out
    assert "It starts slowly" in out or "points the loss is" in out
    assert format_ == "text" or "warmup_steps = 200" in out, "of what is only worth knowing the text has no code"


def test_one_that_is_not_there_is_told(project, capsys):
    (project / "scram.toml").write_text('heuristics = ["checks/none.py"]\n')
    assert main(["check", "logs"]) == 2
    assert "there is no file" in capsys.readouterr().err


def test_by_entry_point(project, tmp_path):
    """As an installed package offers it."""
    site = tmp_path / "site"
    (site / "own_checks-1.0.dist-info").mkdir(parents=True)
    (site / "own_checks-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: own-checks\nVersion: 1.0\n")
    (site / "own_checks-1.0.dist-info" / "entry_points.txt").write_text("[scram.heuristics]\nslow = own_checks:HEURISTIC\n")
    (site / "own_checks.py").write_text((project / "checks" / "slow_start.py").read_text())
    (site / "own_checks.md").write_text((project / "checks" / "slow_start.md").read_text())
    (project / "scram.toml").unlink()
    code = f"import sys; sys.path.insert(0, {str(site)!r}); from scram_plugin.cli.main import main; sys.exit(main(%s))"
    done = subprocess.run([sys.executable, "-c", code % ["list"]], capture_output=True, text=True, check=True)
    assert "slow-start" in done.stdout
    # a package that does not load is not for the user to mend: it costs a note
    (site / "own_checks.py").write_text("raise RuntimeError('oh')")
    done = subprocess.run([sys.executable, "-c", code % ["check", "logs"]], capture_output=True, text=True, check=True)
    assert "note: The heuristic 'slow' of another package could not be loaded (RuntimeError: oh)." in " ".join(
        done.stdout.split()
    )
