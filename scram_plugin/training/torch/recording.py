"""Records what the steps of a PyTorch training compute, with hooks.

The loss of every step is recorded, and in fully recorded steps also means of inputs, targets and outputs. Sampled steps are
measured in detail; only then are there hooks on layers. The training computes the same values; no random numbers are drawn.
"""

from __future__ import annotations

import contextlib
import functools
import math
import operator
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any

import numpy as np
import torch

from scram_plugin.schema import WEIGHT, thing
from scram_plugin.training.structures import leaves
from scram_plugin.training.torch import patches, statistics
from scram_plugin.training.torch.agreement import predictions
from scram_plugin.training.torch.brief import Brief
from scram_plugin.training.torch.company import Company
from scram_plugin.training.torch.compiled import unwrapped
from scram_plugin.training.torch.data_facts import targets
from scram_plugin.training.torch.evaluations import Evaluations
from scram_plugin.training.torch.first_step import FirstStep
from scram_plugin.training.torch.graph import Calls, Loss, failed_loss, loss_of, named, placed, unscaled
from scram_plugin.training.torch.guard import Guard
from scram_plugin.training.torch.hooks import Hooks
from scram_plugin.training.torch.in_depth import InDepth
from scram_plugin.training.torch.likelihoods import by_hand
from scram_plugin.training.torch.memory import version
from scram_plugin.training.torch.model_facts import precision
from scram_plugin.training.torch.order import Order
from scram_plugin.training.torch.origin import data_flow, flawed_weights
from scram_plugin.training.torch.owner import Flow, Owner
from scram_plugin.training.torch.pace import Pace
from scram_plugin.training.torch.parts import Parts
from scram_plugin.training.torch.rows import Number, Rows, at_once
from scram_plugin.training.torch.second_pass import Apart, hooked


