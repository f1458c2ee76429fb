"""Comparing two runs, and the tools of a curve, in a real Chromium."""

import contextlib
import re
import time

from playwright.sync_api import expect

from tests.browser.test_tab import link, ours
from tests.browser.waiting import LONGEST, address_has, place, settle
from tests.event_files import curve
from tests.servers import open_tab, tensorboard

COMPARE = "&p.scram.view=compare&p.scram.with="


def verdict(page, begins):
    expect(page.scram.locator("main .headline")).to_have_text(re.compile(f"^{begins}"), use_inner_text=True)


def test_three_clicks_confirm_a_fix(tab_at):
    page = tab_at(link("cifar10/unnormalized"))
    page.scram.click("[data-run='fashion_mnist/overfit']")
    page.scram.click("text=Compare")
    page.scram.click("[data-run='fashion_mnist/regularized']")
    page.scram.wait_for_selector("main[aria-label='fashion_mnist/overfit compared with fashion_mnist/regularized'] .headline")
    verdict(page, "Fixed")
    expect(page.scram.locator("tr[data-change=gone] .change").first).to_have_text(re.compile("gone$"))
    page.scram.wait_for_selector(".comparison .u-over")
    address_has(page, "p.scram.with=fashion_mnist%2Fregularized")
    page.scram.click("text=Swap")
    page.scram.wait_for_selector("tr[data-change=came]")
    verdict(page, "Worse")


def test_up_to_eight_runs_stand_side_by_side(tab_at):
    page = tab_at(link("fashion_mnist/overfit"))
    page.scram.click("text=Compare")
    page.scram.click("[data-run='fashion_mnist/regularized']")
    page.scram.click("input[aria-label='Compare cifar10/normalized']")
    page.scram.click("input[aria-label='Compare movie_reviews/lr_1e10']")
    expect(page.scram.locator(".several").first.locator("thead th")).to_have_count(5)
    verdict(page, "2 runs of 4 have an error or a warning")
    expect(page.scram.locator("tr[data-several=overfitting] td")).to_have_text(
        [re.compile("warning"), "passed", "passed", re.compile("passed|inconclusive")], use_inner_text=True
    )
    expect(page.scram.locator(".comparison .chart .u-series")).to_have_count(5)
    address_has(page, "p.scram.also=cifar10%2Fnormalized%0Amovie_reviews%2Flr_1e10")
    page.scram.click("input[aria-label='Compare movie_reviews/lr_1e10']")
    expect(page.scram.locator(".several").first.locator("thead th")).to_have_count(4)
    page.scram.click("text=Only two")
    verdict(page, "Fixed")


def test_another_signal_is_drawn_when_asked(tab_at):
    page = tab_at(link("movie_reviews/lr_1e10") + COMPARE + "movie_reviews%2Flr_default")
    page.scram.click(".comparison button:has-text('training accuracy')")
    page.scram.wait_for_selector("[role=img][aria-label*='movie_reviews/lr_default goes from']")
    expect(page.scram.locator(".comparison .chart [role=img]").first).to_have_attribute("aria-label", re.compile("0.942"))


def test_a_run_that_is_not_there_is_a_sentence(tab_at):
    page = tab_at(link("cifar10/normalized") + COMPARE + "no%20such")
    expect(page.scram.locator("main .problem")).to_contain_text("no training run 'no such'")
    page.said.clear()  # the browser itself tells of the 404


def test_back_and_forward_lead_through_what_was_looked_at(tab_at):
    page = tab_at(link("cifar10/unnormalized"))
    page.scram.click("[data-run='fashion_mnist/overfit']")
    page.scram.wait_for_selector("main[aria-label='Review of fashion_mnist/overfit']")
    page.scram.click("text=Catalogue")
    page.scram.wait_for_selector("main[aria-label=Catalogue]")
    page.go_back()
    page.scram.wait_for_selector("main[aria-label='Review of fashion_mnist/overfit']")
    page.go_back()
    page.scram.wait_for_selector("main[aria-label='Review of cifar10/unnormalized']")
    page.go_forward()
    page.scram.wait_for_selector("main[aria-label='Review of fashion_mnist/overfit']")
    address_has(page, "fashion_mnist%2Foverfit")


