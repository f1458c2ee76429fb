"""How many different rows of the program's arrays its training uses: the rows of its batches are looked up in the arrays.

Batches are found among the variables of the program's functions that run when a step ends: what the model is given may be made
of them, as noisy pictures are. Before Python 3.13, a frame whose variables are read keeps them alive: they are let go at once.
Functions that ask for all of their variables, or that are traced, are left alone.
"""

from __future__ import annotations

import dis
import functools
import inspect
import itertools
import os
import sys
import weakref
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Subset, TensorDataset

from scram_plugin import schema
from scram_plugin.training.call_site import shown_name
from scram_plugin.training.program_files import installed
from scram_plugin.training.torch.examples import LEAST, OFTEN, SELDOM, numbers
from scram_plugin.training.torch.statistics import Tensors

FEWEST = 128  # different rows of an array of data
LEAST_NUMBERS = 2  # of a row: rows of one are labels
LOOKED_AT = 128  # numbers of a row, evenly spread
LEAST_BATCH = 4  # rows that are all found in an array: that is no chance
MOST_VALUES = 1 << 24  # of all arrays: to read more would take long
MOST_ARRAYS = 16
DEEP = 3  # arrays of data sets of loaders
SHORT = 8  # entries of a list or a dictionary that are looked at
PART = 5  # an array is used well if more than a fifth of it is seen: splits leave more for the training
ALIKE = 2  # rows of an array of data for each different one, at most
IN_VAIN = 16  # steps without a row of any array, after which none is looked for
ASKS = frozenset({"locals", "vars", "eval", "exec", "dir"})  # functions that show the variables of a function

Shape = tuple[int, ...]


class _Array:
    """An array of the program: the numbers of its rows, and those that were seen in batches."""

    def __init__(self, name: str, shape: Shape, rows: frozenset[int]) -> None:
        self.name, self.shape, self.rows = name, shape, rows
        self.different: set[int] = set()
        self.seen = self.largest = 0  # rows, and those of the largest batch, each once
        self.evaluated = False  # an evaluation has other rows of it
        self.anew = False  # batches are made again in each step
        self._begun: int | None = None  # the first step with rows of it, and what had them
        self._first: list[weakref.ref[Any]] = []

    def add(self, found: list[int], batch: Any, step: int) -> None:
        self._begun = step if self._begun is None else self._begun
        if step == self._begun:
            self._first.append(weakref.ref(batch))
        else:
            self.anew |= all(one() is None for one in self._first)
        self.different.update(found)
        self.seen += len(found)
        self.largest = max(self.largest, len(set(found)))

    @property
    def used(self) -> bool:
        return PART * len(self.different) > len(self.rows)

    @property
    def unused(self) -> bool:
        if len(self.different) <= 1:
            return False  # one row for all examples is a constant input
        often = self.seen >= max(LEAST, OFTEN * len(self.different))
        # one batch may be all that somebody trains on: made once, or of data that are evaluated
        wanted = (self.evaluated or not self.anew) and len(self.different) <= self.largest
        return often and not wanted and not self.used


class Held:
    """Looks until it is known of each array whether it is used well."""

    def __init__(self) -> None:
        self._arrays: list[_Array] | None = None
        self._lasting: set[int] = set()  # tensors that were there before the first step, and are no batches
        self._steps = 0

    def stepped(self, x: Tensors, y: Tensors) -> None:
        """A step has ended, with these inputs and targets."""
        self._steps += 1
        if (self._arrays is not None and all(a.used for a in self._arrays)) or (self._steps > IN_VAIN and self._steps % SELDOM):
            return
        try:
            self._look([t for _, t in (*x, *y)], len(x[0][1]) if x else 0)
        except Exception:  # objects of the program may do anything when they are read
            self._arrays = []

    def evaluated(self, x: Tensors) -> None:
        """An evaluation has these inputs."""
        arrays = [a for a in self._arrays or () if a.seen and not (a.used or a.evaluated)]
        try:
            for array, (_, t) in itertools.product(arrays, x):
                if array.shape == tuple(t.shape[1:]) and len(t) >= LEAST_BATCH:
                    found = set(_numbers(t))
                    array.evaluated |= not found <= array.different and array.rows >= found
        except (RuntimeError, TypeError):  # such as a sparse tensor: its rows are none of an array
            return

    def _look(self, given: list[torch.Tensor], batch: int) -> None:
        if batch < LEAST_BATCH:
            return
        if self._arrays is None:
            self._lasting = {id(t) for t in _batches() if len(t) != batch}
            self._arrays = list(_arrays(batch))
        if self._steps > IN_VAIN and not any(a.seen for a in self._arrays):
            self._arrays = []
        arrays = [a for a in self._arrays if not a.used]
        shapes, done = {a.shape for a in arrays}, set[int]()
        for t in (*given, *_batches()) if arrays else ():
            # unlabelled examples beside the labelled ones are more
            batch_like = len(t) == batch or (len(t) >= LEAST_BATCH and id(t) not in self._lasting)
            if batch_like and tuple(t.shape[1:]) in shapes and id(t) not in done:
                done.add(id(t))
                found = _numbers(t)
                for array in arrays:
                    if array.shape == tuple(t.shape[1:]) and array.rows.issuperset(found):
                        array.add(found, t, self._steps)

    def facts(self) -> dict[str, Any]:
        """``held``: the smallest array of which few rows are used, see `logs/facts.py`; empty without one."""
        unused = min((a for a in self._arrays or () if a.unused), key=lambda a: len(a.rows), default=None)
        if unused is None:
            return {}
        return {"held": {"name": unused.name, "rows": len(unused.rows), "different": len(unused.different)}}


