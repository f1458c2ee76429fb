"""Loss scale collapse: the dynamic loss scale of mixed precision falls to its floor, since each step overflows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scram_plugin.heuristics.curves.checkable import enough, level, rate_as_cause
from scram_plugin.heuristics.curves.fp16_overflow import LOSS_ROSE
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, NotChecked, by_evidence
from scram_plugin.heuristics.limits import ENDS, FOR_A_LEVEL, QUARTER
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.words import number, percent, place
from scram_plugin.logs.training_run import TrainingRun

FOR_A_SCALE = 10  # points of the scale, so that halvings at the start of a training do not count; by definition
FLOOR = 1.0  # loss scale; the least one of DeepSpeed and Megatron-LM by default
HALVINGS = 4  # at least so often it was halved: a scale of 1 may be set on purpose; by definition
FAR_HALVED = 10  # times it was halved, for a scale above its floor that still falls; by definition
LOW_SCALE = 64.0  # loss scale, which is low if it still falls: ten halvings below 65,536; default of PyTorch
LEAST_NORMAL = 2.0**-14  # a smaller scale makes a loss of 1 a denormal number in float16 (IEEE 754)
LOG_SCALE = 'writer.add_scalar("train/loss_scale", scaler.get_scale(), step)'


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    curve = run.signal("loss scale")
    if curve is None:
        raise NotChecked("no loss scale was logged: the precision may be one that needs none", LOG_SCALE)
    curve = enough(curve.finite, FOR_A_SCALE, "loss scale")
    values, steps = np.maximum(curve.values, np.finfo(np.float32).tiny), curve.steps
    now, top = float(values[-1]), int(len(values) - 1 - np.argmax(values[::-1]))
    halvings = float(np.log2(values[top] / now))
    changes = np.diff(np.log2(values))
    falls = bool((changes[-(len(changes) // QUARTER) :] < 0).any())  # still, at the end
    limit = LOW_SCALE if now > FLOOR and falls and halvings >= FAR_HALVED else FLOOR
    run.measured("loss scale at the end", now, below=limit, curve=curve)
    low = values <= limit
    # the first point of the low ones at the end
    since = len(low) - int(np.argmin(low[::-1])) if not low.all() else 0
    if not low[-1] or halvings < HALVINGS or len(low) - since < FOR_A_LEVEL or (changes[since:] > 0).any():
        return
    last = float(curve.values[-1])  # which may be 0
    yield Finding(
        severity="error" if now < LEAST_NORMAL else "warning",
        confidence="likely",
        title=f"The loss scale collapsed to {number(last)} by {place(curve.axis, int(steps[-1]))}",
        evidence={
            "now": last,
            "highest": float(values[top]),
            "highest_place": place(curve.axis, int(steps[top])),
            "halvings": halvings,
            "since_place": place(curve.axis, int(steps[since])),
            "limit": limit,
        },
        first_step=int(steps[top]),
        last_step=int(steps[-1]),
        axis=curve.axis,
        curves=[curve.source(), *(c.source() for name in ("gradient norm", "training loss") if (c := run.signal(name)))],
        causes=_causes(run, int(steps[since])),
        bad_step=int(steps[since]),
    )


def _causes(run: TrainingRun, since: int) -> list[Cause]:
    """NaN gradients first, where they were logged; then a loss that rose before."""
    norms, losses = run.signal("gradient norm"), run.signal("training loss")
    none = Cause("nan-gradient")
    if norms is not None and (norms.steps >= since).any():
        bad = float((~np.isfinite(norms.values[norms.steps >= since])).mean())
        said = f"From there on {percent(bad)} of the logged gradient norms are NaN or infinite."
        none = Cause("nan-gradient", said if bad > 0 else "", "" if bad > 0 else said)
    rate = rate_as_cause(run)
    if losses is not None and len(losses.finite) > FOR_A_LEVEL and run.kind is None:
        values = losses.finite.values
        first, last = level(values, ENDS), level(values, ENDS, end=True)
        if last > LOSS_ROSE * first > 0:
            rate = Cause("learning-rate", f"The loss rose from {number(first)} to {number(last)}. {rate.for_}".rstrip())
    causes = [none, rate, Cause("range")]
    return by_evidence(causes)


HEURISTIC = Heuristic(
    id="loss-scale-collapse",
    group="curves",
    title_passed="The loss scale did not collapse",
    check=check,
    page=Page.beside(__file__),
    needs=("loss scale",),
    order=217,
    families=("non-finite",),
    explains=("standstill", "signal-flow", "unrest"),
    precedence=52,
)
