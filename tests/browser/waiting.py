"""What follows a click is looked for until it is there: how long that takes, the machine decides.

Playwright's `expect` does so for what an element says; here is the rest. `SLOWER=6` with pytest gives the page a sixth of the
processor: a test that passes so does not hang on the moment.
"""

import re

from playwright.sync_api import Page, expect

LONGEST = 30_000  # milliseconds
expect.set_options(timeout=LONGEST)

# a plot is drawn anew when points of the zoomed part arrive: the plots are those of half a second ago
STILL = """() => {
    const plots = [...document.querySelectorAll('.uplot')], now = performance.now();
    const before = (window.plotsBefore ??= { plots: [], since: now });
    if (plots.length !== before.plots.length || plots.some((plot, i) => plot !== before.plots[i]))
        Object.assign(before, { plots, since: now });
    return now - before.since > 500;
}"""


def settle(page):
    """Until curves are drawn, a canvas for each finding, and stay as they are; those of the first picture have their size."""
    page.scram.wait_for_selector(
        "main.review .headline, main.empty, article.page, .matrix .check, .sweep-body [role=row]", timeout=LONGEST
    )
    page.scram.wait_for_function(
        "[...document.querySelectorAll('.finding:not(.folded) .chart')].every(c => c.querySelector('canvas'))"
    )
    page.scram.wait_for_function(
        "[...document.querySelectorAll('.overview .chart')].every(c => c.querySelector('.u-over')?.clientHeight > 0)"
    )
    page.wait_for_timeout(500)
    page.scram.wait_for_function(STILL)


def in_theme(page, theme: str) -> None:
    """Set the theme as the switch of TensorBoard does it, and wait until all is drawn in it."""
    page.evaluate("dark => document.body.classList.toggle('dark-mode', dark)", theme == "dark")
    page.scram.wait_for_selector(f"html[data-theme={theme}]", state="attached")
    settle(page)


def place(page: Page, found) -> dict[str, float]:
    """Where an element lies; asked again while it has no place, since news drew it anew between the question and the answer."""
    for _ in range(LONGEST // 100):
        if box := found.bounding_box():
            return box
        page.wait_for_timeout(100)
    raise AssertionError(f"{found} has no place")


def focused(page, name: str, value: str) -> None:
    """Until the element that has the focus has `data-name=value`."""
    page.scram.wait_for_function("([name, value]) => document.activeElement.dataset[name] === value", arg=[name, value])


def address_has(page: Page, part: str) -> None:
    """Until the address in the browser has `part`."""
    expect(page).to_have_url(re.compile(re.escape(part)))


def until(ask, wanted, page: Page) -> None:
    """Until `ask()` gives `wanted`. Raises AssertionError with what it gave last."""
    for _ in range(LONGEST // 100):
        if (got := ask()) == wanted:
            return
        page.wait_for_timeout(100)
    assert got == wanted
