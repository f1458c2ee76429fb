"""What the program's loop does in which order: modes, gradients that are changed or cleared at the wrong time, steps that are
never taken, and graphs that are kept."""

from __future__ import annotations

import contextlib
import functools
import inspect
import statistics
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from scram_plugin.training.structures import leaves
from scram_plugin.training.torch import patches
from scram_plugin.training.torch.adversary import Adversary
from scram_plugin.training.torch.axes import factor, nodes
from scram_plugin.training.torch.derivatives import Derivatives
from scram_plugin.training.torch.examples import Examples
from scram_plugin.training.torch.held import Held
from scram_plugin.training.torch.mixed import Mixed
from scram_plugin.training.torch.schedules import Schedule
from scram_plugin.training.torch.statistics import Tensors

WITHOUT_STEP = 20  # backward passes without a step after which the optimizer counts as never called; by definition
LOOKED_AT = 3  # parameters whose gradients are looked at
MOST_LOSSES = 10_000  # that are kept while no step was taken
SHOWN = 8  # names that are kept
NATURAL = 2  # graphs that are alive in any loop: that of this step, and that of the step before, in a variable
FIRST_SIZE, LATER_SIZE = 4, 40  # steps at which the size of the graph is taken
ROUNDED = 1e-3  # relative difference of a factor from 1 over a whole number
MOST_ALIVE = 64  # graphs of evaluations that are watched
MOST_NODES = 20_000  # of a graph whose size is taken
MOST_EVALUATED = 256  # places of evaluations that are kept: more are those of a program that acts between its steps


class _Sentinel:
    """Lives as long as the graph of one step."""


