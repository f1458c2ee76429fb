"""The tab in a real Chromium, in a real TensorBoard."""

import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.screenshots import train_movie_reviews
from tests.browser.waiting import LONGEST, address_has, place, settle, until
from tests.event_files import curve
from tests.paths import DATA, DEMO_LOGS, ROOT
from tests.servers import open_tab, tensorboard
from tests.sizes import few
from tests.test_cli import EXPECTED

AXE = (ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js").read_text
# TensorBoard's own page says these
NOT_OURS = ("Three.js", "cdn", "favicon", "third-party cookie")


def ours(page):
    return [said for said in page.said if not any(word in said for word in NOT_OURS)]


def link(run, **more):
    parts = [f"p.scram.{key}={urllib.parse.quote(value, safe='')}" for key, value in {"run": run, **more}.items()]
    return "&".join(["#scram", *parts])


def violations(page):
    """What axe-core finds with all that folds opened."""
    page.scram.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.scram.evaluate(AXE())
    return page.scram.evaluate("axe.run(document).then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html)]))")


def shown(page):
    """The findings that stand for themselves; consequences are folded under their cause."""
    return page.scram.eval_on_selector_all("main article[data-finding]:not(.folded)", "all => all.map(a => a.dataset.finding)")


@pytest.fixture
def tab(browser, demo_server):
    page = open_tab(browser, demo_server)
    settle(page)
    yield page
    assert ours(page) == []


def test_the_worst_run_is_open_without_a_link(tab):
    """Of two runs with an error, the one with the surer finding."""
    expect(tab.scram.locator("main h2")).to_have_text("movie_reviews/lr_1e10")
    until(lambda: shown(tab), ["nonfinite-loss"], tab)
    assert "Probably a consequence of this: The first NaN" in tab.scram.inner_text("details.explained summary")
    assert "Trouble: 1 error" in tab.scram.inner_text(".headline")
    assert tab.scram.evaluate("document.documentElement.lang") == "en"
    assert tab.scram.title() == "SCRAM"
    address_has(tab, "p.scram.run=movie_reviews%2Flr_1e10")


def test_every_run_shows_what_the_command_line_says(tab, demo_server):
    for run, findings in EXPECTED.items():
        tab.scram.click(f"[data-run='{run}']")
        tab.scram.wait_for_selector(f"main[aria-label='Review of {run}']")
        settle(tab)
        until(lambda findings=findings: shown(tab), findings, tab)
        if not findings:
            headline = demo_server.get("review", run=run)[1]["headline"]["text"]
            assert headline.startswith("Nothing wrong found: ")
            expect(tab.scram.locator(".headline")).to_contain_text(headline)


def test_a_link_opens_its_run_and_its_page(browser, demo_server):
    page = open_tab(browser, demo_server, link=link("cifar10/unnormalized"))
    settle(page)
    until(lambda: shown(page), ["unnormalized-inputs"], page)
    page.scram.click("article[data-finding=unnormalized-inputs] >> text=All about")
    expect(page.scram.locator("main h2")).to_have_text("Inputs are not normalised")
    address_has(page, "p.scram.view=catalogue")
    address = page.url
    again = open_tab(browser, demo_server, link=address[address.index("#") :])
    expect(again.scram.locator("article.page h2")).to_have_text("Inputs are not normalised")


def test_the_curve_shows_the_bad_span_and_reads_values(browser, demo_server):
    page = open_tab(browser, demo_server, link=link("fashion_mnist/overfit"))
    settle(page)
    label = page.scram.get_attribute(".finding .chart [role=img]", "aria-label")
    assert "The marked span is epoch 3 to epoch 25" in label
    red = page.scram.evaluate(
        """() => { const c = document.querySelector('.finding .chart canvas'); const x = c.getContext('2d');
        const at = f => [...x.getImageData(Math.round(c.width * f), Math.round(c.height * 0.35), 1, 1).data];
        return [at(0.11), at(0.9)]; }"""
    )
    assert red[0] != red[1], "the span is shaded"
    chart = page.scram.locator(".finding .chart .u-over").first

    def read_at_the_left():  # a chart that is drawn anew shows its last step until the pointer moves once more
        box = place(page, chart)
        page.mouse.move(box["x"] + 4, box["y"] + box["height"] / 2)
        page.mouse.move(box["x"] + 2, box["y"] + box["height"] / 2)
        return page.scram.locator(".finding .chart .u-legend").first.inner_text().replace("\n", "").replace("\t", "")

    until(lambda: "epoch1validation loss0.5174training loss0.65" in read_at_the_left(), True, page)


def test_the_fix_is_the_users_own_line_and_is_copied(browser, demo_server):
    page = open_tab(browser, demo_server, link=link("movie_reviews/lr_1e10"))
    settle(page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    assert "movie_reviews.py, line 19" in page.scram.inner_text(".diff figcaption")
    assert page.scram.inner_text(".diff .removed mark") == "1e10"
    page.scram.click(".diff .copy >> text=Copy as patch")
    page.scram.wait_for_selector("text=Copied")
    patch = page.scram.evaluate("navigator.clipboard.readText()")
    assert patch.startswith("--- a/movie_reviews.py\n+++ b/movie_reviews.py\n@@ -19,1 +19,1 @@\n-")
    assert patch.splitlines()[-1].startswith("+")
    assert "learning_rate=0.001" in patch.splitlines()[-1]
    page.scram.click(".diff [aria-label='Copy the changed lines']")
    until(lambda: "@@" in page.scram.evaluate("navigator.clipboard.readText()"), False, page)
    assert "learning_rate=0.001" in page.scram.evaluate("navigator.clipboard.readText()")


def test_the_link_to_time_series_leads_to_this_curve(browser, demo_server):
    page = open_tab(browser, demo_server, link=link("fashion_mnist/overfit"))
    settle(page)
    page.scram.click("text=Open in Time Series")
    page.wait_for_selector("text=epoch_loss", timeout=LONGEST)
    address_has(page, "#timeseries")


def test_errors_and_warnings_differ_without_colour(tab):
    signs = {}
    for run in ("movie_reviews/lr_1e10", "fashion_mnist/overfit"):
        tab.scram.click(f"[data-run='{run}']")
        tab.scram.wait_for_selector(f"main[aria-label='Review of {run}']")
        tab.scram.wait_for_selector("main.review article h3")
        signs[run] = tab.scram.inner_text("article h3").partition(":")[0]
    assert signs == {"movie_reviews/lr_1e10": "● Error", "fashion_mnist/overfit": "▲ Warning"}


def test_keyboard_alone(tab):
    tab.scram.focus("[data-run='movie_reviews/lr_default']")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    tab.scram.wait_for_selector("main[aria-label='Review of cifar10/unnormalized']")
    tab.scram.wait_for_function("getComputedStyle(document.activeElement).outlineStyle === 'solid'")
    tab.scram.focus("summary >> text=Why it matters")
    tab.keyboard.press("Enter")
    expect(tab.scram.locator("article footer").first).to_contain_text("proportional to its input", use_inner_text=True)


def test_what_a_run_is_and_its_losses_are_shown_whatever_was_found(browser, demo_server):
    page = open_tab(browser, demo_server, link=link("cifar10/normalized"))
    settle(page)
    said = page.scram.inner_text(".about")
    for part in ("9 epochs", "64", "SGD, learning rate 0.01", "best 0.526 at epoch 9, last 0.526"):
        assert part in said.replace("\n", " ")
    legend, of_accuracy = page.scram.locator(".overview .u-legend").all()
    expect(of_accuracy).to_contain_text("validation accuracy0.526", use_inner_text=True)
    expect(legend).to_contain_text("guessing2.303", use_inner_text=True)
    expect(legend).to_contain_text("validation loss1.344", use_inner_text=True)


@pytest.mark.parametrize(("width", "columns"), [(1200, 1), (1400, 2)])
def test_from_1300_pixels_on_the_model_and_an_answer_stand_beside_the_finding(width, columns, browser, demo_server):
    page = open_tab(browser, demo_server, link=link("movie_reviews/lr_1e10"), width=width)
    page.scram.wait_for_selector(".finding")
    left, right = (place(page, page.scram.locator(part)) for part in (".findings", ".beside"))
    assert (right["x"] > left["x"] + left["width"] / 2) == (columns == 2)
    if columns == 2:
        expect(page.scram.locator(".layers .troubled")).to_have_count(1)
        expect(page.scram.locator(".question[open]")).to_contain_text("Likeliest cause: The learning rate is too high")
    else:
        expect(page.scram.locator(".inside[open]")).to_have_count(0)


def test_the_catalogue_is_searched_and_marks_what_the_runs_have(browser, demo_server):
    page = open_tab(browser, demo_server, link="#scram&p.scram.view=catalogue")
    page.scram.wait_for_selector("nav.catalogue h2")
    groups = page.scram.locator("nav.catalogue h2").all_inner_texts()
    assert groups == ["Data", "Model and optimizer", "Curves", "Layers", "Before the training"]
    page.scram.fill("nav.catalogue input", "learning rate high")
    expect(page.scram.locator("nav.catalogue .run").first).to_be_visible()
    page.scram.fill("nav.catalogue input", "overfitting")
    entry = page.scram.locator("nav.catalogue .run", has_text="Overfitting").first
    expect(entry.locator(".count")).to_have_text("1")
    page.scram.fill("nav.catalogue input", "zzz")
    expect(page.scram.locator("nav.catalogue")).to_contain_text("No check has")


def test_keys(tab):
    expect(tab.scram.locator("main h2")).to_have_text("movie_reviews/lr_1e10")
    tab.scram.click("main h2")  # until then the page around has the keyboard
    tab.keyboard.press("j")
    expect(tab.scram.locator("main h2")).to_have_text("movie_reviews/lr_default")
    tab.keyboard.press("j")
    expect(tab.scram.locator("main h2")).to_have_text("cifar10/unnormalized")
    tab.keyboard.press("k")
    expect(tab.scram.locator("main h2")).to_have_text("movie_reviews/lr_default")
    tab.keyboard.press("?")
    expect(tab.scram.locator("dialog[open]")).to_contain_text("the next run")
    tab.scram.click("dialog button")
    tab.keyboard.press("/")
    tab.keyboard.type("kkk")  # letters of the filter are no keys
    expect(tab.scram.locator("input[type=search]")).to_have_value("kkk")
    expect(tab.scram.locator("main h2")).to_have_text("movie_reviews/lr_default")


def test_the_filter(tab):
    tab.scram.fill("input[type=search]", "cifar")
    expect(tab.scram.locator("[data-run]")).to_have_count(2)
    tab.scram.fill("input[type=search]", "overfit")
    expect(tab.scram.locator("[data-run]")).to_have_count(1)
    tab.scram.fill("input[type=search]", "zzz")
    expect(tab.scram.locator("nav.runs")).to_contain_text("No run fits")
    tab.scram.fill("input[type=search]", "")
    tab.scram.click(".totals button:has-text('2 errors')")
    expect(tab.scram.locator("[data-run]")).to_have_count(2)
    expect(tab.scram.locator("input[type=search]")).to_have_value("is:error")


def test_dark_mode_follows_the_switch_of_tensorboard(tab):
    tab.evaluate("document.body.classList.add('dark-mode')")
    tab.scram.wait_for_selector("html[data-theme=dark]", state="attached")
    tab.evaluate("document.body.classList.remove('dark-mode')")
    tab.scram.wait_for_selector("html[data-theme=light]", state="attached")


def test_the_reload_of_tensorboard_is_followed(tab):
    with tab.expect_request("**/data/plugin/scram/runs*", timeout=4_000):  # sooner than the next poll
        tab.click("button.reload-button")


def test_an_empty_log_directory_says_what_to_do_and_a_run_that_appears_is_shown(browser, tmp_path):
    with tensorboard("--logdir", str(tmp_path)) as server:
        server.reviewed(0)
        page = open_tab(browser, server)
        page.scram.wait_for_selector("text=Nothing to check yet")
        expect(page.scram.locator("main pre").first).to_contain_text("callbacks=[SCRAM(log_dir=")
        curve(tmp_path / "exp", "loss", [1, float("nan")])
        page.scram.wait_for_selector("article[data-finding=nonfinite-loss]", timeout=LONGEST)


def test_names_are_shown_as_text(browser, tmp_path):
    names = [
        "<img src=x onerror=alert(1)>",
        "a \"b\" & 'c'",
        "<script>alert(1)</script>",
        "\u202eevil",
        "x" * 150,
        "100%:@+*,(1)",
    ]
    for name in names:
        curve(tmp_path / name.replace("/", "∕"), "loss", [1, float("nan")])
    with tensorboard("--logdir", str(tmp_path)) as server:
        server.reviewed(len(names))
        page = open_tab(browser, server, width=800)
        dialogs = []
        page.on("dialog", lambda dialog: dialogs.append(dialog) or dialog.dismiss())
        for name in names:
            wanted = name.replace("/", "∕")
            page.scram.locator("[data-run]").filter(has_text=wanted).first.click()
            page.scram.wait_for_function("name => document.querySelector('main h2')?.textContent === name", arg=wanted)
            settle(page)
        assert page.scram.evaluate("document.querySelectorAll('main img, main script').length") == 0
        assert page.scram.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert (dialogs, ours(page)) == ([], [])


@pytest.mark.parametrize("flags", few([["--load_fast=false"], ["--path_prefix", "/p/q"]], lambda flags: len(flags) > 1))
def test_other_ways_to_start_tensorboard(flags, browser):
    with tensorboard("--logdir", str(DEMO_LOGS), *flags) as server:
        server.reviewed(6)
        page = open_tab(browser, server, link=link("movie_reviews/lr_1e10"))
        settle(page)
        until(lambda: shown(page), ["nonfinite-loss"], page)
        page.scram.click("text=Open in Time Series")
        page.wait_for_selector("text=epoch_loss", timeout=LONGEST)
        assert page.url.startswith(server.url), "links keep the path prefix"


LIVE_ON_DIGITS = """
import keras
from keras import layers
from scram_plugin import SCRAM
from sklearn.datasets import load_digits
x, y = load_digits(return_X_y=True)
model = keras.Sequential([keras.Input((64,)), layers.Dense(16, "relu"), layers.Dense(1)])
model.compile(keras.optimizers.SGD(learning_rate=1e10), "mse")
model.fit(x / 16, y, epochs=2000, verbose=0, callbacks=[SCRAM({log_dir!r})])
"""


@pytest.mark.alone
def test_a_live_training_shows_its_nan_within_ten_seconds(browser, tmp_path):
    """TensorBoard on an empty directory, the tab open; then the 1e10 program trains in another process."""
    with tensorboard("--logdir", str(tmp_path)) as server:
        server.reviewed(0)
        page = open_tab(browser, server)
        page.scram.wait_for_selector("text=Nothing to check yet")
        page.scram.evaluate("window.here = true")
        if DATA.is_dir():
            training = train_movie_reviews(tmp_path)
        else:
            program = Path(tempfile.mkdtemp()) / "train.py"
            program.write_text(LIVE_ON_DIGITS.format(log_dir=str(tmp_path / "digits")))
            training = subprocess.Popen([sys.executable, str(program)])
        try:
            page.scram.wait_for_selector("article[data-finding=nonfinite-loss]", timeout=120_000)
            seen = time.time()
            run = page.scram.get_attribute(".run.selected", "data-run")
            _, curve_ = server.get("curve", tb_run=f"{run}/scram", tag="scram/batches/loss", points="4000")
            bad = next(i for i, value in enumerate(curve_["values"]) if isinstance(value, str))
            delay = seen - curve_["wall_times"][bad]
            print(f"the finding was on the page {delay:.1f} s after the batch")
            assert delay <= 10
            assert page.scram.evaluate("window.here"), "the page was not loaded again"
            page.scram.wait_for_selector(".run.selected .live")
        finally:
            training.kill()
            training.wait()
