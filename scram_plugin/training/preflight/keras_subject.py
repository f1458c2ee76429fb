"""A compiled Keras model under test: it is tested in place and restored afterwards, on any backend, by Keras's own steps."""

from __future__ import annotations

import contextlib
import copy
import functools
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras.src.backend.common import global_state

from scram_plugin.training.keras.kinds import of_keras
from scram_plugin.training.keras.shadow import path_in, shadowed
from scram_plugin.training.preflight.keras_data import KerasData
from scram_plugin.training.preflight.subject import FIRST, Batch, same_chance, same_order
from scram_plugin.training.structures import leaves

# attributes that `fit` and similar methods set in a model
TRACES = ("optimizer", "train_function", "test_function", "predict_function", "history", "stop_training")
NOISES = {
    "Dropout": "rate",
    "SpatialDropout": "rate",
    "GaussianDropout": "rate",
    "AlphaDropout": "rate",
    "GaussianNoise": "stddev",
}


class KerasSubject:
    """See `Subject`. Raises ValueError for a model that is not compiled."""

    framework = "keras"

    def __init__(self, model: keras.Model, training: KerasData, validation: KerasData | None) -> None:
        if not getattr(model, "compiled", False) or getattr(model, "optimizer", None) is None:
            raise ValueError(
                "the model is not compiled: call model.compile(...) first, so that its loss and optimizer are known"
            )
        self.model, self.source = model, training
        self.training: KerasData = training
        self.validation: KerasData | None = validation
        self._given = [source.given for source in (training, validation) if source is not None]
        with same_chance(), same_order(*self._given):
            self.batches: Sequence[Batch] = list(itertools.islice(training, FIRST))
        inner = getattr(model.optimizer, "inner_optimizer", None) or model.optimizer  # of one that scales the loss
        rate = inner._learning_rate
        schedule = isinstance(rate, keras.optimizers.schedules.LearningRateSchedule)
        self.rate: float | None = None if schedule else float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
        self._start: list[tuple[Any, np.ndarray]] = []
        self._optimizer: Any = None
        self._made: dict[tuple[bool, bool], _Made] = {}
        self.facts: dict[str, Any] = {}
        self.batch_size: int | None = None

    @property
    def clips(self) -> bool:
        return any(getattr(self.optimizer, name, None) for name in ("clipnorm", "global_clipnorm", "clipvalue"))

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        model = self.model
        if self.batches and not model.built:  # as `fit` would, before random states are saved: this draws the weights
            model._symbolic_build(data_batch=(self.batches[0].x, self.batches[0].y, self.batches[0].weights))
        with same_chance(), same_order(*self._given), _chance_of_keras(), _quiet():
            before = {name: model.__dict__.get(name) for name in TRACES}
            self._optimizer = before["optimizer"]
            self._start = _values(_variables(model))
            try:
                with shadowed(model, "train_step", functools.partial(_as_fit_does, model.train_step)):
                    self.reset(True)
                    yield
            finally:
                for variable, value in self._start:
                    variable.assign(value)
                for name, value in before.items():
                    if name in model.__dict__ or value is not None:
                        setattr(model, name, value)
                model.reset_metrics()

    def reset(self, own: bool, calm: bool = False) -> None:
        """Restore the initial weights, and take an optimizer that has not stepped yet."""
        key = own, calm and bool(_noises(self.model))
        if key not in self._made:
            self._made[key] = self._make(own)
        made = self._made[key]
        for variable, value in (*self._start, *made.start):
            variable.assign(value)
        self.model.optimizer, self.model.train_function = made.optimizer, made.function

    def _make(self, own: bool) -> _Made:
        model = self.model
        model.optimizer = _fresh(self._optimizer) if own else keras.optimizers.Adam(1e-3)
        model.optimizer.build(model.trainable_variables)
        model.train_function = None
        model.make_train_function()
        return _Made(model.optimizer, model.train_function, _values(model.optimizer.variables))

    def course(self, batches: Iterable[Batch], rates: Iterable[float] | None, own: bool, calm: bool) -> Iterator[float]:
        self.reset(own, calm)
        with _calm(self.model) if calm else contextlib.nullcontext():
            for batch, rate in zip(batches, rates if rates is not None else itertools.repeat(None), strict=False):
                if rate is not None:
                    self.model.optimizer.learning_rate = rate
                yield self.step(batch)

    @property
    def optimizer(self) -> Any:
        return self.model.optimizer

    def step(self, batch: Batch) -> float:
        self.model.reset_metrics()  # older versions of Keras would return a mean over batches instead of this batch's loss
        logs = self.model.train_on_batch(batch.x, batch.y, sample_weight=batch.weights, return_dict=True)
        return float(logs["loss"])

    def held(self) -> int:
        kept = [*self.model.variables, *self.model.optimizer.variables]
        return sum(int(np.prod(v.shape)) * np.dtype(keras.backend.standardize_dtype(v.dtype)).itemsize for v in kept)

    def predict(self, x: Any) -> list[np.ndarray]:
        outputs = self.model(keras.tree.map_structure(keras.ops.convert_to_tensor, x), training=False)
        return [keras.ops.convert_to_numpy(leaf) for leaf in leaves(outputs)]

    def still(self, batch: Batch) -> dict[str, Any]:
        # Adam moves every variable that has a gradient, so this works on every backend
        start = {id(variable): value for variable, value in self._start}
        variables = list(self.model.trainable_variables)
        unmoved = [v for v in variables if np.array_equal(keras.ops.convert_to_numpy(v), start[id(v)])]
        return {"still": [path_in(self.model, v) for v in unmoved], "variables": len(variables)}

    def half(self, batch: Batch) -> str | None:
        self.reset(True)
        layers = [layer for layer in self.model._flatten_layers() if of_keras(layer)]
        policies = [layer.dtype_policy for layer in layers]
        try:
            for layer in layers:
                if layer.dtype_policy.name == "float32":
                    layer.dtype_policy = "mixed_float16"
            x = keras.tree.map_structure(keras.ops.convert_to_tensor, batch.x)
            outputs = self.model(x, training=False)
            if not all(
                np.isfinite(keras.ops.convert_to_numpy(keras.ops.cast(leaf, "float32"))).all() for leaf in leaves(outputs)
            ):
                return "outputs"
            loss = self.model.compute_loss(x=x, y=batch.y, y_pred=outputs, sample_weight=batch.weights, training=False)
            return None if np.isfinite(float(keras.ops.convert_to_numpy(loss))) else "loss"
        finally:
            for layer, policy in zip(layers, policies, strict=True):
                if layer.dtype_policy is not policy:
                    layer.dtype_policy = policy

    def watched(self, log_dir: str, steps: int, source: bool) -> None:
        """Train from the initial weights for at most `steps` steps, with the callback."""
        from scram_plugin.training.keras import SCRAM

        self.reset(True)
        self.model.train_function = None  # `fit` makes a new one
        steps = min(steps, max(self.source.steps or steps, 1))
        callback = SCRAM(log_dir, every=8, source=source, print_findings=False)
        try:
            self.source.fit(self.model, steps, self.validation, [callback])
        finally:
            self.facts = callback.facts


