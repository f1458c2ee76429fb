"""Every heuristic has its page, and every snippet on it runs."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from scram_plugin.heuristics.catalogue import EXPLAINS, HEURISTICS
from scram_plugin.heuristics.page import FRAMEWORKS, HEADINGS, Page
from tests.paths import ROOT

RUN = """
import json, sys
for title, code in json.load(sys.stdin):
    try:
        exec(compile(code, title, "exec"), {"__name__": "__main__"})
    except Exception as error:
        sys.exit(f"{title}: {type(error).__name__}: {error}")
"""


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


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("heuristic", HEURISTICS, ids=lambda h: h.id)
def test_the_snippets_of_a_page_run(heuristic, framework, tmp_path):
    snippets = [
        (f"{heuristic.id}, {cause}, {framework}", snippet.code)
        for cause, (_, _, snippets) in heuristic.page.fixes.items()
        for snippet in snippets
        if snippet.framework == framework
    ]
    assert len(snippets) == len(heuristic.page.causes)
    if importlib.util.find_spec(framework) is None:  # PyTorch is large and not needed otherwise: its code is compiled at least
        for title, code in snippets:
            compile(code, title, "exec")
        return
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(snippets),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ},
    )
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
