"""The routes of a real TensorBoard process."""

import json
import os
import pickle
import subprocess
import sys
import time
import urllib.parse
from types import SimpleNamespace

import numpy as np
import pytest
from tensorboard.compat.proto import tensor_pb2, types_pb2

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.reviews.live import LIVE_SECONDS
from scram_plugin.reviews.monitor import Reviewer
from scram_plugin.tensorboard.plugin import ScramPlugin, _roots, decimate
from tests.event_files import curve, event, tensor_event, write
from tests.paths import DEMO_LOGS
from tests.servers import tensorboard
from tests.test_cli import EXPECTED, findings, scram


def test_runs_and_reviews_are_those_of_the_command_line(demo_server):
    document = json.loads(scram("check", DEMO_LOGS, "--format", "json").stdout)
    answer = demo_server.reviewed(6)
    assert [run["name"] for run in answer["runs"]] == list(EXPECTED)
    reviews = []
    for run in document["runs"]:
        status, review = demo_server.get("review", run=run["name"])
        assert status == 200
        assert review == run
        reviews.append(review)
    assert findings({"runs": reviews}) == EXPECTED
    for run in answer["runs"]:
        assert set(run) >= {"name", "counts", "state", "fingerprint"}
        assert run["state"] == "finished"
        healthy = not EXPECTED[run["name"]]
        assert (run["counts"]["error"] + run["counts"]["warning"] == 0) is healthy


def test_with_strict_flags(tmp_path):
    strict = [f"--scram_set={h}.strict=true" for h in ("overfitting", "nonfinite-loss", "unnormalized-inputs")]
    with tensorboard("--logdir", str(DEMO_LOGS), *strict) as server:
        server.reviewed(6)
        for run, ids in EXPECTED.items():
            found = [f["heuristic"] for f in server.get("review", run=run)[1]["findings"]]
            assert set(ids) <= set(found)


@pytest.mark.parametrize(
    ("route", "parameters", "status"),
    [
        ("review", {}, 400),
        ("review", {"run": "no such"}, 404),
        ("review", {"run": "../x"}, 404),
        ("compare", {"run": "cifar10/normalized"}, 400),
        ("compare", {"run": "cifar10/normalized", "with": "no such"}, 404),
        ("why", {}, 400),
        ("why", {"run": "no such"}, 404),
        ("curve", {"run": "x"}, 400),
        ("curve", {"tb_run": "x", "tag": "y"}, 404),
        ("curve", {"tb_run": "fashion_mnist/overfit/train", "tag": "epoch_loss", "points": "many"}, 400),
        ("curve", {"tb_run": "fashion_mnist/overfit/train", "tag": "epoch_loss", "points": "1"}, 400),
        ("curve", {"tb_run": "fashion_mnist/overfit/train", "tag": "epoch_loss", "from": "1e99"}, 400),
    ],
)
def test_bad_requests_are_sentences(route, parameters, status, demo_server):
    got, answer = demo_server.get(route, **parameters)
    assert got == status
    assert answer["error"].endswith(".")


RUN = "run=movie_reviews%2Flr_1e10"
ROUTES = (
    "runs",
    f"review?{RUN}",
    f"compare?{RUN}&with=cifar10%2Fnormalized",
    f"why?{RUN}",
    f"inside?{RUN}",
    f"layer_map?{RUN}&quantity=gradients",
    f"report?{RUN}",
    f"thresholds?{RUN}&heuristic=overfitting",
    "sweep?program=",
    f"several?{RUN}&run=movie_reviews%2Flr_default",
    f"judge?{RUN}&heuristic=overfitting&option=noise_factor&value=3",
    "curve?tb_run=movie_reviews%2Flr_1e10%2Fscram&tag=scram%2Fbatches%2Floss",
    "heuristics",
    "example?heuristic=plateau",
    "index.js",
)


def test_these_are_all_routes():
    plugin = ScramPlugin(SimpleNamespace(logdir=str(DEMO_LOGS), flags=None))
    assert {f"/{route.partition('?')[0]}" for route in ROUTES} == set(plugin.get_plugin_apps())


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_get_is_answered(method, route, demo_server):
    assert demo_server.raw(f"data/plugin/scram/{route}", method)[0] == 405


