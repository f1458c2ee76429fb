"""What is measured inside a step on TensorFlow: layers, gradients and changes of the weights, and the origin of a NaN.

The tripwire is a branch that runs once, in the first batch whose loss or weights are not finite. It counts the non-finite
values in each tensor of that very step. So the origin of a NaN is known however few batches are sampled, and no step is
repeated. The tripwire has two parts, since a tensor that is checked after the weights have changed must stay in memory until
then. Outputs of layers are therefore checked together with the loss, before the backward pass.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from scram_plugin.schema import GRADIENT, LAYER, WEIGHT, column, thing
from scram_plugin.training.keras import statistics
from scram_plugin.training.keras.recording import Seen
from scram_plugin.training.keras.shadow import slots
from scram_plugin.training.sampling import SEEN_IN

MAX_HELD = 1 << 10  # a layer's output with at most so many values per example is held in memory until the step ends


class Traced(Protocol):
    """What is known of a step once it was traced; see `recording.Watched`."""

    activations: dict[str, str | None]
    others: set[str]
    applied: dict[int, tuple[Any, list[Any]]]

    def variables(self) -> list[Any]: ...

    def path(self, thing: Any) -> str: ...


def apart(make: Callable[[], Any]) -> Any:
    """What `make` makes, in a thread of its own: a function that TensorFlow traces again refuses new variables."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(make).result()


