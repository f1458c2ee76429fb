"""Every number that stands in two places of the page is the same: for each run of the demo, and of all recorded and real logs
that there are."""

import re

import pytest

from tests.browser.test_tab import link
from tests.browser.waiting import LONGEST, settle
from tests.paths import DEMO_LOGS, REAL_RUNS
from tests.recorded import LOGS
from tests.servers import open_tab, tensorboard
from tests.sizes import size

SETS = {"demo": DEMO_LOGS, "recorded": LOGS, "real": REAL_RUNS}
TRIES = 10  # times that a page is read, a second apart
AT_MOST = size(1_000, 6)  # runs of a set, spread over it: opening one takes a second
SEVERITIES = ("error", "warning", "info")
PLACE = r"(?:epoch|batch|step) \d+(?:,\d{3})*"
NUMBER = r"-?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?"

COLLECT = """() => {
    const text = (place, selector) => place.querySelector(selector)?.innerText.trim() ?? null;
    const cards = [...document.querySelectorAll('.findings article.finding')].map((card) => ({
        id: card.dataset.finding,
        folded: card.classList.contains('folded'),
        severity: card.querySelector('.severity').textContent.replace(':', ''),
        title: card.querySelector('h3').textContent,
        summary: card.querySelector('.summary').textContent,
        series: card.querySelector('.links span .hint')?.textContent ?? null,
        picture: card.querySelector('.chart [role=img]')?.getAttribute('aria-label') ?? '',
        lines: [...card.querySelectorAll('.diff')].map((diff) => [
            diff.querySelector('figcaption').textContent, diff.querySelector('.removed .line-number')?.textContent ?? null,
        ]),
    }));
    const row = document.querySelector('.run.selected');
    return {
        name: document.querySelector('main h2').textContent,
        headline: text(document, 'main .headline'),
        cards,
        row: Object.fromEntries(['error', 'warning', 'info'].map((s) => [
            s, Number(row?.querySelector(`.count.${s} .hidden-text`)?.textContent.match(/\\d+/)?.[0] ?? 0)])),
        sections: [...document.querySelectorAll('.findings > .outcomes > details')].map((d) => [
            d.querySelector(':scope > summary').textContent, d.querySelectorAll('[data-check]').length]),
        about: [...document.querySelectorAll('.about div')].map((d) => [
            d.querySelector('dt').textContent, d.querySelector('dd').textContent]),
        overview: [...document.querySelectorAll('.overview [role=img]')].map((c) => c.getAttribute('aria-label')).join(' '),
        legend: [...document.querySelectorAll('.overview .u-series')].slice(1).map((s) => [
            s.querySelector('.u-label').textContent, s.querySelector('.u-value').textContent]),
    };
}"""


def agree(one, other):
    """Whether two numbers are the same, written with three digits or more."""
    if one == other:
        return True
    try:
        one, other = float(one.replace(",", "")), float(other.replace(",", ""))
    except ValueError:
        return False
    return abs(one - other) <= 0.006 * max(abs(one), abs(other))


def contradictions(seen):
    """Sentences on numbers of a page that stand in two places and differ."""
    own = [card for card in seen["cards"] if not card["folded"]]
    for severity in SEVERITIES:
        count = sum(card["severity"] == severity for card in own)
        if seen["row"][severity] != count:
            yield f"the list counts {seen['row'][severity]} of {severity}, the page has {count}"
        told = re.search(rf"(\d+) {severity}", seen["headline"])
        if told and "Trouble" in seen["headline"] and int(told[1]) != count:
            yield f"the headline counts {told[1]} of {severity}, the page has {count}"
    for summary, entries in seen["sections"]:
        told = re.search(r"\((\d+)\)", summary)
        if told and "Signals" not in summary and int(told[1]) != entries:
            yield f"{summary!r} has {entries} entries"
    if own and own[0]["title"].partition(": ")[2] not in seen["headline"]:
        yield f"the headline is {seen['headline']!r}, the first finding {own[0]['title']!r}"
    about, legend = dict(seen["about"]), dict(seen["legend"])
    for name, last in legend.items():
        told = re.search(rf"{name} goes from \S+ to ({NUMBER}|NaN|-?infinity)(?=[;.])", seen["overview"])
        if told and not agree(told[1], last):
            yield f"the {name} ends at {last} in the legend, at {told[1]} in the description"
        known = re.search(rf"last ({NUMBER}|NaN|-?infinity)", about.get(name, ""))
        if known and not agree(known[1], last):
            yield f"the {name} ends at {last} in the legend, at {known[1]} above"
    for card in seen["cards"]:
        yield from _of_card(card, about)


def _of_card(card, about):
    titled, told = re.findall(PLACE, card["title"]), card["summary"] + card["picture"] + (card["series"] or "")
    for place in titled:
        if not re.search(rf"{place}(?!,?\d)", told):
            yield f"{card['title']!r} names {place}, what is below it does not: {told!r}"
    for label, number in card["lines"]:
        if number is not None and (named := re.search(r"line (\d+)", label)) and int(number) < int(named[1]):
            yield f"{label!r} begins with line {number}"
    best = re.search(rf"validation loss was lowest at ({PLACE}) \(({NUMBER})\)", card["summary"])
    known = re.search(rf"best ({NUMBER}) at ({PLACE})", about.get("validation loss", ""))
    if best and known and (best[1] != known[2] or not agree(best[2], known[1])):
        yield f"the best validation loss is {best[2]} at {best[1]} in the finding, {known[1]} at {known[2]} above"


def test_what_contradicts_is_seen():
    card = {"id": "x", "folded": False, "severity": "warning", "title": "warning: Overfitting since epoch 3", "series": None}
    card |= {"summary": "The validation loss was lowest at epoch 4 (0.5).", "picture": "", "lines": [["a.py, line 19", "18"]]}
    page = {"headline": "Trouble: 2 warnings. Something else.", "cards": [card], "row": {"error": 1, "warning": 1, "info": 0}}
    page |= {"sections": [["Passed (3)", 2]], "about": [["validation loss", "best 0.4 at epoch 4, last 0.6"]]}
    page |= {"overview": "validation loss goes from 1 to 0.7.", "legend": [["validation loss", "0.8"]]}
    assert len(list(contradictions(page))) == 9


@pytest.mark.parametrize("logs", [name for name, path in SETS.items() if path.is_dir()])
def test_numbers_in_two_places_are_the_same(logs, browser):
    with tensorboard("--logdir", str(SETS[logs])) as server:
        names = [run["name"] for run in server.reviewed(timeout=300)["runs"]]
        page = open_tab(browser, server, link=link(names[0]))
        wrong = {}
        for name in names[:: -(-len(names) // AT_MOST)]:
            page.scram.evaluate("address => { parent.location.hash = address }", link(name))
            page.scram.wait_for_selector(f'main[aria-label="Review of {name}"] .headline', timeout=LONGEST)
            settle(page)
            for _ in range(TRIES):  # on a busy machine the list may follow the page a little later
                found = list(contradictions(page.scram.evaluate(COLLECT)))
                if not found:
                    break
                page.scram.wait_for_timeout(1000)
            if found:
                wrong[name] = found
    assert wrong == {}
