"""Lets recorders of loops with `tf.GradientTape` see what such a loop calls: layers, losses, the tape, the optimizer.

While a recorder is there, and only then, functions of Keras and TensorFlow tell it of their calls. They are replaced on their
classes, so that nothing is in a model or an optimizer that a program saves or copies. A function that TensorFlow traces calls
them while it is traced, and not in the steps that follow.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import keras
import tensorflow as tf

OF_NN = {  # function of `tf.nn` -> the loss of Keras that does the same
    "sigmoid_cross_entropy_with_logits": keras.losses.BinaryCrossentropy,
    "softmax_cross_entropy_with_logits": keras.losses.CategoricalCrossentropy,
    "sparse_softmax_cross_entropy_with_logits": keras.losses.SparseCategoricalCrossentropy,
}


class TapeWatcher(Protocol):
    """A recorder; none of its functions raises."""

    def called(self, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any, within: bool) -> None:
        """A layer or a model was called; `within`: by another one."""

    def ran(self, function: Any) -> None:
        """A function that TensorFlow traces was called."""

    def differentiated(self, target: Any, sources: Any) -> None:
        """A tape gives the gradients of a target."""

    def compared(self, by: Any, targets: Any, outputs: Any, value: Any) -> None:
        """A loss compared outputs with targets; `by`: a `keras.losses.Loss`, the name of a function of `tf.nn`, or None for a
        metric."""

    def scaled(self, loss: Any, larger: Any) -> None:
        """An optimizer has scaled a loss, so that gradients in half precision are not too small."""

    def applies(self, optimizer: Any, gradients: list[Any], variables: Any) -> Callable[[], object]:
        """An optimizer is about to apply gradients. The result is called when it has (`bool` does nothing)."""


_watchers: tuple[TapeWatcher, ...] = ()
_originals: dict[tuple[Any, str], Any] = {}
_OF_TENSORFLOW = type(tf.function(lambda: None))  # the class of the functions that it traces


class _Depths(threading.local):
    """How deep calls are nested in this thread: layers, losses and optimizers call each other, and the outermost one counts."""

    calling = comparing = 0
    applying: tuple[Any, ...] = ()


_depths = _Depths()


def add(watcher: TapeWatcher, optimizers: list[Any]) -> None:
    """Tell a watcher of all calls from now on; the first one installs the patches."""
    global _watchers
    _watchers = (*_watchers, watcher)
    _replace(keras.layers.Layer, "__call__", _calling)
    _replace(_OF_TENSORFLOW, "__call__", _running)
    _replace(tf.GradientTape, "gradient", _differentiating)
    _replace(keras.losses.Loss, "__call__", _losing)
    _replace(keras.metrics.MeanMetricWrapper, "update_state", _judging)
    for name in OF_NN:
        _replace(tf.nn, name, functools.partial(_of_logits, name))
    for kind in (*map(type, optimizers), keras.optimizers.SGD, keras.optimizers.LossScaleOptimizer):
        for name, making in (("apply", _applying), ("scale_loss", _scaling)):
            _replace(next(base for base in kind.__mro__ if name in vars(base)), name, making)


def remove(watcher: TapeWatcher) -> None:
    """Tell it of nothing more; the last one removes the patches."""
    global _watchers
    _watchers = tuple(one for one in _watchers if one is not watcher)
    if not _watchers:
        for (owner, name), original in _originals.items():
            setattr(owner, name, original)
        _originals.clear()


def _replace(owner: Any, name: str, making: Callable[[Any], Any]) -> None:
    if (owner, name) not in _originals:
        original = vars(owner)[name]
        _originals[owner, name] = original
        # the name of the module that it seems to come from keeps AutoGraph from converting it
        setattr(owner, name, functools.wraps(original)(making(original)))


def _calling(original: Any) -> Any:
    def called(layer: Any, *args: Any, **kwargs: Any) -> Any:
        _depths.calling += 1
        try:
            output = original(layer, *args, **kwargs)
        finally:
            _depths.calling -= 1
        for watcher in _watchers:
            watcher.called(layer, args, kwargs, output, _depths.calling > 0)
        return output

    return called


def _running(original: Any) -> Any:
    def run(function: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(function, *args, **kwargs)
        for watcher in _watchers:
            watcher.ran(function)
        return result

    return run


def _differentiating(original: Any) -> Any:
    def gradient(tape: Any, target: Any, sources: Any, *args: Any, **kwargs: Any) -> Any:
        for watcher in _watchers:
            watcher.differentiated(target, sources)
        return original(tape, target, sources, *args, **kwargs)

    return gradient


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """While open, nobody is told of losses and metrics that are computed."""
    _depths.comparing += 1
    try:
        yield
    finally:
        _depths.comparing -= 1


def quietly(compute: Callable[[], Any]) -> Any:
    """What a loss gives, without telling of it; None if it cannot be computed."""
    with unheard():
        try:
            return compute()
        except Exception:  # labels that a program leaves out by a weight may be no classes
            return None


def _compared(by: Any, targets: Any, outputs: Any, compute: Callable[[], Any]) -> Any:
    with unheard():
        value = compute()
    if not _depths.comparing:
        for watcher in _watchers:
            watcher.compared(by, targets, outputs, value)
    return value


def _losing(original: Any) -> Any:
    def called(loss: Any, y_true: Any, y_pred: Any, *args: Any, **kwargs: Any) -> Any:
        return _compared(loss, y_true, y_pred, lambda: original(loss, y_true, y_pred, *args, **kwargs))

    return called


def _judging(original: Any) -> Any:
    def update_state(metric: Any, y_true: Any, y_pred: Any, *args: Any, **kwargs: Any) -> Any:
        return _compared(None, y_true, y_pred, lambda: original(metric, y_true, y_pred, *args, **kwargs))

    return update_state


def _of_logits(name: str, original: Any) -> Any:
    signature = inspect.signature(original)

    def compare(*args: Any, **kwargs: Any) -> Any:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:
            given = {}
        return _compared(name, given.get("labels"), given.get("logits"), lambda: original(*args, **kwargs))

    return compare


def _scaling(original: Any) -> Any:
    def scale_loss(optimizer: Any, loss: Any) -> Any:
        larger = original(optimizer, loss)
        for watcher in _watchers:
            watcher.scaled(loss, larger)
        return larger

    return scale_loss


def _applying(original: Any) -> Any:
    def apply(optimizer: Any, grads: Any, trainable_variables: Any = None, **kwargs: Any) -> Any:
        grads = list(grads)
        before = _depths.applying
        if any(optimizer is one for one in before):  # a class of the program's own calls that of Keras
            return original(optimizer, grads, trainable_variables, **kwargs)
        after = [watcher.applies(optimizer, grads, trainable_variables) for watcher in _watchers]
        _depths.applying = (*before, optimizer)
        try:
            result = original(optimizer, grads, trainable_variables, **kwargs)
        finally:
            _depths.applying = before
        for told in after:
            told()
        return result

    return apply
