"""The active tests of a preflight. They only measure; the heuristics of the group ``preflight`` evaluate the results."""

from __future__ import annotations

import itertools
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import Any

import numpy as np

from scram_plugin.redaction import in_short
from scram_plugin.training.preflight.subject import Batch, Subject, rows
from scram_plugin.training.structures import leaves, mapped

ALIKE = 0.9  # share of the positions of targets that are the inputs shifted
EXAMPLES = 16  # of one batch, that the model has to memorise
STEPS = 240  # in which it has to memorise them
SMALLEST, LARGEST = 1e-7, 10.0  # bounds of the learning rates in the range test
RATES = (72, 288)  # how many rates are tried: more if few show nothing, so that the loss has more steps to fall
SOME = 4  # steps, after which all variables that are trained have changed
ENTIRELY = 1e6  # stands for a difference that cannot be measured: the shapes differ
BLOWN = 4.0  # times the lowest loss so far: from there on, rates are too high (Smith, 2017)

TARGET = re.compile(r"label|target|(start|end)_positions")  # names of inputs that are targets

BIASES = ("bias", "beta")

Row = dict[str, float]


class Results:
    """`tests`: name -> plain values, or ``{"reason": ...}`` if a test could not run. `tables`: name -> rows of a curve."""

    def __init__(self) -> None:
        self.tests: dict[str, dict[str, Any]] = {}
        self.tables: dict[str, list[Row]] = {}

    def make(self, name: str, test: Callable[[], dict[str, Any]]) -> None:
        """Run a test. An exception in it fails this test only."""
        begin = time.monotonic()
        try:
            found = test()
        except Exception as error:
            found = {"reason": in_short(error)}
        self.tests[name] = {**found, "seconds": round(time.monotonic() - begin, 3)}


def make_all(subject: Subject, results: Results, seconds: float) -> None:
    """Run all tests that need only the subject, in about so many seconds."""
    if not subject.batches:
        return
    batch = max(subject.batches, key=len)
    few = np.arange(min(len(batch), EXAMPLES))
    results.make("gradients", lambda: gradients(subject, batch))
    results.make("precision", lambda: precision(subject, batch))
    results.make("one_batch", lambda: one_batch(subject, batch.at(few), results, seconds * 0.5))
    trained = "reason" not in results.tests["gradients"]
    results.make("inputs", lambda: inputs(subject, batch, trained))
    results.make("samples", lambda: samples(subject, batch))
    results.make("rates", lambda: rates(subject, results, seconds * 0.4))
    validation = subject.validation
    if validation is not None:
        results.make("overlap", lambda: overlap(subject.training, validation, seconds * 0.1))


def gradients(subject: Subject, batch: Batch) -> dict[str, Any]:
    """Which variables get no gradient after a few steps. (Weights that start at 0 on purpose block gradients at first.)"""
    for _ in subject.course(itertools.repeat(batch, SOME), None, own=False, calm=True):
        pass
    found = subject.still(batch)
    still = _without_biases(found["still"])
    found |= {"still": still, "count": len(still)}
    return {name: value[:20] if isinstance(value, list) else value for name, value in found.items()}


def _without_biases(still: list[str]) -> list[str]:
    """`still` without the biases of layers whose other variables are trained.

    Where a later operation subtracts a mean, or takes differences, a bias has no effect.
    """
    layers = {path: re.split(r"[./](?=[^./]*$)", path) for path in still}
    others = {layer for layer, *name in layers.values() if name and name[0] not in BIASES}
    return [path for path, (layer, *name) in layers.items() if not name or name[0] not in BIASES or layer in others]


def precision(subject: Subject, batch: Batch) -> dict[str, Any]:
    """Whether outputs and loss are finite in float16, if this device supports it for all layers."""
    try:
        return {"nonfinite": subject.half(batch)}
    except Exception as error:
        return {"reason": f"the model cannot be computed in float16 on this device ({type(error).__name__})"}


