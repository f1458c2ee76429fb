"""Records the steps of a training loop with `tf.GradientTape`, whether TensorFlow runs it line by line or traces it.

A step ends when the last optimizer has applied its gradients. In a function that is traced, what is recorded becomes a part of
its graph: each step writes one short row into a ring buffer in the device's memory, which is passed on when it is full.
Sampled steps also pass on a vector of detailed statistics. The operations only read what the step computes.

Not recorded are functions that XLA compiles as a whole, since no operation in these can reach the host, and those that several
replicas run.
"""

from __future__ import annotations

import functools
import time
import weakref
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.eager import record  # whether a tape is open is known nowhere else

from scram_plugin.training.keras import statistics
from scram_plugin.training.keras.observed import Observed, on_host, seldom
from scram_plugin.training.keras.recording import Seen, all_of_keras, is_sum, magnitudes, scale_of
from scram_plugin.training.keras.shadow import UNSEEN, activation_of, looked_at, path_in, with_gradients
from scram_plugin.training.keras.tape_evaluations import TapeEvaluations
from scram_plugin.training.keras.tape_loss import Compared, before_softmax, in_graph, is_constant, is_of, takes_logits
from scram_plugin.training.keras.tape_rows import Ring
from scram_plugin.training.keras.tape_trace import (
    StepSeen,
    TapeOwner,
    in_training_mode,
    traced_function,
    usable,
)
from scram_plugin.training.sampling import due
from scram_plugin.training.structures import leaves

BLOCK = 64  # steps that are run line by line, and passed on together
SHARE = 0.005  # of the time that may go into measuring, where a loop is run line by line
TICK = 1e-6  # seconds: no step is shorter
SCALED = 8  # losses that are remembered with their scale, at most; a step has one for each optimizer
SEEN = "_scram_step"  # attribute of a graph that is traced: it goes with the graph
KINDS = ("x", "y", "y_pred")
MODAL = (keras.layers.Dropout, keras.layers.BatchNormalization)  # layers that work differently while training


