"""`scram_plugin.review` in Python and in notebooks, and the HTML that it shows there and that `--format html` writes."""

import importlib.util
import re

import pytest

import scram_plugin
from scram_plugin.reports import html
from tests.event_files import curve
from tests.paths import DATA, DEMO_LOGS
from tests.test_cli import EXPECTED, scram

NAN = float("nan")
EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>&\u202e'
FOUND = {"movie_reviews": "Loss became NaN", "fashion_mnist": "Overfitting since", "cifar10": "Inputs are not normalised"}


def test_reviews_by_number_name_and_part():
    reviews = scram_plugin.review(DEMO_LOGS)
    assert [review.name for review in reviews] == list(EXPECTED)
    assert len(reviews) == len(EXPECTED)
    assert reviews[-1].name == list(EXPECTED)[-1]
    assert [review.name for review in reviews[:2]] == list(EXPECTED)[:2]
    assert reviews["movie_reviews/lr_1e10"].counts()["error"] == 1
    with pytest.raises(KeyError, match="no training run 'nothing'"):
        reviews["nothing"]


def test_a_review_is_shown_as_short_as_the_report_is():
    reviews = scram_plugin.review(DEMO_LOGS, select="overfitting, nonfinite-loss", options="overfitting.patience=6")
    assert reviews.names == list(EXPECTED)
    assert "cifar10/normalized" in reviews
    assert "nothing" not in reviews
    one = reviews["fashion_mnist/overfit"]
    assert one in reviews
    assert "warning: Overfitting since epoch 3" in repr(one)
    assert len(repr(one)) < 3000
    assert "<svg" in one._repr_html_()


def test_the_text_is_that_of_the_command():
    assert repr(scram_plugin.review(DEMO_LOGS)) == scram("check", DEMO_LOGS).stdout.rstrip()


def test_choices_are_those_of_the_command(tmp_path):
    curve(tmp_path / "a", "loss", [1.0, NAN])
    assert scram_plugin.review(tmp_path)["a"].counts()["error"] == 1
    assert scram_plugin.review(tmp_path, ignore=["nonfinite-loss"])["a"].counts()["error"] == 0
    assert scram_plugin.review(tmp_path, select=["plateau"])["a"].findings == ()
    assert len(scram_plugin.review(tmp_path, "nothing")) == 0
    assert repr(scram_plugin.review(tmp_path, "nothing")).startswith("0 training runs")
    for bad in ({"run": "("}, {"jobs": 0}):
        with pytest.raises(ValueError, match=r"regular expression|number of processes"):
            scram_plugin.review(tmp_path, **bad)
    (tmp_path / "gone.tfevents").symlink_to("/nonexistent")
    with pytest.warns(UserWarning, match=r"gone\.tfevents"):
        scram_plugin.review(tmp_path)
    with pytest.raises(ValueError, match="no option"):
        scram_plugin.review(tmp_path, options=["plateau.x=1"])


@pytest.mark.parametrize(
    ("where", "kind"), [("nowhere", FileNotFoundError), ("file", NotADirectoryError), ("", FileNotFoundError)]
)
def test_a_log_directory_that_is_none(where, kind, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(kind):
        scram_plugin.review(tmp_path / where)


def test_the_file_holds_everything_and_names_each_finding():
    text = scram("check", DEMO_LOGS, "--format", "html").stdout
    assert text.startswith("<!doctype html>")
    assert not re.findall(r"<script|<link|<img|@import|url\(|https?://(?!www\.w3\.org)", text), "it loads nothing"
    for name in EXPECTED:
        assert name in text
    for title in FOUND.values():
        assert title in text
    assert text.count("<svg") == 3
    assert "movie_reviews.py, line 19" in text
    assert "<ins>+     optimizer=keras.optimizers.Adam(learning_rate=0.001),</ins>" in text


def test_two_in_one_notebook_have_anchors_of_their_own():
    one, other = (scram_plugin.review(DEMO_LOGS, pattern)._repr_html_() for pattern in ("", "cifar|movie"))
    anchors = [set(re.findall(r'id="(.+?)"', text)) for text in (one, other)]
    assert all(anchors)
    assert not anchors[0] & anchors[1]


def test_untrusted_names_are_text(tmp_path):
    curve(tmp_path / "a", f"{EVIL}/loss", [1.0, 0.9, NAN])
    curve(tmp_path / "b" / EVIL.replace("/", "_"), "loss", [1.0, 0.9, NAN])
    reviews = scram_plugin.review(tmp_path)
    assert len(reviews) == 2
    text = html.report(list(reviews), EVIL)
    assert "<script" not in text
    assert "<img" not in text
    assert "\u202e" not in text, "nothing turns the direction of what follows"
    assert text.count("&lt;script") >= 3


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the data sets of ../shared")
@pytest.mark.parametrize(
    "name", ["movie_reviews", *(pytest.param(name, marks=pytest.mark.slow) for name in ("fashion_mnist", "cifar10"))]
)
def test_the_notebooks_run_and_show_findings_with_curves(name):
    spec = importlib.util.spec_from_file_location("notebooks", DEMO_LOGS / "notebooks.py")
    notebooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(notebooks)
    made = notebooks.run(name, DATA.resolve())
    (shown,) = [o["data"] for cell in made.cells for o in cell.get("outputs", []) if o.output_type == "execute_result"]
    assert FOUND[name] in shown["text/html"]
    assert "<polyline" in shown["text/html"]
    assert FOUND[name] in shown["text/plain"]
