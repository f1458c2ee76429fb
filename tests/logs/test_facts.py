"""Facts are a stranger's data: what has another form than SCRAM writes is left out, with a remark, and nothing fails."""

import itertools
import json
import time

import pytest
from tensorboard.compat.proto import tensor_pb2, types_pb2

from scram_plugin import schema
from scram_plugin.comparison import compare
from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.inside import inside
from scram_plugin.logs.facts import clean
from scram_plugin.logs.logdir import read
from scram_plugin.reviewer import Reviewer
from scram_plugin.why.questions import questions
from tests.event_files import curve, record, tensor_event
from tests.paths import DEMO_LOGS

OWN = read(DEMO_LOGS)["fashion_mnist/overfit/scram"].facts
ODD = (None, 3, "text", [], [None], [3], {}, {"x": []}, True, -1.5, [[]], [{"name": 3}])


def places(value, path=()):
    """The path of every key and of the first entry of every list in the facts."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key)
            yield from places(item, (*path, key))
    elif isinstance(value, list) and value:
        yield (*path, 0)
        yield from places(value[0], (*path, 0))


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


CASES = [(path, odd) for path, odd in itertools.product(dict.fromkeys(places(OWN)), ODD)]


@pytest.mark.parametrize("part", range(4))
def test_facts_of_any_form_cost_a_remark_at_most(part, tmp_path):
    """Every key of real facts with values of every wrong kind: through the review, and all that the tab asks of a run."""
    for number, (path, odd) in enumerate(CASES):
        if number % 4 == part:
            logged(tmp_path / str(number) / "scram", changed(path, odd))
            curve(tmp_path / str(number) / "train", "epoch_loss", [1.0, 0.5, 0.4, 0.3], wall_time=time.time())
    chosen = catalogue()
    reviewer = Reviewer(str(tmp_path), chosen)
    while True:
        answer = reviewer.runs(1.0)
        if answer["progress"]["looked"] and answer["progress"]["done"] == answer["progress"]["total"]:
            break
        time.sleep(0.1)
    names = [run["name"] for run in answer["runs"]]
    assert len(names) == len([n for n in range(len(CASES)) if n % 4 == part])
    for name in names:
        judged = reviewer.judged(name)
        failed = [entry for entry in judged.review.inconclusive if "the check itself failed" in entry["reason"]]
        assert not failed, (CASES[int(name)], failed)
        try:
            inside(judged)
            compare(judged, judged)
            questions(judged.run, judged.review, chosen)
        except Exception as error:
            raise AssertionError(CASES[int(name)]) from error


def test_what_was_left_out_is_told(tmp_path):
    logged(tmp_path / "scram", changed(("model", "layers"), "text"))
    (review,) = [Reviewer(str(tmp_path), catalogue()).review(".")]
    assert any("not in SCRAM's format" in note for note in review.notes)
