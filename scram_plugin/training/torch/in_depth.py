"""Detailed statistics of a sampled step: the output of each layer, and the update of each variable."""

from __future__ import annotations

from typing import Any

import torch

from scram_plugin.schema import column
from scram_plugin.training.sampling import SEEN_IN
from scram_plugin.training.structures import leaves
from scram_plugin.training.torch import statistics
from scram_plugin.training.torch.graph import layers
from scram_plugin.training.torch.memory import Once

# Layers that are not measured: they only pass on values that were already measured as the output of the layer before.
UNSEEN = ("Flatten", "Unflatten", "Identity", "Dropout", "Pad", "MaxPool", "Upsample", "PixelShuffle", "ChannelShuffle", "Fold")


class InDepth:
    """Collects the detailed statistics of one sampled step after another. Call `told` first."""

    def __init__(
        self, model: torch.nn.Module, parameters: list[torch.nn.Parameter], optimizers: list[torch.optim.Optimizer]
    ) -> None:
        self._model, self._optimizers = model, optimizers
        names = {id(p): variable(name) for name, p in model.named_parameters()}
        self._variables = [(names.get(id(p), f"parameter {i}"), p) for i, p in enumerate(parameters)]
        self._looked: dict[str, tuple[str, str | None, bool]] = {}
        self._ages: dict[str, torch.Tensor] = {}
        self._steps = 0.0
        self.found: statistics.Named = []
        self.of_inputs = Once(lambda x: statistics.tensors(x, [], []))
        # of each variable: whether the previous step's gradient was there at each backward pass since
        self._kept: torch.Tensor | None = None
        self._before: tuple[list[int], torch.Tensor, torch.Tensor, list[torch.Tensor]] | None = None

    def told(self, entries: list[dict[str, Any]]) -> None:
        """Choose the layers to measure from the facts of all layers, which also say what computes their activations."""
        kinds = {path: type(module).__name__ for path, module in layers(self._model)}
        within = {entry["path"]: entry for entry in entries}
        for path, kind in kinds.items():
            if not any(word in kind for word in UNSEEN):
                entry = within.get(path, {})
                if entry.get("activated_by") is None:
                    applied = entry.get("activation") in statistics.ACTIVATED and kind.lower() != entry.get("activation")
                    self._looked[path] = path, entry.get("activation"), applied
        for entry in entries:
            if entry.get("activated_by") is not None:
                self._looked[entry["activated_by"]] = entry["path"], entry["activation"], False

    def begin(self, tensors: statistics.Tensors) -> None:
        """A measured step begins with these inputs."""
        self.found = [*self.of_inputs(tensors)]
        self._before = None
        self._seen: set[str] = set()

    def look(self, path: str, module: torch.nn.Module, output: Any) -> None:
        """Forward hook of a layer: measure its output. Only the first call in a step counts."""
        known = self._looked.get(path)
        tensor = next((t for t in leaves(output) if isinstance(t, torch.Tensor)), None)
        if known is None or known[0] in self._seen or tensor is None or not tensor.is_floating_point() or tensor.dim() < 2:
            return
        name, kind, apply = known
        self._seen.add(name)
        values = statistics.first_examples(tensor.detach()).float()
        if apply and kind is not None:
            values = statistics.ACTIVATED[kind](values)
        self.found += statistics.activation(name, values, kind)
        if kind in ("relu", "relu6"):
            active = statistics.active_units(values)
            age = self._ages.get(name)
            if age is None or age.shape != active.shape:
                age = torch.zeros_like(active, dtype=torch.float32)
            self._ages[name] = age = torch.where(active, torch.zeros_like(age), age + 1.0)
            never = (age >= min(self._steps + 1.0, SEEN_IN)).float().mean()
            self.found.append((column("layer", name, "dead"), never))

    def before_backward(self) -> None:
        """A backward pass begins: look whether the gradients of the step before are still there."""
        there = [i for i, (_, p) in enumerate(self._variables) if p.grad is not None]
        norms = statistics.norms([_gradient(p) for _, p in self._variables if p.grad is not None]) if there else torch.zeros(0)
        kept = torch.zeros(len(self._variables), dtype=torch.bool, device=norms.device)
        kept[there] = norms != 0
        # they may be there at another model's backward pass, and be cleared before this one's
        self._kept = kept if self._kept is None else self._kept & kept

    def before_step(self) -> None:
        """Measure the gradients, and copy the weights, before the optimizer changes them."""
        moved, gradients = [], []
        for i, (_, parameter) in enumerate(self._variables):
            if parameter.grad is not None and parameter.is_floating_point():
                moved.append(i)
                gradients.append(_gradient(parameter))
        if not moved:
            return
        norms = statistics.norms(gradients)
        counts = torch.zeros(len(moved)) if bool(torch.isfinite(norms).all()) else _counts(gradients)
        self._before = moved, norms, counts, [statistics.sampled(self._value(i)) for i in moved]

    def after_step(self) -> statistics.Named:
        """All statistics of this step."""
        self._steps += 1.0
        if self._before is not None:
            moved, norms, counts, before = self._before
            names = [self._variables[i][0] for i in moved]
            variables = [self._value(i) for i in moved]
            self.found += statistics.changes(names, norms, variables, before)
            weights = self.found[-2][1]
            flawed = torch.zeros(len(moved)) if bool(torch.isfinite(weights).all()) else _counts(variables)
            self.found.append(([column("gradient", name, "nonfinite") for name in names], counts))
            self.found.append(([column("weight", name, "nonfinite") for name in names], flawed))
        if self._kept is not None:
            self.found.append(("gradient/kept", self._kept.any().float()))
        if self._optimizers:
            rate = self._optimizers[0].param_groups[0]["lr"]
            self.found.append(("learning_rate", torch.as_tensor(rate, dtype=torch.float32)))
        self._before = self._kept = None
        return self.found

    def variables(self) -> list[tuple[str, torch.Tensor]]:
        """Name and value of each variable, or of this process's part of it."""
        return [(name, self._value(i)) for i, (name, _) in enumerate(self._variables)]

    def _value(self, variable: int) -> torch.Tensor:
        return statistics.local(self._variables[variable][1].detach())

    def probe(self) -> torch.Tensor:
        """A scalar that is not finite if one of the weights is not."""
        if not self._variables:
            return torch.zeros(())
        return statistics.norms([value for _, value in self.variables()], float("inf")).sum()  # squares could overflow


def _gradient(parameter: torch.nn.Parameter) -> torch.Tensor:
    gradient = statistics.local(parameter.grad)
    return gradient.coalesce().values() if gradient.is_sparse else gradient.detach()


def _counts(tensors: list[torch.Tensor]) -> torch.Tensor:
    return torch.stack([statistics.nonfinite(t).cpu() for t in tensors])


def variable(name: str) -> str:
    """``features.0/weight`` for PyTorch's ``features.0.weight``: the layer's path, and the variable in it."""
    owner, _, last = name.rpartition(".")
    return f"{owner or 'model'}/{last}"
