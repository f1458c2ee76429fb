"""The explicit list of all heuristics, which of them can explain which, and their options."""

from __future__ import annotations

import difflib
import importlib.util
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

from scram_plugin.errors import BadOption
from scram_plugin.heuristics.curves import (
    divergence,
    learning_rate_schedule,
    loss_spike,
    metric_loss_disagreement,
    missing_validation,
    no_learning,
    noisy_validation,
    nonfinite_loss,
    nonfinite_metric,
    oscillating_loss,
    overfitting,
    plateau,
    step_rewind,
    undertrained,
    validation_better_than_training,
    zero_loss,
)
from scram_plugin.heuristics.data import (
    class_imbalance,
    constant_inputs,
    input_distribution_shift,
    label_range,
    nonfinite_inputs,
    output_collapse,
    slow_input,
    unnormalized_inputs,
    unnormalized_targets,
    unshuffled_data,
)
from scram_plugin.heuristics.heuristic import Heuristic
from scram_plugin.heuristics.installed import installed
from scram_plugin.heuristics.layers import (
    dead_relu,
    exploding_gradients,
    kept_gradients,
    nonfinite_origin,
    saturated_activations,
    update_ratio,
    vanishing_gradients,
)
from scram_plugin.heuristics.model import (
    frozen_weights,
    high_dropout,
    initial_loss,
    missing_activation,
    normalization_lag,
    output_activation_mismatch,
    poor_initialization,
    strong_regularization,
    too_many_parameters,
    unconventional_learning_rate,
)
from scram_plugin.heuristics.preflight import (
    batch_size_memory,
    half_precision,
    ignored_input,
    learning_rate_range,
    mixed_samples,
    no_gradient,
    one_batch,
    own_tests,
    validation_overlap,
)

# In the order in which an expert would ask: the data, what was built, what the curves say, and what goes on in the layers.
HEURISTICS = (
    nonfinite_inputs.HEURISTIC,
    label_range.HEURISTIC,
    unnormalized_inputs.HEURISTIC,
    unnormalized_targets.HEURISTIC,
    constant_inputs.HEURISTIC,
    input_distribution_shift.HEURISTIC,
    unshuffled_data.HEURISTIC,
    class_imbalance.HEURISTIC,
    slow_input.HEURISTIC,
    output_activation_mismatch.HEURISTIC,
    missing_activation.HEURISTIC,
    poor_initialization.HEURISTIC,
    frozen_weights.HEURISTIC,
    unconventional_learning_rate.HEURISTIC,
    high_dropout.HEURISTIC,
    strong_regularization.HEURISTIC,
    normalization_lag.HEURISTIC,
    too_many_parameters.HEURISTIC,
    initial_loss.HEURISTIC,
    nonfinite_loss.HEURISTIC,
    nonfinite_origin.HEURISTIC,
    nonfinite_metric.HEURISTIC,
    divergence.HEURISTIC,
    no_learning.HEURISTIC,
    plateau.HEURISTIC,
    oscillating_loss.HEURISTIC,
    loss_spike.HEURISTIC,
    overfitting.HEURISTIC,
    noisy_validation.HEURISTIC,
    metric_loss_disagreement.HEURISTIC,
    validation_better_than_training.HEURISTIC,
    zero_loss.HEURISTIC,
    undertrained.HEURISTIC,
    learning_rate_schedule.HEURISTIC,
    missing_validation.HEURISTIC,
    step_rewind.HEURISTIC,
    output_collapse.HEURISTIC,
    dead_relu.HEURISTIC,
    saturated_activations.HEURISTIC,
    vanishing_gradients.HEURISTIC,
    exploding_gradients.HEURISTIC,
    kept_gradients.HEURISTIC,
    update_ratio.HEURISTIC,
    own_tests.HEURISTIC,
    batch_size_memory.HEURISTIC,
    mixed_samples.HEURISTIC,
    ignored_input.HEURISTIC,
    no_gradient.HEURISTIC,
    validation_overlap.HEURISTIC,
    learning_rate_range.HEURISTIC,
    one_batch.HEURISTIC,
    half_precision.HEURISTIC,
)

