"""The inside of a model in a real Chromium: layers, heat maps, data."""

import re

from playwright.sync_api import expect

from tests.browser.test_tab import link, violations
from tests.browser.waiting import address_has, in_theme, place


def opened(tab_at, run, **how):
    page = tab_at(link(run), **how)
    page.scram.wait_for_selector("details.inside")
    if not page.scram.locator("details.inside[open]").count():
        page.scram.click("text=its layers over the steps")
    page.scram.wait_for_selector(".map-row .strip")
    return page


def test_the_troubled_layers_are_marked_and_lead_to_the_finding(tab_at):
    page = opened(tab_at, "cifar10/unnormalized")
    marked = page.scram.eval_on_selector_all(".layers .troubled", "all => all.map(li => li.dataset.layer)")
    named = re.compile("|".join(map(re.escape, marked)))
    assert marked
    expect(page.scram.locator("article[data-finding=dead-relu] h3")).to_have_text(named)
    page.scram.locator(".layers .troubled button").first.click()
    page.scram.wait_for_function("document.activeElement.dataset.finding")


def test_another_statistic_its_values_and_its_curve(tab_at):
    page = opened(tab_at, "cifar10/unnormalized")
    page.scram.click(".inside button[aria-pressed]:has-text('Dead units')")
    page.scram.wait_for_selector("figure[aria-label='Dead units'] .strip")
    strip = page.scram.locator("figure[aria-label='Dead units'] .strip").first
    box = place(page, strip)
    strip.hover(position={"x": box["width"] - 3, "y": 5})  # which waits until nothing moves any more
    page.scram.wait_for_selector(".reading:has-text('%')")
    expect(page.scram.locator(".reading").first).to_contain_text("from batch")
    page.scram.click("figure[aria-label='Dead units'] .map-row >> nth=0 >> button >> nth=0")
    page.scram.wait_for_selector(".map-row .u-over")
    address_has(page, "p.scram.inside=dead")


def test_colours_tell_the_values(tab_at):
    """Of the run whose layers died the strip ends in another colour than it began."""
    page = opened(tab_at, "cifar10/unnormalized")
    page.scram.click(".inside button[aria-pressed]:has-text('Dead units')")
    page.scram.wait_for_selector("figure[aria-label='Dead units'] .strip")
    strips = page.scram.eval_on_selector_all(".strip", "all => all.map(s => s.style.background)")
    assert any(strip.count("rgb") > 4 for strip in strips)


def test_a_gradient_that_is_not_finite_is_red_and_said(tab_at):
    page = opened(tab_at, "movie_reviews/lr_1e10")
    page.scram.wait_for_selector(".map-row .last:has-text('NaN')")
    assert "var(--error)" in "".join(page.scram.eval_on_selector_all(".strip", "all => all.map(s => s.getAttribute('style'))"))


def test_data_and_classes(tab_at):
    page = opened(tab_at, "fashion_mnist/overfit")
    page.scram.click("summary:has-text('The input of each measured batch')")
    page.scram.wait_for_selector(".inside .u-over")
    page.scram.click("summary:has-text('Classes:')")
    expect(page.scram.locator(".classes tbody tr")).to_have_count(10)


def test_a_link_opens_it(tab_at):
    page = tab_at(link("cifar10/unnormalized", inside="spread"))
    page.scram.wait_for_selector("figure[aria-label='Spread of outputs'] .strip")


def test_axe(tab_at):
    page = opened(tab_at, "cifar10/unnormalized")
    page.scram.click(".map-row >> nth=0 >> button >> nth=0")
    page.scram.wait_for_selector(".map-row .u-over")
    for theme in ("light", "dark"):
        in_theme(page, theme)
        assert violations(page) == [], theme


def test_it_does_not_scroll_sideways(tab_at):
    page = opened(tab_at, "cifar10/unnormalized")
    page.scram.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    for width in (360, 420, 800, 2560):
        page.set_viewport_size({"width": width, "height": 900})
        page.scram.wait_for_timeout(500)
        assert page.scram.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
