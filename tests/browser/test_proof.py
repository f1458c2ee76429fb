"""A fix that was proven: its sentence, its two curves and the way to *Compare*, in every width and theme."""

import re

import pytest
from playwright.sync_api import expect

from scram_plugin.fixing.keep import keep
from tests.browser.test_tab import link, violations
from tests.browser.waiting import settle
from tests.paths import DEMO_LOGS
from tests.reviews import review_of
from tests.servers import open_tab, tensorboard

BASE, FIXED = "as it is, seed 0", "fix 1, seed 0"
SENTENCE = "validation accuracy 0.5 → 0.84 after 3 epochs, three seeds of three"


@pytest.fixture(scope="module")
def proven(tmp_path_factory):
    """A server of the log that a proof leaves: the program as it is, and with the fix."""
    logs = tmp_path_factory.mktemp("logs")
    before, after = (DEMO_LOGS / "movie_reviews" / name for name in ("lr_1e10", "lr_default"))
    cause = review_of(before).findings[0].causes[0].id
    told = {"verdict": "better", "sentence": SENTENCE, "measure": "validation accuracy", "seeds": 3, "batches": 90}
    tried = {"fixes": [["nonfinite-loss", cause]], **told, "runs": [BASE, FIXED]}
    keep(logs / "train", {BASE: before, FIXED: after}, [BASE], [tried])
    with tensorboard("--logdir", str(logs)) as server:
        server.reviewed(2)
        yield server


@pytest.fixture
def page(browser, proven):
    return open_tab(browser, proven, link=link(f"train/{BASE}"))


def test_a_proven_fix_is_marked_and_shows_both_curves(page):
    proof = page.scram.locator("[data-proof=better]").first
    expect(proof).to_contain_text(f"Fix proven here. {SENTENCE}")
    expect(proof.locator(".u-over")).to_be_visible()
    expect(proof).to_contain_text(re.compile("as it is.*with the fix", re.S))
    proof.get_by_role("button", name="Compare the two runs").click()
    expect(page.scram.locator("main")).to_have_attribute("aria-label", f"train/{BASE} compared with train/{FIXED}")


def test_a_proof_fits_every_width_and_theme(page):
    page.scram.wait_for_selector("[data-proof=better] .u-over")
    for theme in ("light", "dark"):
        page.evaluate("dark => document.body.classList.toggle('dark-mode', dark)", theme == "dark")
        page.scram.wait_for_selector(f"html[data-theme={theme}]", state="attached")
        settle(page)
        assert violations(page) == []
    for width in (360, 480, 800, 1280, 2560):
        page.set_viewport_size({"width": width, "height": 900})
        settle(page)
        assert page.scram.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
