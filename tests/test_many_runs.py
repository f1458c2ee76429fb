"""Many training runs: by one process, by several, by a cluster, or from what was kept: the same reviews, byte for byte."""

import asyncio
import gc
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from pathlib import Path

import loky
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scram_plugin.cli.arguments import FORMATS
from scram_plugin.heuristics.catalogue import Accepted, catalogue
from scram_plugin.logs.logdir import read
from scram_plugin.logs.storage import listing
from scram_plugin.reviews import many
from scram_plugin.reviews.as_json import review_as_json
from scram_plugin.reviews.cache import Cache
from scram_plugin.reviews.many import review_logdir
from scram_plugin.reviews.run import review_all
from tests.clusters import dask_cluster, s3_server, upload
from tests.event_files import curve
from tests.heuristics.test_own_heuristic import block_of
from tests.paths import DEMO_LOGS, REAL_RUNS
from tests.sizes import few, size
from tests.test_cli import scram

NAN = float("nan")


@pytest.fixture
def small_tasks(monkeypatch):
    """So that a small log directory is worth several processes, and many tasks."""
    monkeypatch.setattr(many, "WORTH_PROCESSES", 0)
    monkeypatch.setattr(many, "ONE_TASK", 1)


def reviewed(logdir, rules=None, **how):
    root, files, _ = listing(logdir)
    return review_logdir(root, files, rules or catalogue(), **how)


def as_text(reviews):
    return json.dumps([msgspec.to_builtins(review, enc_hook=lambda v: v.item()) for review in reviews])


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A log directory as a lab's: sweeps, sub-runs of all kinds, a file at the top, one that is damaged."""
    top = tmp_path_factory.mktemp("logs")
    falling = np.exp(-np.arange(30) / 6) + 0.1
    curve(top, "loss", falling)
    for i in range(12):
        run = top / f"sweep{i % 3}" / f"lr{i}"
        curve(run / "train", "epoch_loss", [*falling[:20], *([NAN] * (i == 4))])
        curve(run / "validation", "epoch_loss", falling + np.linspace(0, i / 6, 30))
        curve(top / f"flat{i}_train", "loss", falling)
        curve(top / f"flat{i}_val", "loss", falling * 1.1)
    curve(top / "torch", "Loss/train", falling)
    curve(top / "torch" / "Loss_train", "Loss", falling)
    curve(top / "torch" / "Loss_val", "Loss", falling)
    curve(top / "torch" / "1700000000.25", "hparam/accuracy", [0.9])
    curve(top / "torch" / "an odd name", "hparam/accuracy", [0.9])
    curve(top / "another odd name", "hparam/accuracy", [0.9])
    damaged = curve(top / "damaged", "loss", [*falling, NAN])
    damaged.write_bytes(damaged.read_bytes()[:-200] + b"\xff" * 40)
    past = time.time() - 1000
    for path in top.rglob("*tfevents*"):
        os.utime(path, (past, past))
    return top


def test_by_several_processes_and_in_small_parts(mixed, small_tasks):
    whole = [review_as_json(review) for review in review_all(read(mixed), catalogue())]
    alone = reviewed(mixed)
    assert [review_as_json(review) for review in alone] == whole
    assert len(whole) == 12 + 12 + 3
    assert any(review.notes for review in alone), "the damaged file"
    assert as_text(reviewed(mixed, jobs=3)) == as_text(alone)


PARTS = ["a", "b", "train", "val", "a_train", "a_val", "Loss_train", "Loss_val", "1700000000.25", "scram"]
NAMES = st.lists(st.sampled_from(PARTS), max_size=3).map("/".join)
TAGS = st.lists(st.sampled_from(["loss", "epoch_loss", "Loss", "hparam/accuracy", "train/loss"]), min_size=1, max_size=2)


