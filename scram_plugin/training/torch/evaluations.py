"""The loss and the accuracy of evaluations that the program makes while it trains, where it does not log them itself.

The program compares the outputs of an evaluation with its targets by the loss of the training: that value is taken. If it only
counts right answers, or differences, these targets are compared: the labels of the loader's batch, or of data that it evaluates
again and again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from scram_plugin.training.structures import leaves
from scram_plugin.training.torch import patches
from scram_plugin.training.torch.graph import FUNCTIONS, Loss
from scram_plugin.training.torch.memory import Unchanged, place, version
from scram_plugin.training.torch.statistics import Tensors

LEAST = 8  # examples of an evaluation: fewer are a trial
ROWS = 64  # examples of the training, one of each of its first batches, that are looked for in evaluated data
PLACES = 4  # values of an example that are compared first
SURE = 128  # examples of a batch from which on one of the training's would be among these, if they were the training's
EQUAL = 1e-4  # of the spread, by which float32 answers may differ from outputs that were scaled; by definition
SIMILAR = 1.5  # times the spread of the training's targets: those of an evaluation have no other unit then; by definition
HALF = 0.5  # of the outputs are the answers where the program cuts these off; a probability of yes; by definition
Store = tuple[StorageWeakRef, int]  # memory, and how often it was changed
FUNCTION_OF = {name: function for function, name in FUNCTIONS.items() if function != "nll_loss"} | {"NLLLoss": "nll_loss"}


@dataclass
class Evaluated:
    """What is known of one pass over one set of examples: their number, and sums of losses and of right answers.

    `loader`: which one gave them. `batch`: size of the first batch; `storage` and `end`: where the last batch lies in memory.
    """

    loader: int | None = None
    training: bool = False  # examples of the training are among them
    batch: int = 0
    batches: int = 0
    storage: int = 0
    end: int = 0
    compared: int = 0  # examples that the program compared itself
    loss: float = 0.0
    labelled: int = 0  # examples that were compared with labels here
    loss_of_labels: float = 0.0
    right: int = 0
    judged: int = 0  # examples with a right or wrong answer
    right_labels: int = 0  # the same for what was compared here
    judged_labels: int = 0
    answers: Counter[int] = field(default_factory=Counter)  # class -> how often it was the answer
    classes: Counter[int] = field(default_factory=Counter)  # class -> how often it was right

    def metrics(self) -> dict[str, float]:
        found = {}
        if self.compared >= max(LEAST, self.labelled):
            found["loss"] = self.loss / self.compared
        elif self.labelled >= LEAST:
            found["loss"] = self.loss_of_labels / self.labelled
        if self.judged >= LEAST:
            found["accuracy"] = self.right / self.judged
        return found

    def share_of_right(self) -> float | None:
        """The share of right answers, whoever compared them; None where none are right or wrong."""
        right, judged = (self.right, self.judged) if self.judged else (self.right_labels, self.judged_labels)
        return right / judged if judged else None

    def share_by_chance(self) -> float | None:
        """The share of right answers if they had nothing to do with the examples (Cohen, 1960); None for other losses."""
        count = self.classes.total()
        return sum(n * self.classes[c] for c, n in self.answers.items()) / count**2 if count else None

    def add(self, function: str, outputs: torch.Tensor, targets: torch.Tensor) -> None:
        """Answers that belong to one class each."""
        if outputs.dim() == 2 and not targets.is_floating_point():
            answers = outputs.argmax(1)
        elif outputs.numel() == len(outputs):
            answers, targets = (outputs > _least(function)).flatten().int(), (targets > HALF).flatten().int()
        else:
            return
        for counter, given in ((self.answers, answers), (self.classes, targets)):
            numbers, counts = given.unique(return_counts=True)
            counter.update(dict(zip(numbers.tolist(), counts.tolist(), strict=True)))


class Evaluations:
    """Collects the evaluations between two steps. Call `trains` with the training's loss; None if it is no known
    one, or not of the outputs alone."""

    def __init__(self) -> None:
        self._loss: str | None = None
        self._rows: list[torch.Tensor] = []
        self._same = Unchanged()  # whether a batch of the training is the one before
        self._known: tuple[torch.Tensor, torch.Tensor] | None = None  # `_rows` as one tensor, and their `PLACES`
        self._last: tuple[Any, bool] = None, False  # which tensor was looked at, and whether an example was found
        self._passes: list[Evaluated] = []
        self._pass: Evaluated | None = None  # of the last batch
        # of data that no evaluation had before: they make no curve, but may be those after the training
        self._once = Evaluated()
        self._outputs: torch.Tensor | None = None
        self._waits = self._stays = False  # labels of the last inputs are to be looked for; these inputs were evaluated before
        self._stores: tuple[set[Store], set[Store]] = (
            set(),
            set(),
        )  # memory of inputs and targets of the last evaluation, and of this one
        self._targets: torch.Tensor | None = None  # some of those of the training
        self._on = False  # comparisons are reported
        self.after: dict[str, float] = {}  # what is known of an evaluation after the last step
        self.stretched: list[list[int]] = []  # shapes of outputs and targets of which an evaluation compared all pairs

    def trains(self, loss: Loss | None) -> None:
        self._loss = loss.name if loss is not None and loss.name in FUNCTION_OF else None
        self._targets = None if loss is None or loss.target is None else _some(loss.target)

    def facts(self) -> dict[str, Any]:
        """Those of the loop, see `logs/facts.py`."""
        return {"stretched": self.stretched, **({"after": self.after} if self.after else {})}

    def trained(self, x: Tensors) -> None:
        """A batch of the training has these inputs."""
        self.after = {}
        if len(self._rows) < ROWS and x and x[0][1].dim() > 1 and not self._same(x[:1]):
            self._rows.append(x[0][1][0].flatten().clone())
            self._known, self._last = None, (None, False)

    def expect(self) -> None:
        """From now on, hear what the program compares: it names the function before it calls the model."""
        if not self._on:
            self._on = True
            patches.compare(True)

    def begins(self, x: Tensors, source: tuple[int, bool] | None) -> None:
        """An evaluated forward pass begins. `source`: the loader of the last batch, and whether it has the training data."""
        self._outputs, self._pass = None, None
        self.expect()
        if self._loss is None or not x:
            return
        tensor, loader, training = x[0][1], None, source is not None and source[1]
        if source is not None and _is_of_batch(tensor):
            loader = source[0]
            found = next((one for one in self._passes if one.loader == loader), None)
        else:
            training = self._is_training(tensor)
            found = next((one for one in self._passes[-1:] if _continues(one, tensor, training)), None)
        if found is None:
            found = Evaluated(loader, training, len(tensor))
            self._passes.append(found)
        found.training |= training
        found.batches += 1
        found.storage, found.end = _storage(tensor), tensor.storage_offset() + tensor.numel()
        self._pass, self._waits, self._stays = found, loader is None, loader is None and self._again(tensor)

    def ends(self, outputs: Any) -> None:
        """The pass has these outputs."""
        if (evaluated := self._pass) is None:
            return
        found = next((t for t in leaves(outputs) if isinstance(t, torch.Tensor) and t.is_floating_point() and t.dim()), None)
        self._outputs = found
        labels = patches.last_labels()
        if found is not None and labels is not None and evaluated.loader is not None and len(labels) == len(found):
            self._compare(evaluated, found, labels)

    def _compare(self, evaluated: Evaluated, outputs: torch.Tensor, labels: torch.Tensor) -> None:
        try:
            loss = getattr(torch.nn.functional, FUNCTION_OF[str(self._loss)])
            evaluated.loss_of_labels += float(getattr(loss, "__wrapped__", loss)(outputs, labels)) * len(outputs)
        except (RuntimeError, ValueError, TypeError, IndexError):  # the labels are not what the loss compares
            return
        evaluated.labelled += len(outputs)
        answers = _right(str(FUNCTION_OF[str(self._loss)]), outputs, labels)
        if answers is not None:
            evaluated.right_labels += int(answers.sum())
            evaluated.judged_labels += answers.numel()
            evaluated.add(FUNCTION_OF[str(self._loss)], outputs, labels)

    def compared(self, function: str, outputs: Any, targets: Any, result: Any, reduction: str) -> None:
        """The program has called a loss function without gradients."""
        if (
            (evaluated := self._pass) is None
            or self._outputs is None
            or not all(isinstance(t, torch.Tensor) for t in (outputs, targets, result))
        ):
            return
        if FUNCTION_OF[str(self._loss)] != function or result.numel() != 1 or not targets.dim() or not len(targets):
            return
        count, value = len(self._outputs), float(result)
        if _storage(outputs) != _storage(self._outputs):
            if not _is_part(outputs, self._outputs):
                return
            count, evaluated = len(outputs), Evaluated(training=self._of_training(targets))
            self._passes.append(evaluated)
        evaluated.loss += value * count if reduction == "mean" else value
        evaluated.compared += count
        answers = _right(function, outputs, targets)
        if answers is not None:
            evaluated.right += int(answers.sum())
            evaluated.judged += answers.numel()
            evaluated.add(function, outputs, targets)

    def operated(self, one: torch.Tensor, other: torch.Tensor) -> None:
        """The program has compared two tensors, or subtracted one from the other."""
        if torch._C._current_graph_task_id() != -1:  # a function of its own computes its gradient: that is no metric
            return
        if self._waits and self._pass is not None and self._outputs is not None:
            self._waits = False  # what is computed here is not the program's
            labels = _labels(FUNCTION_OF[str(self._loss)], self._outputs, one, other, self._targets)
            self._waits = labels is None
            if labels is not None:
                # what is made anew each time may be earlier outputs, or returns; the training's own targets are no validation
                answers = other if labels[0] is one else one
                same = not answers.is_floating_point() or _storage(answers) == _storage(self._outputs)
                stays = self._again(labels[0]) and self._stays and same  # of others only the last ones count
                if not self._of_training(labels[1]):
                    self._compare(self._pass if stays else self._once, self._outputs, labels[1])
        column, row = (one, other) if one.dim() > other.dim() else (other, one)
        if column.dim() == 2 and row.dim() == 1 and column.shape[1] == 1 and 1 < len(row) == len(column):
            self.stretched = [list(one.shape), list(other.shape)]

    def take(self) -> dict[str, float]:
        """Remove what was collected; ``loss`` and ``accuracy`` of the first pass over examples that are not those of the
        training, if there is one."""
        if self._on:
            self._on = False
            patches.compare(False)
        passes, self._passes, self._outputs, self._pass = self._passes, [], None, None
        if passes:
            self._stores = self._stores[1], set()
        others = [(one, one.metrics()) for one in passes if not one.training]
        told, metrics = next(((one, metrics) for one, metrics in others if "loss" in metrics), (self._once, {}))
        if "loss" in (known := metrics or told.metrics()):
            share = told.share_of_right()
            rates = {"right": share, "chance": told.share_by_chance()}
            examples = {"loss": known["loss"], "examples": max(told.compared, told.labelled)}
            self.after = examples | {name: rate for name, rate in rates.items() if rate is not None}
        self._once = Evaluated()
        return metrics

    def _of_training(self, targets: torch.Tensor) -> bool:
        return self._targets is not None and torch.equal(self._targets, _some(targets))

    def _again(self, x: torch.Tensor) -> bool:
        """Whether the last evaluation, too, had this memory, unchanged since: data that stay."""
        if x.is_inference():
            return False  # nobody knows
        # while a weak reference is held, no other memory is known by the same name
        here = StorageWeakRef(x.untyped_storage()), version(x)
        last, now = self._stores
        now.add(here)
        return here in last

    def _is_training(self, x: torch.Tensor) -> bool:
        """Whether an example of the training is among these. Programs may evaluate the same tensor after each step."""
        asked = place(x)
        if x.is_inference() or asked != self._last[0]:
            self._last = asked, self._holds_an_example(x)
        return self._last[1]

    def _holds_an_example(self, x: torch.Tensor) -> bool:
        if x.dim() < 2:
            return False
        every, alike = x.flatten(1), [row for row in self._rows if row.shape == x[0].flatten().shape and row.dtype == x.dtype]
        if not alike or len(alike) < len(self._rows):
            return False
        if self._known is None:
            rows = torch.stack(alike)
            self._known = rows, rows.float().abs().topk(min(PLACES, rows.shape[1]), dim=1).indices
        rows, places = (t.to(x.device) for t in self._known)
        near = (every[:, places] == rows.gather(1, places)).all(dim=2)  # examples, rows
        return any(bool((every[i] == rows[j]).all()) for i, j in near.nonzero().tolist())


def _continues(last: Evaluated, x: torch.Tensor, training: bool) -> bool:
    """Whether a batch belongs to the pass of the batch before: it lies behind it in one tensor, or both are copies."""
    if last.loader is not None or (training != last.training and len(x) >= SURE):
        return False
    if _storage(x) == last.storage:
        return bool(x.storage_offset() == last.end)
    copied = x.storage_offset() == 0 and x.untyped_storage().nbytes() == x.numel() * x.element_size()
    return copied and (len(x) == last.batch or (len(x) < last.batch and last.batches > 1))


def _is_of_batch(x: torch.Tensor) -> bool:
    """Whether inputs are a part of the last batch of a loader, or that part on another device."""
    parts = [t for t in leaves(patches.last_batch()) if isinstance(t, torch.Tensor)]
    return any(_storage(t) == _storage(x) if t.device == x.device else len(t) == len(x) for t in parts if t.dim())


def _storage(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage().data_ptr())


def _some(targets: torch.Tensor) -> torch.Tensor:
    """The first targets, and their number."""
    return torch.cat([targets.detach().flatten()[:SURE].double().cpu(), torch.tensor([float(targets.numel())]).double()])


def _is_part(part: torch.Tensor, outputs: torch.Tensor) -> bool:
    """Whether these are rows of the outputs, such as those of a part of the nodes of a graph."""
    if part.dim() != outputs.dim() or part.shape[1:] != outputs.shape[1:] or not 0 < len(part) < len(outputs):
        return False
    return all(bool((outputs == part[i]).flatten(1).all(dim=1).any()) for i in (0, -1))


def _labels(
    function: str, outputs: torch.Tensor, one: torch.Tensor, other: torch.Tensor, trained: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor] | None:
    """The targets, as the program has them and as a loss takes them, if one of two tensors is the answers that these outputs
    give, and the other has as many of the same kind. `trained`: `_some` targets of the training."""
    if one.numel() != other.numel() or not one.device == other.device == outputs.device:
        return None
    for answers, targets in ((one, other), (other, one)):
        count = targets.numel()
        if function in ("cross_entropy", "nll_loss"):
            whole = outputs.dim() == 2 and count == len(outputs) and not targets.is_floating_point()
            if whole and targets.dtype != torch.bool and torch.equal(answers.flatten(), outputs.argmax(dim=1)):
                return targets, targets.flatten().long()
        elif function.startswith("binary_cross_entropy"):
            whole = answers.dtype == torch.bool and count == outputs.numel()
            if whole and torch.equal(answers.flatten(), outputs.flatten() > _least(function)):
                return targets, targets.reshape(outputs.shape).float()
        elif _storage(outputs) != _storage(targets) and count == outputs.numel() and answers.shape == targets.shape:
            same = _in_units(answers, targets, outputs, trained)
            if same is not None:
                return targets, same
    return None


def _in_units(
    answers: torch.Tensor, targets: torch.Tensor, outputs: torch.Tensor, trained: torch.Tensor | None
) -> torch.Tensor | None:
    """Targets as the outputs are, if the answers are these outputs, cut off, scaled or shifted; None if they are not, or if the
    targets are not spread as those of the training are."""
    y = targets.reshape(outputs.shape)
    if _storage(answers) == _storage(outputs):
        return y
    if trained is None or not (answers.is_floating_point() and y.is_floating_point()) or outputs.numel() < LEAST:
        return None
    made, given = (t.detach().double().flatten() for t in (answers, outputs))
    if bool(((made - given).abs() < EQUAL * made.std()).double().mean() > HALF):
        return y
    slope = ((made - made.mean()) * (given - given.mean())).mean() / given.var(correction=0)
    shift = made.mean() - slope * given.mean()
    if not bool(slope > 0) or bool((slope * given + shift - made).abs().max() > EQUAL * made.std()):
        return None
    y, spread = (y.double() - shift) / slope, float(trained[:-1].std(correction=0))
    return y.to(outputs.dtype) if spread / SIMILAR < float(y.std(correction=0)) < spread * SIMILAR else None


def _right(function: str, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor | None:
    """Which answers are right, for losses of classes; None for others."""
    if function in ("cross_entropy", "nll_loss") and outputs.dim() > 1 and not targets.is_floating_point():
        return outputs.argmax(dim=1) == targets
    if function.startswith("binary_cross_entropy") and outputs.shape == targets.shape:
        return (outputs > _least(function)) == (targets > HALF)
    return None


def _least(function: str) -> float:
    """The output from which on the answer is yes."""
    return 0.0 if function.endswith("logits") else HALF
