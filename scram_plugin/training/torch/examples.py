"""How many different examples a training sees, and how many it evaluates: a number that is made of each tells them apart."""

from __future__ import annotations

import functools
import math
from typing import Any

import torch

from scram_plugin.training.torch.compiled import transforming
from scram_plugin.training.torch.memory import Once
from scram_plugin.training.torch.statistics import Tensors

MOST = 1 << 12  # examples of the training after which it is known whether there are many
OFTEN = 4  # times each of them was seen on average: then hardly another one follows
LEAST = 256  # examples that are seen before anything counts as known
MOST_EVALUATED = 1 << 14  # of one evaluation, that are told apart
EVALUATIONS = 2  # that are looked at
SELDOM = 8  # batches of which one is looked at, once few examples are known: the data may become other ones
LARGE = 1 << 16  # values of a batch, which take longer to read than to compare with the last ones
LOOKED_AT = 1024  # numbers of an example, evenly spread: to look at all of a picture would take long


class Examples:
    """Looks until it is known whether the training has many different examples."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._rows = self._twice = self._size = self._batches = 0
        self._shapes: set[tuple[torch.Size, ...]] = set()  # of one example of the training
        self._now: set[int] = set()  # of the present evaluation
        self._evaluated: list[int] = []
        self._many = False
        self._once = Once(_numbers)

    def trained(self, x: Tensors) -> None:
        if self._now:
            self._evaluated.append(len(self._now))
            self._now = set()
        self._batches += 1
        known = self._rows >= LEAST and self._rows >= 2 * OFTEN * len(self._seen)
        if self._many or (known and self._batches % SELDOM):
            return
        plain = _plain(x)
        found = self._number(plain)
        self._many = known and not self._seen.issuperset(found)  # a trial is over, or a pool grows
        self._shapes.add(_shape(plain))
        self._rows += len(found)
        self._twice += len(found) - len(set(found))
        self._seen.update(found)
        self._size = min((t.numel() // len(t) for _, t in plain), default=0)
        self._many |= self._rows >= MOST and self._rows < OFTEN * len(self._seen)

    def evaluated(self, x: Tensors) -> None:
        """What has another shape is not counted: the beginnings of a text, while it is generated, are no examples."""
        if not self._many and self._rows and len(self._evaluated) < EVALUATIONS and len(self._now) < MOST_EVALUATED:
            plain = _plain(x)
            self._now.update(self._number(plain) if _shape(plain) in self._shapes else ())

    def _number(self, plain: Tensors) -> list[int]:
        """The numbers of the examples of a batch; of a large one that is that of the last call, without reading it again."""
        return (_numbers if sum(t.numel() for _, t in plain) <= LARGE else self._once)(plain)

    def facts(self) -> dict[str, Any]:
        """Of a training with few different examples, see `logs/facts.py`; empty for any other."""
        if self._many or self._rows < max(LEAST, OFTEN * len(self._seen)):
            return {}
        evaluated = max([*self._evaluated, len(self._now)])
        return {"examples": {"different": len(self._seen), "evaluated": evaluated, "twice": self._twice, "size": self._size}}


def numbers(x: Tensors) -> list[int]:
    """A number for each example of a batch, the same for the same inputs; empty where the inputs have no examples."""
    return _numbers(_plain(x))


def _numbers(plain: Tensors) -> list[int]:
    rows = [t for _, t in plain if len(t) == len(plain[0][1])]
    if not rows:
        return []
    made: Any = 0.0
    for t in rows:
        flat = (torch.view_as_real(t) if t.is_complex() else t).reshape(len(t), -1)
        flat = flat[:, :: -(-flat.shape[1] // LOOKED_AT)].to(torch.float64)
        weighed = flat.mv(_weights(flat.shape[1]))
        if not math.isfinite(float(weighed.sum())):
            weighed = flat.nan_to_num().mv(_weights(flat.shape[1]))
        made = 2 * made + weighed
    return made.to(torch.float32).view(torch.int32).tolist()  # type: ignore[no-any-return]  # of rounding, nothing is left


def _shape(plain: Tensors) -> tuple[torch.Size, ...]:
    return tuple(t.shape[1:] for _, t in plain)


def _plain(x: Tensors) -> Tensors:
    """The tensors whose numbers can be read at once: on other devices that would wait, and what is traced has none."""
    if transforming():
        return []
    of_cpu = [(name, t) for name, t in x if type(t) is torch.Tensor and t.device.type == "cpu" and t.layout == torch.strided]
    return [(name, t.detach()) for name, t in of_cpu if not (t.is_nested or t.is_quantized) and t.dim() and t.numel()]


@functools.lru_cache(maxsize=8)
def _weights(size: int) -> torch.Tensor:
    """Fixed numbers between 0.5 and 1.5, none of which is made of others with whole factors: the sines of whole numbers
    (Lindemann, 1882). Points of a grid differ by whole factors. No random numbers are drawn."""
    return 1 + 0.5 * torch.arange(1, size + 1, dtype=torch.float64).sin()
