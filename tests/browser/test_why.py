"""Why-questions in a real Chromium: asked with a click, answered with this run's curves and lines of code."""

from playwright.sync_api import expect

from tests.browser.test_tab import link, violations
from tests.browser.waiting import address_has, focused, in_theme


def test_the_chain_leads_to_curves_code_and_the_fix(tab_at):
    page = tab_at(link("movie_reviews/lr_1e10"))
    page.scram.click("text=questions about this run")
    page.scram.click("text=Why is the loss NaN from batch 4 on?")
    question = page.scram.locator("[data-question=loss-not-finite]")
    question.locator("text=Show the curve").first.click()
    question.locator(".chart .u-over").wait_for()
    question.locator("text=Show line 18").click()
    expect(question.locator("pre").first).to_contain_text("1e10")
    address_has(page, "p.scram.why=loss-not-finite")
    question.locator("text=Go to the fix").click()
    focused(page, "finding", "nonfinite-loss")


def test_each_finding_is_asked_why(tab_at):
    page = tab_at(link("fashion_mnist/overfit"))
    page.scram.click("article[data-finding=overfitting] >> text=Why this?")
    question = page.scram.locator("[data-question=finding-overfitting][open]")
    expect(question).to_contain_text("SCRAM would not report this")
    page.scram.wait_for_function(
        "document.activeElement.closest('[data-question]')?.dataset.question === 'finding-overfitting'"
    )


def test_axe_and_a_link_to_an_answer(tab_at):
    page = tab_at(link("fashion_mnist/regularized") + "&p.scram.why=not-flagged")
    page.scram.wait_for_selector("[data-question=not-flagged][open] .conclusion")
    for theme in ("light", "dark"):
        in_theme(page, theme)
        assert violations(page) == [], theme
