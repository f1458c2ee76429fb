"""Nine things that a person comes for, each done with at most three clicks: `SCRAM_TOUR=DIR` keeps a picture of each."""

import os
import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.test_tab import ours
from tests.browser.waiting import place, settle
from tests.paths import DEMO_LOGS
from tests.servers import open_tab, tensorboard

MOST_CLICKS = 3
OVERFIT = {2, 5, 6, 9, 11}  # of the twelve runs of the sweep


class Person:
    """Clicks in the tab, and counts. What is typed into a field after a click is part of it."""

    def __init__(self, page):
        self.page, self.clicks = page, 0

    def click(self, selector):
        self.page.scram.locator(selector).first.click()
        self.clicks += 1
        settle(self.page)

    def reads(self, selector, text):
        expect(self.page.scram.locator(selector).first).to_contain_text(text, use_inner_text=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The demo, and a sweep of twelve: copies of its real trainings, some of which overfit."""
    logs = tmp_path_factory.mktemp("tour")
    shutil.copytree(DEMO_LOGS, logs, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.py", "scenarios", "__pycache__"))
    for i in range(12):
        shutil.copytree(
            DEMO_LOGS / "fashion_mnist" / ("overfit" if i in OVERFIT else "regularized"), logs / "sweep" / f"run{i:02}"
        )
    for part in ("train", "validation"):  # a training that was logged without SCRAM's callback
        shutil.copytree(DEMO_LOGS / "fashion_mnist" / "overfit" / part, logs / "last_year" / part)
    with tensorboard("--logdir", str(logs)) as running:
        running.reviewed(19)
        yield running


@pytest.fixture
def person(browser, server, request):
    page = open_tab(browser, server, height=1000)
    settle(page)
    someone = Person(page)
    yield someone
    folder = os.environ.get("SCRAM_TOUR")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{request.node.name.removeprefix('test_')}.png")
    print(f"{request.node.name.removeprefix('test_').replace('_', ' ')}: {someone.clicks} clicks")
    assert someone.clicks <= MOST_CLICKS
    assert ours(page) == []


def test_find_the_run_with_nan_and_its_layer(person, server):
    person.click("[data-run='movie_reviews/lr_1e10']")
    person.reads(".headline", "NaN")
    person.click("details.explained summary:has-text('The first')")
    layers = [layer["path"] for layer in server.get("inside", run="movie_reviews/lr_1e10")[1]["layers"]]
    person.reads("article[data-finding=nonfinite-origin]", re.compile("|".join(map(re.escape, layers))))


def test_say_which_of_twelve_overfit_and_since_when(person):
    person.click("text=Runs × checks")
    person.click("input[type=search]")
    person.page.keyboard.type("sweep")
    person.page.scram.wait_for_function("document.querySelectorAll('.matrix-row').length === 12")
    rows = person.page.scram.eval_on_selector_all(
        ".matrix-row", "all => all.map(r => [r.querySelector('[data-run]').dataset.run, r.innerText])"
    )
    overfit = {
        int(name[-2:]): re.search(r"since epoch (\d+)|from epoch (\d+)|after epoch (\d+)", text)
        for name, text in rows
        if "▲" in text
    }
    assert set(overfit) == OVERFIT
    assert all(overfit.values()), rows


def test_confirm_a_fix_by_comparing(person):
    person.click("[data-run='fashion_mnist/overfit']")
    person.click("text=Compare")
    person.click("[data-run='fashion_mnist/regularized']")
    person.page.scram.wait_for_selector("tr[data-change=gone]")
    person.reads("main .headline", re.compile("^Fixed"))


def test_learn_what_dead_units_are(person):
    person.click("details.explained summary:has-text('Dead units')")
    person.click("article[data-finding=dead-relu] >> text=All about")
    person.reads("main h2", re.compile("^Dead units$"))
    person.reads("main", "gradient")


def test_find_out_why_a_check_was_not_made(person):
    person.click("[data-run='last_year']")
    person.click("summary:has-text('Not checked')")
    person.reads(".outcomes", re.compile(r": .+\."))
    expect(person.page.scram.locator(".outcomes .code pre").first, "what to log").to_be_attached()


def test_send_a_colleague_a_link_to_exactly_this_curve(person, browser, server):
    person.click("[data-run='fashion_mnist/overfit']")
    person.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    box = place(person.page, person.page.scram.locator("article .u-over").first)
    middle = box["y"] + box["height"] / 2
    person.page.mouse.move(box["x"] + box["width"] * 0.3, middle)
    person.page.mouse.down()
    person.page.mouse.move(box["x"] + box["width"] * 0.6, middle, steps=5)
    person.page.mouse.up()
    person.clicks += 1
    person.page.scram.wait_for_selector("text=Whole curve")
    person.click("article[data-finding=overfitting] button:has-text('Copy link')")
    person.page.scram.wait_for_selector("text=Copied")
    address = person.page.scram.evaluate("navigator.clipboard.readText()")
    theirs = open_tab(browser, server, link=address[address.index("#") :])
    settle(theirs)
    theirs.scram.wait_for_selector("article[data-finding=overfitting] >> text=Whole curve")
    expect(theirs.scram.locator("main h2")).to_contain_text("fashion_mnist/overfit")


def test_find_the_gravest_run_of_the_demo_and_the_line_to_change(person):
    person.reads("main h2", "movie_reviews/lr_1e10")
    person.reads("article.finding .diff figcaption", "movie_reviews.py, line 19")
    person.reads("article.finding .diff .removed", "1e10")


def test_change_a_threshold(person):
    person.click("[data-run='fashion_mnist/overfit']")
    person.click("article[data-finding=overfitting] summary:has-text('How sure is SCRAM')")
    slider = person.page.scram.locator("article[data-finding=overfitting] .tried input")
    slider.fill("200")
    person.reads("article[data-finding=overfitting] .tried [role=status]", "nothing found")
    person.reads("article[data-finding=overfitting] .tried .code", "[overfitting]")


def test_say_what_a_sweep_of_twelve_has_in_common(person):
    person.click("input[type=search]")
    person.page.keyboard.type("sweep")
    person.reads(".shared", re.compile(rf"overfitting\s*{len(OVERFIT)}\b"))
