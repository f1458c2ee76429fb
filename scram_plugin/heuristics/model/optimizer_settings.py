"""Settings of the optimizer, other than its learning rate, that cannot be meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.edits import Edit, swap_betas
from scram_plugin.heuristics.heuristic import OPTIMIZER, Cause, Finding, Heuristic, NotChecked
from scram_plugin.heuristics.measured import fell_far, shown_loss, whole_of
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.heuristics.words import number
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.severity import Severity

NEVER_FADES = 1.0  # momentum from which on a step never fades; by definition
SMALLEST_HALF = 2.0**-25  # a number of at most half of float16's smallest one becomes 0 in it (IEEE 754)
SLOW = 0.99  # momentum; 0.9 is usual (default of Keras and PyTorch for Adam), and 0.99 is used in few trainings; by definition
COARSE = 0.01  # epsilon; 1e-8 is the default of PyTorch, 1e-7 that of Keras; by definition


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    optimizer = run.facts.get("optimizer") or {}
    settings, name = optimizer.get("settings"), str(optimizer.get("class"))
    if not isinstance(settings, Mapping):
        raise NotChecked("the settings of the optimizer are not known", HOW)
    first, second, momentum = (_number(settings.get(key)) for key in ("beta_1", "beta_2", "momentum"))
    epsilon = _number(settings.get("eps", settings.get("epsilon")))
    for what, value in (("momentum (beta_1)", first), ("momentum", momentum)):
        if value is not None and value <= SLOW:
            run.measured(f"{what} of {name}", value, above=SLOW)
    if first is not None and second is not None and first > second:
        said = f"{name} has the betas {number(first)} and {number(second)}; the second is usually the larger one."
        yield _finding(run, "betas", "warning", f"The betas of {name} are swapped", said, swap_betas(run.facts, first, second))
    elif first is not None and first > SLOW and not fell_far(run):
        said = f"{name} has beta_1 {number(first)}: a step follows the gradients of about {round(1 / (1 - first)):,} batches."
        yield _finding(run, "momentum", "warning", f"The momentum of {name} reacts slowly: beta_1 {number(first)}", said)
    if momentum is not None and SLOW < momentum < NEVER_FADES and not fell_far(run):
        said = f"The momentum of {name} is {number(momentum)}: a step adds up about {round(1 / (1 - momentum)):,} batches."
        yield _finding(run, "momentum", "warning", f"The momentum {number(momentum)} is very high", said)
    if epsilon is not None and second is not None and epsilon >= COARSE and not fell_far(run):
        said = f"The epsilon of {name} is {number(epsilon)}, larger than most gradients, so that updates become small."
        yield _finding(run, "epsilon", "warning", f"The epsilon of {name} is large: {number(epsilon)}", said)
    every, steps = _number(settings.get("gradient_accumulation_steps")), _number((run.facts.get("fit") or {}).get("steps"))
    if every is not None and steps is not None and every > steps:
        said = f"{name} takes one step for {number(every)} batches, and an epoch has {number(steps)}."
        yield _finding(run, "accumulation", "warning", f"{name} takes less than one step in an epoch", said)
    if momentum is not None and momentum >= NEVER_FADES:
        said = f"The momentum of {name} is {number(momentum)}: a step is never forgotten, so the steps add up."
        yield _finding(run, "momentum", "error", f"The momentum {number(momentum)} is 1 or more", said)
    if epsilon is not None and "beta_2" in settings and run.facts.get("dtype_policy") == "float16" and epsilon <= SMALLEST_HALF:
        said = f"The epsilon of {name} is {number(epsilon)}, which is 0 in float16: an update may divide by 0."
        yield _finding(run, "epsilon", "error", f"The epsilon of {name} is 0 in float16", said)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _finding(run: TrainingRun, cause: str, severity: Severity, title: str, said: str, edit: Edit | None = None) -> Finding:
    curve = shown_loss(run)
    return Finding(
        severity=severity,
        confidence="certain" if severity == "error" else "likely",
        title=title,
        evidence={"said": said},
        **whole_of(curve),
        causes=[Cause(cause, said, "", edit)],
        where=[OPTIMIZER],
        brings=SLOWED if cause == "epsilon" and severity == "warning" else None,
        at_once=False,
    )


SLOWED = ("standstill", "undertrained", "preflight-test")  # what smaller updates can bring about

HEURISTIC = Heuristic(
    id="optimizer-settings",
    group="model",
    title_passed="The settings of the optimizer can be meant",
    check=check,
    page=Page.beside(__file__),
    needs=("SCRAM's facts of the model",),
    order=138,
    precedence=78,
    explains=("standstill", "unrest", "signal-flow", "non-finite", "preflight-test", "undertrained", "curve-shape"),
)