class Order:
    """Counts what is seen of the program's loop. `facts` are those that differ from a usual loop, see `logs/facts.py`."""

    def __init__(self, model: torch.nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        self._model, self._optimizers = model, optimizers
        self._modal = [
            (name, m)
            for name, m in model.named_modules()
            if (isinstance(m, _DropoutNd) and m.p > 0) or (isinstance(m, _NormBase) and m.track_running_stats)
        ]
        self.trains_in_evaluation = False  # a step ended while the model was in evaluation mode
        self.losses: list[Any] = []  # of backward passes before the first step
        self._steps = self._eval_steps = self._unswitched = self._evaluations = self._changed = self._cleared = 0
        self._row = self._longest_row = self._looked = 0
        self._ways: Counter[int] = Counter()  # own backward passes of a step -> steps
        self._between: Counter[int] = Counter()  # the same with those whose gradients were cleared
        self._clear_at: int | None = None
        # of each optimizer: its steps, and those in which no parameter had a gradient
        self._calls, self._idle = Counter[int](), Counter[int]()
        self._fed: set[int] = set()  # optimizers that had a gradient after a step, as those have that call a closure
        self._single = self._forwards = self._wiped = self._passes = 0
        self._since = 0  # own backward passes since the last step
        self.mixed = Mixed([*model.parameters(), *(p for o in optimizers for g in o.param_groups for p in g["params"])])
        # losses of the present step whose gradients an optimizer has used: further ones are of another network, with its own
        self.used = 0
        self._others: list[Any] = []  # losses of backward passes that are not of this model, before the first step
        self._factor = 1.0  # by which the loss of a step is multiplied last
        self._versions: list[tuple[torch.Tensor, int]] = []
        self._made = 0  # steps whose first outputs were seen
        self._alive: list[weakref.ref[_Sentinel]] = []
        self._evaluated: list[weakref.ref[_Sentinel]] = []  # of evaluations that were made with gradients
        self._kept_evaluated = 0
        # the numbers of nodes of early and later graphs, less those of longer sequences, which a recurrent layer unrolls
        self._sizes: dict[int, int] = {}  # step -> nodes
        self._length, self._lengths = 0, list[int]()  # numbers in an example of the present step, and of those with a size
        self._kept = 0
        self._examples, self.held = Examples(), Held()
        self._evaluated_at: list[int] = []  # steps that were over when an evaluation began
        self._trained_at: list[int] = []  # the same for the calls of the model's `train`, at the begin of an epoch
        self.unstepped = False
        self._schedule, self.derivatives, self.adversary = Schedule(optimizers), Derivatives(), Adversary()
        self._means: dict[str, torch.Tensor] = {}  # running means of frozen normalisations at the first step

    # ---- events, in the order of a step

    def trains(self, steps: int) -> None:
        """The model is put in training mode, after so many steps."""
        if steps and steps not in self._trained_at[-1:] and len(self._trained_at) < MOST_EVALUATED:
            self._trained_at.append(steps)

    def evaluated(self, enabled: bool, steps: int, x: Tensors) -> None:
        """A forward pass that belongs to no step, after so many steps."""
        self._examples.evaluated(x)
        self.held.evaluated(x)
        if steps and steps not in self._evaluated_at[-1:] and len(self._evaluated_at) < MOST_EVALUATED:
            self._evaluated_at.append(steps)
        if self._model.training and not enabled:
            self._unswitched += 1
            self._row += 1
            self._longest_row = max(self._row, self._longest_row)
        elif not self._model.training:
            self._evaluations += 1

    def made(self, outputs: Sequence[torch.Tensor], calls: int) -> None:
        """The outputs of the first of `calls` in a step: parts of the graph of the loss, and of all that is made of it."""
        if not self.mixed.alone:
            self.adversary.made(outputs)
        if outputs and outputs[0].grad_fn is not None and calls == 1:
            self._made += 1
            if self._made <= LATER_SIZE:
                self._alive.append(_watched(outputs[0]))

    def made_beside(self, outputs: Any) -> None:
        """The outputs of an evaluation, which may have a graph."""
        first = next((t for t in leaves(outputs) if isinstance(t, torch.Tensor) and t.grad_fn is not None), None)
        if first is None:
            return
        if len(self._evaluated) >= MOST_ALIVE:
            self._evaluated = [ref for ref in self._evaluated if ref() is not None]
        if len(self._evaluated) < MOST_ALIVE:
            self._evaluated.append(_watched(first))

    def begins(self, loss: torch.Tensor) -> bool:
        """A backward pass begins, perhaps of another network. Returns whether the loss has a graph: otherwise it fails."""
        if not self.mixed.alone:
            self.adversary.look(loss)
        return loss.grad_fn is not None

    def before_backward(self, loss: torch.Tensor) -> None:
        self.mixed.backward(self._forwards, loss)
        if not self._steps:
            self._factor = factor(loss)
        if not self.used and self._made in (FIRST_SIZE, LATER_SIZE) and self._made not in self._sizes:
            size = sum(1 for _ in nodes(loss, MOST_NODES))
            self._lengths.append(self._length)
            self._sizes[self._made] = round(size * min(1.0, self._lengths[0] / max(self._length, 1)))
        if self._evaluated:
            self._kept_evaluated = max(self._kept_evaluated, sum(ref() is not None for ref in self._evaluated))
        if self._made <= LATER_SIZE:
            self._kept = max(self._kept, sum(ref() is not None for ref in self._alive[:-NATURAL]))

    def after_backward(self, loss: Any, own: bool) -> None:
        """A backward pass has ended, of this model (`own`) or of something else."""
        self._passes += own
        if own:
            self._since += 1
            self.mixed.reached(self._forwards)
        kept = self.losses if own else self._others
        if loss is not None and not self._steps and len(kept) < MOST_LOSSES:
            kept.append(loss)

    def cleared(self, own_losses: int | None) -> None:
        """The gradients are cleared, after so many own backward passes since the last step; None: those of something else."""
        if own_losses is None:
            self.mixed.alone = False
            return
        self._look_at_gradients()
        self._clear_at = own_losses
        self._wiped += own_losses > self.used
        self.mixed.clear()

    def before_step(self, own_losses: int, optimizer: torch.optim.Optimizer) -> bool:
        """An optimizer steps. Returns whether another one has in this step, for another loss."""
        self._calls[id(optimizer)] += 1
        another = 0 < self.used < own_losses
        self._ways[own_losses - self.used] += own_losses > self.used
        self._passes -= own_losses - self.used if another else 0  # a step is counted once, for all of its optimizers
        self.used = own_losses
        if self._clear_at != own_losses or not own_losses:  # otherwise they may have had gradients
            self._idle[id(optimizer)] += all(p.grad is None for group in optimizer.param_groups for p in group["params"])
        if own_losses and self._clear_at == own_losses:
            self._cleared += 1
        self._clear_at = None
        return another

    def stepped(self, own_losses: int) -> None:
        """A step has ended."""
        if not self._steps:
            self._means = {name: m.running_mean.detach().clone() for name, m in self._frozen()}
        self._steps += 1
        if self._steps == FIRST_SIZE:  # a scheduler is called by then, and the function that has it runs
            self._schedule.look()
        self.derivatives.stepped()
        self.adversary.stepped()
        # once may be another model's backward pass through this one, unless the loss is divided as for all passes of the step
        divided = self._since > 1 and abs(self._factor * self._since - 1) < ROUNDED
        self._cleared += self.mixed.alone and (self._wiped > 1 or (self._wiped == 1 and divided))
        self._between[self._since] += 1
        self._ways[own_losses - self.used] += own_losses > self.used  # within `step(closure)`
        self._row = self._wiped = self._since = self.used = 0
        self.losses = []
        for optimizer in self._optimizers:
            if id(optimizer) not in self._fed and any(p.grad is not None for g in optimizer.param_groups for p in g["params"]):
                self._fed.add(id(optimizer))
        gradients = [p.grad for o in self._optimizers for g in o.param_groups for p in g["params"][:LOOKED_AT]]
        self._versions = [(g, g._version) for g in gradients[:LOOKED_AT] if g is not None]

    def idle(self) -> list[torch.nn.Parameter]:
        """The parameters of an optimizer that took many steps, and never had a gradient."""
        for optimizer in self._optimizers:
            if id(optimizer) not in self._fed and self._idle[id(optimizer)] == self._calls[id(optimizer)] >= WITHOUT_STEP:
                return [p for group in optimizer.param_groups for p in group["params"]]
        return []

    def without_steps(self) -> list[Any]:
        """The losses of a training whose optimizer was never called, or of one whose optimizer never had a gradient.

        Empty for any other, and for a short one.
        """
        self.unstepped = bool(self._optimizers) and not self._steps and len(self.losses) >= WITHOUT_STEP
        if self.unstepped:
            return self.losses
        return self._others if not self._steps and self.idle() else []

    def in_mode(self) -> None:
        """Look at the mode in which the model is when a step ends."""
        if not self._model.training:
            self._eval_steps += 1
            self.trains_in_evaluation = True

    def evaluates(self) -> bool:
        """Whether the model is in evaluation mode, and not trained in it."""
        return not (self._model.training or self.trains_in_evaluation)

    def _look_at_gradients(self) -> None:
        """Find out whether gradients were changed since the step that used them."""
        versions, self._versions = self._versions, []
        self._looked += bool(versions)
        if any(g._version != version and bool(g.any()) for g, version in versions):
            self._changed += 1

    def forward(self, x: Tensors) -> None:
        """A forward pass of the training begins, with these inputs."""
        self._examples.trained(x)
        alone = bool(x) and len(x[0][1]) == 1
        self._single += alone and any(isinstance(m, _NormBase) and m.training for _, m in self._modal)
        self._forwards += 1
        self._length = max((t.numel() // max(len(t), 1) for _, t in x if t.dim()), default=0)
        self._look_at_gradients()
        self._row, self._clear_at = 0, None

    # ----

    def _frozen(self) -> Iterator[tuple[str, Any]]:
        """Normalisations whose scale and shift are frozen, and that go on averaging."""
        for name, m in self._modal:
            if isinstance(m, _NormBase) and m.training and m.affine and not any(p.requires_grad for p in m.parameters()):
                yield name or "model", m

    def _moved(self, name: str, norm: Any) -> float:
        """How far its running mean has moved since the first step, in standard deviations."""
        before = self._means.get(name)
        if before is None:
            return 0.0
        deviation = norm.running_var.clamp_min(norm.eps).sqrt()
        return float(((norm.running_mean - before).abs() / deviation).mean())

    def gap(self) -> None:
        """The next steps are not seen in full."""
        self.mixed.clear()
        self._versions, self._clear_at = [], None

    @functools.cached_property
    def _kinds(self) -> list[str]:
        """Classes of layers for which the mode matters."""
        return sorted({type(m).__name__ for _, m in self._modal} | _asking(self._model))

    def _names(self, parameters: list[torch.nn.Parameter]) -> list[str]:
        known = {id(p): name for name, p in self._model.named_parameters()}
        return [known.get(id(p), "unknown") for p in parameters][:SHOWN]

    def facts(self) -> dict[str, Any]:
        frozen = list(self._frozen())
        kinds = self._kinds
        return {
            "steps": self._steps,
            **({"optimizers": len(self._optimizers)} if len(self._optimizers) > 1 else {}),
            "modal": kinds[:SHOWN],
            "eval_steps": self._eval_steps if kinds else 0,
            "unswitched": self._unswitched,
            "unswitched_row": self._longest_row if kinds else 0,
            "evaluations": self._evaluations,
            "changed": self._changed,
            "looked": self._looked,
            "cleared": self._cleared,
            **self.mixed.facts(),
            "unstepped": self.unstepped,
            "idle": self._names(self.idle()),
            "single": self._single,
            "forwards": self._forwards,
            "passes": self._passes,
            "factor": self._factor,
            "ways": statistics.median_high(self._ways.elements()) if self._ways.total() else 0,
            "between": statistics.median_high(self._between.elements()) if self._between.total() else 0,
            "kept_graphs": self._kept,
            **({"kept_evaluated": self._kept_evaluated} if self._kept_evaluated else {}),
            **({"evaluated_at": self._evaluated_at} if 1 < len(self._evaluated_at) < MOST_EVALUATED else {}),
            **({"trained_at": self._trained_at} if 1 < len(self._trained_at) < MOST_EVALUATED else {}),
            "retained": patches.always_retained(),
            "sizes": list(self._sizes.values()),
            "frozen_norms": len(frozen),
            "frozen_names": [name for name, _ in frozen[:SHOWN]],
            "moved": max((self._moved(name, norm) for name, norm in frozen), default=0.0),
            "schedule": self._schedule.facts(),
            **self.derivatives.facts(),
            **self._examples.facts(),
            **self.held.facts(),
            **self.adversary.facts(),
        }


def _watched(output: torch.Tensor) -> weakref.ref[_Sentinel]:
    """A reference to something that lives as long as the graph of an output."""
    assert output.grad_fn is not None
    return weakref.ref(output.grad_fn.metadata.setdefault("scram", _Sentinel()))


def _asking(model: torch.nn.Module) -> set[str]:
    """Names of the program's own classes whose `forward` asks for the mode, as in ``F.dropout(x, training=self.training)``."""
    found = set()
    for kind in {type(module) for module in model.modules()}:
        if not kind.__module__.startswith(("torch.", "scram_plugin.")):
            with contextlib.suppress(OSError, TypeError):
                if "self.training" in inspect.getsource(kind.forward):
                    found.add(kind.__name__)
    return found