@settings(max_examples=size(150, 40), deadline=None)
@given(st.dictionaries(NAMES, st.tuples(TAGS, st.integers(1, 2)), min_size=1, max_size=8))
def test_any_log_directory_is_the_same_in_parts(described):
    with tempfile.TemporaryDirectory() as top, pytest.MonkeyPatch.context() as patched:
        patched.setattr(many, "ONE_TASK", 1)
        for name, (tags, points) in described.items():
            for tag in tags:
                curve(Path(top) / name, tag, [0.5] * points)
        rules = catalogue(select=["nonfinite-loss", "missing-validation"])
        whole = [review_as_json(review) for review in review_all(read(top), rules)]
        assert [review_as_json(review) for review in reviewed(top, rules)] == whole
        for review in whole:
            (found,) = reviewed(top, rules, pattern=f"^{review['name']}$".replace(".", "[.]"))
            assert review_as_json(found) == review, "alone, it is the same"


@pytest.mark.skipif(not REAL_RUNS.is_dir(), reason="needs the real runs of ../shared")
def test_real_runs_in_parts_and_kept(small_tasks, tmp_path):
    alone = reviewed(REAL_RUNS)
    assert [review_as_json(r) for r in alone] == [review_as_json(r) for r in review_all(read(REAL_RUNS), catalogue())]
    assert as_text(reviewed(REAL_RUNS, jobs=2)) == as_text(alone)
    kept = Cache(tmp_path / "kept")
    assert as_text(reviewed(REAL_RUNS, cache=kept)) == as_text(alone)
    assert as_text(reviewed(REAL_RUNS, cache=kept)) == as_text(alone)


def test_a_process_that_is_killed_loses_nothing(mixed, small_tasks, monkeypatch):
    before = as_text(reviewed(mixed))
    killed, pools, pool = [], [], loky.ProcessPoolExecutor
    monkeypatch.setattr(loky, "ProcessPoolExecutor", lambda *how, **named: pools.append(how) or pool(*how, **named))

    def kill(done, total):
        if not killed:  # one that belongs to the pool; whatever it was doing is lost
            command = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in _children(os.getpid())}
            workers = [pid for pid, line in command.items() if b"popen_loky" in line]
            if workers:
                killed.append(workers[0])
                os.kill(workers[0], signal.SIGKILL)

    assert as_text(reviewed(mixed, jobs=2, progress=kill)) == before
    assert killed
    assert len(pools) > 1, "what was lost went to another pool"


def _children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


@pytest.fixture(scope="module")
def in_s3(mixed):
    with s3_server() as environment:
        upload(mixed, "lab/logs", environment)
        with dask_cluster(2, environment) as cluster:
            yield environment, cluster


@pytest.mark.parametrize("form", few(FORMATS, lambda form: form == "json"))
def test_a_cluster_that_reads_from_s3_writes_the_same_bytes(form, in_s3, mixed):
    environment, cluster = in_s3
    arguments = ["check", "s3://lab/logs", "--format", form, "--no-cache", "--verbose"]
    with pytest.MonkeyPatch.context() as patched:
        for name, value in environment.items():
            patched.setenv(name, value)
        here = scram(*arguments, "--jobs", "1")
        there = scram(*arguments, "--dask", cluster.address)
        several = scram(*arguments, "--jobs", "2")
    assert (there.returncode, there.stderr) == (here.returncode, here.stderr) == (1, "")
    assert there.stdout == here.stdout == several.stdout
    local = scram("check", mixed, "--format", form, "--no-cache", "--verbose").stdout
    assert there.stdout == local.replace(str(mixed), "s3://lab/logs"), "and those of the directory itself"


def test_a_worker_that_is_killed_loses_nothing(in_s3, mixed, small_tasks):
    from scram_plugin.reviews.cluster import cluster as connected

    _, cluster = in_s3
    killed = []

    def kill(done, total):
        if not killed:
            killed.append(cluster.workers.pop(0))
            killed[0].kill()

    with connected(cluster.address) as executor:
        there = reviewed(mixed, executor=executor, progress=kill)
    assert killed
    assert as_text(there) == as_text(reviewed(mixed))
    cluster.worker()


