"""A PyTorch model under test: a copy of the model and its optimizer; random states are restored."""

from __future__ import annotations

import contextlib
import copy
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from scram_plugin.training.preflight.subject import FIRST, Batch, same_chance, same_order
from scram_plugin.training.preflight.torch_data import TorchData
from scram_plugin.training.structures import leaves
from scram_plugin.training.torch.compiled import unwrapped

Loss = Callable[[Any, Any], torch.Tensor]


class TorchSubject:
    """See `Subject`. Without `loss(outputs, targets)`, the model's outputs must be a loss or contain it.

    Raises ValueError for a model that cannot be copied.
    """

    framework = "torch"

    def __init__(
        self,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer | None,
        loss: Loss | None,
        training: TorchData | Sequence[Batch],
        validation: TorchData | None = None,
    ) -> None:
        inner = unwrapped(model)
        self.loss = loss
        self.batch_size: int | None = None
        self.clip: Callable[[torch.nn.Module], object] | None = None  # is called between the backward pass and the step
        self.training: Iterable[Batch] = training
        self.validation: Iterable[Batch] | None = validation
        self.facts: dict[str, Any] = {}
        self.rate: float | None = None
        if optimizer is not None and len({float(g["lr"]) for g in optimizer.param_groups}) == 1:
            self.rate = float(optimizer.param_groups[0]["lr"])
        try:
            self._start = copy.deepcopy((inner, optimizer))
        except Exception as error:
            raise ValueError(
                f"the model cannot be copied ({type(error).__name__}: {error}), but a preflight tests a copy"
            ) from None
        self._device = next((p.device for p in inner.parameters()), torch.device("cpu"))
        self._sources = [s.given for s in (training, validation) if isinstance(s, TorchData)]
        with same_chance(), same_order(*self._sources):
            self.batches: Sequence[Batch] = [self._there(batch) for batch in itertools.islice(training, FIRST)]
        self.reset(True)

    @property
    def clips(self) -> bool:
        return self.clip is not None

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        with same_chance(), same_order(*self._sources), torch.enable_grad():
            yield

    def reset(self, own: bool) -> None:
        """Make a new copy of the model, with an optimizer that has not stepped yet."""
        self.model, optimizer = copy.deepcopy(self._start)
        if optimizer is None or not own:
            optimizer = torch.optim.Adam([p for p in self.model.parameters() if p.requires_grad], 1e-3)
        optimizer.state.clear()
        self.optimizer: torch.optim.Optimizer = optimizer

    def course(self, batches: Iterable[Batch], rates: Iterable[float] | None, own: bool, calm: bool) -> Iterator[float]:
        self.reset(own)
        self.model.train()
        if calm:
            _calm(self.model)
        for batch, rate in zip(batches, rates if rates is not None else itertools.repeat(None), strict=False):
            for group in self.optimizer.param_groups if rate is not None else ():
                group["lr"] = rate
            yield self.step(batch)

    def step(self, batch: Batch) -> float:
        self.optimizer.zero_grad()
        loss = self.loss_of(batch)
        loss.backward()
        if self.clip is not None:
            self.clip(self.model)
        if isinstance(self.optimizer, torch.optim.LBFGS):
            self.optimizer.step(loss.detach)
        else:
            self.optimizer.step()
        return float(loss.detach())

    def held(self) -> int:
        kept = [v for state in self.optimizer.state.values() for v in state.values() if isinstance(v, torch.Tensor)]
        return sum(t.numel() * t.element_size() for t in (*self.model.parameters(), *self.model.buffers(), *kept))

    def loss_of(self, batch: Batch) -> torch.Tensor:
        outputs = _called(self.model, batch.x)
        if self.loss is not None:
            return self.loss(outputs, batch.y)
        found = own_loss(outputs)
        if found is None:
            raise ValueError("the model's outputs contain no loss: pass preflight(..., loss=function of outputs and targets)")
        return found

    @torch.no_grad()
    def predict(self, x: Any) -> list[np.ndarray]:
        self.model.eval()
        tensors = _tensors(_called(self.model, x))
        self.model.train()
        return [(t.float() if t.is_floating_point() else t).cpu().numpy() for t in tensors]

    def still(self, batch: Batch) -> dict[str, Any]:
        self.model.train()
        _calm(self.model)
        self.model.zero_grad(set_to_none=True)
        self.loss_of(batch).backward()
        named = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        apart = {name for name, p in named.items() if p.grad is None}
        still = [name for name, p in named.items() if p.grad is None or not bool(p.grad.count_nonzero())]
        still = [name for name in still if not _of_one_step(name, still, named)]
        told = {"still": still, "count_apart": len(apart), "variables": len(named)}
        layers = []
        for path, layer in self.model.named_modules():  # from the outside in: a layer is named instead of all that is in it
            within = {f"{path}.{name}" for name, p in layer.named_parameters() if p.requires_grad}
            if within and within <= apart:
                layers.append(path)
                apart -= within
        return {**told, "apart": layers + [name for name in named if name in apart]}

    @torch.no_grad()
    def half(self, batch: Batch) -> str | None:
        self.reset(True)
        self.model.eval()
        with torch.autocast(self._device.type, dtype=torch.float16):
            outputs = _called(self.model, batch.x)
            if not all(bool(torch.isfinite(t).all()) for t in _tensors(outputs) if t.is_floating_point()):
                return "outputs"
            loss = self.loss_of(batch)
        return None if bool(torch.isfinite(loss)) else "loss"

    def watched(self, log_dir: str, steps: int, seconds: float, source: bool) -> None:
        """Train from the initial weights with `watch`, for at most so many steps or seconds, and evaluate a few batches."""
        from scram_plugin.training.torch.watch import Watch

        self.reset(True)
        self.model.train()
        until = time.monotonic() + seconds
        watch = Watch(self.model, self.optimizer, log_dir, every=8, source=source, print_findings=False)
        try:
            with watch:
                for batch in itertools.islice(self.training, steps):
                    self.step(self._there(batch))
                    if time.monotonic() > until:
                        break
                if self.validation is not None:
                    self.model.eval()
                    with torch.no_grad():
                        for batch in itertools.islice(self.validation, 8):
                            _called(self.model, self._there(batch).x)
        finally:
            self.facts = watch.facts

    def _there(self, batch: Batch) -> Batch:
        """The batch on the device of the model."""
        if self._device.type == "cpu":
            return batch

        def moved(leaf: Any) -> Any:
            return leaf.to(self._device) if isinstance(leaf, torch.Tensor) else leaf

        return batch.mapped(moved)


