"""Records steps of a Keras model on PyTorch: plain Python, so methods are shadowed while each step runs."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import torch

from scram_plugin.schema import GRADIENT, LAYER, WEIGHT, thing
from scram_plugin.training.keras import statistics
from scram_plugin.training.keras.host_rows import HostRows
from scram_plugin.training.keras.shadow import activation_of, calls, outputs_of, path_in, slots, with_gradients, wrapped
from scram_plugin.training.structures import leaves, mapped


class TorchStep(HostRows):
    """Runs a model's own train function and records what it computes. The step itself is not changed."""

    def __init__(self, model: keras.Model, on_error: Callable[[Exception], None]) -> None:
        super().__init__()
        self.model, self.on_error = model, on_error
        self.plain = model.train_function
        self._number = 0
        self._x: Any = None
        self._forward: statistics.Tensors | None = None  # outputs of the layers in a step whose loss is not finite
        self._loss: torch.Tensor | None = None
        self._y_pred: Any = None
        self._layers: dict[str, torch.Tensor] = {}
        self._kinds: dict[str, str | None] = {}
        self._changed: list[tuple[Any, torch.Tensor, torch.Tensor]] = []  # variable, its gradient, its values before the step
        self._applied: list[tuple[Any, list[Any]]] = []

    def run(self, measuring: bool, data: Any) -> Any:
        """Run one step; returns what the model's own train function returns."""
        self._loss = self._y_pred = self.row = None
        self._layers, self._changed, self._applied = {}, [], []
        batch = data[0] if isinstance(data, list | tuple) else data
        self._x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
        with self._watching(measuring):
            logs = self.plain(data)
        try:
            with torch.no_grad():
                self._observe(measuring, y)
        except Exception as error:  # an error in the measurement must not fail the step
            self.on_error(error)
        return logs

    @contextlib.contextmanager
    def _watching(self, measuring: bool) -> Iterator[None]:
        model = self.model
        applied = functools.partial(self._apply, model.optimizer, measuring)
        within = calls(model, self._call) if measuring else []
        with wrapped([(model, "compute_loss", self._compute_loss), (model.optimizer, "apply", applied), *within]):
            yield

    def _compute_loss(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        loss = method(*args, **kwargs)
        if self._loss is None and isinstance(loss, torch.Tensor):
            self._loss = loss.detach()
        self._y_pred = outputs_of(args, kwargs)
        return loss

    def _call(self, method: Any, layer: Any, *args: Any, **kwargs: Any) -> Any:
        output = method(*args, **kwargs)
        found = next((t for t in leaves(output) if isinstance(t, torch.Tensor)), None)
        path = path_in(self.model, layer)
        if found is not None and found.is_floating_point() and path not in self._layers:
            # a copy, since a later layer may change the tensor in place
            self._layers[path] = statistics.first_examples(found.detach()).float().clone()
            self._kinds[path] = activation_of(layer)
        return output

    def _apply(
        self, optimizer: Any, measuring: bool, method: Any, grads: Any, trainable_variables: Any = None, **kwargs: Any
    ) -> Any:
        grads = list(grads)
        both = with_gradients(optimizer, grads, trainable_variables)
        self._applied.append((optimizer, [v for v, _ in both]))
        try:
            if self._flaws is None and self._forward is None and not _finite(self._loss):
                self._look_through()  # before the weights become non-finite, too
        except Exception as error:
            self.on_error(error)
        if measuring:
            scale = getattr(optimizer, "dynamic_scale", None)
            factor = float(scale.value) if scale is not None else float(getattr(optimizer, "loss_scale_factor", None) or 1.0)
            for variable, gradient in both:
                dense = gradient.to_dense() if gradient.is_sparse else gradient
                before = statistics.sampled(variable.value.detach()).clone()
                self._changed.append((variable, dense.detach().float() / factor, before))
        return method(grads, trainable_variables, **kwargs)

    def _observe(self, measuring: bool, y: Any) -> None:
        tensors = statistics.of_step(*(mapped(part, _detached) for part in (self._x, y, self._y_pred)))
        variables = [v.value.detach() for _, applied in self._applied for v in applied]
        columns, values = statistics.flatten(statistics.row(self._loss, tensors, variables))
        self.add(columns, values)
        if self._flaws is None and values.device.type == "cpu" and not bool(torch.isfinite(values[[0, -1]]).all()):
            self._trace(tensors)
        self._number += 1
        if measuring:
            detail = statistics.tensors(*tensors.values())
            changed = [(path_in(self.model, v), g, old, v.value.detach().float()) for v, g, old in self._changed]
            found, active = statistics.in_depth(self._layers, self._kinds, changed, _counts)
            detail += [*found, *self.dead(active)]
            detail.append(("learning_rate", keras.ops.convert_to_tensor(self.model.optimizer.learning_rate)))
            self.measured_columns, self.row = statistics.flatten(detail)

    def _look_through(self) -> None:
        """Run a second forward pass in inference mode, which changes nothing in the training, to record the layers."""
        measured, kinds = self._layers, dict(self._kinds)
        self._layers = {}
        with wrapped(calls(self.model, self._call)), torch.no_grad():
            self.model(self._x, training=False)
        self._forward = [(thing(LAYER, path), output) for path, output in self._layers.items()]
        self._layers, self._kinds = measured, kinds

    def _trace(self, tensors: dict[str, statistics.Tensors]) -> None:
        """Find where the first non-finite value appeared."""
        named = [*tensors["x"], *tensors["y"]]
        if self._forward is not None:
            named += [*self._forward, *tensors["y_pred"], ("loss", self._loss)]
        for optimizer, variables in self._applied:
            for variable, slot in zip(variables, slots(optimizer, variables), strict=False):
                named.append((thing(GRADIENT, path_in(self.model, variable)), slot.value))
            named += [(thing(WEIGHT, path_in(self.model, v)), v.value) for v in variables]
        arrays = [(name, np.asarray(keras.ops.convert_to_numpy(tensor))) for name, tensor in named]
        self._flaws, self._forward = (self._number, *statistics.flaws(arrays)), None

    def begin(self) -> None:
        super().begin()
        self._number, self._forward = 0, None


def _finite(loss: torch.Tensor | None) -> bool:
    """Whether the loss is finite. Outside the CPU it counts as finite: reading it would wait for the device."""
    return loss is None or loss.device.type != "cpu" or bool(torch.isfinite(loss).all())


def _detached(leaf: Any) -> Any:
    return leaf.detach() if isinstance(leaf, torch.Tensor) else leaf


def _counts(named: statistics.Tensors, totals: statistics.Named) -> statistics.Named:
    """How many values of each tensor are not finite: 0 without counting if all `totals` over them are finite."""
    if not named:
        return []
    finite = bool(torch.isfinite(statistics.flatten(totals)[1]).all())
    return [(name, 0.0 if finite else statistics.nonfinite(tensor)) for name, tensor in named]