def one_batch(subject: Subject, batch: Batch, results: Results, seconds: float) -> dict[str, Any]:
    """Train on a few examples only: a model that cannot memorise them cannot learn (Karpathy, 2019).

    The test uses the optimizer of the training. If that makes too little progress in so few steps, it also uses Adam, so that
    it tests the model and its loss, not the speed of the optimizer.
    """
    found: dict[str, Any] = {"examples": len(batch)}
    best: list[float] = []
    for own in (True, False):
        losses: list[float] = []
        until = math.inf
        for loss in subject.course(itertools.repeat(batch, STEPS), None, own, calm=True):
            losses.append(loss)
            until = min(until, time.monotonic() + seconds / 2)  # not counting the first step, which may include a compilation
            found["cut"] = time.monotonic() > until
            if found["cut"] or not math.isfinite(loss) or loss < 1e-3 * abs(losses[0]):
                break
        found["own" if own else "adam"] = {"first": losses[0], "last": _low(losses), "steps": len(losses)}
        if not best or _low(losses) / abs(losses[0]) < _low(best) / abs(best[0]):
            best = losses
        if _low(losses) < 0.1 * losses[0]:
            break
    results.tables["one_batch"] = [{"loss": loss} for loss in best]
    return {**found, "first": best[0], "last": _low(best), "steps": len(best)}


def _low(losses: list[float]) -> float:
    """How low the loss fell: the median of its five lowest values; infinite without finite values."""
    finite = sorted(loss for loss in losses if math.isfinite(loss))
    return float(np.median(finite[:5])) if finite else math.inf


def inputs(subject: Subject, batch: Batch, trained: bool) -> dict[str, Any]:
    """Which inputs the outputs do not depend on: each in turn is replaced by that of the previous example.

    `trained`: whether a test has trained the model for some steps. At its start one may give the same outputs for any input.
    """
    before = subject.predict(batch.x)
    given_out = [output for output in before if output.ndim and output.size]
    if not trained and given_out and all(bool((output == output[:1]).all()) for output in given_out):
        return {"reason": "the model gives the same outputs for all examples at its start, and could not be trained"}
    given = leaves(batch.x)
    names = sorted(map(str, batch.x)) if isinstance(batch.x, dict) else []
    length, ignored, tested = len(batch), [], 0
    for i, leaf in enumerate(given):
        if batch.y is None and len(names) == len(given) and TARGET.search(names[i]):
            continue  # a model that computes its loss itself takes the targets as inputs, too
        other = rows(leaf, length, np.roll(np.arange(length), 1))
        if other is leaf or np.array_equal(np.asarray(other), np.asarray(leaf), equal_nan=True):
            continue  # this input is the same in all examples
        tested += 1
        numbers = itertools.count()
        mixed = mapped(batch.x, lambda old, n=numbers, i=i, other=other: other if next(n) == i else old)  # type: ignore[misc]
        if _difference(subject.predict(mixed), before) == 0.0:
            ignored.append(i)
    return {"inputs": tested, "ignored": ignored}


