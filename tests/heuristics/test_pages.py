"""Every heuristic has its page, and every snippet on it runs."""

import re

import pytest

from scram_plugin.heuristics.catalogue import HEURISTICS, catalogue
from scram_plugin.heuristics.heuristic import FAMILIES
from scram_plugin.heuristics.page import FRAMEWORKS, HEADINGS, Page, PageError
from tests.paths import ROOT


@pytest.mark.parametrize("heuristic", HEURISTICS, ids=lambda h: h.id)
def test_a_page_is_complete(heuristic):
    page = heuristic.page
    assert list(page.problems()) == []
    assert tuple(page.sections) == HEADINGS
    assert page.causes
    assert set(page.fixes) == set(page.causes), "every cause has a fix"
    for _, text, snippets in page.fixes.values():
        assert text
        assert [s.framework for s in snippets] == list(FRAMEWORKS)
    for source in re.split(r"\n(?=- )", page.sections["Learn more"].strip()):
        assert re.search(r"\]\(https://", source), f"a source is a link: {source}"
    for option in heuristic.options:
        assert len(option.help) > 20


def test_a_misshapen_page_is_refused():
    with pytest.raises(PageError, match="line 1: a page begins with '# '"):
        Page.parse("Title\n")
    (problem,) = Page.parse("# Title\n\n## Why it matters\n").problems()
    assert problem.line == 3
    assert "the headings of a page are What happened, " in problem.sentence


def test_a_comment_in_a_fence_is_no_heading():
    page = HEURISTICS[0].page
    cause = next(iter(page.causes))
    changed = Page.parse(page.text.replace("```python keras\n", "```python keras\n## choose the metric\n### no: heading\n", 1))
    assert list(changed.problems()) == []
    assert changed.fixes[cause][2][0].code.startswith("## choose the metric\n")
    assert changed.sections.keys() == page.sections.keys()


def test_what_may_be_explained_is_known():
    known = {heuristic.id for heuristic in HEURISTICS} | set(FAMILIES)
    for heuristic in HEURISTICS:
        unknown = set(heuristic.explains) - known
        assert not unknown, f"{heuristic.id} explains {unknown}, which is no heuristic and no family"
        assert set(heuristic.unexplained) <= set(heuristic.page.causes), heuristic.id


def test_each_heuristic_has_a_place_of_its_own():
    orders = [heuristic.order for heuristic in HEURISTICS]
    assert len(set(orders)) == len(orders), "two heuristics have the same order; choose a number between its neighbours'"
    assert [h.id for h in catalogue().heuristics] == [h.id for h in HEURISTICS]


def test_each_heuristic_is_a_module_and_a_page_side_by_side():
    pages = {p.stem for p in (ROOT / "scram_plugin" / "heuristics").rglob("*.md")}
    assert pages == {h.id.replace("-", "_") for h in HEURISTICS}