def seldom(condition: Any, then: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
    """`tf.cond` whose condition is seldom true: its branch is a function of its own, for which nothing is prepared.

    Usually TensorFlow makes it a part of the graph, with one operation for each tensor that the branch uses.
    """
    found = tf.cond(condition, then, otherwise)
    if not tf.executing_eagerly():
        for operation in reversed(tf.compat.v1.get_default_graph().get_operations()):
            if operation.type in ("If", "StatelessIf"):
                operation._set_attr("_lower_using_switch_merge", tf.compat.v1.AttrValue(b=False))
                break
    return found


def on_host(owner: Any, call: Callable[..., None], given: list[Any]) -> Any:
    """An operation that calls ``call(owner, *arrays)`` whenever it runs. Returns a tensor, which is True.

    TensorFlow keeps the function forever. It must not keep the owner alive: `call` may not refer to it, or to its model.
    """
    me = weakref.ref(owner)

    def told(*arrays: np.ndarray) -> np.bool_:
        if (one := me()) is not None:
            call(one, *arrays)
        return np.bool_(True)

    return tf.numpy_function(told, given, tf.bool)


class Observed:
    """The statistics of one model's steps. `on_error` is called once if they cannot be computed."""

    def __init__(self, on_error: Callable[[Exception], None]) -> None:
        self.on_error = on_error
        self._forward: tuple[int, tuple[str, ...], np.ndarray] | None = None  # forward pass with a non-finite loss
        self._flaws: tuple[int, tuple[str, ...], np.ndarray] | None = None
        self._ages: dict[tuple[str, ...], Any] = {}  # of these layers, measured batches since each ReLU unit was active
        self._measured = tf.Variable(0.0, trainable=False, name="scram_measured")

    @property
    def flaws(self) -> tuple[int, tuple[str, ...], np.ndarray] | None:
        """What the tripwire recorded: the number of the step, columns and counts."""
        return self._flaws

    def in_depth(self, seen: Seen, watched: Traced, before: dict[int, Any]) -> statistics.Named:
        """Statistics of each layer's output (in its first call), of each trained variable, and of its gradient."""
        outputs = {path: tf.cast(statistics.first_examples(calls[0]), tf.float32) for path, calls in seen.layers.items()}
        # variables without a gradient are not among them
        named = [(watched.path(v), before[id(v)], v) for v in watched.variables() if id(v) in before]
        changed = [
            (name, seen.gradients[name], old, tf.cast(tf.convert_to_tensor(new), tf.float32))
            for name, old, new in named
            if name in seen.gradients
        ]
        detail, active = statistics.in_depth(outputs, watched.activations, changed, _counts)
        return [*detail, *self._dead(active)] if active else detail

    def _dead(self, active: dict[str, Any]) -> statistics.Named:
        """The share of each layer's units that were active in none of the last measured batches, at most `SEEN_IN`."""
        sizes, layers = [int(units.shape[0]) for units in active.values()], tuple(active)
        if layers not in self._ages:  # steps may use different layers
            zeros = np.zeros(sum(sizes), np.float32)
            self._ages[layers] = apart(lambda: tf.Variable(zeros, trainable=False, name="scram_ages"))
        before = self._ages[layers]
        ages = tf.where(tf.concat(list(active.values()), 0), tf.zeros_like(before), before + 1.0)
        measured = self._measured + 1.0
        before.assign(ages)
        self._measured.assign(measured)
        never = tf.split(tf.cast(ages >= tf.minimum(measured, SEEN_IN), tf.float32), sizes)
        return [(column("layer", path, "dead"), tf.reduce_mean(part)) for path, part in zip(active, never, strict=True)]

    def tripwire(self, probe: Any, number: Any, tensors: dict[str, Any], seen: Seen, watched: Traced) -> None:
        """Call `keep` if the loss or the probe of the weights is not finite. Only the end of the step waits for that call."""
        outputs = [(path, output) for path, calls in seen.layers.items() for output in calls]
        # A ReLU turns NaN into 0, and the loss stays finite. Keras's layers make no NaN from finite numbers; outputs of custom
        # layers, and small outputs, stay available until the weights have been checked.
        late = [(p, output) for p, output in outputs if seen.loss is None or p in watched.others or _small(output)]
        loss = [] if seen.loss is None else [tf.cast(tf.reshape(seen.loss, ()), tf.float32)]
        probes = [] if probe is None else [probe]

        def flow(layers: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
            before = [*tensors["x"], *tensors["y"], *((thing(LAYER, path), output) for path, output in layers)]
            return [*before, *tensors["y_pred"], *(("loss", value) for value in loss)]

        def unless_finite(values: list[Any], kept: list[tuple[str, Any]], changed: bool) -> list[Any]:
            if not values:
                return []

            def keep() -> Any:
                names, traced = [name for name, _ in kept], weakref.ref(watched)

                def found(me: Observed, at: np.ndarray, *tensors: np.ndarray) -> None:
                    if (known := traced()) is not None:
                        me.keep(known, changed, int(at), list(zip(names, tensors, strict=True)))

                return on_host(self, found, [number, *(tensor for _, tensor in kept)])

            finite = tf.math.is_finite(tf.add_n(values))
            if tf.executing_eagerly():
                return [] if finite else [keep()]
            return [seldom(tf.logical_not(finite), keep, lambda: tf.constant(False))]

        judged = unless_finite(loss, flow(outputs), changed=False)
        with tf.control_dependencies(judged):
            unless_finite([*loss, *probes], flow(late), changed=True)

    def keep(self, watched: Traced, changed: bool, number: int, flow: list[tuple[str, np.ndarray]]) -> None:
        """Called inside a step that is not finite, before and after its weights are `changed`. Records the first such step."""
        if self._flaws is not None:
            return
        try:
            found = statistics.flaws(flow)
            if not changed:
                self._forward = number, *found
                return
            if self._forward is not None and self._forward[0] == number:
                found = self._forward[1:]
            after: list[tuple[str, np.ndarray]] = []
            for optimizer, variables in watched.applied.values():
                for variable, slot in zip(variables, slots(optimizer, variables), strict=False):
                    after.append((thing(GRADIENT, watched.path(variable)), keras.ops.convert_to_numpy(slot)))
            after += [(thing(WEIGHT, watched.path(v)), keras.ops.convert_to_numpy(v)) for v in watched.variables()]
            columns, values = statistics.flaws(after)
            self._flaws = number, (*found[0], *columns), np.concatenate([found[1], values])
        except Exception as error:
            self.on_error(error)


def _counts(named: list[tuple[str, Any]], totals: statistics.Named) -> statistics.Named:
    """How many values of each tensor are not finite: 0 without counting if all `totals` over them are finite."""
    if not named:
        return []

    def count() -> Any:
        return tf.stack([statistics.nonfinite(tensor) for _, tensor in named])

    finite = tf.math.is_finite(tf.reduce_sum(statistics.flatten(totals)[1]))
    return [([name for name, _ in named], tf.cond(finite, lambda: tf.zeros(len(named)), count))]


def _small(output: Any) -> bool:
    sizes = output.shape[1:]
    return None not in sizes and math.prod(sizes) <= MAX_HELD