class Recorder:
    """The hooks of one model and its optimizers. A step ends when the last optimizer has stepped.

    `parts`: parts of the model that may be called instead of it. The inputs of the first call in a step count as the inputs of
    the model, and the outputs of the last call as its outputs.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        optimizers: list[torch.optim.Optimizer],
        every: int | None,
        owner: Owner,
        parts: Sequence[torch.nn.Module] = (),
    ) -> None:
        self.model, self.owner, self._pace = model, owner, Pace(every)
        self.inner = unwrapped(model)
        self._apart = Apart(self.inner)
        self.compiled = hasattr(model, "_orig_mod") or getattr(model, "_compiled_call_impl", None) is not None
        held = [p for o in optimizers for g in o.param_groups for p in g["params"]]
        self.parameters = parameters = held or list(model.parameters())
        self._layer_hooks = contextlib.ExitStack()
        self._guard = Guard(owner, self._pace, self._apart, self._layer_hooks.close)
        self.depth = InDepth(self.inner, parameters, optimizers)
        self.order, self.evaluations = Order(self.inner, optimizers), Evaluations()
        self.rows, self.batch = Rows(self.depth.probe), 0  # steps so far
        self._cpu, self._optimizers = all(p.device.type == "cpu" for p in parameters), optimizers
        self._calls: Calls | None = None
        self._flow: Flow | None = None  # of a compiled model, from a second forward pass
        self.first, self.precision = FirstStep(), ""  # both of the first step
        self._losses: list[Number] = []
        self._inputs: Any = None
        self._outputs: Any = None
        self._seen: list[Loss] = []
        self._loss: Number | None = None
        self._scaled = False  # a `GradScaler` multiplies the losses
        self._reached = self._measuring = self._stepping = self._evaluates = self._traced = self._told = self._begun = False
        self._within: list[torch.nn.Module] = []  # the model and those of its parts that are being called
        self._first: torch.nn.Module | None = None  # the one that was called first in this step
        self._mine: list[bool] = []  # of each backward pass of the last full step: whether it was of this model's loss
        self._ways = self._called = 0  # backward passes since the last step, forward passes since the last backward pass
        self._alone, self.company = True, Company()  # no backward pass was another model's
        around = [self._guard(method) for method in (self._before_forward, self._after_forward, self._before_step)]
        self._hooks = Hooks((model, *parts), optimizers, *around)
        self._parts = Parts(self.inner, self._hooks, used=bool(parts))
        self._back = self._guard(self._before_backward), self._guard(self._after_backward)
        self.brief = Brief(self._cpu, self._hooks.renew, self._guard(self._odd), self._guard(self._ended))
        self._of_steps = [optimizers[-1].register_step_post_hook(self.brief.end)] if optimizers else []
        self.before_backward: Callable[[Any], None]
        self.after_backward: Callable[..., None] | None
        self.fetched, self.cleared = self._guard(self._fetched), self._guard(self._cleared)
        self.compared, self.operated = self._guard(self.evaluations.compared), self._guard(self.evaluations.operated)
        self.stepping = self._guard(self.order.mixed.other_step)
        self.switching, self.derived = self._guard(self._switching), self._guard(self.order.derivatives.derived)
        self._in_full()
        patches.add(self)

    def close(self) -> None:
        patches.remove(self)
        self._layer_hooks.close()
        self._detach()
        for handle in self._of_steps:
            handle.remove()

    def _in_full(self) -> None:
        """Add the hooks for fully recorded steps to the model and its optimizers, unless they are there."""
        if self._hooks:
            return
        self.before_backward, self.after_backward = self._back
        self.each_batch = True
        patches.changed()
        self.brief.begin(1, False)
        self._hooks.attach()

    def _in_brief(self) -> None:
        """Record only the losses of the next steps, until the pace may demand more."""
        if self._hooks:
            self._detach()
            self.order.gap()
            self.before_backward = self.brief.before_backward
            self.after_backward = None if self._optimizers else self.brief.end
            self.each_batch = False
            patches.changed()
        self.brief.begin(self._pace.alike(self.batch), self._scaled)

    def _detach(self) -> None:
        self._hooks.detach()
        self._within = []

    @contextlib.contextmanager
    def off(self) -> Iterator[None]:
        """While open, no hooks are on the model."""
        with contextlib.ExitStack() as then:
            if self._hooks:
                then.callback(self._in_full)
            self._detach()
            yield

    # ---- one step, in the order of its events

    def _before_forward(self, module: torch.nn.Module, args: Any, kwargs: Any) -> None:
        self._within.append(module)
        if module is self.model:
            self._parts.called()
        if len(self._within) > 1:
            return
        x = statistics.numbers("x", (args, kwargs))
        if not (self._guard.enabled and (module.training or self.order.trains_in_evaluation)):
            self._evaluates = True  # what was computed for the next loss stays: a rollout ends with the value of its last state
            self.order.evaluated(self._guard.enabled, self.batch, x)
            if self._told:
                self.evaluations.begins(x, self.owner.loader())
            self.owner.evaluated(x)
            return
        self._evaluates = False
        self.settle()
        self.order.forward(x)
        if self._inputs is not None and self._first is not None and (self._first is not module or self.order.used):
            return  # another part of the same step
        if self._called and not self._told:
            self.first.called_again((args, kwargs), self._outputs)
        self._first = module
        self._called += 1
        if self._losses and all(p.grad is None for p in self.parameters):
            # the gradients were discarded: a scaler skipped the step, or another model's backward pass went through this one
            self._losses, self._mine[: self._ways] = [], [False] * self._ways
            if not self._scaled:
                self.company.other()
        self._inputs, self._outputs, self._loss, self._reached = (args, kwargs), None, None, False
        self._measuring, self._x = self._pace.measuring, x
        self.evaluations.trained(x)
        self._versions = [version(t) for _, t in self._x]
        self._values = self.rows.before(self._x)
        if looked := self._measuring and not self._losses:  # of accumulated batches the first one
            self.depth.begin(self._x)
        if not self._told:
            self.precision = precision(self.inner)  # here, since an autocast ends before the backward pass
        self._layer_hooks.close()
        if self.compiled and (looked or not self._told):
            self._second_pass()  # its own layers cannot have hooks
        if not self.compiled and not self._told:
            calls = self._calls = Calls()
            self._layer_hooks.enter_context(hooked(self.inner, self._guard(calls.begin), self._guard(calls.end)))
        elif not self.compiled and looked:
            self._layer_hooks.enter_context(hooked(self.inner, None, self._guard(self.depth.look)))

    def _second_pass(self) -> None:
        """Run some examples through the original of a compiled model."""
        if self._told:
            self._apart.look(self._inputs, self.depth.look)
        else:
            calls, outputs = self._apart.calls(self._inputs)
            self._flow = calls.places(calls.nodes(outputs))

    def _after_forward(self, module: torch.nn.Module, args: Any, output: Any) -> None:
        if module in self._within:
            del self._within[self._within.index(module) :]
        if self._within:
            return
        if not self._parts.used:  # the other parts of the step follow
            self._layer_hooks.close()
        if self._evaluates:
            self.evaluations.ends(output)
            self.order.made_beside(output)
            return
        self._outputs = self._outputs if self.order.used else output
        made = [t for t in leaves(output) if isinstance(t, torch.Tensor) and t.requires_grad]
        self.order.made(made, self._called)
        for leaf in made:  # note whether a backward pass reaches this model; a hook of a tensor would make saving it warn
            (leaf.grad_fn.register_prehook if leaf.grad_fn is not None else leaf.register_hook)(self._reach)

    def _reach(self, gradient: Any) -> None:
        self._reached = True

    def _before_backward(self, tensors: Any) -> None:
        self._hooks.renew()
        self._within = []  # a forward pass that failed may have left entries
        self._layer_hooks.close()
        self._loss, one = None, tensors if isinstance(tensors, torch.Tensor) else next(iter(tensors), None)
        loss = one if isinstance(one, torch.Tensor) and one.numel() == 1 else None
        if loss is None or not self.order.begins(loss) or (self._inputs is None and not self._through_methods(loss)):
            return
        self.order.before_backward(loss)
        self._seen = self._seen if self.order.used else loss_of(loss) or by_hand(loss, self._outputs)
        if not self._told and not self._parts.waiting:
            self._tell(self._seen, loss)
        if self._measuring and self._begun:
            self.depth.before_backward()
        own = unscaled(loss)
        self._scaled = own is not loss
        self._loss = value = own.item() if self._cpu else own.detach()
        if isinstance(value, float) and not self._traced and not math.isfinite(value):
            self.first.broken(loss)
            self._trace()

    def _through_methods(self, loss: torch.Tensor) -> bool:
        """Whether this is the loss of a model that is never called itself: only methods of it, or its parts.

        The parts get hooks from the next step on. Without parts, steps have neither inputs nor outputs.
        """
        if self.compiled or self._measuring or not self._parts.has(loss):
            return False
        self._inputs, self._outputs, self._x, self._versions, self._called, self._reached = ((), {}), None, [], [], 1, True
        self._values = self.rows.before(self._x)
        return True

    def _tell(self, losses: list[Loss], loss: torch.Tensor | None = None) -> None:
        """Report the facts: the first step has computed its loss (None: it failed before that)."""
        self._told = True
        calls, self._calls = self._calls or Calls(), None
        nodes = calls.nodes(self._outputs)
        flow = self._flow or calls.places(nodes)
        losses = placed(named(losses, nodes), loss, nodes)
        self.evaluations.trains(losses[0] if len(losses) == 1 and losses[0].of_outputs else None)
        with self._apart():
            self.first.look(loss, self.inner, self._optimizers, calls, losses, self._inputs, self._x, self._outputs)
        self.owner.built(self._inputs, self._outputs, self._called, losses, flow)

    def _after_backward(self) -> None:
        self._ways += 1
        self._called = 0
        self._alone &= self._reached
        if not self._reached:
            self.company.other()
        self._mine[self._ways - 1 :] = [self._reached]
        self.order.after_backward(self._loss, self._reached)
        if self._reached and self._loss is not None:
            self._losses.append(self._loss)
            self._reached = False
            if not self._optimizers:
                self.brief.end()
            elif self._stepping and self._measuring:  # within `step(closure)`
                self.depth.before_step()

    def _before_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        self._stepping = True
        self.company.other(self.order.before_step(len(self._losses), optimizer))
        if self._measuring and self._losses:
            self.depth.before_step()

    def settle(self) -> None:
        """Report an evaluation that is complete, since a step or the end of the training follows."""
        if metrics := self.evaluations.take():
            self.owner.validated(metrics)

    def _switching(self, module: torch.nn.Module, training: bool) -> None:
        if training and module is self.inner:
            self.order.trains(self.batch + len(self.brief))
        elif not training and module in (self.inner, self.model):
            self.evaluations.expect()
            self._leave_brief()

    def _leave_brief(self) -> None:
        """Hooks are needed before the planned brief steps are over, if these are not over yet."""
        if not self._hooks:
            self.catch_up()
            self._losses, self._ways = self.brief.pending(self._mine)
            self._pace.full = True
            self._in_full()

    def _cleared(self, owner: Any) -> None:
        self.order.cleared(len(self._losses) if any(owner is o for o in (self.inner, self.model, *self._optimizers)) else None)

    def _ended(self) -> None:
        """A fully recorded step has ended, or the planned number of brief steps."""
        self.catch_up()
        self._stepping = self._parts.waiting = False
        self.order.in_mode()
        if self._hooks:
            self._ways = 0
            if not self._losses:
                return
            self.order.stepped(len(self._losses))
            self.company.other(self.order.mixed.step())
            self.company.step()
            losses, self._losses = self._losses, []
            self._add([time.time()], [functools.reduce(operator.add, losses)])
            if self._inputs is not None:
                self._detail()
            self._inputs = self._outputs = self._first = None
            self._seen, self._begun = [], True
        # without an optimizer a step ends with its backward pass, whose a brief step does not check
        if self._pace.full or not (self._optimizers or self._alone):
            self._in_full()
        else:
            self._in_brief()
        self.owner.stepped()

    def catch_up(self) -> None:
        """Turn the brief steps that have ended into rows."""
        times, losses = self.brief.take(self._mine)
        if times:
            self._add(times, losses)

    def without_steps(self) -> None:
        """At the end: if the optimizer was never called, each backward pass counts as a step."""
        if losses := self.order.without_steps():
            self._add([time.time()] * len(losses), losses)

    def _add(self, times: list[float], losses: list[Number]) -> None:
        self.rows.add(times, losses)
        self.batch += len(times)
        self._pace.step(self.batch, times)

    def _odd(self, value: float, loss: torch.Tensor) -> None:
        """The loss of the present brief step is not finite."""
        if self._traced:
            return
        self.catch_up()
        self._loss = value
        self.first.broken(loss)
        self._trace()
        self._inputs = None

    def _detail(self) -> None:
        """Record everything but the loss of a fully recorded step."""
        y = targets(self._seen, self._x)
        self.order.held.stepped(self._x, y)
        y_pred = statistics.numbers("y_pred", self._outputs)
        x = [] if self._values else self._x  # empty if `_values` already has the statistics
        made = [*y, *y_pred, *predictions(self._seen, y, y_pred, self.first.chosen)]
        self.rows.detail([*x, *made], [*self._versions[: len(x)], *(version(t) for _, t in made)], self._values)
        if self._measuring:
            self.owner.measured(self.batch - 1, self.depth.after_step() + statistics.tensors([], y, y_pred))

    def last_words(self, trace: TracebackType | None) -> tuple[tuple[str, ...], np.ndarray] | None:
        """Columns and row, shape (1, columns), of a step that failed before it had a loss; None if there is none."""
        if self._inputs is None or self._outputs is None or self._loss is not None:
            return None
        if not self._told:
            self._tell(failed_loss(trace))
        row = at_once([*self._x, *targets(self._seen, self._x), *statistics.numbers("y_pred", self._outputs)])
        return tuple(row), np.array([[float(value) for value in row.values()]], np.float32)

    def _fetched(self, iterator: Any, batch: Any, seconds: float) -> None:
        # in brief steps only the first batch of an iterator is reported, which takes longer than others
        if self.owner.fetched(iterator, seconds if self._hooks else None):
            self._leave_brief()

    @torch.no_grad()
    def _trace(self) -> None:
        """Find the first non-finite value: in the previous step if weights are not finite, else in this one."""
        self._traced = True
        weights = [(thing(WEIGHT, name), p) for name, p in self.depth.variables()]
        if (found := flawed_weights(weights, self.parameters, self._optimizers)) is not None:
            self.owner.nonfinite(max(self.batch - 1, 0), *found)
            return
        if self._inputs is None:  # a brief step: its inputs are the last batch of the loader
            given = batch[0] if isinstance(batch := patches.last_batch(), list | tuple) and batch else None
            if not isinstance(given, torch.Tensor):
                return
            self._inputs, self._x = ((given,), {}), statistics.numbers("x", given)
        flow = data_flow(self._apart, self._x, self._seen, self.inner, self._inputs, self._outputs, self._loss)
        self.owner.nonfinite(self.batch, *statistics.flaws([*flow, *weights]))
