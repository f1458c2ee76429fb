"""Records steps of a Keras model on JAX, where a step is a function of a state, compiled as a whole.

The row of every step is an extra result of the same compiled function. Detailed statistics are computed by separate functions,
from the state before a sampled step and the state after it, so that they do not change how the step is compiled.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import keras

from scram_plugin.training.keras import statistics
from scram_plugin.training.keras.host_rows import HostRows
from scram_plugin.training.keras.shadow import activation_of, calls, path_in, wrapped
from scram_plugin.training.structures import leaves

State = tuple[Any, Any, Any, Any]  # trainable, non-trainable, optimizer's and metrics' variables


class JaxStep(HostRows):
    """Runs a train function that Keras builds from the model's own `train_step`, with the row as an extra log."""

    key = "__scram__"

    def __init__(self, model: keras.Model, on_error: Callable[[Exception], None]) -> None:
        super().__init__()
        self.model, self.on_error = model, on_error
        self.plain = model.train_function
        self._names: tuple[str, ...] = ()
        self._kinds: dict[str, str | None] = {}
        self._paths = [path_in(model, v) for v in model.trainable_variables]
        self._detail: tuple[str, ...] = ()
        self._active: list[str] = []
        self._recording = self.built(model, functools.partial(self._train_step, model.train_step))
        self._before = jax.jit(self._of_state)
        self._after = jax.jit(self._of_change)

    def run(self, measuring: bool, state: State, iterator: Iterator[Any]) -> tuple[Any, State]:
        """Run one step; returns what the model's own train function returns."""
        self.row = before = None
        data = next(iterator)
        if measuring:
            with self._guarded():
                before = self._before(state, data)
        logs, state = self._recording(state, iter([data]))
        if isinstance(logs, dict) and self.key in logs:
            logs = dict(logs)
            with self._guarded():
                self.add(self._names, logs.pop(self.key))
        if before is not None:
            with self._guarded():
                self._measure(before, state)
        return logs, state

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # an error in the measurement must not fail the step
            self.on_error(error)

    def _train_step(self, train_step: Any, state: State, data: Any) -> tuple[Any, State]:
        """Python runs this only while the step is traced."""
        seen: dict[str, Any] = {}

        def update_state(method: Any, loss: Any, *args: Any, **kwargs: Any) -> Any:
            seen.setdefault("loss", loss)
            return method(loss, *args, **kwargs)

        def compute_metrics(method: Any, x: Any, y: Any, y_pred: Any, *args: Any, **kwargs: Any) -> Any:
            seen.setdefault("y_pred", y_pred)
            return method(x, y, y_pred, *args, **kwargs)

        model, tracker = self.model, self.model._loss_tracker
        with wrapped([(tracker, "update_state", update_state), (model, "compute_metrics", compute_metrics)]):
            logs, after = train_step(state, data)
        if not isinstance(logs, dict) or "loss" not in seen:
            return logs, after
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        tensors = statistics.of_step(x, y, seen.get("y_pred"))
        variables = [v for v in after[0] if "float" in str(v.dtype)]
        row = statistics.row(seen["loss"], tensors, variables)
        self._names, values = statistics.flatten(row)
        return {**logs, self.key: values}, after

    # ---- detailed statistics

    def _of_state(self, state: State, data: Any) -> tuple[Any, list[Any], list[Any], list[Any]]:
        """Statistics of tensors and layers, the active units, the gradients, and samples of the variables."""
        trainable, non_trainable, of_optimizer, of_metrics = state
        model = self.model
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)

        def loss(variables: Any) -> Any:
            outputs: dict[str, Any] = {}
            with self._watching(outputs):
                value, aux = model.compute_loss_and_updates(
                    variables, non_trainable, of_metrics, x, y, weights, training=True, optimizer_variables=of_optimizer
                )
            return value, (value / aux[0], aux[1], outputs)

        gradients, (scale, y_pred, outputs) = jax.grad(loss, has_aux=True)(trainable)
        detail = statistics.tensors(*statistics.of_step(x, y, y_pred).values())
        some = {path: keras.ops.cast(statistics.first_examples(t), "float32") for path, t in outputs.items()}
        found, active = statistics.in_depth(some, self._kinds, [], statistics.flawed)
        self._detail, values = statistics.flatten([*detail, *found])
        self._active = list(active)
        scaled = [keras.ops.cast(g, "float32") / keras.ops.cast(scale, "float32") for g in gradients]
        # copies, since the step reuses the memory of the variables for its own results
        return values, list(active.values()), scaled, [jax.numpy.array(statistics.sampled(v), copy=True) for v in trainable]

    def _of_change(self, gradients: list[Any], before: list[Any], trainable: list[Any]) -> Any:
        named = [
            (path, gradient, old, keras.ops.cast(new, "float32"))
            for path, gradient, old, new in zip(self._paths, gradients, before, trainable, strict=True)
        ]
        found, _ = statistics.in_depth({}, {}, named, statistics.flawed)
        self._change, values = statistics.flatten(found)
        return values

    def _measure(self, before: tuple[Any, list[Any], list[Any], list[Any]], after: State) -> None:
        values, active, gradients, samples = before
        changes = self._after(gradients, samples, list(after[0]))
        dead = self.dead(dict(zip(self._active, active, strict=True)))
        rate = [("learning_rate", keras.ops.convert_to_tensor(self._rate(after)))]
        rest_columns, rest = statistics.flatten([*dead, *rate])
        self.measured_columns = (*self._detail, *self._change, *rest_columns)
        self.row = keras.ops.concatenate([values, changes, rest])

    def _rate(self, state: State) -> Any:
        """The learning rate in the optimizer's part of the state; the model's own variables are empty while it trains."""
        optimizer = self.model.optimizer
        variable = optimizer._learning_rate
        known = [i for i, v in enumerate(optimizer.variables) if v is variable]
        if known:
            return state[2][known[0]]
        step = next(v for i, v in enumerate(state[2]) if optimizer.variables[i] is optimizer.iterations)
        return variable(step)  # a schedule

    @contextlib.contextmanager
    def _watching(self, outputs: dict[str, Any]) -> Iterator[None]:
        def call(method: Any, layer: Any, *args: Any, **kwargs: Any) -> Any:
            output = method(*args, **kwargs)
            found = next((t for t in leaves(output) if hasattr(t, "dtype")), None)
            path = path_in(self.model, layer)
            if found is not None and "float" in str(found.dtype) and path not in outputs:
                outputs[path], self._kinds[path] = found, activation_of(layer)
            return output

        inner = _within_loops(self.model)
        with wrapped([entry for entry in calls(self.model, call) if id(entry[0]) not in inner]):
            yield


def _within_loops(model: keras.Model) -> set[int]:
    """The ids of layers inside a loop over time, whose values cannot leave the loop."""
    loops = [x for x in model._flatten_layers(include_self=False) if isinstance(x, keras.layers.RNN | keras.layers.Wrapper)]
    return {id(part) for loop in loops for part in loop._flatten_layers(include_self=False)}