@dataclass(frozen=True)
class _Made:
    """An optimizer, the compiled step with it, and the initial values of the optimizer's variables.

    It is reused in several tests: compiling a step of a large network takes longer than all the steps of a test.
    """

    optimizer: Any
    function: Any
    start: list[tuple[Any, np.ndarray]]


def _values(variables: Iterable[Any]) -> list[tuple[Any, np.ndarray]]:
    return [(v, np.array(keras.ops.convert_to_numpy(v))) for v in variables]


def _as_fit_does(train_step: Callable[..., Any], *given: Any) -> Any:
    """Pack the data as `fit` does: a custom train step may expect two parts, but `train_on_batch` passes three."""
    *state, data = given
    return train_step(*state, keras.utils.pack_x_y_sample_weight(*keras.utils.unpack_x_y_sample_weight(data)))


def _variables(model: keras.Model) -> list[Any]:
    """All variables that a step may change, each once; without those of the optimizer, since the tests use another one."""
    found = {id(v): v for v in [*model.variables, *model.metrics_variables]}
    return list(found.values())


def _fresh(optimizer: Any) -> Any:
    inner = getattr(optimizer, "inner_optimizer", None)
    if inner is not None:  # scales the loss for float16
        return keras.optimizers.LossScaleOptimizer(_fresh(inner))
    return type(optimizer).from_config(copy.deepcopy(optimizer.get_config()))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide TensorFlow's warnings about retracing: here functions are traced for each batch size on purpose."""

    def others(record: logging.LogRecord) -> bool:
        return "retracing" not in record.getMessage()

    logger = logging.getLogger("tensorflow")
    logger.addFilter(others)
    try:
        yield
    finally:
        logger.removeFilter(others)


def _noises(model: keras.Model) -> list[tuple[Any, str]]:
    """Layers of dropout and noise, and the name of the attribute that sets the strength."""
    names = [
        (layer, next((NOISES[k] for k in NOISES if type(layer).__name__.startswith(k)), ""))
        for layer in model._flatten_layers()
    ]
    return [(layer, name) for layer, name in names if name and of_keras(layer)]


@contextlib.contextmanager
def _calm(model: keras.Model) -> Iterator[None]:
    """Switch off dropout and noise, so that the examples to memorise are the same in each step."""
    changed = [(layer, name, getattr(layer, name)) for layer, name in _noises(model)]
    try:
        for layer, name, _ in changed:
            setattr(layer, name, 0.0)
        yield
    finally:
        for layer, name, value in changed:
            setattr(layer, name, value)


@contextlib.contextmanager
def _chance_of_keras() -> Iterator[None]:
    """Restore the random states of layers without a seed of their own, and of the backend."""
    name = "global_seed_generator"
    generator = global_state.get_global_attribute(name)
    before = np.array(keras.ops.convert_to_numpy(generator.state)) if generator is not None else None
    restore = _backends_chance()
    try:
        yield
    finally:
        global_state.set_global_attribute(name, generator)  # None if there was none
        if generator is not None:
            generator.state.assign(before)
        restore()


def _backends_chance() -> Callable[[], None]:
    """A function that restores the present random state of the backend."""
    if keras.backend.backend() == "tensorflow":
        from tensorflow.python.eager import context

        try:  # gives seeds to operations that have none of their own
            rng = context.context()._rng
            state = rng.getstate()
            return lambda: rng.setstate(state)
        except AttributeError:  # no seed was set, so there is no state to restore
            pass
    return lambda: None
