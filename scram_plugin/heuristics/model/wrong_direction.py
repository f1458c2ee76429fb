"""Callbacks and trainers that take the worst value of a metric for the best, and losses without their sign."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.edits import set_direction
from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, NotChecked
from scram_plugin.heuristics.measured import shown_loss, whole_of
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.recorders import HOW
from scram_plugin.logs.conventions import clearly_better
from scram_plugin.logs.training_run import TrainingRun

DIRECTIONS = {"min": "lowest", "max": "highest"}
ADJECTIVES = {"min": "lower", "max": "higher"}
SHOWN_CALLBACKS = 16  # that are told; a log may hold any number of them; by definition
DOES = {
    "EarlyStopping": "It counts an epoch that improves it as one without progress, and ends the training.",
    "ModelCheckpoint": "So it keeps the worst model.",
    "ReduceLROnPlateau": "It counts an epoch that improves it as one without progress, and lowers the learning rate.",
}
OF_TRAINERS = "So the worst model is loaded at the end."


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    settings = (run.facts.get("optimizer") or {}).get("settings") or {}
    if run.loop.get("maximised") and not settings.get("maximize"):
        said = "In the first step the loss is the mean of targets times logarithms of probabilities, without a minus sign."
        yield Finding(
            severity="error",
            confidence="likely",
            title="The cross-entropy has no minus sign: the training makes it worse",
            evidence={"said": said},
            **whole_of(shown_loss(run)),
            causes=[Cause("sign", said)],
        )
        return
    if "callbacks" not in run.facts:
        raise NotChecked("the callbacks of the training are not known", HOW)
    curve = shown_loss(run)
    known = dict.fromkeys(tuple(str(one.get(key)) for key in ("class", "monitor", "mode")) for one in run.facts["callbacks"])
    for name, monitor, mode in itertools.islice(known, SHOWN_CALLBACKS):
        best = clearly_better(monitor)
        if best is None or mode not in DIRECTIONS or best == (mode == "max"):
            continue
        right = "max" if best else "min"
        said = f"{name} looks for the {DIRECTIONS[mode]} {monitor}, of which {ADJECTIVES[right]} values are better."
        edit = set_direction(run.facts, name, monitor, right)
        yield Finding(
            severity="error",
            confidence="certain",
            title=f"{name} takes the {DIRECTIONS[mode]} {monitor} for the best",
            evidence={"said": f"{said} {DOES.get(name, OF_TRAINERS)}"},
            **whole_of(curve),
            causes=[Cause("mode", said, "", edit)],
            at_once=False,
        )


HEURISTIC = Heuristic(
    id="wrong-direction",
    group="model",
    title_passed="Losses and callbacks have the right direction",
    check=check,
    page=Page.beside(__file__),
    needs=("SCRAM's facts of the training",),
    order=139,
    precedence=79,
    explains=("undertrained",),
)
