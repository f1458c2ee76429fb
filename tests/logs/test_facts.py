"""Facts are a stranger's data: what has another form than SCRAM writes is left out, with a remark, and nothing fails."""

import json
import time

import pytest
from tensorboard.compat.proto import tensor_pb2, types_pb2

from scram_plugin import schema
from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.logs.facts import clean
from scram_plugin.logs.logdir import read
from scram_plugin.reviews.monitor import Reviewer
from tests.event_files import record, tensor_event
from tests.paths import DEMO_LOGS

OWN = read(DEMO_LOGS)["fashion_mnist/overfit/scram"].facts


def changed(path, odd):
    facts = json.loads(json.dumps(OWN))
    at = facts
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = odd
    return facts


def test_what_scram_writes_is_kept_whole():
    for name, run in read(DEMO_LOGS).items():
        if run.facts:
            kept, lost = clean(run.facts)
            assert not lost, name
            assert kept == {key: value for key, value in run.facts.items() if value is not None} | {
                key: None for key in kept if run.facts[key] is None
            }


def logged(folder, facts):
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[json.dumps(facts).encode()])
    event = tensor_event(0, schema.FACTS_TAG, tensor, wall_time=time.time(), plugin=schema.PLUGIN_NAME)
    event.summary.value[0].metadata.plugin_data.content = b'{"version": 1}'
    folder.mkdir(parents=True)
    (folder / "x.tfevents.1").write_bytes(record(event.SerializeToString()))


@pytest.mark.parametrize(
    ("path", "odd"),
    [
        (("fit", "samples"), 10**400),
        (("fit", "samples"), -1),
        (("fit", "batch_size"), True),
        (("optimizer", "learning_rate"), 10**400),
        (("optimizer", "settings", "momentum"), [10**400]),
        (("loss", "name"), "x" * 100_000),
        (("backend",), 7),
        (("jit_compile",), "yes"),
        (("time",), "now"),
        (("versions", "keras"), 3),
        (("model", "layers", 0, "kernel"), [0, 3]),
        (("model", "layers", 0, "kernel"), [1] * 20_000),
        (("model", "paths"), [["a"], [3]]),
    ],
)
def test_what_the_recorder_would_not_write_is_left_out_whole(path, odd):
    kept, lost = clean(changed(path, odd))
    assert lost
    at = kept
    for key in path[:-1]:
        at = at[key]
    assert path[-1] not in at or at[path[-1]] == []


def test_more_layers_or_statements_than_a_recorder_writes_are_left_out():
    layer = OWN["model"]["layers"][0]
    kept, lost = clean(changed(("model", "layers"), [{**layer, "layers": [layer] * 100}] * 100))
    assert lost
    assert "layers" not in kept["model"]
    statement = {"role": "data", "line": 1, "text": "x = 1\n" * 1000}
    kept, lost = clean(changed(("source", "statements"), [statement] * 4))
    assert lost
    assert "statements" not in kept["source"]


def test_an_entry_without_its_name_is_left_out():
    kept, lost = clean(changed(("model", "layers", 0, "path"), 3))
    assert lost
    assert len(kept["model"]["layers"]) == len(OWN["model"]["layers"]) - 1


def test_what_was_left_out_is_told(tmp_path):
    logged(tmp_path / "scram", changed(("model", "layers"), "text"))
    (review,) = [Reviewer(str(tmp_path), catalogue()).review(".")]
    assert any("not in SCRAM's format" in note for note in review.notes)
