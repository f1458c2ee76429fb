"""How the targets of a model of sequences follow from its inputs, and whether its outputs know what comes later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from scram_plugin.training.structures import leaves

FURTHEST = 2  # positions by which targets may be shifted: 1 is usual, 2 is a shift that was made twice
SAME = 0.99  # share of the positions that must agree
FEW = 4  # words: unknown, padding, and the marks of the beginning and the end of a text
LEAST_WORDS, LEAST_ROWS = 256, 20  # of a batch, and of an embedding: with fewer, few different ones are no wonder
LEAST = 4  # positions of a sequence, at least
IGNORED = -100  # target of a position that does not count: PyTorch's default of `ignore_index`
SERIES = 3  # axes of values along a time: examples, positions and values; by definition
CHANGED = 1e-4  # relative change of outputs that is no rounding


def few_words(inputs: list[torch.Tensor], rows: int) -> list[int]:
    """How many different whole numbers nearly all of the inputs are, and the `rows` of the table that they choose from; empty
    where they are more than `FEW`, or too few inputs to tell, or the table is small.

    Of several inputs that with the most different numbers counts: the others may be masks.
    """
    words = [x for x in inputs if not x.is_floating_point() and x.dim() == 2]
    if rows < LEAST_ROWS or not words or max(x.numel() for x in words) < LEAST_WORDS:
        return []
    counts = max((torch.unique(x, return_counts=True)[1] for x in words), key=len).sort(descending=True).values
    return [len(counts[:FEW]), rows] if float(counts[:FEW].sum()) >= SAME * float(counts.sum()) else []


def shift(x: torch.Tensor, y: torch.Tensor, ignored: int = IGNORED) -> tuple[int, int] | None:
    """By how many positions the targets `y` are the inputs `x`, and along which axis; None where they are not.

    Targets of the class `ignored` do not count.

    `x` has the shape (batch, time) or (time, batch) of whole numbers, `y` as many numbers.
    """
    if x.dim() != 2 or x.is_floating_point() or y.is_floating_point() or y.numel() != x.numel() or min(x.shape) < 1:
        return None
    y = y.reshape(x.shape)
    for axis in (1, 0):
        length = x.shape[axis]
        if length < LEAST or int(x.max()) == int(x.min()):
            continue
        for by in range(FURTHEST + 1):
            given, wanted = x.narrow(axis, by, length - by), y.narrow(axis, 0, length - by)
            counted = wanted != ignored
            if by and counted.any() and bool((given == x.narrow(axis, 0, length - by)).float().mean() > SAME):
                return None  # sequences of one repeated number
            if counted.any() and float((given == wanted)[counted].float().mean()) >= SAME:
                return by, axis
    return None


def shift_of_values(x: torch.Tensor, y: torch.Tensor) -> int | None:
    """By how many positions, 0 or 1, the targets `y` are the inputs `x` of a series, shape (batch, time, values).

    None where they are not, where the series hardly changes, and where the targets are the very tensor of the inputs, as for an
    autoencoder. A forecast may be for any later position.
    """
    if x.dim() != SERIES or y.numel() != x.numel() or x.shape[1] < LEAST:
        return None
    if not (x.is_floating_point() and y.is_floating_point()):
        return None
    whole = x._base is None or x._base.dim() != SERIES or x._base.shape[1] == x.shape[1]
    if whole and x.data_ptr() == y.data_ptr():
        return None
    y, length = y.reshape(x.shape).to(x.dtype), x.shape[1]
    if float((x[:, 1:] == x[:, :-1]).float().mean()) > 1 - SAME:
        return None
    for by in range(FURTHEST + 1):
        if bool((x[:, by:] == y[:, : length - by]).float().mean() >= SAME):
            return by if by < FURTHEST else None
    return None


def remembers(x: torch.Tensor, again: Callable[[torch.Tensor], Any]) -> bool:
    """Whether the outputs of the last position change with the first input: a model of each position by itself may be meant to
    give back what it gets, as an autoencoder does."""
    other = x.clone()
    other[:, 0] = x[:, -1]
    one, two = _output(again(x), x), _output(again(other), x)
    return one is not None and two is not None and not torch.equal(one[:, -1], two[:, -1])


def shift_of_part(x: torch.Tensor, y: torch.Tensor, ignored: int, outputs: Any, compared: torch.Tensor | None) -> int | None:
    """By how many positions the targets `y` of a part of each row of `x` are ahead of the outputs that are compared with them.

    `compared`: logarithms of probabilities, shape (rows * positions, classes). If it is unknown of which positions, the
    targets are thought to be ahead by one. None where `y` is no part of the rows.
    """
    length = y.numel() // len(x) if x.dim() == 2 and len(x) else 0
    if x.is_floating_point() or y.is_floating_point() or length <= LEAST or y.numel() % len(x) or length >= x.shape[1]:
        return None
    y, begin = y.reshape(len(x), length), None
    within = [(start, x[:, start : start + length], y) for start in range(x.shape[1] - length + 1)]
    # the last target may come after the inputs
    for start, part, wanted in [*within, (x.shape[1] - length + 1, x[:, 1 - length :], y[:, :-1])]:
        counted = wanted != ignored
        several = counted.any() and int(wanted[counted].max()) > int(wanted[counted].min())
        if several and float((part == wanted)[counted].float().mean()) >= SAME:
            begin = start
            break
    if begin is None:
        return None
    made = _output(outputs, x)
    if made is None or compared is None or compared.shape != (y.numel(), made.shape[-1]):
        return 1
    first, known = compared.reshape(len(x), length, -1)[0, 0].float(), made[0].float().log_softmax(dim=-1)
    at = [i for i in range(x.shape[1] - length + 1) if torch.allclose(known[i], first, atol=CHANGED)]
    return begin - at[0] if len(at) == 1 else 1


def sees_future(x: torch.Tensor, axis: int, again: Callable[[torch.Tensor], Any]) -> bool | None:
    """Whether outputs change with an input that comes later; `again(x)` runs the model. None where that cannot be known.

    Raises LookupError if no output changes: the model does not read these inputs.
    """
    length = x.shape[axis]
    other = x.clone()
    last = other.select(axis, length - 1)
    others = [x.select(axis, length - 1).roll(1), *x.unbind(axis)]  # tokens that the model surely knows
    last.copy_(next((tokens for tokens in others if bool((tokens != last).any())), last))
    before, same, after = _output(again(x), x), _output(again(x), x), _output(again(other), x)
    if before is None or same is None or after is None or before.shape != after.shape or bool((other == x).all()):
        return None
    if not torch.equal(before, same):
        return None  # the model draws random numbers
    if torch.equal(before, after):
        raise LookupError("these inputs are not read")
    one, two = (t.narrow(axis, 0, length - 1).float() for t in (before, after))
    scale = one.abs().max()
    return bool((one - two).abs().max() > CHANGED * scale) if bool(torch.isfinite(scale)) else None


def _output(made: Any, x: torch.Tensor) -> torch.Tensor | None:
    """The first output with one row for each position, with the batch and the time of `x` in front."""
    found: Any = next((t for t in leaves(made) if isinstance(t, torch.Tensor) and t.is_floating_point() and t.dim() > 1), None)
    if found is None or found.dim() > 3:
        return None
    rows = x.shape[:2]
    if found.dim() == 2 and found.shape[0] == rows.numel():
        return found.reshape(*rows, -1)
    if found.dim() == SERIES and found.shape[:2] == rows:
        return found
    return None