def test_only_timeouts_that_nobody_waits_for_are_kept_back(in_s3, caplog):
    from scram_plugin.reviews.cluster import cluster as connected

    async def leave():
        for error in (TimeoutError("Timeout"), ValueError("a fault")):
            asyncio.get_running_loop().create_future().set_exception(error)
        gc.collect()

    with connected(in_s3[1].address) as executor:
        asyncio.run_coroutine_threadsafe(leave(), executor._client.loop.asyncio_loop).result(30)
    left = [str(record.exc_info[1]) for record in caplog.records if record.name == "asyncio" and record.exc_info]
    assert left == ["a fault"]


@pytest.mark.parametrize(
    ("address", "says"), [("tcp://127.0.0.1:9", "no scheduler answers"), ("nonsense://x", "the address of a scheduler")]
)
def test_a_cluster_that_is_none_is_a_sentence(address, says):
    done = scram("check", DEMO_LOGS, "--dask", address, "--no-cache")
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


@pytest.fixture
def settled(monkeypatch):
    """As if every file had been written long ago: the time of an inode cannot be set."""
    monkeypatch.setattr("scram_plugin.reviews.cache.SETTLED", -1e6)


def test_what_is_kept_gives_the_same_bytes_and_reads_no_file(mixed, settled, tmp_path, monkeypatch):
    kept = Cache(tmp_path / "kept")
    first = as_text(reviewed(mixed, cache=kept))
    monkeypatch.setattr(many, "work", lambda task: pytest.fail("something was read again"))
    assert as_text(reviewed(mixed, cache=kept)) == first


def read_again(monkeypatch, *arguments, **how):
    """The reviews, and the TensorBoard runs that were read for them."""
    names, work = [], many.work
    with monkeypatch.context() as patched:
        patched.setattr(many, "work", lambda task: names.extend(n for g in task.groups for n in g.files) or work(task))
        return reviewed(*arguments, **how), sorted(names)


def test_only_what_has_changed_is_read_again(tmp_path, settled, monkeypatch):
    kept = Cache(tmp_path / "kept")
    for name in ("a/train", "a/validation", "b/train", "b/validation"):
        path = curve(tmp_path / "logs" / name, "epoch_loss", [1.0, 0.5, 0.4])
    logs = tmp_path / "logs"
    assert read_again(monkeypatch, logs, cache=kept)[1] == ["a/train", "a/validation", "b/train", "b/validation"]
    assert read_again(monkeypatch, logs, cache=kept)[1] == []
    curve(logs / "b" / "train", "epoch_loss", [NAN], first_step=3)
    after, names = read_again(monkeypatch, logs, cache=kept)
    assert names == ["b/train", "b/validation"]
    assert as_text(after) == as_text(reviewed(logs))
    assert [review.counts()["error"] for review in after] == [0, 1]

    size, before = path.stat().st_size, path.stat()
    curve(tmp_path / "other", "epoch_loss", [1.0, 0.5, NAN]).replace(path)  # as long, and as old by its own word
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == size
    assert read_again(monkeypatch, logs, cache=kept)[1] == ["b/train", "b/validation"]
    with path.open("r+b") as file:  # the same file, written over
        file.write(path.read_bytes())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert read_again(monkeypatch, logs, cache=kept)[1] == ["b/train", "b/validation"]


def test_what_lay_in_the_same_task_is_not_kept_with_it(tmp_path, settled):
    """A sub-run that only its tag makes a part of another is gone: so is what it brought."""
    kept, logs = Cache(tmp_path / "kept"), tmp_path / "logs"
    curve(logs / "A", "other", [1.0, 0.5, 0.4])
    curve(logs / "A" / "Loss_train", "Loss", [1.0, 0.5, NAN])
    (both,) = reviewed(logs, cache=kept)
    assert (both.tensorboard_runs, both.counts()["error"]) == (("A", "A/Loss_train"), 1)
    (logs / "A" / "Loss_train").rename(tmp_path / "away")
    (alone,) = reviewed(logs, cache=kept)
    assert (alone.tensorboard_runs, alone.counts()["error"]) == (("A",), 0)