class TapeRecorder(Observed):
    """A watcher of `tape_patches`: the steps of one model. `every`: measure every n-th step in detail."""

    def __init__(self, models: list[keras.Model], optimizers: list[Any], every: int, owner: TapeOwner) -> None:
        super().__init__(owner.fail)
        self.models, self._optimizers, self._every, self._owner = models, optimizers, every, owner
        self.columns: tuple[str, ...] = ()
        self.activations: dict[str, str | None] = {}
        self.others: set[str] = set()
        self.applied: dict[int, tuple[Any, list[Any]]] = {}
        self.beside = False  # another optimizer takes steps, too
        self._eager_steps = 0  # that were run line by line
        self._in_evaluation = [0, False]  # such steps in evaluation mode, and whether a step that was traced is in it
        self.trained: set[int] = set()  # ids of variables that some optimizer updates
        self._loss: Compared | None = None  # of the training
        self._layers: dict[int, Any] = {}
        self._compiled: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()
        self._eager = StepSeen()
        self._rows: list[Any] = []  # of steps that were run line by line
        self._row_of: dict[Any, list[Any]] = {}  # form of a step -> the function that gives its row, and its columns
        self._backward: StepSeen | None = None  # that of a backward pass that was traced, until the facts are told
        self._probe: Any = None
        self._took, self._next = 0.0, every + 1  # when the last step ended, and the next one that is measured
        self._told = False
        self.ring = Ring(lambda columns, values: self._safely(lambda: self._traced_rows(columns, values)))
        self.evaluations = TapeEvaluations(
            lambda loss, examples: self._safely(lambda: owner.evaluated(self.steps, loss, examples))
        )
        self._find_layers()

    def variables(self) -> list[Any]:
        """The variables that the optimizers update in a step."""
        return [variable for _, variables in self.applied.values() for variable in variables]

    def path(self, thing: Any) -> str:
        """The path of a layer or variable, relative to the model, if there is one."""
        return path_in(self.models[0], thing) if len(self.models) == 1 else str(getattr(thing, "path", None) or thing.name)

    def trainable(self) -> list[Any]:
        """The variables that are to be trained."""
        return [variable for model in self.models for variable in model.trainable_variables]

    # ---- called by the patches

    def called(self, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any, within: bool) -> None:
        if id(layer) in self._layers:
            self._safely(lambda: self._called(layer, args, kwargs, output, within))

    def ran(self, function: Any) -> None:
        self.evaluations.ran(function)

    def differentiated(self, target: Any, sources: Any) -> None:
        self._safely(lambda: self._differentiated(target, sources))

    def compared(self, by: Any, targets: Any, outputs: Any, value: Any) -> None:
        self._safely(lambda: self._compared(by, targets, outputs, value))

    def scaled(self, loss: Any, larger: Any) -> None:
        self._safely(lambda: self._scaled(loss, larger))

    def applies(self, optimizer: Any, gradients: list[Any], variables: Any) -> Callable[[], object]:
        self._safely(lambda: self._find_optimizer(optimizer, variables))
        if not any(optimizer is one for one in self._optimizers):
            self.beside |= not any(optimizer is getattr(one, "inner_optimizer", None) for one in self._optimizers)
            return bool
        if not self._recordable():
            return bool
        self._safely(lambda: self._applies(optimizer, gradients, variables))
        last = optimizer is self._optimizers[-1]
        return (lambda: self._safely(self._ended)) if last else bool

    def _safely(self, what: Callable[[], None]) -> None:
        if self._owner.broken:
            return
        try:
            what()
        except Exception as error:
            self.on_error(error)

    # ---- a step

    def _called(self, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any, within: bool) -> None:
        tensors = [leaf for leaf in leaves(output) if tf.is_tensor(leaf)]
        if not tensors or not self._recordable():
            return
        eager, taped, step = tf.executing_eagerly(), record.could_possibly_record(), self._step()
        if layer in self.models:
            training = in_training_mode(layer, args, kwargs)
            if not taped:
                step.evaluated = output
                if not within:  # otherwise the model around it has the mode
                    self.evaluations.passed(training)
                return
            given = args[0] if args else next(iter(kwargs.values()), None)
            step.modes.add(training or within)
            if len(self.models) == 1:  # it is not known what the outputs of several are compared with
                step.x, step.y_pred = given, output
            if not eager or not self._eager_steps:
                self._find_layers()
            return
        if (
            taped
            and not isinstance(layer, UNSEEN)
            and tensors[0].dtype.is_floating
            and (not eager or self._is_due(self._eager_steps))
            and (eager or not is_sum(tensors[0]))
        ):
            path = self.path(layer)
            kept = step.layers.setdefault(path, [])
            if not eager or not kept:
                kept.append(tensors[0])
            self.activations[path] = activation_of(layer)
            if not all_of_keras(layer):
                self.others.add(path)

    def _find_optimizer(self, optimizer: Any, variables: Any) -> None:
        """The first optimizer that trains the model is meant, if none was given."""
        given = {id(v) for v in (optimizer._trainable_variables if variables is None else variables)}
        self.trained |= given
        if not self._optimizers and given & {id(v) for v in self.trainable()}:
            self._optimizers.append(optimizer)

    def _scaled(self, loss: Any, larger: Any) -> None:
        self._step().scaled = [*self._step().scaled[-SCALED:], (larger, loss)]

    def _differentiated(self, target: Any, sources: Any) -> None:
        tensors = [leaf for leaf in leaves(target) if tf.is_tensor(leaf)]
        known, trainable = ({id(v) for v in found} for found in (leaves(sources), self.trainable()))
        if len(tensors) == 1 and (known & trainable or not (known or trainable)):
            step = self._step()
            loss = next((small for larger, small in step.scaled if larger is tensors[0]), tensors[0])
            step.loss, step.sources = tf.reduce_mean(tf.cast(loss, tf.float32)), known
            if not tf.executing_eagerly() and self._recordable():
                step.tensors = self._tensors(step)
                step.row = statistics.row(step.loss, step.tensors, [])
                self.ring.hold(step.row)
                self._in_evaluation[1] |= step.evaluates
                self._backward = step

    def _compared(self, by: Any, targets: Any, outputs: Any, value: Any) -> None:
        made = next((leaf for leaf in leaves(outputs) if tf.is_tensor(leaf)), None)
        given = next((leaf for leaf in leaves(targets) if hasattr(leaf, "shape")), None)
        if made is None or given is None or len(self.models) > 1:
            return
        step = self._step()
        if record.could_possibly_record():
            unknown = step.compared is None or (step.compared.by is None and by is not None)
            if not unknown or is_constant(given):
                return
            if is_of(made, step.y_pred):
                step.compared = Compared(by, given, made)
            elif takes_logits(by) and is_of(before_softmax(made), step.y_pred):
                step.y_pred = made  # what the loss takes for logits counts as the output
                step.compared = Compared(by, given, made)
        elif step.evaluated is not None and is_of(made, step.evaluated):
            self.evaluations.compared(self._loss, by, value, given, made)

    def _applies(self, optimizer: Any, gradients: list[Any], variables: Any) -> None:
        step = self._step()
        changed = with_gradients(optimizer, gradients, variables)
        self.applied[id(optimizer)] = optimizer, [variable for variable, _ in changed]
        if tf.executing_eagerly() and not self._is_due(self._eager_steps):
            return
        scale = scale_of(optimizer)
        kept = [(variable, gradient) for variable, gradient in changed if usable(gradient)]
        before = self._before([variable for variable, _ in kept])
        step.changed |= {id(variable): (variable, g, scale, old) for (variable, g), old in zip(kept, before, strict=True)}

    def _before(self, variables: list[Any]) -> list[Any]:
        """Values of variables before the step, `sampled`; what it returns for a step that is not measured means nothing."""

        def now() -> list[Any]:
            return [tf.identity(statistics.sampled(tf.convert_to_tensor(variable))) for variable in variables]

        if tf.executing_eagerly() or not variables:
            return now()
        none = [tf.zeros(statistics.sampled_shape(variable), variable.dtype) for variable in variables]
        return list(seldom(self.ring.due(self._every), now, lambda: none))

    def _tensors(self, step: StepSeen) -> dict[str, Any]:
        """The inputs, targets and outputs of a step, see `statistics.of_step`."""
        y_pred = [leaf for leaf in leaves(step.y_pred) if usable(leaf)]
        if step.compared is None and not tf.executing_eagerly():
            step.compared = in_graph(tf.compat.v1.get_default_graph(), y_pred)
        if step.compared is not None:
            self._loss = Compared(step.compared.by, None, None)
        targets = step.compared.targets if step.compared is not None else None
        x, y = ([leaf for leaf in leaves(part) if usable(leaf)] for part in (step.x, targets))
        return statistics.of_step(x, y, y_pred)

    def _ended(self) -> None:
        step = self._step()
        self._forget()
        variables = [tf.convert_to_tensor(v) for v in self.variables()]
        if tf.executing_eagerly():
            self._ended_eagerly(step, variables)
        else:
            self._ended_in_graph(step, variables)
        self.evaluations.stepped()
        if not self._told:
            self._told = True
            with tf.init_scope():
                self._owner.built(step if step.loss is not None else self._backward or step)
            self._backward = None

    def _ended_in_graph(self, step: StepSeen, variables: list[Any]) -> None:
        probe = [("weights/probe", statistics.probe(variables))] if variables else []
        row = [*(step.row if usable(step.loss) else self.ring.held()), *probe]
        number, due_now = self.ring.number, self.ring.due(self._every)
        layers = {path: kept for path, calls in step.layers.items() if (kept := [c for c in calls if usable(c)])}
        seen = Seen(step.loss if usable(step.loss) else None, step.y_pred, layers)
        tensors = {kind: [pair for pair in step.tensors.get(kind, []) if usable(pair[1])] for kind in KINDS}
        self.tripwire(probe[0][1] if probe else None, number, tensors, seen, self)

        def measure() -> Any:
            columns, vector = statistics.flatten(self._detail(step, seen, tensors))
            return on_host(self, lambda me, at, values: me._measured_in_graph(columns, int(at), values), [number, vector])

        seldom(due_now, measure, lambda: tf.constant(False))
        self.ring.put(row)

    def _measured_in_graph(self, columns: tuple[str, ...], at: int, values: np.ndarray) -> None:
        self._safely(lambda: self._owner.measured(columns, at + self._eager_steps, values))

    def take(self) -> None:
        """Pass on the rows that wait."""
        self._pass_on()
        self.ring.take()

    # ---- a step that is run line by line

    def _ended_eagerly(self, step: StepSeen, variables: list[Any]) -> None:
        self.ring.take()  # of steps that were traced, in between
        number, tensors = self._eager_steps, self._tensors(step)
        parts = [[tensor for _, tensor in named] for named in tensors.values()]
        form = step.loss is None, *map(len, parts)
        if form not in self._row_of:
            row_of = functools.partial(self._row, form)
            self._row_of[form] = [tf.function(row_of, autograph=False, reduce_retracing=True), ()]
        values = self._row_of[form][0](step.loss, parts).numpy()
        names, held = self._row_of[form][1], self.ring.held() if step.loss is None else []
        if held:
            names, values = (*held[0][0], *names), np.concatenate([held[0][1].numpy(), values])
        if variables:
            self._probe = self._probe or tf.function(statistics.probe, autograph=False)
            names, values = (*names, "weights/probe"), np.append(values, self._probe(variables).numpy())
        if names != self.columns and self._rows:
            self.take()
        self.columns = names
        self._rows.append(values)
        self._eager_steps += 1
        self._in_evaluation[0] += step.evaluates
        if self._flaws is None and not np.isfinite(values[0] + values[-1]):
            self.tripwire(tf.constant(values[-1]), tf.constant(number, tf.int64), tensors, Seen(step.loss), self)
        now = time.perf_counter()
        if self._is_due(number):
            columns, vector = statistics.flatten(self._detail(step, Seen(step.loss, step.y_pred, step.layers), tensors))
            self._owner.measured(columns, number + self.ring.steps, vector.numpy())
            each, cost = now - self._took, time.perf_counter() - now
            self._next = number + max(self._every, int(cost / (SHARE * max(each, TICK))))
        self._took = time.perf_counter()
        if len(self._rows) >= BLOCK:
            self.take()

    def _row(self, form: Any, loss: Any, tensors: list[list[Any]]) -> Any:
        named = {kind: [(f"{kind}{i}", t) for i, t in enumerate(found)] for kind, found in zip(KINDS, tensors, strict=True)}
        row = statistics.row(loss, named, [])
        self._row_of[form][1], values = statistics.flatten(row) if row else ((), tf.zeros(0))
        return values

    def _traced_rows(self, columns: tuple[str, ...], values: np.ndarray) -> None:
        """Rows of steps that were traced come after those that were run line by line before them."""
        self._pass_on()
        self._owner.rows(columns, values)

    def _pass_on(self) -> None:
        if self._rows:
            rows, self._rows = self._rows, []
            self._owner.rows(self.columns, np.stack(rows))

    # ----

    def _detail(self, step: StepSeen, seen: Seen, tensors: dict[str, Any]) -> statistics.Named:
        before = {key: value for key, (_, _, _, value) in step.changed.items()}
        for variable, gradient, scale, _ in step.changed.values():
            seen.gradients[self.path(variable)] = magnitudes(gradient, scale)
        detail = statistics.tensors(*tensors.values()) + self.in_depth(seen, self, before)
        rate = getattr(self._optimizers[0], "learning_rate", None)
        return detail if rate is None else [*detail, ("learning_rate", rate)]

    @property
    def steps(self) -> int:
        """How many have ended."""
        return self._eager_steps + self.ring.steps

    def loop_facts(self) -> dict[str, Any]:
        """What is known of the loop, see `logs/facts.py`."""
        evaluations, unswitched = self.evaluations.modes
        modal = sorted({type(layer).__name__ for layer in self._layers.values() if isinstance(layer, MODAL)})
        left = self.steps if self._in_evaluation[1] else self._in_evaluation[0]
        found: dict[str, Any] = {"steps": self.steps, "modal": modal, "eval_steps": left if modal else 0}
        if len(self._optimizers) > 1:
            found["optimizers"] = found["ways"] = len(self._optimizers)
        return {**found, "unswitched": unswitched, "unswitched_row": unswitched if modal else 0, "evaluations": evaluations}

    # ----

    def _step(self) -> StepSeen:
        """What was seen of the step that is run or traced here."""
        if tf.executing_eagerly():
            return self._eager
        graph = here = tf.compat.v1.get_default_graph()
        while graph is not None:
            if isinstance(found := getattr(graph, SEEN, None), StepSeen):
                return found
            graph = getattr(graph, "outer_graph", None)
        setattr(here, SEEN, step := StepSeen())
        return step

    def _forget(self) -> None:
        if tf.executing_eagerly():
            self._eager = StepSeen()
            return
        graph = tf.compat.v1.get_default_graph()
        while graph is not None:
            if hasattr(graph, SEEN):
                delattr(graph, SEEN)
            graph = getattr(graph, "outer_graph", None)

    def _recordable(self) -> bool:
        """Whether operations may be added here."""
        if tf.distribute.has_strategy():
            return False
        if tf.executing_eagerly():
            return True
        graph = tf.compat.v1.get_default_graph()
        if graph not in self._compiled:
            self._compiled[graph] = traced_function()[1]
        return not self._compiled[graph]

    def _is_due(self, number: int) -> bool:
        return due(number, self._every) if number < self._every else number >= self._next

    def _find_layers(self) -> None:
        """Layers may be made when the model is first called."""
        modal = [layer for model in self.models for layer in model._flatten_layers() if isinstance(layer, MODAL)]
        measured = [layer for model in self.models for layer in looked_at(model)]
        self._layers = {id(layer): layer for layer in (*self.models, *modal, *measured)}
