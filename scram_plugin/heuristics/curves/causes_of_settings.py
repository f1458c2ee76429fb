"""Causes for or against which a setting speaks that the log, or a file beside it, has (`TrainingRun.settings`)."""

from __future__ import annotations

from scram_plugin.heuristics.heuristic import Cause
from scram_plugin.heuristics.words import counted, number
from scram_plugin.logs.settings import Setting
from scram_plugin.logs.training_run import TrainingRun


def where(setting: Setting) -> str:
    """What the framework calls a setting, and where it was read: ``(max_grad_norm, args)``."""
    return f"({setting.key}, {setting.source})"


def no_clipping(run: TrainingRun, largest: float | None = None) -> Cause:
    """That gradients are not clipped, as a cause. `largest`: the largest norm, which a useful limit lies below."""
    limit = run.settings.get("gradient clipping")
    if limit is None:
        return Cause("no-clipping")
    if not isinstance(limit.value, float):
        return Cause("no-clipping", f"Nothing is clipped: {limit.key} is 0 or not set ({limit.source}).")
    said = f"Gradients are clipped at {number(limit.value)} {where(limit)}"
    if largest is not None and limit.value >= largest:
        return Cause("no-clipping", f"{said}, which is no bound: the largest norm was {number(largest)}.")
    return Cause("no-clipping", "", f"{said}.")


def no_bonus(run: TrainingRun) -> Cause:
    """That nothing rewards entropy, as a cause."""
    bonus = run.settings.get("entropy coefficient")
    if bonus is None:
        return Cause("no-bonus")
    if not bonus.value:
        return Cause("no-bonus", f"{bonus.key} is 0 ({bonus.source}): entropy is not rewarded.")
    return Cause("no-bonus", "", f"Entropy is rewarded, times {number(float(bonus.value))} {where(bonus)}.")


def no_target(run: TrainingRun) -> Cause:
    """That nothing bounds how far an update moves a policy, as a cause."""
    target = run.settings.get("target kl")
    if target is None:
        return Cause("no-target")
    if not isinstance(target.value, float):
        return Cause("no-target", f"{target.key} is not set ({target.source}): no update ends early.")
    return Cause(
        "no-target", "", f"Updates are bounded: the KL divergence is to stay near {number(target.value)} {where(target)}."
    )


def length_limit(run: TrainingRun) -> str:
    """A sentence on the limit of length of completions; empty if it is not known."""
    limit = run.settings.get("max completion length")
    return "" if limit is None else f"The limit is {counted(int(limit.value or 0), 'token')} {where(limit)}."


def no_warm_up(run: TrainingRun, seen: str) -> Cause:
    """That there is no warm-up, as a cause. `seen`: what the curves show."""
    known = [s for name in ("warmup steps", "warmup ratio", "warmup epochs") if (s := run.settings.get(name)) is not None]
    long = next((setting for setting in known if setting.value), None)
    if long is not None:
        return Cause("no-warm-up", seen, f"A warm-up is set: {long.key} is {number(float(long.value or 0))} ({long.source}).")
    none = f"{known[0].key} is 0 ({known[0].source})." if known else ""
    return Cause("no-warm-up", f"{seen} {none}".rstrip())
