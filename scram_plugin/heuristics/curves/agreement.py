"""Whether the outputs have anything to do with the targets: by their correlation in each recorded batch, and by the program."""

from __future__ import annotations

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.edits import order_targets
from scram_plugin.heuristics.guessing import guessing
from scram_plugin.heuristics.limits import SIGMAS, THIRD
from scram_plugin.heuristics.words import number
from scram_plugin.logs.training_run import TrainingRun

ENOUGH = 40  # late batches whose mean correlation is known well enough; by definition
NO_CHANCE = 5.0  # standard errors: a little is soon learned by heart, so three do not show a relation; by bench-strangers
RELATED = 0.1  # correlation of outputs that have learned something; by bench-limits
MEASURED = 0.9  # share of the batches that must have a correlation: constant targets or outputs have none; by bench-limits


OTHER_ORDER = "The program brings the inputs into a new order, and leaves the targets in the old one."


def in_other_order(run: TrainingRun, loss: float) -> str:
    """What the program says of a loss that is no better than guessing, however it fell; "" where targets were ordered, too."""
    guess = guessing(run)
    if guess is None or guess.is_beaten_by(loss) or order_targets(run.facts) is None:
        return ""
    return f"{OTHER_ORDER} Guessing by the frequencies of the {len(guess.shares)} classes has a loss of {guess.loss:.4g}."


def related(run: TrainingRun) -> float | None:
    """The mean correlation of outputs and targets in the last third of the batches, where it is no chance; None where not."""
    for name, known in run.parsed(schema.BATCHES).items():
        curve = run.statistic(schema.BATCHES, name) if known.statistic == "agreement" else None
        late = curve.finite.values[-len(curve.finite) // THIRD :] if curve is not None and len(curve.finite) >= ENOUGH else ()
        if len(late) and np.mean(late) > max(RELATED, NO_CHANCE * float(np.std(late)) / np.sqrt(len(late))):
            return float(np.mean(late))
    return None


def apart(run: TrainingRun) -> str:
    """A sentence, if the outputs for some target have nothing to do with it after the first third of the training; else ""."""
    known = {c.kind: n for n, c in run.parsed(schema.BATCHES).items() if c.statistic == "agreement"}
    for target, name in sorted(known.items()):
        curve = run.statistic(schema.BATCHES, name)
        if curve is None or len(curve.finite) < MEASURED * len(curve):
            continue
        late = curve.finite.values[len(curve.finite) // THIRD :]
        mean, error = float(np.mean(late)), float(np.std(late)) / np.sqrt(max(len(late), 1))
        if len(late) >= ENOUGH and abs(mean) < NO_CHANCE * error and abs(mean) + SIGMAS * error < RELATED:
            which = "the targets" if len(known) == 1 else f"target {target.removeprefix('y')} of {len(known)}"
            said = f"the outputs have nothing to do with {which}: their correlation is {number(mean)} ± {number(error)}"
            return f"In {len(late):,} recorded batches {said}."
    return ""
