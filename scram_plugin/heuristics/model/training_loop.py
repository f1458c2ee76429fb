"""A training loop that does its calls in another order than it must, or leaves one out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.datasets import data_of
from scram_plugin.heuristics.edits import (
    Edit,
    WrongLine,
    always_dropping,
    call_scheduler,
    clear_before_backward,
    clip_before_step,
    decodes_in_training,
    dropped_results,
    give_factor,
    not_reparameterised,
    predicts_in_training,
    swapped_triplets,
    switch_modes,
    take_steps,
    uncalled,
    unread_values,
)
from scram_plugin.heuristics.heuristic import Cause, Confidence, Finding, Heuristic
from scram_plugin.heuristics.limits import MOSTLY
from scram_plugin.heuristics.measured import listed, of_loop, shown_loss, whole_of
from scram_plugin.heuristics.model.schedulers import schedule_of
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import number
from scram_plugin.logs.curve import Curve
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.severity import Severity

OFTEN = 3  # times: once or twice may be a trial before the training; by definition
KEPT = 10  # graphs of earlier steps that are in memory: a loop needs one or two; by definition
GROWN = 1.5  # times the size of the graph in an early step; by definition
MOVED = 0.5  # standard deviations by which a running mean has moved, so that a layer gets other inputs; by definition
SHORT = 0.5  # share of a schedule that was used; by definition
MOST_OF = 0.8  # share of the steps that a schedule is made for; by definition
MANY_WAYS = 4  # backward passes of a step, from which on sum and mean differ much; by definition
SELDOM = 3  # times the usual number of backward passes before a step, on average; by definition
TWICE = 0.01  # relative difference from a factor that was divided twice: the number of batches is whole; by definition
FEW_EXAMPLES = 8  # from which nothing general can be learned; by definition
EPOCHS = 3  # that end early, at least; by definition
TITLES = {
    "part": "Each epoch uses only a small part of the data",
    "few": "The training data have very few examples",
    "no-step": "The optimizer never takes a step",
    "cleared": "The gradients are cleared before the optimizer uses them",
    "broadcast-metric": "A metric compares every output with every target",
    "mixed-losses": "The loss of another network trains this one, too",
    "same-goal": "The generator is trained to be told apart from real data",
    "undivided": "The gradients of many batches are added up, not averaged",
    "seldom": "The optimizer takes no step for most of the batches",
    "divided": "The loss is divided as for several batches, and each batch has a step",
    "divided-twice": "The loss of accumulated batches is divided twice",
    "norm-of-one": "Batch normalisation gets batches of one example",
    "left-in-eval": "The model trains in evaluation mode",
    "never-eval": "The model is evaluated in training mode",
    "clip-after-step": "The gradients are changed after the step that used them",
    "not-detached": "Each step goes back through the steps before it",
    "detached-state": "The model gets its own outputs without their graph, within a step",
    "cut-derivative": "A derivative in the loss is a constant for the optimizer",
    "zero-derivative": "A second derivative in the loss is 0 everywhere",
    "kept": "The autograd graphs of earlier steps stay in memory",
    "retained": "Every backward pass keeps its graph",
    "rate-as-factor": "The scheduler multiplies the learning rate by a learning rate",
    "frozen-norm": "A frozen batch normalisation still updates its statistics",
    "per-batch": "The scheduler is called in every step, and was made for epochs",
    "per-epoch": "The scheduler is called once an epoch, and was made for steps",
}
EDITS: dict[str, Callable[[Mapping[str, Any]], Edit | None]] = {
    "no-step": take_steps,
    "cleared": clear_before_backward,
    "clip-after-step": clip_before_step,
    "left-in-eval": lambda facts: switch_modes(facts, False),
    "never-eval": lambda facts: switch_modes(facts, True),
    "per-batch": lambda facts: call_scheduler(facts, True),
    "per-epoch": lambda facts: call_scheduler(facts, False),
    "rate-as-factor": give_factor,
}
# cause, severity, title, what is said of a line with this text and number, and how such lines are found
LINES: tuple[tuple[str, Severity, str, str, Callable[[Mapping[str, Any]], Iterable[WrongLine]]], ...] = (
    ("not-called", "error", "`{0}` is not called", "Line {1} is `{0}`, without parentheses: it does nothing.", uncalled),
    (
        "always-dropout",
        "warning",
        "Dropout stays on in the evaluation",
        "Line {1} calls `{0}`, which drops values in evaluation mode, too.",
        always_dropping,
    ),
    (
        "not-reparameterized",
        "warning",
        "A sample without a gradient stands in the loss",
        "The result of `{0}` in line {1} has no gradient.",
        not_reparameterised,
    ),
    (
        "never-eval",
        "warning",
        TITLES["never-eval"],
        "Line {1} calls `{0}` after `fit`, which leaves the model in training mode.",
        predicts_in_training,
    ),
    (
        "never-eval",
        "warning",
        TITLES["never-eval"],
        "Line {1} calls `{0}` without gradients, and no line calls `eval`: dropout stays on.",
        decodes_in_training,
    ),
    (
        "swapped-triplet",
        "warning",
        "A triplet loss pulls the negative example closer",
        "Line {1} is `{0}`: the loss wants the positive example before the negative one.",
        swapped_triplets,
    ),
    (
        "unused-result",
        "warning",
        "The result of `{0}` is not used",
        "Line {1} computes `{0}` and keeps the result nowhere.",
        dropped_results,
    ),
    (
        "unused-result",
        "warning",
        "`{0}` is computed and not used",
        "Line {1} of the model computes `{0}`, and nothing reads it.",
        unread_values,
    ),
)
SEVERITIES: dict[str, Severity] = {"no-step": "error", "cleared": "error", "retained": "info"}  # others: warnings
CERTAIN = ("no-step", "cleared", "left-in-eval", "broadcast-metric", "not-detached", "kept", "retained")
Loop = Mapping[str, Any]
Found = Iterator[tuple[str, str]]  # the cause, and a sentence with the numbers of this run


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    loop = of_loop(run, "steps", "fit runs the loop itself", "it was not recorded what the training loop does")
    curve = shown_loss(run)
    run.measured("recorded steps of the optimizer", loop["steps"])
    yield from _lines(run, curve)
    for part in (
        _steps(loop),
        _opposed(run, loop),
        _accumulation(loop),
        _modes(run, loop),
        _metrics(loop),
        _memory(loop),
        _derivatives(loop),
        _frozen(loop),
        schedule_of(run, loop),
        _data(run, loop),
    ):
        for cause, said in part:
            severity: Severity = SEVERITIES.get(cause, "warning")
            confidence: Confidence = "certain" if cause in CERTAIN else "likely"
            yield Finding(
                severity=severity,
                confidence=confidence,
                title=TITLES[cause],
                evidence={"said": said},
                **whole_of(curve),
                causes=[Cause(cause, said, "", EDITS[cause](run.facts) if cause in EDITS else None)],
            )


def _lines(run: TrainingRun, curve: Curve) -> Iterator[Finding]:
    """What lines of the program say by themselves."""
    for cause, severity, title, said, find in LINES:
        lines = list(find(run.facts))
        if lines:
            told = said.format(lines[0].text, lines[0].line)
            others = f" So do{'es' * (len(lines) == 2)} {len(lines) - 1} more." if len(lines) > 1 else ""
            yield Finding(
                severity=severity,
                confidence="certain" if severity == "error" else "likely",
                title=title.format(lines[0].text),
                evidence={"said": f"{told}{others}"},
                **whole_of(curve),
                causes=[Cause(cause, told, "", lines[0].edit)],
            )


def _steps(loop: Loop) -> Found:
    cleared, changed, steps, looked = (loop.get(key, 0) for key in ("cleared", "changed", "steps", "looked"))
    if loop.get("unstepped"):
        yield "no-step", "There were backward passes, and no call of `optimizer.step()`."
    if cleared >= OFTEN and cleared > MOSTLY * steps:
        yield "cleared", f"In {cleared:,} of {steps:,} recorded steps `zero_grad` stood between the backward pass and the step."
    if (mixed := loop.get("mixed", 0)) >= OFTEN and mixed > MOSTLY * steps:
        yield (
            "mixed-losses",
            f"In {mixed:,} of {steps:,} recorded steps the gradients were those of two losses: of one for which another "
            "network's optimizer took a step, and of this network's own.",
        )
    if changed >= OFTEN and changed > MOSTLY * looked:
        yield "clip-after-step", f"In {changed:,} of {looked:,} steps the gradients changed after `optimizer.step()`."


def _opposed(run: TrainingRun, loop: Loop) -> Found:
    """What the losses of a discriminator and a generator ask for."""
    against = loop.get("adversary") or {}
    generated, real, own = (against.get(which) for which in ("made", "real", "own"))
    if against.get("attached") and against.get("apart") and "own" not in against and against.get("steps", 0) >= OFTEN:
        yield (
            "mixed-losses",
            "The generated examples of the other network's loss are not detached, and those of the loss beside it are.",
        )
    elif generated is not None and real is not None and own == generated != real and not _maximizes(run):
        yield (
            "same-goal",
            f"Both losses compare the outputs for generated examples with {number(generated)}, and those for real ones with "
            f"{number(real)}.",
        )


def _maximizes(run: TrainingRun) -> bool:
    return bool((run.facts.get("optimizer") or {}).get("settings", {}).get("maximize"))


def _accumulation(loop: Loop) -> Found:
    ways, factor, steps, forwards = (loop.get(key, 0) for key in ("ways", "factor", "steps", "forwards"))
    if (divisor := loop.get("divisor") or 0) and ways == 1 and steps:
        yield "divided", f"The mean of a batch is divided by {divisor}, and the optimizer takes a step after each batch."
    passes = loop.get("passes", 0)
    if steps >= OFTEN and passes > SELDOM * max(ways, loop.get("between", 0), 1) * steps:
        yield (
            "seldom",
            f"There were {passes:,} backward passes and {steps:,} steps of the optimizer. Most steps came after {ways:,}"
            f" backward pass{'es' * (ways != 1)}, so that long stretches had none.",
        )
        return
    if ways < MANY_WAYS or forwards < MOST_OF * ways * steps or not factor:
        return  # several losses of one forward pass are no accumulation
    said = f"The optimizer takes one step for {ways:,} backward passes, whose gradients add up."
    if factor > SHORT:
        yield "undivided", f"{said} The loss is not divided by their number."
    elif abs(factor * ways**2 - 1) < TWICE:  # other divisors make means of what was a sum
        yield (
            "divided-twice",
            f"{said} The loss is multiplied by {number(factor)}; the mean of the batches needs {number(1 / ways)}.",
        )


def _modes(run: TrainingRun, loop: Loop) -> Found:
    kinds = loop.get("modal") or []
    differing = listed([f"`{kind}`" for kind in kinds]) if kinds else ""
    single, forwards = (loop.get(key, 0) for key in ("single", "forwards"))
    if single >= OFTEN and single > MOST_OF * forwards:
        yield (
            "norm-of-one",
            f"{single:,} of {forwards:,} forward passes had one example, and the model has {differing} in training mode.",
        )
    left, unswitched, switched = (loop.get(key, 0) for key in ("eval_steps", "unswitched", "evaluations"))
    if left >= OFTEN:
        yield (
            "left-in-eval",
            f"{left:,} steps ended while the model was in evaluation mode. It has {differing}, which work differently there.",
        )
    supervised = (run.facts.get("loss") or {}).get("class") is not None
    several = any("Dropout" in kind for kind in kinds) or loop.get("unswitched_row", 0) > 1 or unswitched >= OFTEN
    if kinds and supervised and unswitched > max(1, switched) and several:
        yield (
            "never-eval",
            f"{unswitched:,} forward passes without gradients ran in training mode, and {switched:,} in evaluation mode. "
            f"The model has {differing}, which work differently there.",
        )


def _metrics(loop: Loop) -> Found:
    if len(shapes := loop.get("stretched") or []) > 1:
        one, other = (f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})" for shape in shapes)
        said = (
            f"An evaluation compares a tensor of shape {one} with one of shape {other}, which gives all pairs of their values."
        )
        yield "broadcast-metric", said


def _memory(loop: Loop) -> Found:
    kept = loop.get("kept_graphs", 0)
    if loop.get("detached"):
        yield (
            "detached-state",
            "In the first step the model was called several times, and got a tensor that it gave before, detached.",
        )
    first, *others = loop.get("sizes") or [0]
    if others and first and others[-1] > GROWN * first:
        yield "not-detached", f"The autograd graph of a step grew from {first:,} to {others[-1]:,} operations."
    elif kept >= KEPT:
        yield "kept", f"The autograd graphs of {kept} earlier steps were in memory at once."
    elif (evaluated := loop.get("kept_evaluated", 0)) >= KEPT:
        yield "kept", f"In a later step the autograd graphs of at least {evaluated} evaluated batches were still in memory."
    elif loop.get("retained"):
        yield "retained", "Each `backward` was called with `retain_graph=True`, so that none of them frees what it used."


def _derivatives(loop: Loop) -> Found:
    steps, cut, zero = (loop.get(key, 0) for key in ("steps", "cut_derivatives", "zero_derivatives"))
    if zero >= OFTEN and zero > MOSTLY * steps:
        yield "zero-derivative", f"In {zero:,} of {steps:,} recorded steps the derivative of a derivative was 0 everywhere."
    elif cut >= OFTEN and cut > MOSTLY * steps:
        yield (
            "cut-derivative",
            f"In {cut:,} of {steps:,} recorded steps `torch.autograd.grad` derived a derivative without `create_graph=True`.",
        )


def _frozen(loop: Loop) -> Found:
    moved = loop.get("moved") or 0.0
    if loop.get("frozen_norms") and moved > MOVED:
        names = listed([f"`{name}`" for name in loop.get("frozen_names") or ["a batch normalisation"]])
        yield (
            "frozen-norm",
            f"Scale and shift of {names} are frozen, and a running mean has moved by {number(moved)} standard deviations.",
        )


def _data(run: TrainingRun, loop: Loop) -> Found:
    """Epochs that end long before the loader does, and begin with the same batches each time; or too few examples."""
    fit, epochs = run.facts.get("fit") or {}, run.statistic(schema.BATCHES, "epoch")
    whole, samples = fit.get("steps"), fit.get("samples") or FEW_EXAMPLES
    others = data_of(run, "validation").get("samples") or 0
    if samples < FEW_EXAMPLES <= others and (whole or 0) < samples and epochs is not None and len(epochs) >= OFTEN:
        yield "few", f"The training data have {samples:,} examples by their length, and those of the validation {others:,}."
    if not whole or epochs is None or loop.get("ways", 1) > 1:
        return
    _, counts = np.unique(epochs.finite.values, return_counts=True)
    if len(counts) <= EPOCHS or (most := int(counts[:-1].max())) > SHORT * whole:
        return
    if fit.get("shuffle") is False and most > 1:  # of a single batch, again and again, `constant-inputs` tells
        yield "part", f"The loader has {whole:,} batches, in the same order each time, and no epoch used more than {most:,}."
    elif fit.get("shuffle") and most == 1 and counts.sum() < whole and run.ended == "finished":
        yield (
            "part",
            f"The loader has {whole:,} batches, and in {len(counts):,} epochs the training used {counts.sum():,} in all.",
        )


HEURISTIC = Heuristic(
    id="training-loop",
    group="model",
    title_passed="The training loop calls everything in the right order",
    check=check,
    page=Page.beside(__file__),
    needs=("SCRAM's record of a training loop",),
    order=136,
    precedence=76,
    explains=("standstill", "preflight-test", "undertrained", "curve-shape"),
)