def samples(subject: Subject, batch: Batch) -> dict[str, Any]:
    """How much an example's outputs depend on the rest of its batch and on its position, relative to the outputs' spread."""

    def predict(x: Any) -> list[np.ndarray]:
        return [output for output in subject.predict(x) if output.ndim]  # without scalars, such as a loss

    whole, length = predict(batch.x), len(batch)
    if length < 4 or not whole or any(o.shape[0] != length for o in whole):
        return {"reason": "the outputs do not have one row per example"}
    if _time_is_first(batch):
        return {"reason": "the first axis of the inputs is the time: the targets are the inputs of the next position"}
    if _difference(predict(batch.x), whole):
        return {"reason": "the outputs for the same batch differ from call to call: the model uses random numbers"}
    half = np.arange(length // 2, length)  # if time and batch are confused, the first examples see no others
    order = np.random.default_rng(0).permutation(length)
    alone = predict(batch.at(half).x)
    mixed = predict(batch.at(order).x)
    found = {
        "alone": _difference(alone, [o[half] for o in whole]),
        "order": _difference(mixed, [o[order] for o in whole]),
    }
    if any(found.values()) and _columns_are_examples(subject) and _columns_are_apart(batch, whole, predict):
        return {"reason": "the first axis of the inputs may be the time: their columns do not mix"}
    return found


def _columns_are_examples(subject: Subject) -> bool:
    """Whether the second axis has as many rows as the loader has examples, or alone is as long in all whole batches."""
    lengths = [_axes(batch) for batch in subject.batches]
    if subject.batch_size:
        return lengths[0][1] == subject.batch_size != lengths[0][0]
    first, second = (len({both[i] for both in lengths[:-1]}) for i in (0, 1))
    return first > 1 and second == 1


def _axes(batch: Batch) -> tuple[int, int]:
    """The lengths of the first two axes of the first input that has as many; (0, 0) if none has."""
    return next((tuple(leaf.shape[:2]) for leaf in leaves(batch.x) if len(getattr(leaf, "shape", ())) > 1), (0, 0))


def _columns_are_apart(batch: Batch, whole: list[np.ndarray], predict: Callable[[Any], list[np.ndarray]]) -> bool:
    """Whether examples may be the second axis: each position has outputs, which do not depend on the other columns."""
    length, count = _axes(batch)
    if count < 2 or any(output.shape[:2] != (length, count) for output in whole):
        return False
    order = np.random.default_rng(0).permutation(count)

    def moved(leaf: Any) -> Any:
        shape = getattr(leaf, "shape", ())
        return leaf[:, order] if tuple(shape[:2]) == (length, count) else leaf[order] if shape and shape[0] == count else leaf

    return _difference(predict(mapped(batch.x, moved)), [o[:, order] for o in whole]) == 0.0


def _time_is_first(batch: Batch) -> bool:
    """Whether the targets are the inputs shifted along their first axis, as in a language model whose batch is the second."""
    given = [np.asarray(leaf) for leaf in leaves(batch.x) if hasattr(leaf, "shape")]
    wanted = [np.asarray(leaf) for leaf in leaves(batch.y) if hasattr(leaf, "shape")]
    if (
        not given
        or len(wanted) != 1
        or given[0].ndim != 2
        or wanted[0].size != given[0].size
        or given[0].dtype.kind not in "iu"
    ):
        return False
    x, y = given[0], wanted[0].reshape(given[0].shape)
    along = [float(np.mean(x[1:] == y[:-1])), float(np.mean(x[:, 1:] == y[:, :-1])) if x.shape[1] > 1 else 0.0]
    return along[0] > ALIKE > along[1]


def _difference(found: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """The largest difference, relative to the spread of the outputs; 0 if it may be a rounding error."""
    worst = 0.0
    for a, b in zip(found, expected, strict=True):
        if a.ndim != b.ndim or len(a) != len(b):
            return ENTIRELY
        common = tuple(slice(min(lengths)) for lengths in zip(a.shape, b.shape, strict=True))
        a, b = a[common], b[common]  # sequences are padded to the longest of a batch
        if not a.size or a.dtype.kind not in "fiub":
            continue
        a, b = a.astype(float), b.astype(float)
        scale = float(np.std(b)) + 1e-3 * float(np.mean(np.abs(b)))
        apart = float(np.max(np.abs(a - b), initial=0.0))
        if apart > 1e-4 * scale + 1e-7:
            worst = max(worst, apart / max(scale, 1e-12))
    return worst


def rates(subject: Subject, results: Results, seconds: float) -> dict[str, Any]:
    """The learning-rate range test (Smith, 2017): the rate grows from step to step until the loss diverges."""
    if subject.rate is None:
        return {"reason": "the learning rate is not one number"}
    found: dict[str, Any] = {}
    for count in RATES:
        begin = time.monotonic()
        found = _range(subject, results, seconds, count)
        seconds -= (took := time.monotonic() - begin)
        if "lowest" in found or "blown" in found or took * max(RATES) / min(RATES) > seconds:
            break
    if not subject.clips:
        return found
    if "blown" not in found:
        return {
            "reason": "the program clips its gradients: then the loss falls at rates that are far higher than the useful ones"
        }
    return {name: value for name, value in found.items() if name not in ("steepest", "lowest")}


def _range(subject: Subject, results: Results, seconds: float, count: int) -> dict[str, Any]:
    """One range test with `count` rates, for about `seconds` seconds at most."""
    tried = np.geomspace(SMALLEST, LARGEST, count)
    losses: list[float] = []
    until = math.inf
    for loss in subject.course(itertools.cycle(subject.batches), tried.tolist(), own=True, calm=True):
        losses.append(loss)
        until = min(until, time.monotonic() + seconds)
        if time.monotonic() > until or not math.isfinite(loss) or loss > BLOWN * 4 * max(min(losses), 1e-12):
            break
    table = [{"rate": float(rate), "loss": loss} for rate, loss in zip(tried, losses, strict=False)]
    results.tables["rates"] = table
    smooth = _smoothed(losses)
    found: dict[str, Any] = {"given": subject.rate, "tried": float(tried[len(losses) - 1])}
    low = int(np.argmin(smooth))
    above = [i for i in range(low, len(smooth)) if not smooth[i] <= BLOWN * abs(smooth[low])]
    if above:
        found["blown"] = float(tried[above[0]])
    begin = float(np.median(smooth[:12]))
    if smooth[low] < 0.9 * begin and low > 0:
        # where the loss fell fastest from one rate to the next; all rates differ by the same factor
        found["steepest"] = float(tried[int(np.argmin(np.diff(smooth[: low + 1])))])
        found["lowest"] = float(tried[low])
    return found


def _smoothed(losses: list[float]) -> np.ndarray:
    """Each loss averaged with its neighbours; infinite from the first non-finite loss on."""
    values = np.array(losses, float)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        values[bad[0] :] = np.inf
    return np.array([np.mean(values[max(i - 2, 0) : i + 3]) for i in range(len(values))])


def overlap(training: Iterable[Batch], validation: Iterable[Batch], seconds: float) -> dict[str, Any]:
    """How many examples of the validation data are also in the training data."""
    until = time.monotonic() + seconds
    first = list(_keys(training, until))
    known = set[bytes]().union(*first)
    batches = list(_keys(validation, until + seconds / 2))
    seen = set[bytes]().union(*batches)
    others = [batch for batch in batches if not batch <= known]
    # batches with only training examples may be an evaluation on the training data, not validation data
    rest = set[bytes]().union(*others)
    if rest and len(seen - rest) > len(known) / 2:
        seen = rest
    if len(first) > 1 and all(part == known for part in first) and seen == known:
        return {"reason": "each step trains with the same inputs, as with a graph, so that they do not tell what is held out"}
    times = Counter(key for part in first for key in part)  # of different batches
    again = sum(count for count in times.values() if count > 1)
    return {"training": len(known), "validation": len(seen), "both": len(known & seen), "again": again}


def _keys(batches: Iterable[Batch], until: float) -> Iterator[set[bytes]]:
    """For each batch the hashes of its examples' inputs, until a monotonic time."""
    for batch in batches:
        arrays = [np.asarray(leaf) for leaf in leaves(batch.x) if getattr(leaf, "shape", ())]
        arrays = [array for array in arrays if len(array) == len(batch)]
        rows_ = (b"|".join(array[i].tobytes() for array in arrays) for i in range(len(batch)))
        yield {blake2b(row, digest_size=12).digest() for row in rows_}
        if time.monotonic() > until:
            return
