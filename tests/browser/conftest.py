"""What tests of the tab share."""

import pytest

from tests.browser.test_tab import ours
from tests.servers import open_tab


@pytest.fixture(autouse=True)
def close_pages(browser):
    """Closes what a test opened, also one that failed: a page that stays asks the server for news."""
    before = browser.contexts
    yield
    for context in browser.contexts:
        if context not in before:
            context.close()


@pytest.fixture
def tab_at(browser, demo_server):
    """Opens the demo's tab at a link; in the end nothing was said to the console."""
    pages = []

    def at(link, **how):
        pages.append(open_tab(browser, demo_server, link=link, **how))
        return pages[-1]

    yield at
    for page in pages:
        assert ours(page) == []