def _of_one_step(name: str, still: list[str], named: Mapping[str, torch.Tensor]) -> bool:
    """Whether these are the recurrent weights of a layer that learns otherwise: it runs for one step, from a state of zeros.

    For example the backward direction of a layer of which only the output at the last position is used.
    """
    module, _, last = name.rpartition(".")
    beside = f"{module}.{last.replace('weight_hh', 'weight_ih')}".removeprefix(".")
    return last.startswith("weight_hh_l") and beside in named and beside not in still


def own_loss(outputs: Any) -> torch.Tensor | None:
    """The loss that a model computes itself: its only output, the output named ``loss``, or the only scalar; else None."""
    if isinstance(outputs, torch.Tensor):
        return None if outputs.dim() else outputs
    found = outputs.get("loss") if isinstance(outputs, Mapping) else getattr(outputs, "loss", None)
    if isinstance(found, torch.Tensor):
        return found
    single = [t for t in _tensors(outputs) if not t.dim() and t.is_floating_point()]
    return single[0] if len(single) == 1 else None


def _called(model: torch.nn.Module, x: Any) -> Any:
    if isinstance(x, Mapping):
        return model(**x)
    return model(*x) if isinstance(x, list | tuple) else model(x)


def _tensors(structure: Any) -> list[torch.Tensor]:
    if not isinstance(structure, torch.Tensor | Mapping | list | tuple) and hasattr(structure, "to_tuple"):
        structure = structure.to_tuple()
    return [t for t in leaves(dict(structure) if isinstance(structure, Mapping) else structure) if isinstance(t, torch.Tensor)]


def _calm(model: torch.nn.Module) -> None:
    """Switch off dropout, so that the examples to memorise are the same in each step."""
    for module in model.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.eval()
