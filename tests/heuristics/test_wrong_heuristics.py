"""Heuristics of one's own that are made of right and wrong parts at random: each costs its own outcome, and nothing else."""

import pickle
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scram_plugin.heuristics.catalogue import HEURISTICS, Catalogue
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, Inconclusive, NotChecked
from scram_plugin.heuristics.page import Page
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from scram_plugin.reviews.as_json import review_as_json
from scram_plugin.reviews.monitor import Reviewer
from scram_plugin.reviews.run import review
from scram_plugin.views.why.questions import questions
from tests.event_files import curve
from tests.heuristics.test_own_heuristic import block_of
from tests.sizes import size

PAGE = block_of("docs/writing-a-check.md", "````", "markdown", "# It starts slowly")
EVIDENCE = {"points": 5, "later": 1.0, "first": 2.0}
RIGHT = {
    "severity": "warning",
    "confidence": "likely",
    "title": "It starts slowly",
    "evidence": EVIDENCE,
    "first_step": 0,
    "last_step": 4,
    "axis": "step",
    "curves": [{"tensorboard_run": ".", "tag": "loss"}],
    "causes": [Cause("warm-up", "The rate rises slowly.")],
    "bad_step": 2,
}
WRONG = {
    "severity": ["warn", None, 3],
    "confidence": ["sure", None],
    "title": ["", None],
    "evidence": [{}, None, {**EVIDENCE, "points": "many"}, {"points": None, "later": None, "first": None}, {1: 2}],
    "first_step": [9, 1.5, None, np.int64(1), "0"],
    "last_step": [-1, None],
    "axis": ["", None],
    "curves": [[], None, [{}], ["loss"], [{"tensorboard_run": "nowhere", "tag": "nothing"}]],
    "causes": [
        [],
        None,
        [Cause("unknown")],
        ["warm-up"],
        lambda: [Cause("warm-up", None)],
        lambda: [Cause("warm-up", edit={})],
    ],
    "bad_step": ["2", 99, np.int32(2)],
}
PAGES = [
    PAGE,
    PAGE.replace("{points}", "{pionts}"),
    PAGE.replace("{later:.3g}", "{later:.3q}"),
    PAGE.replace("### warm-up", "### other"),
]
ENDS = [None, RuntimeError("oh"), SystemExit(3), Inconclusive("it cannot be told"), NotChecked("no data", None), KeyError("x")]
parts = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in WRONG.items()})


def checks(wrong, how, end):
    def check(run, options):
        if how == "nothing":
            return None
        if how == "a dictionary":
            return [{**RIGHT, **wrong}]
        return found()

    def found():
        yield Finding(**{**RIGHT, **{name: value() if callable(value) else value for name, value in wrong.items()}})
        if end is not None:
            raise end

    return check


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    curve(path, "loss", [3.0, 2.0, 1.5, 1.2, 1.1, 1.0, np.nan])
    (found,) = training_runs(read(path))
    return found


@settings(max_examples=size(1000, 150), deadline=None)
@given(parts, st.sampled_from(PAGES), st.sampled_from(["yields", "nothing", "a dictionary"]), st.sampled_from(ENDS))
def test_the_others_are_reviewed_as_without_it(run, wrong, text, how, end):
    own = Heuristic("slow-start", "curves", "It starts at once", checks(wrong, how, end), Page.parse(text, "slow_start.md"))
    before = review(run, Catalogue(HEURISTICS))
    after = review(run, Catalogue((*HEURISTICS[:9], own, *HEURISTICS[9:])))
    document = review_as_json(after)
    outcomes = [entry for part in ("inconclusive", "not_checked", "findings") for entry in document[part]]
    mine = [entry for entry in outcomes if entry["heuristic"] == "slow-start"] + [h for h in after.passed if h == "slow-start"]
    assert len(mine) == 1, "one outcome, whatever it is"
    others = [f for f in after.findings if f.heuristic != "slow-start"]
    assert [f.heuristic for f in others] == [f.heuristic for f in before.findings]
    assert tuple(h for h in after.passed if h != "slow-start") == before.passed
    if any(entry.failed for entry in after.inconclusive):
        assert any(note.startswith("slow-start could not be checked: ") and "line " in note for note in after.notes)
    after.headline()
    questions(run, after, Catalogue((*HEURISTICS, own)))


def test_what_a_typo_costs_is_told_with_the_line_of_the_page(run):
    own = Heuristic("slow-start", "curves", "-", checks({}, "yields", None), Page.parse(PAGES[1], "slow_start.md"))
    (entry,) = review(run, Catalogue((own,))).inconclusive
    assert entry.reason.startswith(
        "the check itself failed (slow_start.md, line 4: the template asks for pionts, and the finding's evidence has"
    )


def test_a_check_may_use_its_dictionary_again(run):
    def check(run, options):
        numbers = types.MappingProxyType(EVIDENCE), dict(EVIDENCE)
        for evidence in numbers:
            yield Finding(**{**RIGHT, "evidence": evidence})
        numbers[1]["points"] = 99

    own = Heuristic("slow-start", "curves", "-", check, Page.parse(PAGE, "slow_start.md"))
    found = review(run, Catalogue((own,))).findings
    assert [finding.evidence for finding in found] == [EVIDENCE, EVIDENCE]
    assert pickle.loads(pickle.dumps(found)) == found, "it travels to other processes"


def test_the_tab_goes_on(tmp_path):
    """A heuristic that is wrong left the list of runs empty for good."""
    curve(tmp_path / "exp", "loss", [1.0, 0.5])
    own = Heuristic("slow-start", "curves", "-", checks({"severity": "warn"}, "yields", None), Page.parse(PAGE))
    known = Reviewer(str(tmp_path), Catalogue((*HEURISTICS, own))).runs(patience=60)
    assert [entry["name"] for entry in known["runs"]] == ["exp"]
