"""Every view in every width and theme: nothing scrolls sideways, and axe-core finds nothing. Each view is opened once."""

import pytest

from tests.browser.test_tab import link, violations
from tests.browser.waiting import in_theme, settle
from tests.servers import open_tab, tensorboard
from tests.sizes import few

RUNS = ("movie_reviews/lr_1e10", "fashion_mnist/overfit", "cifar10/normalized")
VIEWS = ("catalogue", "checks", "sweep", "compare", "several")


@pytest.fixture
def close_pages():
    """A page is left open for the next test."""


@pytest.fixture(scope="module")
def view(browser, demo_server, tmp_path_factory):
    """The page at a link; it stays open until another one is asked for."""
    with tensorboard("--logdir", str(tmp_path_factory.mktemp("empty"))) as empty:
        empty.reviewed(0)
        opened = {}

        def at(where, server=demo_server):
            if where not in opened:
                for page in opened.values():
                    page.context.close()
                opened.clear()
                opened[where] = open_tab(browser, server, link=where)
            return opened[where]

        yield lambda where: at("#scram", empty) if where == "empty" else at(where)


def link_to(where):
    if where == "several":
        return f"{link(RUNS[0])}&p.scram.view=compare&p.scram.with={RUNS[1]}&p.scram.also={RUNS[2]}"
    if where in VIEWS:
        return f"#scram&p.scram.view={where}&p.scram.all=1"
    return where if where == "empty" else link(where)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("where", few([*RUNS, *VIEWS, "empty"], lambda where: where not in (*RUNS[1:], "compare")))
def test_axe_finds_nothing(theme, where, view):
    page = view(link_to(where))
    page.set_viewport_size({"width": 1280, "height": 900})
    in_theme(page, theme)
    assert violations(page) == []


@pytest.mark.parametrize("width", few([360, 480, 800, 1280, 2560], lambda width: width == 360))
@pytest.mark.parametrize("where", few([*RUNS[:2], *VIEWS], lambda where: where not in (RUNS[1], "compare")))
def test_nothing_scrolls_sideways(width, where, view):
    page = view(link_to(where))
    page.set_viewport_size({"width": width, "height": 900})
    settle(page)
    page.scram.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.scram.evaluate("document.documentElement.scrollWidth <= innerWidth")