# What a loss that is NaN brings about: everything that is judged by curves, but for how they were logged.
_AFTER_NAN = frozenset(h.id for h in HEURISTICS if h.group == "curves") - {
    "nonfinite-loss",
    "missing-validation",
    "step-rewind",
}
_STANDSTILL = frozenset({"no-learning", "plateau", "output-collapse"})
_UNREST = frozenset({"divergence", "oscillating-loss", "loss-spike", "noisy-validation"})
_LAYERS = frozenset({"dead-relu", "saturated-activations", "vanishing-gradients", "exploding-gradients", "update-ratio"})
_NAN = frozenset({"nonfinite-loss", "nonfinite-origin"})
_TESTED = frozenset({"one-batch", "ignored-input", "no-gradient", "learning-rate-range", "half-precision"})
# heuristic/first cause of findings that nothing else brings about: what is not used stays unused, whatever else is wrong
UNEXPLAINED = frozenset({"no-gradient/unused"})
# cause -> the findings that it brings about: they are kept, folded under it, unless they are worse than it. Causes that come
# first explain first.
EXPLAINS: dict[str, frozenset[str]] = {
    "nonfinite-inputs": _TESTED | _AFTER_NAN | _NAN | _LAYERS | {"unnormalized-inputs", "output-collapse", "initial-loss"},
    "constant-inputs": _TESTED | _STANDSTILL | _LAYERS,
    "label-range": _TESTED
    | _NAN
    | _LAYERS
    | _STANDSTILL
    | _UNREST
    | {"initial-loss", "zero-loss", "output-activation-mismatch", "class-imbalance"},
    "output-activation-mismatch": _TESTED | _NAN | _STANDSTILL | _UNREST | _LAYERS | {"initial-loss", "zero-loss"},
    # where it began, and the rate that is a cause, are told by the finding of the loss, too
    "nonfinite-loss": _TESTED | _AFTER_NAN | _LAYERS | {"nonfinite-origin", "unconventional-learning-rate", "output-collapse"},
    "nonfinite-origin": _TESTED | _AFTER_NAN | _LAYERS | {"output-collapse"},
    "frozen-weights": _TESTED | _STANDSTILL | {"undertrained"},
    "poor-initialization": _TESTED | _STANDSTILL | _UNREST | _LAYERS | {"initial-loss"},
    "unnormalized-targets": _TESTED
    | _AFTER_NAN
    | _NAN
    | _STANDSTILL
    | _UNREST
    | _LAYERS
    | {"initial-loss", "unconventional-learning-rate"},
    "unnormalized-inputs": _TESTED | _STANDSTILL | _UNREST | _LAYERS | {"initial-loss"},
    "unconventional-learning-rate": frozenset({"learning-rate-range", "one-batch"})
    | _STANDSTILL
    | _UNREST
    | _LAYERS
    | {"undertrained"},
    "high-dropout": _TESTED
    | _STANDSTILL
    | {"validation-better-than-training", "undertrained", "oscillating-loss", "dead-relu"},
    "strong-regularization": _TESTED | _STANDSTILL | _LAYERS | {"initial-loss", "undertrained"},
    "normalization-lag": frozenset({"overfitting", "noisy-validation", "no-learning", "metric-loss-disagreement"}),
    "missing-activation": _TESTED | _STANDSTILL,
    "unshuffled-data": _STANDSTILL | _UNREST | {"metric-loss-disagreement", "overfitting", "validation-better-than-training"},
    "input-distribution-shift": frozenset(
        {"overfitting", "noisy-validation", "metric-loss-disagreement", "validation-better-than-training", "no-learning"}
    ),
    "kept-gradients": _STANDSTILL | _UNREST | _NAN | _LAYERS | {"overfitting", "metric-loss-disagreement", "undertrained"},
    "exploding-gradients": _TESTED | _UNREST | {"update-ratio", "dead-relu", "output-collapse"},
    "saturated-activations": _TESTED | _STANDSTILL | {"vanishing-gradients"},
    "vanishing-gradients": _TESTED | _STANDSTILL | {"dead-relu"},
    "dead-relu": _TESTED | _STANDSTILL,
    "update-ratio": _STANDSTILL | _UNREST,
    "mixed-samples": frozenset({"one-batch"}),
    "no-gradient": frozenset({"one-batch", "ignored-input"}),
    "ignored-input": frozenset({"one-batch"}),
    "class-imbalance": frozenset({"output-collapse", "no-learning"}),
    "divergence": frozenset(
        {
            "oscillating-loss",
            "loss-spike",
            "plateau",
            "no-learning",
            "noisy-validation",
            "overfitting",
            "learning-rate-schedule",
        }
        | {"metric-loss-disagreement", "nonfinite-metric", "validation-better-than-training"}
    ),
    "zero-loss": frozenset({"divergence", "no-learning", "plateau", "overfitting", "validation-better-than-training"}),
    "no-learning": frozenset(
        {"learning-rate-schedule", "plateau", "overfitting", "noisy-validation", "validation-better-than-training"}
        | {"output-collapse"}
    ),
    "overfitting": frozenset({"metric-loss-disagreement", "noisy-validation", "too-many-parameters"}),
    "oscillating-loss": frozenset({"no-learning", "loss-spike", "noisy-validation", "plateau", "learning-rate-schedule"}),
    "plateau": frozenset({"learning-rate-schedule", "undertrained", "output-collapse"}),
}


