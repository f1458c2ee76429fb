"""Damaged copies of event files, through `scram check` and through the routes of the tab.

Three hundred of the demo's files with `make test`, a thousand with `make test-all`, which adds ten thousand in one process, of
all kinds of file, and two hundred through the command itself.

No traceback, no hang over five seconds, and every loss of data is told.
"""

import contextlib
import gc
import io
import json
import random
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from werkzeug.test import Client

import scram_plugin
from scram_plugin.cli.main import main
from scram_plugin.tensorboard.plugin import ScramPlugin
from tests.logs.test_bulk import long_file
from tests.paths import DEMO_LOGS
from tests.sizes import size

# Files of other kinds than the demo's: encodings in turn, long stretches that are read in bulk, many tags.
OTHERS = ("simple", "float content", "double list", "int64 list", "half content", "bfloat16 list")
FILES = sorted(DEMO_LOGS.rglob("*tfevents*"))
COUNT = size(1000, 150)


def mutated(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """One damaged copy: flipped bytes, a cut, a splice of two files, a hole, a repeat, or text in the middle."""
    out = bytearray(data)
    kind = rng.randrange(6)
    if kind == 0:
        for _ in range(rng.choice([1, 1, 2, 20])):
            out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del out[rng.randrange(len(out)) :]
    elif kind == 2:
        out[rng.randrange(len(out)) :] = other[rng.randrange(len(other)) :]
    elif kind == 3:
        at = rng.randrange(len(out))
        del out[at : at + rng.randrange(1, 200)]
    elif kind == 4:
        at = rng.randrange(len(out))
        out[at:at] = out[max(0, at - 100) : at]
    else:
        at = rng.randrange(len(out))
        out[at : at + 20] = bytes(rng.randrange(256) for _ in range(20))
    return bytes(out)


def points(directory):
    """tag -> number of points of the one TensorBoard run in a directory."""
    logs = scram_plugin.read(directory)
    return {tag: len(series) for run in logs.values() for tag, series in run.items()}


@pytest.fixture(scope="module")
def originals():
    gc.collect()  # what the trainings of other tests left behind takes seconds, once: not within a file's five
    gc.freeze()
    yield {path: points(path.parent) for path in FILES}
    gc.unfreeze()


def assert_answered(status, document, said):
    """The status is 2 where not one check could be made, with a sentence, and 0 or 1 where any could."""
    judged = any(run[outcome] for run in document["runs"] for outcome in ("findings", "accepted", "passed", "inconclusive"))
    if judged:
        assert status in (0, 1), said
    else:
        assert status == 2
        assert said.startswith("scram: no training run could be checked. ")


@pytest.mark.parametrize("part", range(10))
def test_damaged_event_files(part, originals, tmp_path):
    for number in range(part * COUNT // 10, (part + 1) * COUNT // 10):
        rng = random.Random(number)
        source, other = rng.choice(FILES), rng.choice(FILES)
        data = mutated(rng, source.read_bytes(), other.read_bytes())
        run = tmp_path / "logs"
        shutil.rmtree(run, ignore_errors=True)
        target = run / "exp" / source.parent.name
        target.mkdir(parents=True)
        (target / source.name).write_bytes(data)

        start = time.thread_time()  # of this thread: a pause of the machine, or what others do, is no hang
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(["check", str(run), "--format", "json"])
        document = json.loads(out.getvalue())
        assert_answered(status, document, err.getvalue())
        for review in document["runs"]:
            assert not [i for i in review["inconclusive"] if "the check itself failed" in i["reason"]], number

        (name,) = [review["name"] for review in document["runs"]]
        client = Client(routes(run))
        answers = [client.get("/runs"), client.get("/review", query_string={"run": name})]
        for answer in answers:
            assert answer.status_code == 200, (number, answer.text)
        assert answers[1].json["findings"] == document["runs"][0]["findings"]
        assert time.thread_time() - start < 5, number

        left = points(run)
        lost = {tag: n for tag, n in originals[source].items() if left.get(tag, 0) < n}
        if lost and data != source.read_bytes():
            cut_between_records = scram_plugin.read(run)[f"exp/{target.name}"].files[str(target / source.name)].offset == len(
                data
            )
            assert document["runs"][0]["notes"] or cut_between_records, (number, lost)


def routes(logdir):
    """The plugin's routes as one WSGI application, without TensorBoard around them."""
    plugin = ScramPlugin(SimpleNamespace(logdir=str(logdir), flags=None))
    apps = plugin.get_plugin_apps()
    return lambda environ, start: apps[environ["PATH_INFO"]](environ, start)


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """The demo's files, and long ones of several encodings."""
    folder = tmp_path_factory.mktemp("kinds")
    own = [long_file(folder / kind.replace(" ", "_") / "x.tfevents.1", [kind], seed=i) for i, kind in enumerate(OTHERS)]
    mixed = long_file(folder / "mixed" / "x.tfevents.1", OTHERS, events=300)
    return {path: points(path.parent) for path in [*FILES, *own, mixed]}


@pytest.mark.slow
def test_ten_thousand_in_one_process(kinds, tmp_path):
    files = list(kinds)
    for number in range(10_000):
        rng = random.Random(-number)
        source = rng.choice(files)
        data = mutated(rng, source.read_bytes(), rng.choice(files).read_bytes())
        target = tmp_path / "logs" / source.parent.name / "x.tfevents.1"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        start = time.thread_time()  # of this thread: a pause of the machine, or what others do, is no hang
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(["check", str(tmp_path / "logs"), "--format", "json"])
        assert time.thread_time() - start < 5, number
        document = json.loads(out.getvalue())
        assert_answered(status, document, err.getvalue())
        told = [note for run in document["runs"] for note in run["notes"]]
        assert "the check itself failed" not in out.getvalue(), number
        read = points(tmp_path / "logs")
        lost = [tag for tag, n in kinds[source].items() if read.get(tag, 0) < n]
        if lost and not told:  # cut off between two records: that is a whole, shorter file
            (run,) = scram_plugin.read(tmp_path / "logs").values()
            assert run.files[str(target)].offset == len(data), (number, lost)
        target.unlink()
        target.parent.rmdir()


@pytest.mark.slow
def test_two_hundred_through_the_command(kinds, tmp_path):
    files = list(kinds)
    for number in range(200):
        rng = random.Random(number + 10**6)
        source = rng.choice(files)
        target = tmp_path / str(number) / source.parent.name / "x.tfevents.1"
        target.parent.mkdir(parents=True)
        target.write_bytes(mutated(rng, source.read_bytes(), rng.choice(files).read_bytes()))
        done = subprocess.run(
            [sys.executable, "-m", "scram_plugin", "check", str(tmp_path / str(number))],
            capture_output=True,
            text=True,
            timeout=5,
        )
        assert done.returncode in (0, 1, 2), number
        assert "Traceback" not in done.stderr, (number, done.stderr)
