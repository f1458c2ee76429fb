"""Records steps of a Keras model that several replicas run together (`tf.distribute.MirroredStrategy`): one row for all.

Each replica's step is traced in a thread of its own. Meanwhile methods of the model are shadowed; what they record is stored by
thread.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from scram_plugin.training.keras import statistics
from scram_plugin.training.keras.host_rows import HostRows
from scram_plugin.training.keras.shadow import activation_of, calls, outputs_of, path_in, with_gradients, wrapped
from scram_plugin.training.merging import merge
from scram_plugin.training.structures import leaves


class ReplicaTensors:
    """The tensors that one replica's step computes."""

    def __init__(self) -> None:
        self.loss: Any = None
        self.y_pred: Any = None
        self.layers: dict[str, Any] = {}
        self.gradients: dict[str, Any] = {}


class MirroredStep(HostRows):
    """Runs train functions that Keras builds from the model's own `train_step`, with the recorded values as an extra log."""

    key = "__scram__"

    def __init__(self, model: keras.Model, on_error: Callable[[Exception], None]) -> None:
        super().__init__()
        self.model, self.on_error = model, on_error
        self.plain = model.train_function
        self._functions: dict[bool, Any] = {}
        self._seen: dict[Any, ReplicaTensors] = defaultdict(ReplicaTensors)
        self._kinds: dict[str, str | None] = {}
        self._names: dict[bool, tuple[str, ...]] = {}
        self._details: tuple[str, ...] = ()

    def run(self, measuring: bool, iterator: Any) -> Any:
        """Run one step; returns what the model's own train function returns."""
        self.row = None
        if measuring not in self._functions:
            step = functools.partial(self._train_step, self.model.train_step, measuring)
            self._functions[measuring] = self.built(self.model, step)
        with self._watching(measuring):
            logs = self._functions[measuring](iterator)
        if isinstance(logs, dict) and self.key in logs:
            logs = dict(logs)
            try:
                mean = np.asarray(logs.pop(self.key))
                self._take_in(measuring, mean * np.float32(len(mean)))
            except Exception as error:  # an error in the recording must not fail the step
                self.on_error(error)
        return logs

    def _take_in(self, measuring: bool, gathered: np.ndarray) -> None:
        names = self._names[measuring]
        self.add(names, merge(names, gathered[:, : len(names)]))
        if measuring:
            self.measured_columns = self._details
            self.row = merge(self._details, gathered[:, len(names) :])

    def _train_step(self, train_step: Any, measuring: bool, data: Any) -> Any:
        """Python runs this only while the step is traced, once for each replica."""
        context = tf.distribute.get_replica_context()
        trained = [v for v in self.model.trainable_variables if "float" in str(v.dtype)]
        before = [tf.identity(statistics.sampled(tf.convert_to_tensor(v))) for v in trained] if measuring else []
        self._seen.pop(threading.get_ident(), None)
        logs = train_step(data)
        seen = self._seen[threading.get_ident()]
        try:
            x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
            tensors = statistics.of_step(x, y, seen.y_pred)
            row = statistics.row(seen.loss, tensors, [tf.convert_to_tensor(v) for v in trained])
            self._names[measuring], values = statistics.flatten(row)
            if measuring:
                detail = statistics.tensors(*tensors.values())
                detail += self._in_depth(seen, trained, before)
                self._details, more = statistics.flatten([*detail, ("learning_rate", self.model.optimizer.learning_rate)])
                values = tf.concat([values, more], 0)
            # One row per replica, of which this replica fills its own. Keras averages the logs over the replicas anyway, so no
            # further communication is needed.
            shape = [context.num_replicas_in_sync, values.shape[0]]
            return {**logs, self.key: tf.scatter_nd([[context.replica_id_in_sync_group]], values[None], shape)}
        except Exception as error:
            self.on_error(error)
            return logs

    def _in_depth(self, seen: ReplicaTensors, trained: list[Any], before: list[Any]) -> statistics.Named:
        """Statistics of layers and variables. Gradients are those of this replica, before they are summed over replicas."""
        outputs = {path: tf.cast(statistics.first_examples(t), tf.float32) for path, t in seen.layers.items()}
        paths = [path_in(self.model, v) for v in trained]
        changed = [
            (path, seen.gradients[path], old, tf.cast(tf.convert_to_tensor(v), tf.float32))
            for path, old, v in zip(paths, before, trained, strict=True)
            if path in seen.gradients
        ]
        found, _ = statistics.in_depth(outputs, self._kinds, changed, statistics.flawed)
        return found

    # ---- methods that are shadowed while a step is traced

    @contextlib.contextmanager
    def _watching(self, measuring: bool) -> Iterator[None]:
        model = self.model
        methods: list[tuple[Any, str, Callable[..., Any]]] = [(model, "compute_loss", self._compute_loss)]
        if measuring:
            methods.append((model.optimizer, "apply", functools.partial(self._apply, model.optimizer)))
            methods += calls(model, self._call)
        with wrapped(methods):
            yield

    def _compute_loss(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        loss = method(*args, **kwargs)
        seen = self._seen[threading.get_ident()]
        if seen.loss is None:
            seen.loss, seen.y_pred = tf.cast(loss, tf.float32), outputs_of(args, kwargs)
        return loss

    def _call(self, method: Any, layer: Any, *args: Any, **kwargs: Any) -> Any:
        output = method(*args, **kwargs)
        found = next((t for t in leaves(output) if tf.is_tensor(t)), None)
        # TensorFlow fuses a sum with a sum that follows, unless the value in between is used
        if found is not None and found.dtype.is_floating and found.op.type not in ("Add", "AddV2", "AddN"):
            path = path_in(self.model, layer)
            self._seen[threading.get_ident()].layers.setdefault(path, found)
            self._kinds[path] = activation_of(layer)
        return output

    def _apply(self, optimizer: Any, method: Any, grads: Any, trainable_variables: Any = None, **kwargs: Any) -> Any:
        grads = list(grads)
        for variable, gradient in with_gradients(optimizer, grads, trainable_variables):
            dense = tf.cast(tf.convert_to_tensor(gradient), tf.float32)
            self._seen[threading.get_ident()].gradients[path_in(self.model, variable)] = dense
        return method(grads, trainable_variables, **kwargs)
