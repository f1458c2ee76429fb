"""Records what one train step on TensorFlow computes: outputs of layers, the loss, gradients.

While a step is traced, and only then, methods are shadowed in the instances' `__dict__`, where Keras looks them up: `call` of
each layer, `compute_loss` of the model, `apply` of its optimizers. Nothing is subclassed, and the methods are restored.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

from scram_plugin.training.keras import pairs
from scram_plugin.training.keras.gradients import forget, registered
from scram_plugin.training.keras.kinds import of_keras
from scram_plugin.training.keras.shadow import activation_of, calls, outputs_of, path_in, with_gradients, wrapped
from scram_plugin.training.structures import leaves


@dataclass
class Seen:
    """The tensors that one step computed, in the order of data flow. Paths are relative to the model."""

    loss: Any = None
    y_pred: Any = None
    layers: dict[str, list[Any]] = field(default_factory=dict)  # path -> the output of each call
    gradients: dict[str, Any] = field(default_factory=dict)  # variable's path -> magnitudes of its gradient, dense, unscaled


class Watched:
    """The train step of a model as a function of the data, which returns the logs and a `Seen`.

    It is compiled like the model's own step. `gradients`: record these too. `activations`, `others` and `applied` are known
    after the first call.
    """

    def __init__(self, model: keras.Model, train_step: Callable[[Any], Any], gradients: bool) -> None:
        self._model, self._train_step, self._gradients = model, train_step, gradients
        self.activations: dict[str, str | None] = {}  # path of a layer -> name of its activation
        self.others: set[str] = set()  # paths of layers that are not part of Keras, or contain a custom function
        self.applied: dict[int, tuple[Any, list[Any]]] = {}  # id of an optimizer -> (optimizer, the variables that it updates)
        self.own = not of_keras(type(model).train_step)  # then Keras may not be told of the outputs
        self.given: set[int] = set()  # ids of the variables that an optimizer was given, whether they have a gradient or not
        self._answers: list[Any] = []  # what the model returned in the step that was traced; they are looked at, not recorded
        self._targets: list[Any] = []
        self._graph: Any = None
        self._seen = Seen()
        compiled: Any = self._step
        if model.jit_compile and not model.run_eagerly:  # otherwise the function around it is compiled
            compiled = tf.function(self._step, reduce_retracing=True, jit_compile=True, autograph=False)
        self._compiled = compiled

    def __call__(self, data: Any) -> tuple[Any, Seen]:
        before = None if tf.executing_eagerly() else set(registered())
        logs, seen = self._compiled(data)
        if before is not None:
            forget(before, self._graph)
        return logs, Seen(**seen)

    def variables(self) -> list[Any]:
        """The variables that the optimizers update in a step."""
        return [variable for _, variables in self.applied.values() for variable in variables]

    def pairs(self) -> dict[str, list[int | None]] | None:
        """See `pairs.shapes`; None before the step was traced, and for Keras's own."""
        return pairs.shapes(self._graph, self._targets, self._answers) if self.own else None

    def path(self, thing: Any) -> str:
        """The path of a layer or variable, relative to the model."""
        return path_in(self._model, thing)

    def _step(self, data: Any) -> tuple[Any, dict[str, Any]]:
        self._graph, self._seen, self._answers = tf.compat.v1.get_default_graph(), Seen(), []
        with self._watching():
            logs = self._train_step(data)
        traced = isinstance(data, tuple) and len(data) > 1 and not tf.executing_eagerly()
        self._targets = list(leaves(data[1])) if traced else []
        return logs, vars(self._seen)

    @contextlib.contextmanager
    def _watching(self) -> Iterator[None]:
        optimizers = {id(o): o for o in vars(self._model).values() if isinstance(o, keras.optimizers.Optimizer)}.values()
        applied = [(o, "apply", functools.partial(self._apply, o)) for o in optimizers]
        whole = [(self._model, "call", self._answer)] if self.own else []
        with wrapped([(self._model, "compute_loss", self._compute_loss), *whole, *calls(self._model, self._call), *applied]):
            yield

    def _answer(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        output = method(*args, **kwargs)
        if not tf.executing_eagerly():
            self._answers += [leaf for leaf in leaves(output) if tf.is_tensor(leaf)]
        return output

    def _compute_loss(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        loss = method(*args, **kwargs)
        y_pred = outputs_of(args, kwargs)
        if self._seen.loss is None and self._mine(loss):
            self._seen.loss = tf.cast(loss, tf.float32)
        if self._seen.y_pred is None and all(map(self._mine, leaves(y_pred))):
            self._seen.y_pred = y_pred
        return loss

    def _call(self, method: Any, layer: Any, *args: Any, **kwargs: Any) -> Any:
        output = method(*args, **kwargs)
        found = next((t for t in leaves(output) if tf.is_tensor(t)), None)
        if self._mine(found) and getattr(found, "dtype", tf.int32).is_floating and not self._summed(found):
            path, activation = self.path(layer), activation_of(layer)
            self._seen.layers.setdefault(path, []).append(found)
            self.activations[path] = activation
            if not all_of_keras(layer):
                self.others.add(path)
        return output

    def _summed(self, output: Any) -> bool:
        """Whether the output is a sum, which must not be recorded.

        TensorFlow fuses a sum with another sum that follows, unless the value in between is used too. Recording it would change
        the last bits of the result. This concerns biases in older Keras, and custom layers. With XLA it does not happen.
        """
        return not tf.executing_eagerly() and not self._model.jit_compile and is_sum(output)

    def _apply(self, optimizer: Any, method: Any, grads: Any, trainable_variables: Any = None, **kwargs: Any) -> Any:
        grads = list(grads)
        changed = with_gradients(optimizer, grads, trainable_variables)
        self.given |= {id(variable) for variable in trainable_variables or [variable for variable, _ in changed]}
        result = method(grads, trainable_variables, **kwargs)
        if not all(self._mine(gradient) for _, gradient in changed):
            return result
        self.applied[id(optimizer)] = optimizer, [variable for variable, _ in changed]
        if self._gradients:
            scale = scale_of(optimizer)
            for variable, gradient in changed:
                # Magnitudes, because XLA computes an elementwise operation from its own copy of the inputs. The gradient itself
                # would have to be stored; the optimizer's step would be compiled differently, and its last bits would differ.
                # The same holds for the square, which optimizers also compute: XLA would merge the two.
                self._seen.gradients[self.path(variable)] = magnitudes(gradient, scale)
        return result

    def _mine(self, tensor: Any) -> bool:
        """Whether a tensor is recorded. Those of an inner graph (the cell of a recurrent layer, a branch) cannot leave it."""
        if isinstance(tensor, tf.IndexedSlices):
            tensor = tensor.values
        return tensor is not None and (tf.executing_eagerly() or getattr(tensor, "graph", self._graph) is self._graph)


def all_of_keras(layer: Any) -> bool:
    """Whether a layer runs no code but that of Keras."""
    activation = getattr(layer, "activation", None)
    return of_keras(layer) and (activation is None or of_keras(activation)) and not isinstance(layer, keras.layers.Lambda)


def is_sum(output: Any) -> bool:
    """Whether a tensor of a graph is a sum; see `Watched`."""
    return output.op.type in ("Add", "AddV2", "AddN")


def scale_of(optimizer: Any) -> Any:
    """By what an optimizer has multiplied the loss, and so the gradients; None if by nothing."""
    dynamic = getattr(optimizer, "dynamic_scale", None)  # a variable: it has no truth value while tracing
    return dynamic if dynamic is not None else getattr(optimizer, "loss_scale_factor", None)


def magnitudes(gradient: Any, scale: Any) -> Any:
    """The magnitudes of a gradient, dense and without its scale."""
    # the gradient of an embedding may contain a row several times: the conversion adds these up
    dense = tf.cast(tf.convert_to_tensor(gradient), tf.float32)
    return tf.abs(dense if scale is None else dense / tf.cast(scale, tf.float32))
