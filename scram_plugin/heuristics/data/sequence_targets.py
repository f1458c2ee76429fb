"""Targets of a language model, or of another model of sequences, that are the wrong position of its inputs, or that it sees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.edits import take_inputs_as_labels
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic
from scram_plugin.heuristics.measured import of_loop, shown_loss, whole_of
from scram_plugin.heuristics.page import Page
from scram_plugin.logs.training_run import TrainingRun

TITLES = {
    "sees-targets": "The model sees what it should predict",
    "not-shifted": "The targets are the inputs themselves",
    "shifted-twice": "The targets are shifted by two positions",
}
SAID = {
    "sees-targets": "The targets are the inputs shifted by one position, and the outputs of earlier positions changed with the "
    "last input of the sequences.",
    "not-shifted": "Each position's target is the input at this very position, and no output depends on later positions.",
    "shifted-twice": "Each position's target is the input two positions later.",
}


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    loop = of_loop(
        run,
        "sequence",
        "the tokens of a Keras model are not recorded",
        "it was not recorded whether the targets are inputs of other positions",
    )
    shift, future = loop["sequence"].get("shift"), loop["sequence"].get("future")
    cause = None
    if shift == 1 and future:
        cause = "sees-targets"
    elif shift == 0 and future is False:
        cause = "not-shifted"
    elif shift == 2:
        cause = "shifted-twice"
    if cause is None:
        if shift is not None:
            run.measured("positions by which the targets are ahead of the inputs", shift)
        return
    curve = shown_loss(run)
    yield Finding(
        severity="error" if cause == "sees-targets" else "warning",
        confidence="certain" if cause == "sees-targets" and not loop["sequence"].get("values") else "likely",
        title=TITLES[cause],
        evidence={"said": SAID[cause]},
        **whole_of(curve),
        causes=[Cause(cause, SAID[cause], "", take_inputs_as_labels(run.facts) if cause == "shifted-twice" else None)],
    )


HEURISTIC = Heuristic(
    id="sequence-targets",
    group="data",
    title_passed="The model predicts what it does not see",
    check=check,
    page=Page.beside(__file__),
    needs=("SCRAM's record of a training with PyTorch",),
    order=25,
    precedence=35,
    explains=("standstill", "preflight-test", "undertrained", "zero-loss", "curve-shape", "overfitting"),
    unexplained=("not-shifted", "shifted-twice"),
)
