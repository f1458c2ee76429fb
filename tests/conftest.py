"""Settings of all tests.

* One framework a process: `tests/run.py` says which, in ``SCRAM_TESTS``; the others cannot be imported then. TensorFlow and a
  PyTorch with Triton end a process that has both.
* In CI a skipped test is a failure unless it stands in `ALLOWED_SKIPS`.
* A test that takes longer than `LONGEST` stands in `MAY_TAKE_LONGER`, with its reason; `tests/run.py` lists the others.
"""

import importlib.machinery
import json
import os
import tempfile
from pathlib import Path

import pytest

CACHE = tempfile.TemporaryDirectory(prefix="scram-cache-")  # not that of the person who runs the tests; removed at the end
os.environ["XDG_CACHE_HOME"] = CACHE.name
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
for threads in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(threads, "1")  # small models gain nothing by more, and processes side by side wait for one another

FRAMEWORKS = {"keras": ("keras", "tensorflow"), "torch": ("torch",)}


HIDDEN = {name for group, names in FRAMEWORKS.items() for name in names if os.environ.get("SCRAM_TESTS", group) != group}
_find_spec = importlib.machinery.PathFinder.find_spec


def find_spec(fullname, path=None, target=None):
    """As if what is hidden were not installed."""
    return None if fullname in HIDDEN else _find_spec(fullname, path, target)


importlib.machinery.PathFinder.find_spec = staticmethod(find_spec)


# The one list of skips that CI accepts: reason -> why it is right.
ALLOWED_SKIPS = {
    "this Python is not on this machine": "the wheel is tested with the Pythons that are there",
    "needs the data sets of ../shared": "a clone without ../shared has no image and review data; digits stand in elsewhere",
    "needs the real runs of ../shared": "a clone without ../shared has no logs of other people's trainings",
    "only root may give a file away": "the owner of a file is another user only where root runs the tests",
    "root may read every file": "permissions cannot keep the superuser out",
    "torch.compile needs a C++ compiler": "and the headers of Python; make test installs both on Debian and Ubuntu",
    "this PyTorch does not tell what hooks a tensor has": "two networks are looked at with a newer one alone",
    "before PyTorch 2.6 FSDP needs a GPU": "a machine with a newer one runs it",
    "needs a Firefox that is no snap": "Ubuntu has no other, and cannot install Debian's; a Debian machine runs it",
    "needs Stable-Baselines3, TRL and Ultralytics": "gigabytes; `make test-all` installs and runs them",
    "needs Ray": "hundreds of megabytes; `make test-all` installs and runs it",
    "needs torch, lightning and transformers": "several gigabytes; their tags and real logs are tested elsewhere",
    "this kernel has no Landlock": "the hook of Python is tested everywhere; what other programs write, on Linux since 5.13",
    "needs the command patch": "git and patch are on the machines that test",
    "TensorBoard 2.14 needs Python 3.11 or older": "as its pkg_resources do; a machine with an older Python runs it",
    "TensorFlow 2.16 needs Python 3.12 or older": "there is no wheel for others; a machine with an older Python runs it",
}
LONGEST = 20.0  # seconds
# The one list of tests that may take longer: part of the test's id -> why.
MAY_TAKE_LONGER = {
    "tests/browser/": "each opens TensorBoard's page; several at once on each core take longer by the clock than one alone",
    "heuristics/test_snippets.py": "the first test of a framework runs all its snippets, in one process",
    "preflight/test_memory.py": "two processes import a framework each, and nothing else may run beside them",
    "test_it_works_while_a_model_is_watched[ONNX": "the exporter is imported, and traces in four ways",
    "test_no_passed_check_is_beyond_its_limit": "every recorded run is judged",
    "test_replicas.py": "two processes that train together, and a plain training beside them",
    "test_same_bits": "two trainings, each of which is compiled",
    "keras/test_backends.py": "trainings in processes of their own, with another backend of Keras",
    "test_a_full_disk": "three whole epochs of single examples",
    "test_a_process_killed": "a training in a process of its own",
    "attacks/test_browser.py": "a page for each view, and a click on each run",
    "keras/test_preflight_untouched.py": "two trainings and a preflight between them",
    "test_of_real_runs": "all public runs of ../shared",
    "test_the_questions_of_other_peoples_runs": "all public runs of ../shared",
    "test_real_runs_in_parts_and_kept": "all public runs of ../shared, four times",
    "test_equals_event_accumulator_on_real_runs": "TensorBoard's own reader, which is slow, is the oracle",
    "test_a_million_tags": "as many tags as no reader expects",
    "test_the_notebooks_run": "a kernel that trains",
    "test_mirrored.py": "two trainings on two logical devices, in a process of their own",
    "test_proof.py": "several runs of a program, each in a process of its own that imports a framework",
    "test_versions.py": "packages are installed",
    "test_extras.py": "packages are installed",
    "test_ten_thousand_in_one_process": "ten thousand damaged files",
    "test_two_hundred_through_the_command": "two hundred processes",
    "test_logs_of_frameworks.py": "a detector is trained",
    "keras/test_tuner.py": "six trainings each",
    "test_trainers.py": "two trainings with large libraries, and a detector's in a process of its own",
}

skipped: list[str] = []
seconds: dict[str, float] = {}  # test -> with its fixtures
attacks: list[object] = []  # [attack, how many were tried, how many did not hold] of each test in tests/attacks


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    group = os.environ.get("SCRAM_TESTS", "")
    if group in FRAMEWORKS and (alone := [item.nodeid for item in items if item.get_closest_marker("alone")]):
        raise pytest.UsageError(f"tests of the group {group} run side by side: {', '.join(alone)} cannot run alone there")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    seconds[report.nodeid] = seconds.get(report.nodeid, 0.0) + report.duration
    if report.when == "call":
        attacks.extend(value for name, value in report.user_properties if name == "attack")
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(allowed in reason for allowed in ALLOWED_SKIPS):
            skipped.append(f"{report.nodeid}: {reason}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workerinput"):  # a process of xdist's: the one that started it has all reports
        return
    if file := os.environ.get("SCRAM_TEST_REPORT"):  # for the tables of `tests/run.py`
        Path(file).write_text(json.dumps({"seconds": seconds, "attacks": attacks}), encoding="utf-8")
    if skipped and os.environ.get("CI"):
        print("\nskipped, and not in ALLOWED_SKIPS of tests/conftest.py:", *skipped, sep="\n  ")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def browser():
    from tests.servers import chromium

    with chromium() as opened:
        yield opened


@pytest.fixture(scope="session")
def demo_server():
    from tests.paths import DEMO_LOGS
    from tests.servers import tensorboard

    with tensorboard("--logdir", str(DEMO_LOGS)) as server:
        server.reviewed(6)
        yield server
