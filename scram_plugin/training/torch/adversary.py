"""What a generator is trained against: which data its discriminator takes for real, and what the losses of the two ask of
generated examples. The graphs of these losses tell it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch

from scram_plugin.training.torch.axes import behind, scale
from scram_plugin.training.torch.differences import is_usual
from scram_plugin.training.torch.graph import ACTIVATIONS, NEAR, OPERATIONS, before, operation, saved, through

STEPS = 3  # of the generator, that are looked at
LOOKS = 40  # backward passes that are looked at: a discriminator may have ten in each step
MOST_MADE = 4  # outputs that are kept
MOST_NODES = 2_000  # of the graph of a loss
# operation of a layer with weights -> the places of its input and its weights, and the name under which it saves its input
LAYERS = {"Addmm": (1, 2, "mat1"), "Mm": (0, 1, "self"), "Convolution": (0, 1, "input")}
WITH_LABELS = ("BCELoss", "BCEWithLogitsLoss", "MSELoss")  # losses that compare with 0 or 1
ADDING = ("Add", "Mul", "Div", "Mean", "Sum")  # between a loss and its parts; a minus sign would ask for the opposite
# without it, what hooks of the program bring back cannot be told from what is there, and a checkpoint would compute it again
HOOKS_ARE_KNOWN = hasattr(getattr(torch._C._autograd, "SavedTensor", None), "unpack_hook")
TABLE = 2  # axes of what a linear layer gets


class Generated(NamedTuple):
    values: torch.Tensor  # an output of the generator
    activation: str  # from which it comes


class Position(NamedTuple):
    number: int  # of an output that was kept
    last: bool  # the columns or channels of an input end with it; otherwise they begin with it


class Given(NamedTuple):
    """What a layer of the other network gets from outside."""

    node: Any
    weights: int
    values: torch.Tensor
    made: Position | None  # the output that it holds; None: real data
    attached: bool = False  # the gradient goes on into the generator


class Adversary:
    """Looks at backward passes of a program in which another optimizer steps, too."""

    def __init__(self) -> None:
        self._made: list[Generated] = []
        self._looks = self._steps = 0
        self._found: dict[str, Any] = {}
        self._judging = set[int]()  # weights of the discriminator that real and generated examples meet

    def made(self, outputs: Sequence[torch.Tensor]) -> None:
        """The generator has these outputs."""
        if self._steps < STEPS:
            new = [Generated(t.detach(), _activation(t)) for t in outputs if t.is_floating_point() and t.dim() >= TABLE]
            self._made = [*self._made, *new][-MOST_MADE:]

    def look(self, loss: torch.Tensor) -> None:
        """A backward pass from this loss begins."""
        if not self._made or not HOOKS_ARE_KNOWN:
            return
        self._looks += 1
        given = list(self._given(loss.grad_fn))
        places = {one.weights: one.made for one in given if one.made is not None}
        known = [one for one in given if one.weights in places]
        real = [one for one in known if one.made is None]
        asked = _asked(loss, {one.node: one.made is not None for one in known})
        attached = any(one.attached for one in known)
        if real and len(set(asked.values())) > 1:
            always = attached and self._found.get("attached", True)
            self._found |= {"made": asked[True], "real": asked[False], "attached": always}
            self._found["range"] = self._range(real[0].values, places[real[0].weights])
            self._judging.update(places)
        elif attached:
            self._found["own"] = asked.get(True)
        elif self._judging & places.keys():
            self._found["apart"] = True
        if self._looks >= LOOKS:
            self._steps = STEPS
            self._made = []

    def stepped(self) -> None:
        """A step of the generator has ended."""
        self._steps += bool(self._looks) and self._steps < STEPS
        if self._steps >= STEPS:
            self._made = []

    def facts(self) -> dict[str, Any]:
        """See `logs/facts.py`; empty unless the loss of a discriminator was seen, with other labels for real examples."""
        return {"adversary": {**self._found, "steps": self._steps}} if "real" in self._found else {}

    def _given(self, graph: Any) -> Iterator[Given]:
        for node in behind(graph, MOST_NODES):
            place, of_weights, name = LAYERS.get(operation(node), (0, 0, ""))
            values = saved(node, name) if name else None
            weights = _parameter(node.next_functions[of_weights][0]) if values is not None else None
            if values is None or weights is None or values.dim() < TABLE:
                continue
            source = node.next_functions[place][0]
            joined = source is not None and operation(source) == "Cat"
            ends = [source.next_functions[0][0], source.next_functions[-1][0]] if joined else [source, source]
            if (found := self._which(values)) is not None:
                yield Given(node, weights, values, found, ends[found.last] is not None)
            elif None in ends:
                yield Given(node, weights, values, None)

    def _which(self, values: torch.Tensor) -> Position | None:
        """Which of the outputs is a part of an input."""
        for number, made in enumerate(self._made):
            for place in (Position(number, False), Position(number, True)):
                part, whole = self._part(values, place), _shaped(made.values, values)
                if part.device == whole.device and torch.equal(part, whole.to(part.dtype)):  # an autocast rounds
                    return place
        return None

    def _part(self, values: torch.Tensor, place: Position) -> torch.Tensor:
        size = _shaped(self._made[place.number].values, values).shape[1]
        return values[:, -size:] if place.last else values[:, :size]

    def _range(self, values: torch.Tensor, place: Position) -> dict[str, Any]:
        least, most = (float(value) for value in torch.aminmax(self._part(values, place)))
        return {"activation": self._made[place.number].activation, "least": least, "most": most}


def _shaped(made: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    return made.flatten(1) if values.dim() == TABLE else made


def _activation(made: torch.Tensor) -> str:
    at = through(made.grad_fn)
    return ACTIVATIONS.get(operation(at), "") if at is not None and is_usual(at) else ""


def _parameter(node: Any) -> int | None:
    """The parameter that weights are made of, also where they are divided by a norm."""
    for _ in range(NEAR):
        if node is None or hasattr(node, "variable"):
            break
        node = next(iter(before(node)), None)
    return id(node.variable) if hasattr(node, "variable") else None


def _asked(loss: torch.Tensor, sources: dict[Any, bool]) -> dict[bool, float]:
    """The number that the loss compares all outputs with, for real examples (False) and for generated ones (True)."""
    found: dict[bool, float] = {}
    waiting, seen = [loss.grad_fn], 0
    while waiting and seen < NEAR:
        node, seen = waiting.pop(0), seen + 1
        if node is None:
            continue
        name = operation(node)
        target = saved(node, "target") if OPERATIONS.get(name) in WITH_LABELS else None
        if target is not None:
            of = {sources[n] for n in behind(node, MOST_NODES) if n in sources}
            low, high = torch.aminmax(target.float())
            if len(of) == 1 and bool(low == high):
                found[of.pop()] = float(low)
        elif name in ADDING and scale(node, name) > 0:
            waiting += before(node)
    return found
