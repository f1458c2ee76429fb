"""Runs x checks in a real Chromium: sorted, filtered, with the keyboard alone, and with two thousand runs."""

import pytest
from playwright.sync_api import expect

from scram_plugin.heuristics.catalogue import HEURISTICS
from tests.browser.test_tab import link, ours
from tests.browser.waiting import address_has, focused, settle, until
from tests.event_files import curve
from tests.servers import open_tab, tensorboard

CHECKS = "#scram&p.scram.view=checks"
TITLES = {heuristic.id: heuristic.page.title for heuristic in HEURISTICS}


def names(page):
    return page.scram.eval_on_selector_all(".matrix-row [data-run]", "all => all.map(a => a.dataset.run)")


def heads(page):
    return page.scram.eval_on_selector_all(".check button", "all => all.map(a => a.textContent)")


@pytest.fixture
def matrix(browser, demo_server):
    page = open_tab(browser, demo_server, link=CHECKS)
    page.scram.wait_for_selector(".matrix-row")
    yield page
    assert ours(page) == []


def test_each_cell_is_what_the_review_says(matrix, demo_server):
    columns = heads(matrix)
    assert TITLES["overfitting"] in columns
    assert TITLES["slow-input"] not in columns, "checks without a finding are left out at first"
    for run in demo_server.reviewed(6)["runs"]:
        _, review = demo_server.get("review", run=run["name"])
        expected = dict.fromkeys(review["passed"], "passed")
        expected |= {entry["heuristic"]: "inconclusive" for entry in review["inconclusive"]}
        expected |= {entry["heuristic"]: "not checked" for entry in review["not_checked"]}
        for finding in review["findings"]:
            told = " that another finding explains" if finding["explained_by"] else ""
            expected[finding["heuristic"]] = finding["severity"] + told
        expected = {TITLES[heuristic]: outcome for heuristic, outcome in expected.items()}
        row = matrix.scram.locator(".matrix-row").filter(has=matrix.scram.locator(f"[data-run='{run['name']}']"))
        labels = row.locator(".outcome").evaluate_all("all => all.map(a => a.getAttribute('aria-label'))")
        assert labels == [f"{check}: {expected[check]}" for check in columns]


def test_a_click_opens_the_run_at_the_check(matrix):
    matrix.scram.click(f".matrix-row:has([data-run='movie_reviews/lr_1e10']) [aria-label^='{TITLES['nonfinite-origin']}:']")
    matrix.scram.wait_for_selector("main[aria-label='Review of movie_reviews/lr_1e10']")
    focused(matrix, "finding", "nonfinite-origin")
    address_has(matrix, "p.scram.heuristic=nonfinite-origin")
    matrix.scram.click("text=Runs × checks")
    matrix.scram.click(f".matrix-row:has([data-run='fashion_mnist/regularized']) [aria-label^='{TITLES['overfitting']}:']")
    matrix.scram.wait_for_selector("main[aria-label='Review of fashion_mnist/regularized']")
    focused(matrix, "check", "overfitting")


def test_sorting_and_filtering_stand_in_the_link(matrix, browser, demo_server):
    until(lambda: names(matrix)[0], "movie_reviews/lr_1e10", matrix)
    matrix.scram.click(f".check button:has-text('{TITLES['overfitting']}')")
    until(lambda: names(matrix)[0], "fashion_mnist/overfit", matrix)
    column = matrix.scram.locator(f"[role=columnheader]:has-text('{TITLES['overfitting']}')")
    expect(column).to_have_attribute("aria-sort", "ascending")
    matrix.scram.fill("input[type=search]", "mnist")
    matrix.scram.check("input[type=checkbox]")
    until(lambda: names(matrix), ["fashion_mnist/overfit", "fashion_mnist/regularized"], matrix)
    until(lambda: TITLES["slow-input"] in heads(matrix), True, matrix)
    for part in ("p.scram.sort=overfitting", "p.scram.all=1"):
        address_has(matrix, part)
    address = matrix.url
    again = open_tab(browser, demo_server, link=address[address.index("#") :])
    again.scram.wait_for_selector(".matrix-row")
    until(lambda: names(again), names(matrix), again)
    until(lambda: heads(again), heads(matrix), again)


def test_the_keyboard_alone(matrix):
    matrix.scram.focus(".matrix-row [data-at='1/1']")
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "End", "ArrowUp", "Home", "ArrowRight"):
        matrix.keyboard.press(key)
        matrix.wait_for_timeout(50)
    focused(matrix, "at", "2/1")
    assert matrix.scram.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert matrix.scram.locator(".matrix [tabindex='0']").count() == 1, "the grid is one stop of the tab key"
    matrix.keyboard.press("Enter")
    matrix.scram.wait_for_selector("main[aria-label='Review of cifar10/unnormalized']")


def test_only_the_grid_scrolls_sideways(browser, demo_server):
    page = open_tab(browser, demo_server, link=f"{CHECKS}&p.scram.all=1")
    for width in (360, 800, 2560):
        page.set_viewport_size({"width": width, "height": 900})
        settle(page)
        assert page.scram.evaluate("document.documentElement.scrollWidth <= innerWidth"), width


def test_two_thousand_runs_are_as_light_as_thirty(browser, tmp_path):
    for i in range(2000):
        curve(tmp_path / f"sweep/lr_{i:04}", "loss", [1.0, 0.5 if i % 50 else float("nan")])
    with tensorboard("--logdir", str(tmp_path)) as server:
        server.reviewed(2000)
        page = open_tab(browser, server, link=CHECKS)
        page.scram.wait_for_selector(".matrix-row")
        page.scram.wait_for_function("document.querySelector('[role=grid]').getAttribute('aria-rowcount') === '2001'")
        assert page.scram.locator(".matrix-row").count() < 100
        page.scram.focus("[data-at='1/0']")
        for _ in range(60):
            page.keyboard.press("PageDown")
            page.wait_for_timeout(20)
        page.scram.wait_for_function("parseInt(document.activeElement.dataset.at) > 1000")  # focus goes with the rows
        page.scram.click("text=Findings")
        page.scram.wait_for_selector("nav [data-run]")
        assert 0 < page.scram.locator("nav [data-run]").count() < 100
        page.goto(f"{server.url}/{link('sweep/lr_1550')}")
        fresh = open_tab(browser, server, link=link("sweep/lr_1550"))
        for where in (page, fresh):
            where.scram.wait_for_selector("main[aria-label='Review of sweep/lr_1550']")
            where.scram.wait_for_selector(".run.selected[data-run='sweep/lr_1550']")
            assert ours(where) == []
