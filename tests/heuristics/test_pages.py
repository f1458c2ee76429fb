"""Every heuristic has its page, and every snippet on it runs."""

import importlib.util
import os
import subprocess
import sys

import pytest

from scram_plugin.heuristics.catalogue import EXPLAINS, HEURISTICS
from scram_plugin.heuristics.page import FRAMEWORKS, HEADINGS, Page
from tests.paths import ROOT

SNIPPETS = [
    pytest.param(heuristic, cause, snippet, id=f"{heuristic.id}-{cause}-{snippet.framework}")
    for heuristic in HEURISTICS
    for cause, (_, _, snippets) in heuristic.page.fixes.items()
    for snippet in snippets
]


@pytest.mark.parametrize("heuristic", HEURISTICS, ids=lambda h: h.id)
def test_a_page_is_complete(heuristic):
    page = heuristic.page
    assert tuple(page.sections) == HEADINGS
    assert page.causes
    assert set(page.fixes) == set(page.causes), "every cause has a fix"
    for _, text, snippets in page.fixes.values():
        assert text
        assert [s.framework for s in snippets] == list(FRAMEWORKS)
    assert "20" in page.sections["Learn more"] or "19" in page.sections["Learn more"], "sources with their years"
    for option in heuristic.options:
        assert len(option.help) > 20


@pytest.mark.parametrize(("heuristic", "cause", "snippet"), SNIPPETS)
def test_a_snippet_runs(heuristic, cause, snippet):
    module = snippet.framework
    if importlib.util.find_spec(module) is None:  # PyTorch is large and not needed otherwise: its code is compiled at least
        compile(snippet.code, cause, "exec")
        return
    done = subprocess.run([sys.executable, "-c", snippet.code], capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stderr


def test_a_misshapen_page_is_refused():
    with pytest.raises(ValueError, match="headings"):
        Page.parse("# Title\n\n## Why it matters\n")


def test_what_may_be_explained_is_known():
    ids = {heuristic.id for heuristic in HEURISTICS}
    assert set(EXPLAINS) <= ids
    assert set().union(*EXPLAINS.values()) <= ids


def test_each_heuristic_is_a_module_and_a_page_side_by_side():
    pages = {p.stem for p in (ROOT / "scram_plugin" / "heuristics").rglob("*.md")}
    assert pages == {h.id.replace("-", "_") for h in HEURISTICS}
