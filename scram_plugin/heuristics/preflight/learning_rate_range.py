"""A learning rate outside the range in which this model learns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, Inconclusive, Option
from scram_plugin.heuristics.measured import shown_loss, whole_of
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.preflight.tested import tested
from scram_plugin.heuristics.words import number
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "below",
        1000.0,
        (
            "how many times smaller than the rate at which the loss fell fastest a rate must be to be reported; usual rates "
            "are 3 to 100 times smaller, since the test is short"
        ),
        f"Smith (2017); {CALIBRATED}",
    ),
)
BELOW_STEEPEST = 10  # the proposed rate is so many times smaller than the steepest (Smith, 2017)


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    found = tested(run, "rates")
    given, steepest, blown = found.get("given"), found.get("steepest"), found.get("blown")
    if given is None:
        raise Inconclusive("the learning rate is not a single number")
    high = blown is not None and given >= blown
    low = steepest is not None and given * options["below"] < steepest
    if blown:
        run.measured("learning rate, as a multiple of the one at which the loss diverged", given / blown, above=1.0)
    if steepest and given:
        what = "rate at which the loss fell fastest, as a multiple of the learning rate"
        run.measured(what, steepest / given, above=options["below"])
    if not high and not low:
        if steepest is None and blown is None:
            raise Inconclusive("the loss neither fell nor diverged at any rate")
        return
    curve = run.statistic("rates", "loss") or shown_loss(run)
    rates = run.statistic("rates", "rate")
    # the step of the test whose rate is nearest to the training's
    place = int((abs(rates.values - given)).argmin()) if rates is not None and len(rates) == len(curve) else 0
    yield Finding(
        severity="warning",
        confidence="likely",
        title=f"The learning rate {number(given)} is {'above' if high else 'far below'} the range in which this model learns",
        evidence={
            "given": number(given),
            "blown": number(blown) if high and blown is not None else None,
            "steepest": number(steepest) if steepest is not None else None,
            "proposal": number(steepest / BELOW_STEEPEST) if steepest is not None else None,
        },
        **whole_of(curve),
        causes=[Cause("high" if high else "low")],
        bad_step=int(curve.steps[place]),
    )


HEURISTIC = Heuristic(
    id="learning-rate-range",
    group="preflight",
    title_passed="The learning rate is in the range in which this model learns",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("a preflight", "a learning rate that is a single number"),
    order=500,
    families=("preflight-test",),
)
