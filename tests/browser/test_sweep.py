"""A sweep in a real Chromium: six tasks that are done with nothing but the page, and ten thousand runs."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.test_tab import ours
from tests.browser.waiting import address_has, place, until
from tests.event_files import curve
from tests.servers import open_tab, tensorboard
from tests.sizes import size

SWEEP = "#scram&p.scram.view=sweep"
MANY = size(10_000, 400)
EPOCHS = np.arange(30)


def write(logs, i, draws, more=0):
    """A run as Lightning logs it: NaN from a rate of 0.05 on, better with relu than with tanh."""
    rate, activation = float(f"{10 ** draws.uniform(-4, 0):.3g}"), str(draws.choice(["relu", "tanh"]))
    level = 0.9 - 0.05 * abs(np.log10(rate) + 2.3) - 0.08 * (activation == "tanh")
    accuracy = level * (1 - np.exp(-EPOCHS / 4)) + draws.normal(0, 0.004, len(EPOCHS))
    loss = 0.3 + 2 * np.exp(-EPOCHS / 8) + draws.normal(0, 0.02, len(EPOCHS))
    if rate >= 0.05:
        loss, accuracy = np.where(EPOCHS > 6, np.nan, loss), 0.1 + draws.normal(0, 0.003, len(EPOCHS))
    run = logs / f"lr/trial_{i:04d}"
    curve(run, "train_loss", loss, wall_time=1.7e9)
    curve(run, "val_accuracy", accuracy, wall_time=1.7e9)
    told = {"lr": rate, "activation": activation, "width": int(draws.choice([64, 128]))}
    told |= {f"extra_{k}": float(f"{draws.uniform():.4g}") for k in range(more)}
    (run / "hparams.yaml").write_text("".join(f"{key}: {value}\n" for key, value in told.items()))
    return rate, accuracy.max()


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    """Forty runs of one program and two of another; their server, and the rate and the best accuracy of each."""
    logs, draws = tmp_path_factory.mktemp("sweep"), np.random.default_rng(5)
    truth = {f"lr/trial_{i:04d}": write(logs, i, draws) for i in range(40)}
    for name in ("a", "b"):
        curve(logs / "other" / name, "batch_loss", np.linspace(1, 0.5, 30))
    with tensorboard("--logdir", str(logs)) as server:
        server.reviewed(42)
        yield server, truth


@pytest.fixture
def sweep(browser, trials):
    page = open_tab(browser, trials[0], link=SWEEP)
    page.scram.wait_for_selector(".sweep-body [role=row]")
    yield page
    assert ours(page) == []


def names(page):
    return page.scram.eval_on_selector_all(".sweep-body [data-run]", "all => all.map(a => a.dataset.run)")


def shown(page):
    return int(re.match(r"\d+", page.scram.inner_text(".sweep-tools [role=status]"))[0])


def test_which_setting_makes_runs_fail(sweep, trials):
    failing = {name for name, (rate, _) in trials[1].items() if rate >= 0.05}
    sentence = sweep.scram.locator(".sentence", has_text="Loss became NaN")
    told = re.search(r"found in (\d+) of (\d+) runs with learning rate ≥ (\S+),", sentence.inner_text())
    assert float(told[3]) == min(trials[1][name][0] for name in failing)
    assert int(told[1]) == int(told[2]) == len(failing)
    sentence.click()
    until(lambda: shown(sweep), len(failing), sweep)
    assert set(names(sweep)) <= failing
    address_has(sweep, "p.scram.said=nonfinite-loss")
    sentence.click()
    until(lambda: shown(sweep), 40, sweep)


def test_which_run_is_the_best_and_with_which_settings(sweep, trials):
    best = max(trials[1], key=lambda name: trials[1][name][1])
    until(lambda: names(sweep)[0], best, sweep)
    first = sweep.scram.locator(".sweep-body [role=row]").first
    assert f"{trials[1][best][0]:.4g}" in first.inner_text()
    assert "relu" in first.inner_text()


def test_sorting_by_a_setting(sweep, trials):
    head = sweep.scram.locator("[role=columnheader]", has_text="learning rate")
    head.locator("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    until(lambda: names(sweep)[0], min(trials[1], key=lambda name: trials[1][name][0]), sweep)
    head.locator("button").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    until(lambda: names(sweep)[0], max(trials[1], key=lambda name: trials[1][name][0]), sweep)
    address_has(sweep, "p.scram.order=-learning%20rate")


def test_a_finding_opens_its_run(sweep):
    sweep.scram.locator(".sentence", has_text="Loss became NaN").click()
    name = names(sweep)[0]
    sweep.scram.locator(".sweep-body [role=row]").first.locator("text=Loss became NaN").click()
    sweep.scram.wait_for_selector(f"main[aria-label='Review of {name}']")
    address_has(sweep, "p.scram.heuristic=nonfinite-loss")


def test_what_could_have_been_stopped(sweep):
    sentence = sweep.scram.locator(".sentence", has_text="could have been stopped")
    count = int(re.match(r"\d+", sentence.inner_text())[0])
    sentence.click()
    until(lambda: shown(sweep), count, sweep)
    badge = sweep.scram.locator(".stoppable").first
    assert re.search(r"times slower|no longer a finite number", badge.get_attribute("title"))


def test_runs_are_chosen_and_compared(sweep):
    chosen = names(sweep)[:3]
    for name in chosen:
        sweep.scram.check(f"[aria-label='Compare {name}']")
    sweep.scram.click("text=Compare 3 runs")
    sweep.scram.wait_for_selector("main.comparison")
    expect(sweep.scram.locator("main.comparison tr", has_text="learning rate")).to_be_visible()
    heads = sweep.scram.eval_on_selector_all("main.comparison thead:first-of-type th[title]", "all => all.map(a => a.title)")
    assert heads[:3] == chosen


def test_a_part_of_an_axis(sweep):
    """Dragging along the measure leaves the runs there; the button takes the mark away."""
    box = place(sweep, sweep.scram.locator(".field canvas"))
    x = box["x"] + box["width"] - 70
    sweep.mouse.move(x, box["y"] + 10)
    sweep.mouse.down()
    sweep.mouse.move(x, box["y"] + 60)
    sweep.mouse.up()
    until(lambda: shown(sweep) < 40, True, sweep)
    left = shown(sweep)
    sweep.scram.fill(".sweep-tools input[type=search]", "trial_000")
    until(lambda: shown(sweep) < left, True, sweep)
    sweep.scram.fill(".sweep-tools input[type=search]", "")
    sweep.scram.click("[aria-label='Show all values of validation accuracy again']")
    until(lambda: shown(sweep), 40, sweep)


def test_another_program(sweep):
    sweep.scram.select_option("select", "that log batch_loss")
    until(lambda: shown(sweep), 2, sweep)
    address_has(sweep, "p.scram.program=that%20log%20batch_loss")
    expect(sweep.scram.locator("text=too few to tell a setting that matters from chance")).to_be_visible()


def test_the_picture_has_other_axes(sweep):
    sweep.scram.click("text=Settings in the picture")
    sweep.scram.uncheck(".choose-axes label:has-text('width') input")
    until(lambda: "width" in sweep.scram.locator(".axes .axis").all_inner_texts(), False, sweep)


@pytest.mark.slow
def test_ten_thousand_runs(browser, tmp_path):
    """The list, the sentences and the picture of so many runs of a hundred settings, and it scrolls."""
    draws = np.random.default_rng(7)
    for i in range(MANY):
        write(tmp_path, i, draws, more=97)
    with tensorboard("--logdir", str(tmp_path)) as server:
        server.reviewed(MANY, timeout=600)
        page = open_tab(browser, server, link=SWEEP)
        page.scram.wait_for_selector(".sweep-body [role=row]", timeout=60_000)
        assert shown(page) == MANY
        page.scram.locator(".sentence", has_text="Loss became NaN").click()
        until(lambda: 0 < shown(page) < MANY, True, page)
        page.scram.eval_on_selector(".sweep-table", "table => table.scrollTop = 1e9")
        until(
            lambda: page.scram.locator(".sweep-body [role=row]").last.get_attribute("aria-rowindex"), str(shown(page) + 1), page
        )
        assert page.scram.locator(".sweep-body [role=row]").count() < 100, "only the rows in sight are in the page"
        assert ours(page) == []


def test_no_sweep(browser, tmp_path):
    curve(tmp_path / "a", "train_loss", [1.0, 0.5])
    with tensorboard("--logdir", str(tmp_path)) as server:
        server.reviewed(1)
        page = open_tab(browser, server, link=SWEEP)
        page.scram.wait_for_selector("text=A sweep is several runs of one program, and here is none")
        assert ours(page) == []