@pytest.mark.parametrize("path", ["../plugin.py", "..%2f..%2fschema.py", "index.html", "static/index.js", "nothing"])
def test_only_the_table_of_assets_is_served(path, demo_server):
    status, _, body = demo_server.raw(f"data/plugin/scram/{path}")
    assert status == 404 or b"import" not in body


def test_answers_carry_an_etag_and_honour_it(demo_server):
    for path in ROUTES[1:]:  # the list of runs has the time in it
        status, headers, _ = demo_server.raw(f"data/plugin/scram/{path}")
        assert status == 200
        again, same, empty = demo_server.raw(f"data/plugin/scram/{path}", headers={"If-None-Match": headers["ETag"]})
        assert (again, empty) == (304, b"")
        assert same["Content-Type"] == headers["Content-Type"]
    assert "Content-Type is required" not in demo_server.output(), "TensorBoard warns of every answer without one"


def test_a_curve_is_exact_and_nonfinite_numbers_are_strings(demo_server):
    status, answer = demo_server.get(
        "curve", run="x", tb_run="movie_reviews/lr_1e10/scram", tag="scram/batches/loss", points="4000"
    )
    assert status == 200
    assert answer["total"] == len(answer["values"])
    assert not answer["decimated"]
    assert answer["values"][3] == "NaN"
    assert [type(v) for v in answer["values"][:3]] == [float] * 3
    _, part = demo_server.get(
        "curve", tb_run="movie_reviews/lr_1e10/scram", tag="scram/batches/loss", **{"from": "2", "to": "5"}
    )
    assert part["steps"] == [2, 3, 4, 5]


def test_the_curve_that_was_judged_is_the_one_that_is_drawn(tmp_path):
    """A program that runs again with the same log directory starts another training; steps may go on where the first ended."""
    curve(tmp_path / "exp" / "train", "epoch_loss", [9.0] * 10, wall_time=1e9)
    curve(tmp_path / "exp" / "train", "epoch_loss", np.linspace(2, 1, 20), first_step=5, wall_time=2e9)
    for session, when in (("one", 1e9), ("two", 2e9)):
        facts = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[json.dumps({"session": session}).encode()])
        path = tmp_path / "exp" / "scram" / f"events.out.tfevents.{session}"
        write(path, [tensor_event(0, "scram/facts", facts, when, plugin="scram")])
    reviewer = Reviewer(str(tmp_path), catalogue())
    judged = reviewer.reviewed("exp").run.signal("training loss")
    drawn = reviewer.curve("", judged.source())
    assert len(judged) == 20
    assert (drawn.steps.tolist(), drawn.values.tolist()) == (judged.steps.tolist(), judged.values.tolist())


def test_decimation_loses_no_spike_and_no_nan():
    values = np.sin(np.arange(100_000) / 1000)
    values[[777, 50_000]] = 100, -100
    values[33_333] = np.nan
    kept = decimate(values, 600)
    assert len(kept) <= 610
    assert {0, 777, 33_333, 50_000, 99_999} <= set(kept.tolist())


@pytest.mark.parametrize("load_fast", ["true", "false"])
def test_both_data_loaders_and_a_path_prefix(load_fast):
    with tensorboard("--logdir", str(DEMO_LOGS), f"--load_fast={load_fast}", prefix="/a/b") as server:
        assert server.url.endswith("/a/b")
        assert len(server.reviewed(6)["runs"]) == 6
        assert server.raw("data/plugin/scram/index.js")[0] == 200


def test_logdir_spec():
    spec = f"one:{DEMO_LOGS / 'fashion_mnist'},two:{DEMO_LOGS / 'cifar10'}"
    with tensorboard("--logdir_spec", spec) as server:
        names = [run["name"] for run in server.reviewed(4)["runs"]]
        assert names == ["one/overfit", "one/regularized", "two/normalized", "two/unnormalized"]
        _, _, body = server.raw("data/runs")
        assert "one/overfit/train" in json.loads(body), "as TensorBoard itself names them"


