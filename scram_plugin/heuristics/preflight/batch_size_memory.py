"""A batch that does not fit into the available memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, Inconclusive, Option
from scram_plugin.heuristics.measured import shown_loss, whole_of
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.preflight.tested import tested
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "part",
        0.9,
        "share of the limit above which a batch is reported",
        "`make bench-preflight`: predictions are within a third of what is measured",
    ),
)
OF = {"budget": "set by you", "device": "free memory of the device", "machine": "free memory of this machine"}
GIB = 1024  # MiB; by definition


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    found = tested(run, "memory")
    peak, available, size = found.get("peak"), found.get("available"), found.get("batch_size")
    if peak is None or not available or not size:
        raise Inconclusive("the size of the available memory is not known")
    what = "memory that the training needs, as a share of the available memory"
    run.measured(what, peak / available, above=options["part"], percent=True)
    if peak <= options["part"] * available:
        return
    curve = shown_loss(run)
    slope, fixed = found.get("per_example") or 0.0, found.get("fixed") or 0.0
    fits = int((options["part"] * available - fixed) / slope) if slope > 0.0 else 0
    fits = 2 ** (fits.bit_length() - 1) if fits > 0 else 0  # a power of two, as is usual for batch sizes
    yield Finding(
        severity="error",
        confidence="likely",
        title=f"A batch of {size} does not fit into memory: the training needs about {_size(peak)}",
        evidence={
            "size": size,
            "peak": _size(peak),
            "available": _size(available),
            "of": OF.get(str(found.get("of")), "available memory"),
            "each": _size(slope),
            "fits": fits if 0 < fits < size else None,
        },
        **whole_of(curve),
        causes=[Cause("batch", f"A batch of {fits} would fit.")] if 0 < fits < size else [Cause("model")],
    )


def _size(mebibytes: float) -> str:
    if mebibytes >= GIB:
        return f"{mebibytes / GIB:.1f} GiB"
    return f"{mebibytes:.0f} MiB" if mebibytes >= 100 else f"{mebibytes:.3g} MiB"


HEURISTIC = Heuristic(
    id="batch-size-memory",
    group="preflight",
    title_passed="A batch fits into memory",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("a preflight",),
    order=450,
)