def _arrays(batch: int) -> Iterator[_Array]:
    """The arrays of data of the program that are longer than a batch, each once."""
    left, known, done = MOST_VALUES, list[tuple[Shape, frozenset[int]]](), set[int]()
    for name, value in _variables():
        for given in _within(value, DEEP):
            rows, shape = len(given), tuple(given.shape[1:])
            numbers_of_row = int(np.prod(shape))
            if id(given) in done or rows < max(FEWEST, batch + 1) or numbers_of_row < LEAST_NUMBERS:
                continue
            done.add(id(given))
            left -= rows * (min(numbers_of_row, LOOKED_AT) if _is_in_one_piece(given) else numbers_of_row)  # others are copied
            if left < 0 or len(known) == MOST_ARRAYS:
                return
            found = shape, frozenset(_numbers(given))
            # where most rows are like others, as maps of labels are, few of them are what a few batches have
            if len(found[1]) >= max(FEWEST, rows / ALIKE) and found not in known:
                known.append(found)
                yield _Array(name, *found)


def _is_in_one_piece(given: Any) -> bool:
    return bool(given.flags.c_contiguous if isinstance(given, np.ndarray) else given.is_contiguous())


def _batches() -> Iterator[Any]:
    for _, value in _variables():
        yield from _within(value, 1)


def _numbers(given: Any) -> list[int]:
    """A number for each row."""
    flat = given.reshape(len(given), -1)
    part = flat[:, :: -(-flat.shape[1] // LOOKED_AT)]
    same = torch.from_numpy(part.astype(np.float32)) if isinstance(part, np.ndarray) else part.detach().to(torch.float32)
    return numbers([("", same)])


def _within(value: Any, deep: int) -> Iterator[Any]:
    """The arrays and tensors in a variable: itself, entries of short lists and dictionaries, those of data sets.

    The class of an object is asked of Python and not of the object, which may load something then.
    """
    kind = type(value)
    if kind is torch.Tensor:
        plain = value.device.type == "cpu" and value.layout == torch.strided and not value.requires_grad
        if plain and value.dim() > 1 and value.numel() and not (value.is_nested or value.is_quantized or value.is_complex()):
            yield value
    elif kind is np.ndarray:
        if value.ndim > 1 and value.size and value.dtype.kind in "biuf":
            yield value
    elif deep:
        for one in _parts(value, kind):
            yield from _within(one, deep - 1)


def _parts(value: Any, kind: type) -> list[Any]:
    if kind in (list, tuple, dict):
        entries = value.values() if kind is dict else value
        return list(entries) if len(value) <= SHORT else []
    if issubclass(kind, DataLoader | Subset):
        return [value.dataset]
    if issubclass(kind, TensorDataset):
        return list(value.tensors)
    own = _is_users(getattr(sys.modules.get(kind.__module__), "__file__", None) or "")
    return list(vars(value).values()) if own and hasattr(value, "__dict__") and not issubclass(kind, torch.nn.Module) else []


def _variables() -> Iterator[tuple[str, Any]]:
    """The variables of the program's functions that run, and of their modules."""
    frame: FrameType | None = sys._getframe(1)
    modules = set[int]()
    while frame is not None:
        if _is_users(frame.f_code.co_filename):
            yield from _own_variables(frame)
            if id(frame.f_globals) not in modules:
                modules.add(id(frame.f_globals))
                yield from list(frame.f_globals.items())
        frame = frame.f_back


def _own_variables(frame: FrameType) -> list[tuple[str, Any]]:
    code = frame.f_code
    of_function = code.co_flags & inspect.CO_OPTIMIZED
    if not of_function or frame.f_trace is not None or sys.gettrace() is not None or _asks(code):
        return []
    values = frame.f_locals
    found = list(values.items())
    if type(values) is dict:
        values.clear()  # a copy, which lives as long as the frame
    return found


@functools.cache
def _asks(code: CodeType) -> bool:
    """Whether a function names one of `ASKS`, and not only a method that is called alike, as ``model.eval`` is."""
    named = (one.argval for one in dis.get_instructions(code) if one.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
    return not ASKS.isdisjoint(named)


@functools.cache
def _is_users(file: str) -> bool:
    """Whether a file is none of Python, of an installed package or of SCRAM."""
    if not os.path.exists(file) and shown_name(file) != schema.CELL:
        return False
    own = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep
    return not os.path.abspath(file).startswith((*installed(), own))
