"""Validation examples that are also in the training data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, Inconclusive, Option
from scram_plugin.heuristics.measured import shown_loss, whole_of
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.preflight.tested import tested
from scram_plugin.heuristics.words import percent
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "part",
        0.02,
        "share of the validation examples that may also be in the training data",
        ("Barz and Denzler (2020): in CIFAR-100 10 % are nearly equal to training examples, but less than 1 % byte for byte"),
    ),
)
NATURAL = 0.1  # share of the validation examples: more than so many doubles are not natural; by definition
ALIKE = 2.0  # times the share of training examples that have a double there: so many are natural; by definition
FEWEST_EQUAL = 3  # examples in both: fewer can be equal by chance; by definition


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    found = tested(run, "overlap")
    both, validation = found.get("both") or 0, found.get("validation") or 0
    if not validation:
        raise Inconclusive("there were no validation examples to compare")
    what = "validation examples that are also in the training data"
    if both <= options["part"] * validation:
        run.measured(f"share of the {what}", both / validation, above=options["part"], percent=True)
        return
    if both < FEWEST_EQUAL:
        run.measured(what, both, above=FEWEST_EQUAL - 1)
        return
    again, training = found.get("again") or 0, found.get("training") or 0
    if both <= NATURAL * validation and both * training <= ALIKE * again * validation:
        if again:
            what = "validation examples in the training data, as a multiple of those that repeat within it"
            run.measured(what, both * training / (again * validation), above=ALIKE)
        return  # examples repeat within the training data as often
    curve = shown_loss(run)
    whole = both == validation
    yield Finding(
        severity="warning",
        confidence="certain" if whole else "likely",
        title="All validation examples are also in the training data"
        if whole
        else f"{percent(both / validation)} of the validation examples are also in the training data",
        evidence={
            "both": both,
            "validation": validation,
            "part": f"{percent(both / validation, 1)}",
            "training": found.get("training"),
        },
        **whole_of(curve),
        causes=[Cause("same"), Cause("doubles")] if whole else [Cause("doubles"), Cause("same")],
    )


HEURISTIC = Heuristic(
    id="validation-overlap",
    group="preflight",
    title_passed="Few or no validation examples are also in the training data",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("a preflight", "validation data"),
    order=490,
)
