"""The scenarios of the demo with the first fix of each one's finding applied, and nothing else."""

import functools
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.paths import SCENARIOS, environment
from tests.recorded.programs import Programs, need_data
from tests.test_fixing_works import CASES, fixed_program


def train(name, log_dir):
    need_data()
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copy(SCENARIOS / "data.py", scratch)
        Path(scratch, f"{name}.py").write_text(fixed_program(name))
        quiet = subprocess.DEVNULL
        subprocess.run([sys.executable, f"{name}.py"], cwd=scratch, env=environment(), check=True, stdout=quiet)
        shutil.copytree(Path(scratch, "logs", name), log_dir, dirs_exist_ok=True)
        shutil.copy(Path(scratch, f"{name}.py"), log_dir)


PROGRAMS = Programs({name: functools.partial(train, name) for name in CASES})
