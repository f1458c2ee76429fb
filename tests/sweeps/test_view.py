"""What the tab gets of a sweep."""

import json

from scram_plugin.views.sweep import Sweeps, sweep
from tests.sweeps.runs import TITLES, review


def test_programs_of_one_tag_have_names_of_their_own():
    runs = [review(f"a{i}") for i in range(5)]
    runs += [type(r)(**{**vars(r), "name": f"b{r.name}", "framework": "torch"}) for r in runs[:3]]
    programs = sweep(runs, "", TITLES).programs
    assert [(p.name, p.runs) for p in programs] == [("that log loss (keras)", 5), ("that log loss (torch)", 3)]
    assert sweep(runs, programs[1].name, TITLES).shown.runs == ["ba0", "ba1", "ba2"]


def test_names_that_are_no_text():
    answer = Sweeps(TITLES).answer(1, [review("exp\udcff"), review("b")], "")
    assert json.loads(answer)["shown"]["runs"] == ["exp\udcff", "b"]


def test_an_answer_is_made_once():
    sweeps, runs = Sweeps(TITLES), [review("a"), review("b")]
    assert sweeps.answer(1, runs, "") is sweeps.answer(1, [], "")
    assert json.loads(sweeps.answer(2, [], ""))["shown"] is None


def test_runs_settings_and_statements_have_their_places():
    runs = [
        review(f"{i}", {"lr": 0.1 if i < 6 else 0.001, "seed": i}, ["divergence"] if i < 6 else [], i / 20) for i in range(14)
    ]
    shown = sweep(runs, "", TITLES).shown
    (said,) = (one for one in shown.statements if one.outcome == "divergence")
    assert said.runs == [0, 1, 2, 3, 4, 5]
    assert shown.settings[0].name == "lr"
    assert shown.settings[0].values == [0.1] * 6 + [0.001] * 8
    assert shown.best == [i / 20 for i in range(14)]
    assert shown.troubled == 6
