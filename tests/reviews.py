"""What SCRAM says of one training run."""

from pathlib import Path

import numpy as np

from scram_plugin.heuristics.catalogue import catalogue
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from scram_plugin.reviews.run import review
from tests.recorded import recorded


def review_of(path: Path, options=None):
    """The review of the one training run in a log directory, or of the last one."""
    (run,) = [run for run in training_runs(read(path)) if run.is_last]
    return review(run, catalogue(options=options))


def review_of_recorded(*name: str, options=None):
    return review_of(recorded(*name), options)


def found(review) -> list[str]:
    return [f.heuristic for f in review.findings if f.explained_by is None]


def finding(review, heuristic: str) -> dict:
    (one,) = [f for f in review.findings if f.heuristic == heuristic]
    return one


def fault_is_found(heuristic: str, cause: str, *name: str) -> dict:
    """The finding of a recorded training with a fault, whose first cause is this."""
    review = review_of_recorded(*name, "fault")
    print([(f.heuristic, f.explained_by, f.title) for f in review.findings])
    one = finding(review, heuristic)
    print(one.summary)
    assert one.causes[0].id == cause
    return one


def twin_is_sound(heuristic: str, *name: str) -> None:
    """Nothing is found in the healthy twin of a recorded training."""
    review = review_of_recorded(*name, "healthy")
    print([(f.heuristic, f.explained_by, f.title) for f in review.findings])
    assert heuristic in review.passed
    others = [f.heuristic for f in review.findings if f.severity != "info" and f.explained_by is None]
    assert set(others) <= {"undertrained"}, "four epochs are few"


def findings_of(heuristic, run, options):
    """What one check finds by itself; nothing where it cannot judge, or does not judge this kind of run."""
    if heuristic.whole_training and run.facts.get("preflight"):
        return []
    try:
        with np.errstate(all="ignore"):
            return list(heuristic.check(run, {**heuristic.defaults, **options}))
    except Exception:  # a check that cannot judge says so by an exception
        return []
