"""The first picture of a run depends on the kind of its training: charts one below the other, over one axis."""

import json
import shutil

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.test_tab import link, ours, violations
from tests.browser.waiting import in_theme, place, settle, until
from tests.event_files import event, write
from tests.recorded import recorded
from tests.servers import open_tab, tensorboard
from tests.sizes import few

STEPS = 60
POLICY = {  # as of Stable-Baselines3, in an event file
    "rollout/ep_rew_mean": np.linspace(0, 200, STEPS),
    "train/value_loss": np.linspace(5, 80, STEPS),
    "train/policy_gradient_loss": np.linspace(0.01, -0.02, STEPS),
}
PREFERENCES = {  # as DPO has them in a trainer_state.json
    "rewards/margins": np.linspace(0, 3, STEPS),
    "logps/chosen": np.linspace(-180, -160, STEPS),
    "logps/rejected": np.linspace(-180, -220, STEPS),
    "loss": np.linspace(0.7, 0.1, STEPS),
}
# run -> the names in the legends of its charts, from top to bottom
CHARTS = {
    "policy": [["return"], ["value loss"], ["policy loss"]],
    "answers": [["return"], ["reward spread"], ["completion length"], ["truncated completions"]],
    "preferences": [["reward margin"], ["chosen log-probability", "rejected log-probability"], ["training loss"]],
    "detector": [["training loss", "validation loss"], ["validation map50 95 b", "validation map50 b"]],
    "classifier": [["training loss", "validation loss"], ["training accuracy", "validation accuracy"]],
}
SENTENCES = {
    "policy": "Reviewed as reinforcement learning: by its return, not by its loss.",
    "answers": "Reviewed as a language model that learns from rewards, as with GRPO or RLOO: by its return, not by its loss.",
    "preferences": "Reviewed as learning from preferences: by its loss. The reward margin shows what it learns.",
    "detector": "Reviewed as object detection: by the total of its losses.",
}


def rows(values):
    return [{name: float(column[i]) for name, column in values.items()} | {"step": 10 * i + 10} for i in range(STEPS)]


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """A training of each kind."""
    path = tmp_path_factory.mktemp("kinds")
    points = {"policy": POLICY}
    falling, rising = 2 * 0.9 ** np.arange(STEPS) + 0.3, 0.9 - 0.8 * 0.9 ** np.arange(STEPS)
    points["detector"] = {
        **dict.fromkeys(("train/box_loss", "train/cls_loss", "val/box_loss", "val/cls_loss"), falling),
        **dict.fromkeys(("metrics/mAP50(B)", "metrics/mAP50-95(B)"), rising),
    }
    points["classifier"] = {"train/loss": falling, "val/loss": falling, "train/accuracy": rising, "val/accuracy": rising}
    for name, columns in points.items():
        events = [event(i, 1.6e9 + i, **{tag: float(v[i]) for tag, v in columns.items()}) for i in range(STEPS)]
        write(path / name / "events.out.tfevents.1.host", events)
    (path / "preferences").mkdir()
    (path / "preferences" / "trainer_state.json").write_text(json.dumps({"log_history": rows(PREFERENCES)}))
    shutil.copytree(recorded("torch_trainers", "completions-are-cut", "fault"), path / "answers")
    return path


@pytest.fixture(scope="module")
def server(logs):
    with tensorboard("--logdir", str(logs)) as started:
        started.reviewed(len(CHARTS))
        yield started


@pytest.fixture
def run_at(browser, server):
    pages = []

    def at(name, **how):
        pages.append(open_tab(browser, server, link=link(name), **how))
        settle(pages[-1])
        return pages[-1]

    yield at
    for page in pages:
        assert ours(page) == []


def legends(page):
    """The names in the legend of each chart of the first picture, without that of the axis."""
    return page.scram.eval_on_selector_all(
        ".overview .chart",
        "all => all.map(c => [...c.querySelectorAll('.u-series .u-label')].slice(1).map(l => l.textContent))",
    )


def values(page):
    """The values that the legends show, the step first."""
    return page.scram.eval_on_selector_all(
        ".overview .chart", "all => all.map(c => [...c.querySelectorAll('.u-value')].map(v => v.textContent))"
    )


