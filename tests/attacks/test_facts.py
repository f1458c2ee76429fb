"""Forged facts: every value of real facts replaced by values that no recorder writes, and every key removed.

The statistics beside them stay, so that the checks go as far as they can. A review, and all that the tab asks of a run, works.
"""

import itertools
import json
import random
import time

import pytest

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.logs.facts import clean
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from scram_plugin.reviews.model import Reviewed
from scram_plugin.reviews.run import review
from scram_plugin.views.comparison import compare
from scram_plugin.views.inside import inside
from scram_plugin.views.why.questions import questions
from tests.attacks import held
from tests.paths import DEMO_LOGS
from tests.recorded import recorded
from tests.sizes import size

LOGS = {
    "keras": DEMO_LOGS / "fashion_mnist" / "overfit",
    "keras outputs": recorded("keras_faults", "softmax twice"),
    "keras penalty": recorded("keras_faults", "a penalty of 1"),
    "keras nan": recorded("keras_nonfinite_loss", "a_schedule"),
    "torch": recorded("torch_faults", "softmax twice"),
    "torch data": recorded("torch_faults", "sorted data"),
    "torch decay": recorded("torch_faults", "a strong weight decay"),
    "preflight": recorded("keras_preflight", "large within"),
}
DEEP: list = []
for _ in range(50):
    DEEP = [DEEP]
REMOVED = object()
ODD = (
    *(None, 3, 0, 1, -7, 10**30, 10**400, -(10**400), 2**53, 1e308, 5e-324, -0.0, True, float("nan"), float("-inf")),
    *("", "text", "\x00", "x" * 50_000, "٣", "\ud800", "softmax", "SGD"),
    *([], {}, [None], [3], [10**400], [0, 0], [[]], [{}], [{"name": 3}], {"x": []}, {"": None}, DEEP, [1] * 20_000),
    REMOVED,
)


def places(value, path=()):
    """The path of every key, and of the first and the last entry of every list, in the facts."""
    entries = value.items() if isinstance(value, dict) else []
    if isinstance(value, list) and value:
        entries = {0: value[0], len(value) - 1: value[-1]}.items()
    for key, item in entries:
        yield (*path, key)
        yield from places(item, (*path, key))


def forged(facts, path, odd):
    facts = json.loads(json.dumps(facts))
    at = facts
    for key in path[:-1]:
        at = at[key]
    if odd is REMOVED:
        del at[path[-1]]
    else:
        at[path[-1]] = odd
    return clean(json.loads(json.dumps(facts)))[0]


def read_with_facts(name):
    """A log, the checks, and where the facts of its last fit are kept, which count: (logs, checks, own, wall time, facts)."""
    first = min(run for run, entry in read(LOGS[name]).items() if entry.facts)
    logs = read((LOGS[name] / first).parent)
    files = [file.own for run in logs.values() for file in run.files.values() if file.own.facts]
    own = max(files, key=lambda own: own.facts[-1][0])
    return logs, catalogue(), own, *own.facts[-1]


@pytest.mark.parametrize("name", LOGS)
def test_forged_facts_break_no_check_and_no_view(name, record_property):
    logs, chosen, own, when, facts = read_with_facts(name)
    broken = []
    cases = list(itertools.product(dict.fromkeys(places(facts)), ODD))
    random.Random(1).shuffle(cases)
    cases = cases[: size(200, 10)]
    for path, odd in cases:
        own.facts = [(when, forged(facts, path, odd))]
        (run,) = training_runs(logs, chosen.signals)
        what = f"{name}: {'.'.join(map(str, path))} = {'removed' if odd is REMOVED else repr(odd)[:40]}"
        try:
            found = review(run, chosen)
            judged = Reviewed(run, found)
            inside(judged)
            compare(judged, judged)
            questions(run, found, chosen)
        except Exception as error:
            broken.append(f"{what}: {error!r}")
            continue
        broken += [f"{what}: {o.heuristic}: {o.reason}" for o in found.inconclusive if o.failed]
    held(record_property, "forged facts", len(cases), broken)


def layer(name, kind, *sources):
    made = {"name": name, "path": name, "class": kind, "activation": None, "custom": False, "from": list(sources)}
    return {**made, "kernel": [8, 8], "parameters": 72, "settings": {}, "trainable": True}


GRAPHS = {
    "a circle": [layer("a", "Dense", "in"), layer("b", "Flatten", "a"), layer("b", "Flatten", "b")],
    "a circle of two": [layer("a", "Dense", "b"), layer("b", "Flatten", "c"), layer("c", "Flatten", "b")],
    "one that reads itself": [layer("a", "Linear", "a"), layer("a", "Linear", "a", "a")],
    "a long chain": [layer(str(i), "Dense", str(i - 1)) for i in range(4_000)],
    "one read by all": [layer(str(i), "Dense", *["0"] * 100) for i in range(2_000)],
    "none of a name": [layer("", "", "")] * 100,
}


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("name", ["keras nan", "torch"])
def test_models_that_no_framework_builds_are_reviewed_soon(name, graph, record_property):
    logs, chosen, own, when, facts = read_with_facts(name)
    own.facts = [(when, forged(facts, ("model", "layers"), GRAPHS[graph]))]
    (run,) = training_runs(logs, chosen.signals)
    begin = time.process_time()
    found = review(run, chosen)
    inside(Reviewed(run, found))
    questions(run, found, chosen)
    assert time.process_time() - begin < 20
    broken = [entry.reason for entry in found.inconclusive if entry.failed]
    held(record_property, "forged models", 1, broken)