def test_a_file_that_could_not_be_opened_is_tried_again(tmp_path, settled, monkeypatch):
    kept = Cache(tmp_path / "kept")
    curve(tmp_path / "logs" / "a", "loss", [1.0, NAN])
    with monkeypatch.context() as patched:

        def refuse(self, path):
            raise OSError(5, "Input/output error")

        patched.setattr("scram_plugin.logs.storage.Local.open", refuse)
        (unread,) = reviewed(tmp_path / "logs", cache=kept)
    assert not unread.complete
    assert "Input/output error" in unread.notes[0]
    (again,) = reviewed(tmp_path / "logs", cache=kept)
    assert again.counts()["error"] == 1


def test_choices_from_a_pipe_are_read_each_time():
    check = f"{sys.executable} -m scram_plugin check {DEMO_LOGS} --format json --fail-on never"
    shell = ["bash", "-c", f"{check} --config <(echo 'ignore = [\"nonfinite-loss\"]')"]
    ignored = subprocess.run(shell, capture_output=True, text=True, timeout=60)
    assert "nonfinite-loss" not in {f["heuristic"] for run in json.loads(ignored.stdout)["runs"] for f in run["findings"]}
    one, other = (
        subprocess.run(["bash", "-c", f"{check} --baseline <({known})"], capture_output=True, text=True, timeout=60)
        for known in (check, "echo '{\"runs\": []}'")
    )
    assert not any(run["findings"] for run in json.loads(one.stdout)["runs"])
    assert any(run["findings"] for run in json.loads(other.stdout)["runs"])


