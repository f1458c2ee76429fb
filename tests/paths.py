"""Where things lie, and what a test can be given."""

import functools
import os
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).parent.parent
DEMO_LOGS = ROOT / "demo_logs"
SCENARIOS = DEMO_LOGS / "scenarios"
SHARED = ROOT.parent / "shared"
DATA = SHARED / "data"
REAL_RUNS = SHARED / "real_runs"
DOMAIN_LOGS = SHARED / "domain_logs"
BIN = ROOT / ".venv" / "bin"


def state() -> str:
    """The commit that is looked at, as a benchmark prints it."""
    described = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(described, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def is_installed(distribution: str) -> bool:
    """Whether pip has installed it; it need not be importable in this process."""
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


@functools.cache
def environment(**more: str) -> dict[str, str]:
    """For programs that a test starts: quiet, on the CPU, with the scenarios' data."""
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "SCRAM_DATA": str(DATA), **more}
