"""Settings of all tests; and in CI a skipped test is a failure unless it stands in `ALLOWED_SKIPS`."""

import os
import tempfile

import pytest

os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="scram-cache-")  # not that of the person who runs the tests
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

from tests.servers import chromium, tensorboard

# The one list of skips that CI accepts: reason -> why it is right.
ALLOWED_SKIPS = {
    "needs the data sets of ../shared": "a clone without ../shared has no image and review data; digits stand in elsewhere",
    "needs the real runs of ../shared": "a clone without ../shared has no logs of other people's trainings",
    "root may read every file": "permissions cannot keep the superuser out",
    "needs a Firefox that is no snap": "Ubuntu has no other, and cannot install Debian's; a Debian machine runs it",
    "needs torch, lightning and transformers": "several gigabytes; their tags and real logs are tested elsewhere",
    "TensorBoard 2.14 needs Python 3.11 or older": "as its pkg_resources do; a machine with an older Python runs it",
    "TensorFlow 2.16 needs Python 3.12 or older": "there is no wheel for others; a machine with an older Python runs it",
}

skipped: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(allowed in reason for allowed in ALLOWED_SKIPS):
            skipped.append(f"{report.nodeid}: {reason}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if skipped and os.environ.get("CI"):
        print("\nskipped, and not in ALLOWED_SKIPS of tests/conftest.py:", *skipped, sep="\n  ")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="session")
def demo_server():
    from tests.paths import DEMO_LOGS

    with tensorboard("--logdir", str(DEMO_LOGS)) as server:
        server.reviewed(6)
        yield server
