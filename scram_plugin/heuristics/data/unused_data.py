"""Examples, or parts of them, that the program has and does not train on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.datasets import few_examples, is_constant
from scram_plugin.heuristics.edits import skipped_data
from scram_plugin.heuristics.edits.parts import Skipped
from scram_plugin.heuristics.heuristic import INPUTS, Cause, Finding, Heuristic, NotChecked
from scram_plugin.heuristics.measured import fell_far, shown_loss, whole_of
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.heuristics.words import counted
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun

TITLES = {
    "range": "The loop over the data ends long before the data do",
    "same": "Each step trains on the same examples",
    "length": "The data set says that it is smaller than it is",
    "left": "The loop over the data ends after its first step",
    "renewed": "Only the last part of the data is kept",
    "seeded": "The same example is drawn each time",
    "split": "Most of the data are held out",
    "unlinked": "No node of the graph is linked to another one",
    "swapped": "The training data are those that are held out",
    "unread": "The model never reads a part of its inputs",
    "few": "Only few of the examples are trained on",
}
OF_ALL = 3  # times the examples that are trained on: most of a larger data set is left out; by definition


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    nodes, few = run.loop.get("unlinked"), _few(run)
    if not nodes and not few and not (run.facts.get("source") or {}).get("files"):
        raise NotChecked("the program was not recorded", HOW)
    curve, skipped = shown_loss(run), skipped_data(run.facts)
    if skipped is not None:
        yield _finding(curve, skipped)
    elif nodes:
        said = f"The graph of the first step has {nodes:,} nodes, and each is linked to itself alone."
        yield _finding(curve, Skipped("unlinked", None, said, None))
    elif few:
        yield _finding(curve, Skipped("few", None, few, None))


def _few(run: TrainingRun) -> str:
    """How few different examples are trained on, as a sentence; "" where there are enough, or it is not known."""
    return _few_of_data_set(run) or _few_of_array(run)


def _few_of_array(run: TrainingRun) -> str:
    """How few rows of an array of the program are in the batches, as a sentence; "" where that is not known."""
    held = run.loop.get("held") or {}
    if not held.get("different"):
        return ""
    rows = counted(held["different"], "different row")
    return f"The training saw {rows} of `{held['name']}` again and again; there are {held['rows']:,} in it."


def _few_of_data_set(run: TrainingRun) -> str:
    """How few different inputs the model was given, as a sentence; "" where there are enough, or it is not known."""
    seen = few_examples(run)
    if seen is None or (seen.different == 1 and is_constant(run, "x0")):  # its values are wrong
        return ""
    held = (run.facts.get("fit") or {}).get("samples") or 0
    said = f"The training saw {counted(seen.different, 'different example')} again and again"
    if held >= OF_ALL * seen.different and not seen.twice:
        return f"{said}; its data set has {held:,}."
    if seen.evaluates_more and not fell_far(run):
        return f"{said}, and an evaluation has {seen.evaluated:,}."
    return ""


def _finding(curve: Curve, skipped: Skipped) -> Finding:
    return Finding(
        severity="warning",
        confidence="likely",
        title=TITLES[skipped.cause],
        evidence={"said": skipped.said, "line": skipped.line},
        **whole_of(curve),
        causes=[Cause(skipped.cause, skipped.said, "", skipped.edit)],
        where=[INPUTS],
    )


HEURISTIC = Heuristic(
    id="unused-data",
    group="data",
    title_passed="The program uses the data that it has",
    check=check,
    page=Page.beside(__file__),
    needs=("the program, which SCRAM records",),
    order=38,
    precedence=35,
    explains=(
        "standstill",
        "curve-shape",
        "overfitting",
        "undertrained",
        "preflight-test",
        "output-collapse",
        "constant-inputs",
    ),
)
