"""What the tab tells by itself: news of live trainings; and what a person says of a finding."""

import json
import re
import time

from playwright.sync_api import expect

from tests.browser.test_tab import link, ours, shown, violations
from tests.browser.waiting import LONGEST, settle, until
from tests.event_files import curve
from tests.servers import open_tab, tensorboard
from tests.test_cli import scram

NAN = float("nan")
AWAY = "Object.defineProperty(document, 'visibilityState', {get: () => %r, configurable: true});"
NOTICES = """() => {
window.told = [];
window.Notification = class { constructor(title, more) { window.told.push([title, more.body]); }
  static requestPermission() { return Promise.resolve('granted'); } close() {} };
}"""


def test_news_of_a_live_training(browser, tmp_path):
    """A toast that takes no focus, a mark in the browser's tab, a desktop notification when asked for; until it is seen."""
    curve(tmp_path / "healthy", "loss", [1.0, 0.9], wall_time=time.time())
    curve(tmp_path / "live", "loss", [1.0, 0.9], wall_time=time.time())
    with tensorboard("--logdir", str(tmp_path)) as server:
        server.reviewed(2)
        page = open_tab(browser, server, link=link("healthy"))
        settle(page)
        page.evaluate(NOTICES)
        expect(page.scram.locator("[data-run=live] .live").first).to_contain_text("live")
        expect(page.scram.locator(".run-head .live")).to_contain_text("last value")
        page.scram.click("text=Notify me")
        page.scram.wait_for_selector(".notify [aria-pressed=true]")
        page.scram.focus("input[type=search]")
        icon = page.get_attribute("link[rel~=icon]", "href") if page.query_selector("link[rel~=icon]") else None

        page.scram.evaluate(AWAY % "hidden")
        curve(tmp_path / "live", "loss", [0.8, NAN], first_step=2, wall_time=time.time())
        page.scram.wait_for_selector(".toast.error", timeout=LONGEST)
        expect(page.scram.locator(".toast strong")).to_have_text("live")
        assert page.scram.evaluate("document.activeElement.type") == "search", "the focus stays where it was"
        expect(page).to_have_title("(1) TensorBoard")
        if icon:
            expect(page.locator("link[rel~=icon]")).not_to_have_attribute("href", icon)
        ((title, text),) = page.wait_for_function("window.told.length && window.told").json_value()
        assert title == "SCRAM: live"
        assert "NaN" in text

        page.scram.evaluate(AWAY % "visible")
        page.scram.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        expect(page).to_have_title("TensorBoard")
        if icon:
            expect(page.locator("link[rel~=icon]")).to_have_attribute("href", re.compile(re.escape(icon.lstrip("./")) + "$"))
        assert violations(page) == []
        page.scram.click(".toast >> text=Open")
        page.scram.wait_for_selector("article[data-finding=nonfinite-loss]")
        expect(page.scram.locator(".toast")).to_have_count(0)
        assert ours(page) == []


def test_of_the_run_that_stands_open_nobody_is_told(browser, tmp_path):
    curve(tmp_path / "live", "loss", [1.0, 0.9], wall_time=time.time())
    with tensorboard("--logdir", str(tmp_path)) as server:
        server.reviewed(1)
        page = open_tab(browser, server)
        settle(page)
        curve(tmp_path / "live", "loss", [0.8, NAN], first_step=2, wall_time=time.time())
        page.scram.wait_for_selector("article[data-finding=nonfinite-loss]", timeout=LONGEST)
        assert page.scram.locator(".toast").count() == 0


def test_runs_without_a_group_come_first(browser, tmp_path):
    for name in ("a/one", "b", "c/two"):
        curve(tmp_path / name, "loss", [1.0, 0.9], wall_time=1.0)
    with tensorboard("--logdir", str(tmp_path)) as server:
        server.reviewed(3)
        page = open_tab(browser, server)
        settle(page)
        rows = page.scram.eval_on_selector_all("nav.runs li", "all => all.map(li => li.innerText.split('\\n')[0])")
        assert rows == ["b", "a", "one", "c", "two"]