def test_ctrl_c_waits_for_no_process(tmp_path):
    for i in range(1400):
        curve(tmp_path / "logs" / f"a{i}", "loss", [1.0, 0.5])
    code = "import time\nfrom scram_plugin.heuristics.heuristic import *\nfrom scram_plugin.heuristics.curves import plateau\n"
    code += "from dataclasses import replace\ndef check(run, options):\n    time.sleep(0.1)\n    return []\n"
    code += "HEURISTIC = replace(plateau.HEURISTIC, id='slow', check=check)\n"
    (tmp_path / "slow.py").write_text(code)
    (tmp_path / "scram.toml").write_text('heuristics = ["slow.py"]\n')
    process = subprocess.Popen(
        [sys.executable, "-m", "scram_plugin", "check", "logs", "--no-cache", "--jobs", "2"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        start_new_session=True,
    )
    time.sleep(5)
    assert process.poll() is None, "it is still at it"
    start = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert time.monotonic() - start < 5
    assert (process.returncode, said) == (2, "scram: interrupted\n")


def test_the_users_module_is_back_whoever_reviews_beside(mixed, small_tasks):
    main = sys.modules["__main__"]
    right, found = as_text(reviewed(mixed)), []
    threads = [threading.Thread(target=lambda: found.append(as_text(reviewed(mixed, jobs=2)))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [right] * 3
    assert sys.modules["__main__"] is main


def test_other_choices_are_other_reviews(tmp_path, settled, monkeypatch):
    kept = Cache(tmp_path / "kept")
    curve(tmp_path / "logs" / "a", "loss", [1.0, NAN])
    module = tmp_path / "mine.py"
    rules = {
        "as they are": catalogue(),
        "fewer": catalogue(ignore=["plateau"]),
        "another option": catalogue(options={"overfitting": {"patience": 7}}),
        "another signal": catalogue(signals={"loss": "validation loss"}),
        "one that cannot be loaded": catalogue(modules=[module]),
    }
    for name, chosen in rules.items():
        there, read_ = read_again(monkeypatch, tmp_path / "logs", chosen, cache=kept)
        assert read_ == ["a"], name
        assert as_text(there) == as_text(reviewed(tmp_path / "logs", chosen)), name
    own = rules.pop("one that cannot be loaded")  # what it depends on nobody knows
    for chosen in rules.values():
        assert read_again(monkeypatch, tmp_path / "logs", chosen, cache=kept)[1] == []
    assert read_again(monkeypatch, tmp_path / "logs", own, cache=kept)[1] == ["a"]
    accepting = catalogue(accepted=[Accepted("nonfinite-loss")])
    there, read_ = read_again(monkeypatch, tmp_path / "logs", accepting, cache=kept)
    assert read_ == [], "what is accepted is put aside after the review, so it is the same review"
    assert as_text(there) == as_text(reviewed(tmp_path / "logs", catalogue()))


def test_what_was_just_written_is_not_kept(tmp_path, monkeypatch):
    """A file system with coarse times would show the next write to have happened at the same moment."""
    kept = Cache(tmp_path / "kept")
    curve(tmp_path / "logs" / "a", "loss", [1.0])
    for _ in range(2):
        assert read_again(monkeypatch, tmp_path / "logs", cache=kept)[1] == ["a"]


@pytest.mark.parametrize(
    "harm", ["no database", "damaged", "other values", "values of another shape", "text", "a directory", "read only"]
)
def test_a_cache_that_is_broken_costs_nothing_but_time(harm, mixed, settled, tmp_path):
    path = tmp_path / "below" / "kept"
    kept = Cache(path)
    right = as_text(reviewed(mixed, cache=kept))
    if harm == "no database":
        path.write_bytes(b"nothing of the kind" * 1000)
    elif harm == "damaged":
        content = bytearray(path.read_bytes())
        content[2000::7] = bytes(len(content[2000::7]))
        path.write_bytes(content)
    elif harm == "other values":
        with sqlite3.connect(path) as database:
            database.execute("update answers set value = x'789c030000000001'")
    elif harm == "values of another shape":
        with sqlite3.connect(path) as database:
            database.execute("update answers set value = ?", (zlib.compress(b"[1]"),))
    elif harm == "text":
        with sqlite3.connect(path) as database:
            database.execute("update answers set value = 'text'")
    elif harm == "a directory":
        path.unlink()
        path.mkdir()
    else:
        path.parent.chmod(0o500)
        path.chmod(0o400)
    for _ in range(2):
        assert as_text(reviewed(mixed, cache=kept)) == right


def test_a_cache_that_grows_too_large_forgets_the_oldest(tmp_path, monkeypatch):
    monkeypatch.setattr("scram_plugin.reviews.cache.MOST", 200_000)
    kept, day = Cache(tmp_path / "kept"), 86_400
    for i in range(40):
        now = time.time() + i * day
        monkeypatch.setattr("scram_plugin.reviews.cache.time.time", lambda now=now: now)
        kept.put({f"key{i}": list(np.random.default_rng(i).integers(0, 10**9, 3000))})
    assert kept.path.stat().st_size < 400_000
    known = kept.get(f"key{i}" for i in range(40))
    assert "key39" in known
    assert "key0" not in known


def test_checks_at_the_same_time_share_what_is_kept(mixed, settled, tmp_path):
    right = as_text(reviewed(mixed))
    found, kept = [], Cache(tmp_path / "kept")
    threads = [threading.Thread(target=lambda: found.append(as_text(reviewed(mixed, cache=kept)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [right] * 4


@pytest.mark.parametrize("form", few(FORMATS, lambda form: form == "json"))
def test_a_second_check_prints_the_same_from_what_was_kept(form, tmp_path):
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    outputs = []
    for more in ([], [], ["--no-cache"]):
        command = [sys.executable, "-m", "scram_plugin", "check", str(DEMO_LOGS), "--format", form, *more]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        outputs.append((done.returncode, done.stdout, done.stderr))
    assert outputs[0] == outputs[1] == outputs[2]
    assert (tmp_path / "scram" / "reviews.sqlite").is_file()


def test_a_heuristic_of_ones_own_travels_to_other_processes(mixed, small_tasks, tmp_path):
    shown = "docs/writing-a-check.md"
    (tmp_path / "slow_start.py").write_text(block_of(shown, "```", "python", "# checks/slow_start.py"))
    (tmp_path / "slow_start.md").write_text(block_of(shown, "````", "markdown", "# It starts slowly"))
    rules = catalogue(modules=[tmp_path / "slow_start.py"], options={"slow-start": {"points": 2}})
    assert not rules.notes
    there = reviewed(mixed, rules, jobs=2)
    assert as_text(there) == as_text(reviewed(mixed, rules))
    assert any("slow-start" in review.passed for review in there)
