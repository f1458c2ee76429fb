"""How curves are shown: worked out once, for the tab and for every report."""

from dataclasses import replace

import numpy as np
import pytest

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.logs.curve import CurveName
from scram_plugin.reports.drawing import lines, svg
from scram_plugin.reports.html import report
from scram_plugin.reviews.as_json import review_as_json
from scram_plugin.reviews.model import Signal
from scram_plugin.reviews.pictures import first_view, labels, wants_log
from scram_plugin.reviews.run import review
from scram_plugin.reviews.sketches import sketches
from tests.paths import ROOT
from tests.reviews import review_of
from tests.training_runs import training_run

FALLING = 2 * 0.7 ** np.arange(40) + 0.3


def found_in(curves, heuristic):
    done = review(training_run(curves), catalogue())
    (finding,) = [finding for finding in done.findings if finding.heuristic == heuristic]
    return done, finding


def test_curves_are_called_by_their_signals():
    rising = np.concatenate([FALLING[:12], np.linspace(FALLING[11], 2, 28)])
    done, finding = found_in({"train/loss": FALLING, "val/loss": rising}, "overfitting")
    assert finding.picture.labels == ("validation loss", "training loss")
    assert finding.picture.curves == finding.curves
    assert finding.picture.description == (
        "Curves over epoch: validation loss goes from 2.3 to 2; training loss goes from 2.3 to 0.3. "
        f"The marked span is epoch {finding.first_step + 1} to epoch 40."
    )
    assert finding.picture.part is None
    (written,) = [entry for entry in review_as_json(done)["findings"] if entry["heuristic"] == "overfitting"]
    assert [curve["label"] for curve in written["picture"]["curves"]] == ["validation loss", "training loss"]
    assert written["picture"]["curves"][0]["tag"] == written["curves"][0]["tag"] == "val/loss"


def test_a_bad_point_near_the_start_is_not_lost_at_the_edge():
    assert first_view(range(630), 3) == (0, 15)
    assert first_view(range(630), 300) is None
    assert first_view(range(630), None) is None
    assert first_view([5], 5) == (5, 5)
    values = np.full(630, np.nan)
    values[:3] = 2.3
    _, finding = found_in({"train/loss": values}, "nonfinite-loss")
    assert finding.picture.part == (0, 15)


@pytest.mark.parametrize(
    ("curves", "log"),
    [
        ([[1, 2000]], True),
        ([[1, 999]], False),
        ([[-1, 2000]], False),
        ([[1.0, 1, 1, 200]], True),  # a peak
        ([[1, 1], [1, 2000]], True),  # together they span it
        ([[1, 2000], [0, 1]], False),  # a logarithmic axis would hide a point
        ([[np.nan]], False),
        ([[]], False),
        ([[1, np.inf, np.nan, 3000]], True),
        ([[1e308, 1.1e308]], False),
    ],
)
def test_a_logarithmic_axis_is_chosen_where_it_shows_more(curves, log):
    assert wants_log([np.array(curve, float) for curve in curves]) is log


def test_labels():
    both = [CurveName("a/train", "loss"), CurveName("a/validation", "loss")]
    assert labels(both) == ["train: loss", "validation: loss"]
    assert labels(both[:1]) == ["loss"]
    assert labels(both, {"training loss": Signal("a/train", "loss", "step")}) == ["training loss", "validation: loss"]
    tags = ["x0/mean", "x1/mean", "y0/max", "y_pred0/std", "layer/dense/dead", "loss"]
    assert labels([CurveName("scram", f"scram/statistics/{tag}") for tag in tags]) == [
        "input mean",
        "input 2 mean",
        "target max",
        "output std",
        "layer/dense/dead",
        "loss",
    ]


def test_curves_over_batches_and_over_epochs_are_not_drawn_together():
    (finding,) = [
        f for f in review_of(ROOT / "demo_logs" / "movie_reviews" / "lr_1e10").findings if f.heuristic == "nonfinite-loss"
    ]
    assert {curve.tag for curve in finding.curves} == {"scram/batches/loss", "epoch_loss"}
    assert [curve.tag for curve in finding.picture.curves] == ["scram/batches/loss"]
    assert finding.picture.labels == ("batch loss",)


def test_the_html_report_says_what_the_picture_of_the_finding_says():
    values = FALLING.copy()
    values[20:] = 5000 * np.arange(1, 21)
    done, finding = found_in({"train/loss": values}, "divergence")
    assert finding.picture.log
    done = replace(done, sketches=tuple(sketches(training_run({"train/loss": values}), done)))
    assert f'aria-label="{finding.picture.description}"' in report([done], "logs")
    drawn = svg(lines(done, finding, 3), finding)
    assert [text for text in ("1", "10", "100", "1,000", "10,000", "100,000") if f">{text}<" in drawn] == ["1", "100", "10,000"]


def test_a_tag_may_be_anything():
    """It is from a log, and Python refuses to read numbers of more than some thousand digits."""
    tag = f"x{'9' * 5000}/loss"
    assert labels([CurveName(".", tag)]) == [tag]
    done = review(training_run({tag: [1.0, np.nan, 2.0]}), catalogue(signals={tag: "training loss"}))
    assert [finding.heuristic for finding in done.findings] == ["nonfinite-loss"]
