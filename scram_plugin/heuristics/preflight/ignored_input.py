"""Outputs that do not depend on an input, on any, or on a part of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic, Inconclusive
from scram_plugin.heuristics.measured import listed, shown_loss, whole_of
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.preflight.tested import tested
from scram_plugin.heuristics.words import one_line
from scram_plugin.logs.training_run import TrainingRun

SHOWN_PARTS = 2  # parts of inputs that are told; a log may hold any number; by definition
FITTED = 0.5  # share of the first loss: a model that fits 16 different examples uses its inputs; by bench-limits


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    if unread := run.loop.get("unread"):
        yield from (_of_part(run, part) for part in unread[:SHOWN_PARTS] if part.get("places"))
        return
    if unlinked := _unlinked(run):
        yield _of_graph(run, unlinked)
        return
    found = tested(run, "inputs")
    tried, ignored = found.get("inputs") or 0, found.get("ignored") or []
    if not tried:
        raise Inconclusive("all examples of the batch had the same inputs")
    if not ignored:
        run.measured("inputs that change the outputs", tried)
        return
    whole = len(ignored) == tried
    learned = run.facts["preflight"].get("one_batch") or {}
    first, last = learned.get("first"), learned.get("last")
    if whole and first is not None and last is not None and last < FITTED * first:
        # batch normalisation has seen too few batches to act in evaluation as it does in training
        raise Inconclusive("the outputs depend on the inputs in training mode, but not yet in evaluation mode")
    curve = shown_loss(run)
    known = [entry["name"] for entry in run.facts.get("model", {}).get("inputs") or ()]
    names = [f"`{known[i]}`" if i < len(known) and len(known) > 1 else f"input {i + 1}" for i in ignored]
    yield Finding(
        severity="error" if whole else "warning",
        confidence="likely",
        title="The outputs do not depend on the inputs" if whole else f"The outputs do not depend on {listed(names)}",
        evidence={"names": "the inputs" if whole else listed(names), "when": "After some training steps", "graph": None},
        **whole_of(curve),
        causes=[Cause("dead"), Cause("unused"), Cause("scale")] if whole else [Cause("unused"), Cause("dead"), Cause("scale")],
    )


def _unlinked(run: TrainingRun) -> list[str]:
    """The inputs of a functional model of Keras that no layer takes, and that are no outputs."""
    model = run.facts.get("model") or {}
    inputs, paths = model.get("inputs") or [], model.get("paths") or []
    if run.framework_of_facts != "keras" or model.get("kind") != "functional" or len(inputs) != len(paths) or not any(paths):
        return []
    given_on = {one.get("name") for one in model.get("outputs") or []}
    unused = [one.get("name") for one, path in zip(inputs, paths, strict=True) if not path]
    return [f"`{one_line(str(name))}`" for name in unused if name not in given_on]


def _of_graph(run: TrainingRun, names: list[str]) -> Finding:
    """Inputs that are connected to no layer."""
    return Finding(
        severity="warning",
        confidence="certain",
        title=f"The outputs do not depend on {listed(names)}",
        evidence={"names": listed(names), "when": None, "graph": f"No layer of the model takes {listed(names)}."},
        **whole_of(shown_loss(run)),
        causes=[Cause("unused")],
    )


def _of_part(run: TrainingRun, part: Mapping[str, Any]) -> Finding:
    """A feature that is not read, or all positions of a sequence but the first."""
    places, number = part.get("places") or [], part.get("input", 0)
    several = len(run.facts.get("model", {}).get("inputs") or ()) > 1
    of = f" of input {number + 1}" if several else ""
    if part.get("first"):
        title = f"The outputs depend on the first position{of} alone"
        names, causes = f"all positions{of} but the first", [Cause("first-position"), Cause("unused")]
    else:
        names = f"feature{'s' * (len(places) > 1)} {listed([str(place) for place in places])}{of}"
        title, causes = f"The outputs do not depend on {names}", [Cause("unused"), Cause("dead"), Cause("scale")]
    return Finding(
        severity="warning",
        confidence="likely",
        title=title,
        evidence={"names": names, "when": "With the first batch", "graph": None},
        **whole_of(shown_loss(run)),
        causes=causes,
    )


HEURISTIC = Heuristic(
    id="ignored-input",
    group="preflight",
    title_passed="The outputs depend on all inputs",
    check=check,
    page=Page.beside(__file__),
    needs=("a preflight, or SCRAM's record of a training",),
    order=470,
    families=("preflight-test",),
    precedence=44,
    explains=("one-batch", "standstill", "curve-shape", "undertrained"),
)