@dataclass(frozen=True)
class Accepted:
    """What the user knows of and finds no fault with: a heuristic, in the training runs whose names match a pattern (`*`, `?`
    and `[...]` as in file names)."""

    heuristic: str
    runs: str = "*"
    reason: str = ""

    def covers(self, run: str) -> bool:
        return fnmatchcase(run, self.runs)


@dataclass(frozen=True)
class Catalogue:
    """The heuristics to apply, with the options to apply them with. `notes` tells what could not be loaded.

    `signals` says what tags mean that no convention knows: tag -> signal. `accepted`: findings that are no problem here.
    `modules`: the files that heuristics of the user's own come from; `broken`: the notes about these; `refused`: those about
    files that may not be loaded.
    """

    heuristics: tuple[Heuristic, ...]
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    signals: Mapping[str, str] = field(default_factory=dict)
    accepted: tuple[Accepted, ...] = ()
    modules: tuple[Path, ...] = ()
    broken: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        """To another process travel names and choices; heuristics are code, and found again there."""
        ids = tuple(heuristic.id for heuristic in self.heuristics)
        return catalogue, (ids, (), self.options, self.modules, self.signals, self.accepted)

    def options_of(self, heuristic: Heuristic) -> dict[str, Any]:
        return {**heuristic.defaults, **self.options.get(heuristic.id, {})}

    def __getitem__(self, id_: str) -> Heuristic:
        for heuristic in self.heuristics:
            if heuristic.id == id_:
                return heuristic
        raise KeyError(id_)