def test_logdir_spec_as_tensorboard_takes_it():
    flags = SimpleNamespace(logdir_spec="a/b:/x,/y:z,~/w,/v")
    home = os.path.expanduser("~")
    assert _roots(SimpleNamespace(flags=flags, logdir="")) == [("a/b", "/x"), ("", "/y:z"), ("", f"{home}/w"), ("", "/v")]
    assert _roots(SimpleNamespace(flags=None, logdir="~/logs")) == f"{home}/logs"


def test_a_bad_flag_leaves_the_defaults_and_a_note():
    with tensorboard("--logdir", str(DEMO_LOGS), "--scram_select", "no-such") as server:
        answer = server.reviewed(6)
        assert "there is no heuristic 'no-such'" in answer["notes"][0]


def test_growth_appearance_and_disappearance_are_followed(tmp_path):
    with tensorboard("--logdir", str(tmp_path / "logs")) as server:
        assert server.reviewed(0)["runs"] == []
        curve(tmp_path / "logs" / "a", "loss", [1.0, 0.9], wall_time=time.time())
        first = server.reviewed(1)["runs"][0]
        assert first["state"] == "live"
        with next((tmp_path / "logs" / "a").iterdir()).open("ab") as file:
            from tests.event_files import record

            file.write(record(event(2, time.time(), loss=float("nan")).SerializeToString()))
        end = time.monotonic() + 10
        while server.reviewed(1)["runs"][0]["counts"]["error"] == 0:
            assert time.monotonic() < end
            time.sleep(0.2)
        assert server.get("runs")[1]["runs"][0]["fingerprint"] != first["fingerprint"]
        cursor = server.get("runs")[1]["cursor"]
        next((tmp_path / "logs" / "a").iterdir()).unlink()
        server.get("runs")
        time.sleep(1.5)
        assert server.reviewed(0)["runs"] == []
        assert server.get("runs", since=cursor)[1]["removed"] == ["a"]


def test_since_a_cursor_only_what_changed_is_sent(tmp_path):
    for name in ("a", "b", "c"):
        curve(tmp_path / name, "loss", [1.0, 0.9], wall_time=1.0)
    with tensorboard("--logdir", str(tmp_path)) as server:
        everything = server.reviewed(3)
        assert everything["removed"] is None
        cursor = everything["cursor"]
        _, nothing = server.get("runs", since=cursor)
        assert (nothing["runs"], nothing["removed"]) == ([], [])
        curve(tmp_path / "b", "loss", [0.8, float("nan")], first_step=2, wall_time=1.0)
        end = time.monotonic() + 10
        while not (news := server.get("runs", since=cursor)[1])["runs"]:
            assert time.monotonic() < end
            time.sleep(0.2)
        assert [run["name"] for run in news["runs"]] == ["b"]
        assert news["progress"]["total"] == 3
        for unknown in ("", "x", "0-0-0", cursor.replace("-", "0-", 1)):
            assert len(server.get("runs", since=unknown)[1]["runs"]) == 3, "a cursor of another process: all of them"


def test_a_live_run_that_falls_silent_is_news(tmp_path):
    curve(tmp_path / "a", "loss", [1.0, 0.9], wall_time=time.time() - LIVE_SECONDS + 2.0)
    reviewer = Reviewer(str(tmp_path), catalogue())
    answer = reviewer.runs(patience=2.5)
    assert [run["state"] for run in answer["runs"]] == ["live"]
    time.sleep(3.5)
    news = reviewer.runs(since=answer["cursor"])
    assert [run["state"] for run in news["runs"]] == ["finished"]


def test_outcomes_are_those_of_the_review(demo_server):
    order = [heuristic["id"] for heuristic in demo_server.get("heuristics")[1]["heuristics"]]
    for run in demo_server.reviewed(6)["runs"]:
        _, review = demo_server.get("review", run=run["name"])
        outcomes = dict(zip(order, run["outcomes"], strict=True))
        for letter, ids in (
            ("+", review["passed"]),
            ("?", [entry["heuristic"] for entry in review["inconclusive"]]),
            ("-", [entry["heuristic"] for entry in review["not_checked"]]),
            ("E", [f["heuristic"] for f in review["findings"] if f["severity"] == "error" and not f["explained_by"]]),
            ("w", [f["heuristic"] for f in review["findings"] if f["severity"] == "warning" and f["explained_by"]]),
        ):
            assert [heuristic for heuristic in order if outcomes[heuristic] == letter] == sorted(ids, key=order.index)