def test_nothing_is_news_when_the_tab_is_opened(tab_at):
    page = tab_at("#scram")
    settle(page)
    assert page.scram.locator(".toast").count() == 0
    expect(page).to_have_title("TensorBoard")
    assert page.scram.locator(".notify").count() == 0, "no training is live: nothing to be told of"


def test_not_a_problem_here(tab_at, tmp_path):
    page = tab_at(link("fashion_mnist/overfit"))
    settle(page)
    page.scram.click("text=Not a problem here")
    page.scram.wait_for_selector("[data-hidden=overfitting]")
    until(lambda: shown(page), [], page)
    expect(page.scram.locator(".headline")).to_have_text(re.compile(r"^\s*✓"))
    expect(page.scram.locator("[data-run='fashion_mnist/overfit'] .count.passed")).to_have_count(1)
    assert violations(page) == []

    # the text that is offered says the same to everybody
    text = page.scram.inner_text("section[aria-label='No problem here'] pre")
    (tmp_path / "scram.toml").write_text(text)
    from tests.paths import DEMO_LOGS

    done = scram("check", DEMO_LOGS, "--format", "json", "--config", tmp_path / "scram.toml")
    runs = {run["name"]: run for run in json.loads(done.stdout)["runs"]}
    assert [entry["finding"]["heuristic"] for entry in runs["fashion_mnist/overfit"]["accepted"]][:1] == ["overfitting"]

    # it lasts in this browser, and can be taken back
    page.reload()
    element = page.wait_for_selector("iframe[src*='plugin_entry.html?name=scram']", state="attached")
    page.scram = element.content_frame()
    page.scram.wait_for_selector("[data-hidden=overfitting]")
    page.scram.click("text=Show again")
    page.scram.wait_for_selector("article[data-finding=overfitting]")
    expect(page.scram.locator("[data-run='fashion_mnist/overfit'] .count.warning")).to_have_count(1)


def test_the_thresholds_of_a_finding(tab_at, demo_server):
    page = tab_at(link("fashion_mnist/overfit"))
    page.scram.click("summary >> text=How sure is SCRAM")
    page.scram.wait_for_selector(".thresholds")
    _, answer = demo_server.get("thresholds", run="fashion_mnist/overfit", heuristic="overfitting")
    assert answer["thresholds"]
    expect(page.scram.locator(".thresholds tbody tr")).to_have_count(len(answer["thresholds"]))
    expect(page.scram.locator(".thresholds tbody")).to_contain_text(answer["thresholds"][0]["option"])


def test_a_threshold_is_tried_with_a_slider(tab_at):
    page = tab_at(link("fashion_mnist/overfit"))
    page.scram.click("summary >> text=How sure is SCRAM")
    page.scram.click(".thresholds button:has-text('noise_factor')")
    expect(page.scram.locator(".tried [role=status]")).to_contain_text("Overfitting since epoch 3")
    page.scram.fill(".tried input", "180")
    expect(page.scram.locator(".tried [role=status]")).to_have_text("nothing found")
    expect(page.scram.locator(".tried pre")).to_contain_text("[overfitting]")
    expect(page.scram.locator(".finding h3").first).to_contain_text("Overfitting since epoch 3")  # nothing is kept


def test_copy_as_markdown(tab_at, demo_server):
    page = tab_at(link("movie_reviews/lr_1e10"))
    settle(page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.scram.click("text=Copy as Markdown")
    page.scram.wait_for_selector("text=Copied")
    _, answer = demo_server.get("report", run="movie_reviews/lr_1e10")
    assert page.scram.evaluate("navigator.clipboard.readText()") == answer["markdown"]


def test_what_is_folded_is_printed(tab_at):
    page = tab_at(link("fashion_mnist/overfit"))
    settle(page)
    folds = "window.folds = [...document.querySelectorAll('main details:not(.why)')].filter(fold => !fold.open)"
    assert page.scram.evaluate(f"({folds}).length") > 0
    page.scram.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.scram.wait_for_function("window.folds.every(fold => fold.open)")
    page.scram.evaluate("window.dispatchEvent(new Event('afterprint'))")
    page.scram.wait_for_function("window.folds.every(fold => !fold.open)")
