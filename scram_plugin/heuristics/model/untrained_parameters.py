"""Parameters that the loss depends on, and that no optimizer trains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.edits import (
    Edit,
    keep_graph,
    make_optimizer_last,
    register_layers,
    train_all_parameters,
    unused_outputs,
    use_output,
)
from scram_plugin.heuristics.heuristic import Cause, Confidence, Finding, Heuristic, NotChecked, absent
from scram_plugin.heuristics.measured import listed, shown_loss, whole_of
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.heuristics.words import counted
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.severity import Severity

EDITS: dict[str, Callable[[Mapping[str, Any]], Edit | None]] = {
    "plain-list": register_layers,
    "replaced": make_optimizer_last,
    "left-out": train_all_parameters,
    "cut-off": keep_graph,
}
SHOWN_LAYERS = 16  # that are told; a log may hold any program; by definition
KINDS = ("shapes", "names", "stale", "cut", "unused")  # of evidence; each finding has one or two of them


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    known, idle = (run.facts.get("optimizer") or {}).get("untrained") or {}, run.loop.get("idle")
    if idle and not known.get("forgotten") and not known.get("unregistered"):
        names = listed([f"`{name}`" for name in idle])
        title = f"An optimizer takes steps without gradients, and trains nothing: {names}"
        said = f"None of its parameters had a gradient in any step: {names}."
        yield _finding(run, "cut-off", "error", "certain", title, said, len(idle), cut=names)
    if not known:
        if idle:
            return
        if run.framework_of_facts == "keras":
            yield from _of_keras(run)
            return
        raise NotChecked("it was not recorded which parameters the optimizer trains", HOW)
    loose, forgotten, stale = (known.get(kind) or 0 for kind in ("unregistered", "forgotten", "stale"))
    names = listed([f"`{name}`" for name in known.get("names") or ["unknown"]])
    run.measured("parameters that the loss depends on and no optimizer trains", loose + forgotten, above=0)
    if loose:
        shapes = listed([" × ".join(map(str, shape)) or "one number" for shape in known.get("shapes") or [[]]])
        title = f"{counted(loose, 'parameter')} of the model {'is' if loose == 1 else 'are'} not registered, and not trained"
        said = f"The loss depends on {counted(loose, 'parameter')} ({shapes}) that no module has."
        yield _finding(run, "plain-list", "warning", "certain", title, said, loose, shapes=shapes)
    if forgotten and stale:
        title = f"The optimizer does not train {names}: it was made before the model was changed"
        said = f"The optimizer holds {counted(stale, 'parameter')} that the model no longer has, and not {names}."
        yield _finding(run, "replaced", "error", "certain", title, said, forgotten, names=names, stale=stale)
    elif forgotten and (fresh := known.get("fresh", 0)) > (asleep := known.get("asleep", 0)) / 2:
        title = f"No optimizer trains {counted(forgotten, 'parameter')} of the model: {names}"
        still = "which still has" if forgotten == 1 else f"{'which' if fresh == asleep else 'most of which'} still have"
        said = f"The optimizer does not have {names}, {still} random values."
        yield _finding(run, "left-out", "warning", "likely", title, said, forgotten, names=names)
    elif forgotten:
        title = f"No optimizer trains {counted(forgotten, 'parameter')} of the model: {names}"
        said = f"{names} would get gradients, and the optimizer does not have {'it' if forgotten == 1 else 'them'}."
        yield _finding(run, "left-out", "info", "certain", title, said, forgotten, names=names)
    if not idle and (cut := known.get("cut") or 0):
        names = listed([f"`{name}`" for name in known.get("cut_names") or ["unknown"]])
        title = f"The loss does not depend on {counted(cut, 'parameter')} that the optimizer has: {names}"
        said = f"The loss does not depend on {names}, but on layers that were called later."
        yield _finding(run, "cut-off", "warning", "likely", title, said, cut, cut=names)


def _of_keras(run: TrainingRun) -> Iterable[Finding]:
    """Keras gives all variables of the model to the optimizer; but a functional model may lack a layer that it should have."""
    if (run.facts.get("model") or {}).get("kind") != "functional" or not (run.facts.get("source") or {}).get("files"):
        raise NotChecked("fit gives all trainable variables to the optimizer", "a loop of your own in scram_plugin.watch")
    for name, layer, line in unused_outputs(run.facts)[:SHOWN_LAYERS]:
        title = f"The model does not have the layer {layer} whose output is `{name}`: nothing uses it"
        said = f"Line {line} gives `{name}` its value, and no line reads it."
        edit = use_output(run.facts, name)
        yield _finding(run, "unused", "warning", "likely", title, said, 1, edit, unused=f"`{name}`")


def _finding(
    run: TrainingRun,
    cause: str,
    severity: Severity,
    confidence: Confidence,
    title: str,
    said: str,
    count: int,
    edit: Edit | None = None,
    **evidence: Any,
) -> Finding:
    curve = shown_loss(run)
    return Finding(
        severity=severity,
        confidence=confidence,
        title=title,
        evidence={**absent(*KINDS), "count": count, **evidence},
        **whole_of(curve),
        causes=[Cause(cause, said, "", EDITS[cause](run.facts) if cause in EDITS else edit)],
    )


HEURISTIC = Heuristic(
    id="untrained-parameters",
    group="model",
    title_passed="An optimizer trains every parameter that the loss depends on",
    check=check,
    page=Page.beside(__file__),
    needs=("SCRAM's record of a training loop",),
    order=135,
    precedence=75,
    explains=("standstill", "preflight-test", "undertrained"),
    unexplained=("left-out",),
)