def test_a_file_that_is_no_event_file_reveals_nothing(tmp_path):
    """A link to a secret with the name of an event file, and a pickle that would leave a trace: neither is shown nor run."""
    secret, trace = tmp_path / "secret.txt", tmp_path / "trace"
    secret.write_text("root:x:0:0:the password is swordfish\n" * 50)

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {trace}",)

    logs = tmp_path / "logs"
    curve(logs / "a", "loss", [1.0, 0.9])
    (logs / "b").mkdir()
    (logs / "b" / "events.out.tfevents.1.host").symlink_to(secret)
    (logs / "c").mkdir()
    (logs / "c" / "events.out.tfevents.1.host").write_bytes(pickle.dumps(Evil()))
    (logs / "loop").symlink_to(logs)
    with tensorboard("--logdir", str(logs)) as server:
        names = [run["name"] for run in server.reviewed()["runs"]]
        answers = [server.raw("data/plugin/scram/runs")[2]]
        for name in [*names, "b", "c", "loop", "loop/loop/a"]:
            for route in ("review", "why", "inside", "report"):
                answers.append(server.raw(f"data/plugin/scram/{route}?run={urllib.parse.quote(name, safe='')}")[2])
            answers.append(server.raw(f"data/plugin/scram/curve?tb_run={urllib.parse.quote(name, safe='')}&tag=loss")[2])
        assert b"swordfish" not in b"".join(answers)
        assert "swordfish" not in server.output()
        assert not trace.exists()
        assert len([name for name in names if name.endswith("a")]) <= 2, names


def test_damaged_and_foreign_files_cost_a_note_and_nothing_else(tmp_path):
    healthy = curve(tmp_path / "healthy", "loss", [1, 0.9])
    write(tmp_path / "cut" / "x.tfevents.1", [event(0, 0.0, loss=1.0)])
    cut = tmp_path / "cut" / "x.tfevents.1"
    cut.write_bytes(cut.read_bytes()[:-3])
    for name, content in {"empty": b"", "text": b"not an event file at all, but text", "zeros": bytes(100)}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.tfevents.1").write_bytes(content)
    with tensorboard("--logdir", str(tmp_path)) as server:
        server.reviewed(5)
        notes = {name: server.get("review", run=name)[1]["notes"] for name in ("cut", "empty", "text", "zeros", "healthy")}
    assert healthy.exists()
    assert "the last record is incomplete" in notes["cut"][0]
    assert "empty" in notes["empty"][0]
    assert "not an event file" in notes["text"][0]
    assert notes["zeros"]
    assert notes["healthy"] == []


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"version": 99, "columns": ["a"]}', b'{"version": "1"}', b"\xff", b"[" * 10_000]
)
def test_plugin_data_of_a_later_version_or_not_json(content, tmp_path):
    from tensorboard.util import tensor_util

    events = []
    for tag, array in (("steps", np.arange(2)), ("wall_times", np.ones(2)), ("values", np.ones((2, 1), np.float32))):
        one = event(0, 1.0)
        value = one.summary.value.add(tag=f"scram/batches/{tag}", tensor=tensor_util.make_tensor_proto(array))
        value.metadata.plugin_data.plugin_name = "scram"
        value.metadata.plugin_data.content = content
        events.append(one)
    write(tmp_path / "exp" / "scram" / "x.tfevents.1", events)
    done = scram("check", tmp_path, "--format", "json")
    assert done.returncode == 2, "there is nothing else in it"
    notes = json.loads(done.stdout)["runs"][0]["notes"]
    assert "ignored" in notes[0]


def test_the_loader_imports_only_what_cannot_fail():
    program = (
        "import sys; before = set(sys.modules); from tensorboard.plugins import base_plugin; base = set(sys.modules);"
        "import scram_plugin.tensorboard.loader;"
        "print(sorted(m for m in set(sys.modules) - base if not m.startswith('scram_plugin')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {name.partition(".")[0] for name in eval(done.stdout)} <= set(sys.stdlib_module_names)
