"""The layout shows the architecture: imports go one way (the contracts stand in pyproject.toml)."""

import subprocess
import sys

from tests.paths import BIN, ROOT


def test_imports_go_one_way():
    lint = BIN / "lint-imports"
    command = (
        [str(lint)] if lint.exists() else [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    )
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_reading_and_judging_need_no_framework():
    program = (
        "import sys, scram_plugin.cli, scram_plugin.plugin;"
        "print([m for m in ('tensorflow', 'keras', 'torch', 'scram_plugin.training') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_files_fit_in_the_head():
    long = {
        str(p.relative_to(ROOT)): n
        for p in (ROOT / "scram_plugin").rglob("*.py")
        if (n := len(p.read_text().splitlines())) > 400
    }
    assert long == {}
