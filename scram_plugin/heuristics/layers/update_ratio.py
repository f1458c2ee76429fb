"""Updates that are out of proportion to the weights that they change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.consequence import since
from scram_plugin.heuristics.heuristic import CALIBRATED, Cause, Finding, Heuristic, Option
from scram_plugin.heuristics.limits import BEGUN
from scram_plugin.heuristics.measured import enough_rows, fell_far, late, step_ratios
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.rates import speed
from scram_plugin.heuristics.words import percent
from scram_plugin.logs.training_run import TrainingRun

OPTIONS = (
    Option(
        "least",
        4,
        "number of measured batches that are needed",
        CALIBRATED,
    ),
    Option(
        "batches",
        48,
        "batches that the measured ones must span: the first updates of Adam and RMSprop are large",
        CALIBRATED,
    ),
    Option(
        "max_ratio",
        0.1,
        "largest median update norm, as a share of the weight norm; 0.1 can replace the weights every ten steps",
        f"about 0.001 is usual (Karpathy, 2019); {CALIBRATED}",
    ),
)
AFTER_FIRST = 0.7  # share of the measured batches, the later ones: the first updates of Adam are large; by bench-limits


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    ratios = step_ratios(run)
    enough_rows(ratios, int(options["least"]), int(options["batches"]))
    values = {path: late(curve, AFTER_FIRST) for path, curve in ratios.items()}
    found = [path for path, value in values.items() if value > options["max_ratio"]]
    if not found:
        for path, value in values.items():
            what = f"largest typical update norm, as a share of the weight norm, in `{path}`"
            run.measured(what, value, above=options["max_ratio"], percent=True, curve=ratios[path])
    # the short training of a preflight ends long before its loss has fallen far
    if not found or (fell_far(run, BEGUN) if "preflight" in run.facts else fell_far(run)):
        return
    worst = max(found, key=lambda path: values[path])
    curve = ratios[worst]
    yield Finding(
        severity="warning",
        confidence="likely",
        title=f"A typical update changes `{worst}` by {percent(values[worst])} of its norm",
        evidence={
            "variable": f"`{worst}`",
            "percent": 100 * values[worst],
            "others": len(found) - 1 if len(found) > 1 else None,
        },
        first_step=int(curve.steps[0]),
        last_step=int(curve.steps[-1]),
        axis="batch",
        curves=[curve.source()],
        causes=[speed(run), Cause("small-weights")],
        where=[path.rpartition("/")[0] for path in found],
        since=since(curve, curve.values > options["max_ratio"]),
        at_once=False,
    )


HEURISTIC = Heuristic(
    id="update-ratio",
    group="layers",
    title_passed="Updates are in proportion to the weights",
    check=check,
    page=Page.beside(__file__),
    options=OPTIONS,
    needs=("SCRAM's statistics of weights",),
    order=430,
    families=("signal-flow",),
    precedence=230,
    explains=("standstill", "unrest"),
)