def steps_at(page, chart, part):
    """The steps that the legends show with the pointer over a part of the width of a chart, which may just have moved."""
    box = place(page, page.scram.locator(".overview .u-over").nth(chart))
    page.mouse.move(box["x"], box["y"])
    page.mouse.move(box["x"] + part * box["width"], box["y"] + 20)
    return [int(of_chart[0]) for of_chart in values(page)]


@pytest.mark.parametrize("run", CHARTS)
def test_the_first_picture_is_that_of_the_kind(run, run_at):
    page = run_at(run)
    assert legends(page) == CHARTS[run]
    said = page.scram.inner_text("main")
    assert SENTENCES.get(run, "") in said
    assert ("Reviewed as" in said) == (run in SENTENCES)
    heights = []

    def drawn():  # a chart that news draws anew has no height at first
        heights[:] = page.scram.eval_on_selector_all(".overview .u-over", "all => all.map(p => p.clientHeight)")
        return min(heights) > 40

    until(drawn, True, page)
    assert heights[0] == max(heights), "the first one is the largest"


def test_the_charts_share_their_axis_and_the_pointer(run_at):
    page = run_at("policy")
    named = page.scram.eval_on_selector_all(
        ".overview .chart", "all => all.map(c => [...c.querySelectorAll('.u-series')].filter(s => s.offsetHeight).length)"
    )
    assert named == [2, 1, 1], "the step stands there once"

    def places():
        return page.scram.eval_on_selector_all(
            ".overview .u-over", "all => all.map(p => [p.getBoundingClientRect().left, p.clientWidth])"
        )

    until(lambda: len(set(map(tuple, places()))), 1, page)
    # Before the pointer is there, every chart shows its last step: that they agree is not enough.
    # A chart that is drawn again, since the page asked for news, shows its last step until the pointer moves once more.
    shown = []

    def one_step():
        near = all(abs(step - STEPS / 2) < 3 for step in steps_at(page, 1, 0.5))
        shown[:] = values(page)
        return near and len({of_chart[0] for of_chart in shown}) == 1

    until(one_step, True, page)
    step = int(shown[0][0])
    assert float(shown[0][1]) == pytest.approx(POLICY["rollout/ep_rew_mean"][step], rel=1e-3)
    assert float(shown[1][1]) == pytest.approx(POLICY["train/value_loss"][step], rel=1e-3)


def test_what_is_zoomed_in_one_is_zoomed_in_all(run_at):
    page = run_at("policy")
    box = place(page, page.scram.locator(".overview .u-over").nth(2))
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 5, box["y"] + 25, steps=4)
    page.mouse.up()
    whole = page.scram.locator(".overview").get_by_text("Whole curve")
    expect(whole).to_have_count(1)
    settle(page)
    until(lambda: steps_at(page, 0, 0.01)[0] >= STEPS / 2 - 1, True, page)
    whole.focus()
    page.keyboard.press("Enter")
    expect(whole).to_have_count(0)
    settle(page)
    until(lambda: steps_at(page, 0, 0.01)[0] < 3, True, page)


def test_time_series_is_no_link_where_tensorboard_has_no_event_file(run_at):
    page = run_at("answers")
    links = page.scram.locator("article[data-finding=truncated-completions] .links")
    expect(links).to_contain_text("Read from text files, which Time Series does not show.")
    expect(page.scram.get_by_text("Open in Time Series")).to_have_count(0)


@pytest.mark.parametrize("run", ["answers", "preferences"])
def test_axe_finds_nothing(run, run_at):
    page = run_at(run)
    for theme in ("light", "dark"):
        in_theme(page, theme)
        assert violations(page) == [], theme


@pytest.mark.parametrize("run", few(CHARTS, lambda run: run in list(CHARTS)[:2]))
def test_nothing_scrolls_sideways_on_a_phone(run, run_at):
    page = run_at(run, width=400)
    assert page.scram.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.scram.evaluate(
        "[...document.querySelectorAll('.overview')].every(o => o.scrollWidth <= o.clientWidth && o.clientWidth > 300)"
    )