def catalogue(
    select: Iterable[str] | None = None,
    ignore: Iterable[str] = (),
    options: Mapping[str, Mapping[str, Any]] | None = None,
    modules: Iterable[Path] = (),
    signals: Mapping[str, str] | None = None,
    accepted: Iterable[Accepted] = (),
    refused: Iterable[str] = (),
) -> Catalogue:
    """The catalogue after the user's choices; `modules` are files of heuristics of the user's own.

    `refused` are sentences on heuristics that may not be loaded: then ids that are not known may be theirs, and are left out.

    Raises BadOption for an unknown id or option, or a value of another type.
    """
    accepted, modules, refused = tuple(accepted), tuple(modules), tuple(refused)
    packaged = [(f"The heuristic {e.name!r} of another package", e.load, None) for e in installed()]
    heuristics, notes = _with([*HEURISTICS], packaged)
    own = [(f"The heuristic in {path}", partial(from_file, path), path) for path in modules]
    heuristics, broken = _with(heuristics, own)
    known = {heuristic.id: heuristic for heuristic in heuristics}
    chosen = set(known) if select is None else set(select)
    if refused:
        options = {id_: given for id_, given in (options or {}).items() if id_ in known}
        accepted = tuple(a for a in accepted if a.heuristic in known)
    for id_ in [*(select or ()), *ignore, *(options or {}), *(a.heuristic for a in accepted)]:
        if id_ not in known and not refused:
            raise BadOption(" ".join([no_heuristic(id_, known), *(f"({note})" for note in (*notes, *broken))]))
    checked = {
        id_: {name: _value(known[id_], name, value) for name, value in given.items()} for id_, given in (options or {}).items()
    }
    kept = tuple(h for h in heuristics if h.id in chosen - set(ignore))
    if not kept:
        raise BadOption(" ".join(["no heuristic is left to apply; change select or ignore.", *refused]).rstrip("."))
    return Catalogue(kept, checked, (*notes, *broken, *refused), dict(signals or {}), accepted, modules, tuple(broken), refused)


def _with(
    heuristics: list[Heuristic], found: Iterable[tuple[str, Callable[[], Any], Path | None]]
) -> tuple[list[Heuristic], list[str]]:
    """These heuristics and those `found`: what each is called, how it is loaded, and its file. And a note of each that does
    not load."""
    heuristics, notes = list(heuristics), []
    for name, load, path in found:
        try:
            loaded = load()
            if not isinstance(loaded, Heuristic):
                raise TypeError(f"HEURISTIC is of the type {type(loaded).__name__}, and not Heuristic")
            if any(loaded.id == h.id for h in heuristics):
                raise ValueError(f"there is a heuristic {loaded.id!r} already")
            for problem in loaded.page.problems():
                raise problem
            heuristics.append(loaded)
        except (Exception, SystemExit) as error:
            place = f"; {path.name}, line {line}" if path is not None and (line := line_in(path, error)) else ""
            notes.append(f"{name} could not be loaded ({type(error).__name__}: {error}{place}).")
    return heuristics, notes


def line_in(path: Path, error: BaseException) -> int | None:
    """The line of a file, from 1, in which an error came up; None if the file is not on the stack."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).resolve() == path.resolve()]
    return frames[-1].lineno if frames else None


def from_file(path: Path) -> Any:
    """The `HEURISTIC` of a module that is no part of a package. Raises whatever importing it raises."""
    spec = importlib.util.spec_from_file_location(f"scram_heuristic_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError("it is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.HEURISTIC


def no_heuristic(id_: str, known: Iterable[str]) -> str:
    """A sentence for an id that there is none of."""
    near = difflib.get_close_matches(id_.lower(), known, n=3)
    mean = f"did you mean {' or '.join(near)}? " if near else ""
    return f"there is no heuristic {id_!r}; {mean}`scram list` names them all"


def _value(heuristic: Heuristic, name: str, value: Any) -> Any:
    """`value` in the type of the option's default; text (from a command line) is converted."""
    if name not in heuristic.defaults:
        names = ", ".join(heuristic.defaults) or "none"
        raise BadOption(f"{heuristic.id} has no option {name!r}; its options are: {names}")
    default = heuristic.defaults[name]
    kind = type(default)
    try:
        if kind is bool:
            if isinstance(value, str):
                value = {"true": True, "false": False}[value.lower()]
            if not isinstance(value, bool):
                raise ValueError
            return value
        if isinstance(value, bool) or (kind is str and not isinstance(value, str)):
            raise ValueError
        if kind is int and isinstance(value, float) and not value.is_integer():
            raise ValueError
        value = kind(value)
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError
        return value
    except (ValueError, KeyError, TypeError):
        word = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}[kind]
        raise BadOption(f"{heuristic.id}.{name} takes {word}, not {value!r}") from None
