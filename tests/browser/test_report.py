"""The HTML report as a page: light and dark, narrow, without a network, for everyone."""

import shutil

from tests.browser.test_tab import AXE
from tests.browser.waiting import address_has
from tests.paths import DEMO_LOGS
from tests.test_cli import scram


def test_a_page_in_the_browser_says_nothing_and_needs_no_network(browser, tmp_path):
    logs = tmp_path / "a_directory_with_a_long_name" / "in_another_one_whose_name_is_longer" / "logs"
    shutil.copytree(DEMO_LOGS, logs, ignore=shutil.ignore_patterns("scenarios", "*.py"))
    scram("check", logs, "--format", "html", "--output", tmp_path / "report.html")
    for scheme, background in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(31, 34, 39)")):
        page = browser.new_context(color_scheme=scheme, viewport={"width": 400, "height": 900}, offline=True).new_page()
        said = []
        page.on("console", lambda message, said=said: said.append(message.text))
        page.goto((tmp_path / "report.html").as_uri())
        assert page.evaluate("getComputedStyle(document.querySelector('.scram')).backgroundColor") == background
        assert page.evaluate("document.documentElement.scrollWidth") <= 400, "nothing scrolls sideways"
        assert page.locator("svg polyline").count() >= 5
        page.evaluate(AXE())
        found = page.evaluate("axe.run(document).then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html)]))")
        assert found == []
        page.click("text=fashion_mnist/overfit")
        address_has(page, "#run-2")
        assert said == []
        page.context.close()
