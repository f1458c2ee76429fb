"""Reviews as Markdown: for an issue or a report, with nothing in it that a name or message could turn into markup."""

import json
import re

from markdown_it import MarkdownIt

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.reports import markdown
from scram_plugin.reviews.monitor import Reviewer
from tests.event_files import curve
from tests.paths import DEMO_LOGS
from tests.test_cli import EXPECTED, scram


def rendered(text):
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(text)


def test_of_the_demo():
    done = scram("check", DEMO_LOGS, "--format", "markdown")
    assert (done.returncode, done.stderr) == (1, "")
    html = rendered(done.stdout)
    document = json.loads(scram("check", DEMO_LOGS, "--format", "json").stdout)
    for run in document["runs"]:
        assert f"<h2>{run['name']}</h2>" in html
        for finding in run["findings"]:
            assert finding["heuristic"] in html
    assert html.count("<tr>") == 1 + len(EXPECTED)
    assert '<code class="language-diff">' in html
    assert "learning_rate=0.001" in html
    assert done.stdout == scram("check", DEMO_LOGS, "--format", "markdown").stdout


def test_the_route_gives_the_same(demo_server):
    name = "movie_reviews/lr_1e10"
    _, answer = demo_server.get("report", run=name)
    done = scram("check", DEMO_LOGS, "--format", "markdown", "--run", f"^{name}$")
    assert answer["markdown"] == done.stdout


def test_names_are_text(tmp_path):
    names = ["<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", "a|b", "*x*_y_`z`", "# head", "``` fence", "x @org #1"]
    names += ["````<img src=x onerror=alert(1)>`", "- [ ] task", "1. x", "+ x", "http:∕∕x.org www.x.org", "`a``b`"]
    for name in names:
        curve(tmp_path / name.replace("/", "∕"), f"loss{name}"[:4] + "", [1.0, float("nan")])
    reviewer = Reviewer(str(tmp_path), catalogue())
    reviews = [reviewer.review(name) for name in names]
    assert all(reviews)
    html = rendered(markdown.report(reviews))
    assert "<img" not in html
    assert "<a " not in html
    assert "<em>" not in html
    assert "<li>" not in html.replace("<li><strong>", "")
    outside = re.sub("<code>.*?</code>", "", html)  # within code nobody is called
    assert "@org" not in outside
    assert "#1" not in outside
    assert html.count("<h2>") == len(names)
    assert html.count("<tr>") == 1 + len(names)
