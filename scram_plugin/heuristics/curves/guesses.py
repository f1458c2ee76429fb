"""Whether a loss is that of guessing: by the frequencies of the classes, the mean of the targets, or the accuracy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from scram_plugin import schema
from scram_plugin.heuristics.curves.checkable import ENOUGH_BATCHES, chance_level
from scram_plugin.heuristics.curves.noise import median
from scram_plugin.heuristics.guessing import BETTER, Guess, entropy_of_labels, guessing, variance_of_targets
from scram_plugin.heuristics.limits import FOR_A_LEVEL, TENTH, THIRD
from scram_plugin.heuristics.measured import chooses_class, is_mean, known_layers, levels
from scram_plugin.heuristics.names import loss_class
from scram_plugin.heuristics.words import number
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.schema import column

GUESSED = (0.95, 1.1)  # times ln(1 / accuracy), the loss of guessing at this accuracy: so near it is that; by bench-limits
HARDLY = 0.95  # times the loss of guessing: more than that after two thirds of the training is hardly better; by bench-limits
MOST_GUESSED = 0.55  # accuracy of guessing between two classes, and a little more; by bench-limits
STAYED = (0.02, 0.3)  # rise of an accuracy that stayed: in all, and as a share of it; by bench-limits
AS_CHANCE = (0.6, 1.5)  # times 1 / classes: the accuracy of guessing; by bench-limits
HARDLY_EXPLAINED = 0.9  # of the variance of the targets: other data may have a variance that differs by a tenth; by definition
COMMON = (2, 10, 100, 1000)  # numbers of classes that are believed without an accuracy; by definition


@dataclass(frozen=True)
class Constant:
    """Always giving the best answer that does not depend on the inputs: its `loss`, and what it does, in words (`told`).

    A loss below `best` is clearly better than that.
    """

    loss: float
    told: str
    best: float


def of_guessing(guess: Guess) -> Constant:
    return Constant(guess.loss, f"guessing by the frequencies of the {len(guess.shares)} classes", BETTER * guess.loss)


def constant_answer(run: TrainingRun) -> Constant | None:
    """The best constant answer for the targets of the training; None where it is not known what it costs."""
    guess, labels, variance = guessing(run), entropy_of_labels(run), variance_of_targets(run)
    if guess is not None:
        return of_guessing(guess)
    if labels:
        return Constant(labels, "always answering the frequency of each label", BETTER * labels)
    if variance:
        return Constant(variance, "always answering the mean of the targets", HARDLY_EXPLAINED * variance)
    return None


def constant_for_validation(run: TrainingRun) -> Constant | None:
    """The same for the targets of the validation, whose variance may be another one; None where that is not known."""
    constant = constant_answer(run)
    if constant is None or not variance_of_targets(run):
        return constant
    spread = run.statistic(schema.VALIDATION, column("y0", None, "std"))
    if spread is None or not len(spread.finite):
        return None
    least = min(constant.loss, float(np.mean(spread.finite.values**2)))
    return Constant(least, constant.told, HARDLY_EXPLAINED * least)


def as_guessed(run: TrainingRun, values: np.ndarray, known: tuple[float, float] | None) -> tuple[str, float]:
    """A sentence and the loss of always giving the same answer, if the loss is that from the first third on; otherwise an empty
    one and infinity."""
    guess = guessing(run)
    if (constant := constant_answer(run)) is not None:
        cost, told = constant.loss, constant.told
    elif (of_parts := _guess_of_parts(run)) is not None:
        cost, told = of_parts, "guessing among the classes in each part of the loss"
    else:
        return "", math.inf
    late, batches = values[len(values) // THIRD :], run.signal("batch loss")
    if len(late) < FOR_A_LEVEL * THIRD and batches is not None and len(batches.finite) >= ENOUGH_BATCHES:
        late = batches.finite.values[len(batches.finite) // THIRD :]
    ends_above = _is_over(run) and levels(values, TENTH)[1] >= BETTER * cost
    most = math.inf if ends_above else GUESSED[1]  # a loss far above that may still fall
    if len(late) < FOR_A_LEVEL * THIRD or not all(
        BETTER <= median(part) / cost <= most for part in np.array_split(late, THIRD)
    ):
        return "", math.inf
    if known is not None and known[0] > max(guess.shares if guess else (1.0,)) * AS_CHANCE[1]:
        return "", math.inf  # the answers are better than that
    return f"That is no better than {told}, with a loss of {number(cost)}.", cost


def _is_over(run: TrainingRun) -> bool:
    """Whether the training has ended, and its loss has no part that may stay large: a penalty, or what the program adds."""
    facts = run.facts.get("loss") or {}
    penalised = run.loop.get("penalty") or any(layer.facts.get("regularized") for layer in known_layers(run))
    return run.ended == "finished" and run.kind is None and not facts.get("custom") and not penalised


def hardly_learned(run: TrainingRun, values: np.ndarray) -> str:
    """A sentence, if loss and accuracy began at those of guessing and are nearly there in the last third; else an empty one."""
    classes = chance_level(float(values[0]))
    accuracy = run.signal("training accuracy") or run.signal("validation accuracy")
    if classes is None or accuracy is None or len(accuracy.finite) < FOR_A_LEVEL * THIRD:
        return ""
    seen, late = accuracy.finite.values, median(values[-(len(values) // THIRD) :])
    first, now = (float(v) * classes for v in (seen[0], median(seen[-(len(seen) // THIRD) :])))
    if late < HARDLY * math.log(classes) or not AS_CHANCE[0] < first < AS_CHANCE[1] or now >= AS_CHANCE[1]:
        return ""
    return f"That is hardly better than guessing among {classes} classes, with a loss of {number(math.log(classes))}."


def _guess_of_parts(run: TrainingRun) -> float | None:
    """The loss of guessing, if the loss is a sum of cross-entropies; None for any other."""
    parts = run.loop.get("parts") or []
    if not parts or any(p.get("elementwise") is not False or p.get("each") or p["how"] != "mean" for p in parts):
        return None
    if any(len(p["shape"]) < 2 or p["shape"][1] < 2 for p in parts):
        return None
    return float(sum(abs(p["factor"]) * math.log(p["shape"][1]) for p in parts))


def uniform(run: TrainingRun) -> Guess | None:
    """Guessing among the outputs of a model whose labels were not counted: with rare classes, guessing is even better."""
    units = (run.facts.get("model") or {}).get("output_units")
    if (
        not (chooses_class(run) and is_mean(run) and "Categorical" in loss_class(run))
        or not isinstance(units, int)
        or units < 2
    ):
        return None
    return Guess(math.log(units), np.full(units, 1 / units))


def is_of_guessing(tail: float, known: tuple[float, float] | None) -> bool:
    """Whether loss and accuracy are those of guessing, and the accuracy always was; the loss may have fallen to that level."""
    if known is None:
        return False
    accuracy, rise = known
    if not 0 < accuracy <= MOST_GUESSED or rise > min(STAYED[0], STAYED[1] * accuracy):
        return False
    return GUESSED[0] <= tail / -math.log(accuracy) <= GUESSED[1]


def classes_of(tail: float, accuracy: float | None) -> int | None:
    """Among how many classes guessing has this loss, if the accuracy agrees; without an accuracy, common numbers only."""
    classes = chance_level(tail)
    if accuracy is None:
        return classes if classes in COMMON else None
    return classes if classes and AS_CHANCE[0] < accuracy * classes < AS_CHANCE[1] else None