def drag(page, chart, start, end, meanwhile=lambda: None):
    box = place(page, page.scram.locator(f"{chart} .u-over").first)
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + start * box["width"], y)
    page.mouse.down()
    meanwhile()
    page.mouse.move(box["x"] + end * box["width"], y, steps=5)
    page.mouse.up()


CHART = "article .chart"
SHOWN = f"{CHART} [role=img]"


@contextlib.contextmanager
def one_curve(browser, logdir, run):
    """A server and its tab, with the curve of the one finding of the one run."""
    with tensorboard("--logdir", str(logdir)) as server:
        server.reviewed(1)
        page = open_tab(browser, server, link=link(run))
        page.scram.wait_for_selector(f"{CHART} .u-over")
        yield server, page


def test_zooming_brings_every_point_and_a_link_leads_there(browser, tmp_path):
    values = [1.0 / (1 + i) for i in range(30_000)]
    values[20_000] = float("nan")
    curve(tmp_path / "long", "loss", values)
    with one_curve(browser, tmp_path, "long") as (server, page):
        coarse = page.scram.get_attribute(SHOWN, "data-points")
        assert int(coarse) < 2_000
        settle(page)
        drag(page, CHART, 0.66, 0.68)
        page.scram.wait_for_selector("text=Whole curve")
        page.scram.wait_for_function(f"document.querySelector('{SHOWN}').dataset.points !== '{coarse}'")
        points = int(page.scram.get_attribute(SHOWN, "data-points"))
        assert 450 < points < 750, "each point of the part, none between left out"
        page.scram.evaluate("navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }")
        page.scram.click(f"{CHART} .copy")
        copied = page.scram.wait_for_function("window.copied").json_value()
        assert "p.scram.zoom=" in copied
        again = open_tab(browser, server, link=copied[copied.index("#") :])
        again.scram.wait_for_selector("text=Whole curve")
        again.scram.wait_for_function(f"document.querySelector('{SHOWN}')?.dataset.points === '{points}'")
        again.scram.click("text=Whole curve")
        again.scram.wait_for_selector("text=Drag to zoom")
        assert ours(page) == ours(again) == []


def test_news_of_a_live_run_do_not_take_the_curve_from_under_the_hand(browser, tmp_path):
    values = [0.1 + 1 / (1 + i) for i in range(200)]
    values[100] = float("nan")
    curve(tmp_path / "live", "loss", values, wall_time=time.time() - 200)
    with one_curve(browser, tmp_path, "live") as (_, page):
        page.scram.wait_for_function(f"document.querySelector('{SHOWN}').dataset.points === '200'")
        settle(page)

        def more():
            curve(tmp_path / "live", "loss", [0.1] * 50, first_step=200, wall_time=time.time())
            with page.expect_response(lambda answer: "/data/plugin/scram/curve" in answer.url, timeout=LONGEST):
                pass
            page.wait_for_timeout(300)

        drag(page, CHART, 0.2, 0.4, more)
        page.scram.wait_for_selector("text=Whole curve", timeout=LONGEST)
        page.scram.wait_for_function(f"document.querySelector('{SHOWN}').dataset.points === '250'")
        assert ours(page) == []


def test_a_peak_does_not_press_the_rest_of_a_curve_flat(browser, tmp_path):
    losses = [2.3 * 0.97**i + 0.4 for i in range(100)]
    losses[60] = 300.0
    curve(tmp_path / "peak", "loss", losses)
    with tensorboard("--logdir", str(tmp_path)) as server:
        page = open_tab(browser, server, link=link("peak"))
        page.scram.wait_for_selector("article[data-finding='loss-spike'] .u-over")
        button = page.scram.locator("article[data-finding='loss-spike'] button", has_text="Log scale")
        expect(button).to_have_attribute("aria-pressed", "true")


def test_log_scale_and_smoothing_keep_the_raw_points(tab_at):
    page = tab_at(link("fashion_mnist/overfit"))
    chart = page.scram.locator("article .chart").first
    chart.locator(".u-over").wait_for()
    button = chart.locator("button", has_text="Log scale")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    lines = chart.locator(".u-legend .u-series").count()
    chart.locator("input[type=range]").fill("0.6")
    chart.locator(".u-legend .u-label", has_text="smoothed").first.wait_for()
    expect(chart.locator(".u-legend .u-series"), "each curve twice, and the axis").to_have_count(2 * lines - 1)
