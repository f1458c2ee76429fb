"""Sound trainings of many kinds, as different people write them: of these nothing is to be raised.

None of these programs knows SCRAM, and none was made for one of its checks. ``torch/`` and ``keras/`` hold them as they are;
those that need the data sets of ../shared ask for their place in ``SCRAM_DATA``.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.paths import DATA, ROOT, environment
from tests.recorded.programs import NeedsData

PROGRAMS = sorted((ROOT / "tests" / "controls").glob("*/*.py"))
# programs that cannot be tested before their training, and what is said to them
REFUSED = {
    "gan": "GAN has no `call`",
}


def name_of(program):
    return f"{program.parent.name}/{program.stem}"


def can_run(program):
    return DATA.is_dir() or "SCRAM_DATA" not in program.read_text()


def refusal(program):
    return REFUSED.get(program.stem) if program.parent.name == "keras" else None


def fly(program, log_dir):
    """`scram preflight` of the program, logging into `log_dir`. Raises CalledProcessError where it judged nothing."""
    if not can_run(program):
        raise NeedsData
    command = [sys.executable, "-m", "scram_plugin", "preflight", "--log-dir", str(log_dir), "--fail-on", "never"]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "program.py").write_text(program.read_text())
        given = {**environment(), "PYTHONPATH": str(ROOT)}
        subprocess.run([*command, "program.py"], cwd=folder, env=given, check=True, stdout=subprocess.DEVNULL)
