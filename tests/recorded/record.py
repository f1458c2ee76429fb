"""Trains the programs of ``programs/`` and keeps what they log.

    python -m tests.recorded.record [MODULE[/LOG] ...] [--into DIR]

Each module runs in a process of its own, so that each framework is alone in its process; as many run at once as there are
processors. Before each program every random state is set from `SEED`.
"""

import argparse
import concurrent.futures
import importlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from tests.paths import ROOT, environment
from tests.recorded import HERE, INDEX, KEPT, findings, place
from tests.recorded.programs import NeedsData

SEED = 20
COLUMNS = "log\tprogram\tseed\tversions"
MODULES = sorted(
    path.stem for path in (HERE / "programs").glob("*_*.py") if "\nPROGRAMS = Programs(" in path.read_text(encoding="utf-8")
)
VERSIONS = {"keras": ("tensorflow", "keras"), "torch": ("torch",)}


def seed() -> None:
    """Sets every random state, and lets Keras name its layers anew."""
    random.seed(SEED)
    np.random.seed(SEED)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(SEED)
    if "keras" in sys.modules:
        sys.modules["keras"].backend.clear_session()
        sys.modules["keras"].utils.set_random_seed(SEED)


def record(module: str, only: str, into: Path) -> None:
    """Train the programs of one module whose logs lie in `only`, in this process."""
    programs = importlib.import_module(f"tests.recorded.programs.{module}").PROGRAMS
    for name, program in programs.items():
        if not place(Path(), name).is_relative_to(only):
            continue
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as scratch:
            seed()
            log_dir = Path(scratch, "log")
            log_dir.mkdir()
            target = place(into, module, name)
            try:
                program(log_dir)
            except NeedsData:
                print(f"{module}: {name}: needs the data sets of ../shared; the log that is kept is taken", flush=True)
                log_dir = place(KEPT, module, name)
            if log_dir != target:
                shutil.rmtree(target, ignore_errors=True)
                shutil.copytree(log_dir, target)
        size = sum(p.stat().st_size for p in target.rglob("*") if p.is_file())
        print(f"{module}: {name}: {time.monotonic() - start:.1f} s, {size / 1000:.0f} kB", flush=True)


def names(module: str) -> list[str]:
    """The programs of one module, asked for in a process of its own."""
    code = f"from tests.recorded.programs.{module} import PROGRAMS; print(*PROGRAMS, sep='\\n')"
    asked = [sys.executable, "-c", code]
    done = subprocess.run(asked, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()


def index(into: Path, modules: list[str]) -> None:
    """Writes what was recorded with what: the rows of `modules` are new, those of others stay."""
    file = into / INDEX.name
    rows = file.read_text(encoding="utf-8").splitlines()[1:] if file.is_file() else []
    rows = [row for row in rows if row.split("/")[0] in set(MODULES) - set(modules)]
    for module in modules:
        versions = " ".join(f"{name} {version(name)}" for name in VERSIONS[module.split("_")[0]])
        known = names(module)
        for left in {path.parent for path in place(into, module).rglob("*tfevents*")}:  # by a program that is gone
            if not any(left.is_relative_to(place(into, module, name)) for name in known):
                shutil.rmtree(left)
        for name in known:
            log = place(into, module, name).relative_to(into).as_posix()
            rows.append(f"{log}\ttests/recorded/programs/{module}.py: {name}\t{SEED}\t{versions}")
    file.write_text("\n".join([COLUMNS, *sorted(rows)]) + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wanted", nargs="*", metavar="MODULE[/LOG]", help=f"of {', '.join(MODULES)}; all by default")
    parser.add_argument("--into", type=Path, default=KEPT, help="where the logs go; by default where the tests look for them")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # in this process
    given = parser.parse_args()
    wanted = [tuple(one.partition("/")[::2]) for one in given.wanted or MODULES]
    if unknown := {module for module, _ in wanted} - set(MODULES):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(MODULES)}")
    if given.here:
        for module, only in wanted:
            record(module, only, given.into)
        return 0
    given.into.mkdir(parents=True, exist_ok=True)

    def train(one: tuple[str, str]) -> int:
        command = [sys.executable, "-m", "tests.recorded.record", "/".join(one), "--here", "--into", str(given.into.resolve())]
        threads = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}  # several processes share the processors
        return subprocess.run(command, cwd=ROOT, env={**environment(), **threads}, check=False).returncode

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        failed = ["/".join(one) for one, status in zip(wanted, pool.map(train, wanted), strict=True) if status]
    if failed:
        print(f"could not be recorded: {', '.join(failed)}", file=sys.stderr)
        return 1
    index(given.into, sorted({module for module, _ in wanted}))
    if given.into == KEPT:
        findings.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
