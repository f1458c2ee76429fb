"""The learning rate, where the program gives it."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from typing import Any

from scram_plugin.heuristics.edits.arguments import (
    RATES,
    argument,
    of_trainers,
    replaced,
    set_argument,
    set_number,
    takes,
    without_argument,
)
from scram_plugin.heuristics.edits.bindings import follow, number, returns
from scram_plugin.heuristics.edits.data import grouped
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.naming import written
from scram_plugin.heuristics.edits.program import Change, Code, Piece, program

DEFAULT_OF_TRAINERS = 5e-5  # source: the documentation of `transformers.TrainingArguments`
WARM_UP = ("warmup_steps", "warmup_ratio")  # source: the same
STEPS_OF_WARM_UP = ("warmup_steps", "num_warmup_steps")  # source: the documentation of transformers
PLATEAU = {"factor": "0.3", "patience": "5"}  # epochs; source: the example in `learning_rate_schedule.md`
SCHEDULES = ("CosineDecay", "PolynomialDecay", "ExponentialDecay")  # that take `decay_steps`; source: Keras
AS_STORED = 1e-6  # of the rate, relative; source: an optimizer stores it as float32


def set_learning_rate(facts: Mapping[str, Any], optimizer: str, now: float, value: float) -> Edit | None:
    """Set the learning rate where the program gives it: in the optimizer, in the trainer's arguments or in its settings.

    It is where the number is `now`, or else in the only place that makes such an optimizer.
    """
    known = program(facts)
    new = f"{value:g}"
    places = [p for call in known.calls(optimizer) if (p := _rate_in(known, facts, call)) is not None]
    told = [
        p
        for place in known.nodes(ast.Call)
        for k in place.node.keywords
        if k.arg in RATES
        for p in [Piece(place.source, k.value)]
    ]
    told += _in_groups(known)
    for place in [*places, *told]:
        found = follow(known, place)
        rate = number(known, found)
        if rate is not None and abs(rate - now) <= AS_STORED * abs(now):
            return known.edit([replaced(found, new)])
    trainers = of_trainers(known)
    if len(trainers) == 1 and not places:
        return _of_trainer(known, trainers[0], now, value)
    unknown = [p for p in places if number(known, p) is None]
    if len(unknown) == 1 and len(places) == 1 and not _is_schedule(known, unknown[0]):
        return known.edit([replaced(unknown[0], new)])
    return _by_default(known, facts, optimizer, new) if not places else None


def _rate_in(known: Code, facts: Mapping[str, Any], call: Piece) -> Piece | None:
    """What a call that makes an optimizer gives as its rate."""
    at = 1 if facts.get("framework") == "torch" else 0
    return next((p for name in RATES[:2] if (p := argument(known, call, name, at)) is not None), None)


def _of_trainer(known: Code, call: Piece, now: float, value: float) -> Edit | None:
    """In a trainer's arguments. Its schedule begins below the rate that they give, so that one is not `now`: the rate itself is
    set if it is on the same side of `value`; if it is not too low, the warm-up before it is left out."""
    given = argument(known, call, RATES[0])
    found = follow(known, given) if given is not None else None
    own = known.called(call).endswith("TrainingArguments")  # the trainers of TRL have other defaults
    rate = number(known, found) if found is not None else DEFAULT_OF_TRAINERS if own else None
    if rate is None:
        return None
    if (rate < value) == (now < value):
        new = f"{value:g}"
        return known.edit([replaced(found, new) if found is not None else set_argument(known, call, RATES[0], new)])
    if now > value:
        return None
    return known.edit([c for name in WARM_UP if (c := without_argument(known, call, name)) is not None])


def shorten_warm_up(facts: Mapping[str, Any], steps: int) -> Edit | None:
    """Set the only number of steps that the program gives for a warm-up to `steps`, if it is larger."""
    known = program(facts)
    places = [Piece(c.source, k.value) for c in known.nodes(ast.Call) for k in c.node.keywords if k.arg in STEPS_OF_WARM_UP]
    # a name may be that of something else, too
    if len(places) != 1 or not isinstance(places[0].node, ast.Constant) or (now := number(known, places[0])) is None:
        return None
    return known.edit([replaced(places[0], f"{steps}")]) if now > steps else None


def give_factor(facts: Mapping[str, Any]) -> Edit | None:
    """Take the rate out of the function that gives a `LambdaLR` its factor, where each of its values is a product with it."""
    known = program(facts)
    schedulers = list(known.calls("LambdaLR"))
    function = argument(known, schedulers[0], "lr_lambda", 1) if len(schedulers) == 1 else None
    if function is None:
        return None
    found = follow(known, function)
    values = [Piece(found.source, found.node.body)] if isinstance(found.node, ast.Lambda) else _returned(known, function)
    held = {given.text for call in known.nodes(ast.Call) if (given := argument(known, call, RATES[1], None)) is not None}
    return known.edit([_without_factor(value, held) for value in values]) if values else None


def _returned(known: Code, function: Piece) -> list[Piece]:
    """What the only function of the program with this name returns."""
    named = [p for p in known.nodes(ast.FunctionDef) if isinstance(function.node, ast.Name) and p.node.name == function.node.id]
    if len(named) != 1:
        return []
    source, made = named[0]
    return [Piece(source, end.value) for end in returns(source, made) if end.value is not None]


def _without_factor(value: Piece, held: Collection[str]) -> Change | None:
    """A product without the only one of its factors that is among these texts; None for anything else."""
    source, node = value
    if sum(source.of(n) in held for n in ast.walk(node) if isinstance(n, ast.expr)) != 1:
        return None
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        for factor, kept in ((node.left, node.right), (node.right, node.left)):
            if isinstance(node.op, ast.Mult) and source.of(factor) in held:
                text = source.of(kept)
                return replaced(Piece(source, node), text if node is value.node else grouped(text))
        node = node.left
    return None


def _in_groups(known: Code) -> list[Piece]:
    """Rates of groups of parameters: ``[{"params": ..., "lr": 1.0}]``."""
    return [
        Piece(place.source, value)
        for place in known.nodes(ast.Dict)
        for key, value in zip(place.node.keys, place.node.values, strict=True)
        if isinstance(key, ast.Constant) and key.value in RATES
    ]


def _is_schedule(known: Code, place: Piece) -> bool:
    """Whether a rate is an object that makes rates, and not a number that the program computes."""
    return isinstance(follow(known, place).node, ast.Call)


def _by_default(known: Code, facts: Mapping[str, Any], optimizer: str, new: str) -> Edit | None:
    """Where the program leaves the rate to the optimizer's default: ``Adam()``, or ``compile("adam")``."""
    made = list(known.calls(optimizer))
    if len(made) == 1:
        name = next((n for n in RATES[:2] if takes(known, made[0], n)), "lr" if facts.get("framework") == "torch" else RATES[0])
        return known.edit([set_argument(known, made[0], "lr" if facts.get("framework") == "torch" else name, new)])
    return None if made else with_optimizer(known, optimizer, "learning_rate", new)


def lower_rate_later(facts: Mapping[str, Any]) -> Edit | None:
    """Let the only `ReduceLROnPlateau` wait, and lower the rate by less; without a limit below which a gain does not count."""
    known = program(facts)
    found = list(known.calls("ReduceLROnPlateau"))
    if len(found) != 1:
        return None
    changes: list[Change | None] = [set_number(known, found[0], name, value) for name, value in PLATEAU.items()]
    limits = ("min_delta", "threshold")
    changes += [without_argument(known, found[0], n) for n in limits if argument(known, found[0], n) is not None]
    return known.edit(changes)


def count_in_steps(facts: Mapping[str, Any]) -> Edit | None:
    """The length of the only schedule of Keras, which was given in epochs, in batches."""
    known, each = program(facts), (facts.get("fit") or {}).get("steps")
    found = [
        p for name in SCHEDULES for call in known.calls(name) if (p := argument(known, call, "decay_steps", 1)) is not None
    ]
    if len(found) != 1 or not each:
        return None
    plain = isinstance(found[0].node, ast.Name | ast.Constant | ast.Attribute | ast.Call)
    text = found[0].text if plain else f"({found[0].text})"
    return known.edit([replaced(found[0], f"{text} * {each}")])


def with_optimizer(known: Code, optimizer: str, name: str, value: str) -> Edit | None:
    """``compile("adam")`` with an optimizer in place of its name, which has an argument."""
    found: list[Piece] = []
    for call in known.calls("compile"):
        place = argument(known, call, "optimizer", 0)
        given = follow(known, place) if place is not None else None
        if given is not None and isinstance(given.node, ast.Constant) and str(given.node.value).lower() == optimizer.lower():
            found.append(given)
    if len(found) != 1:
        return None
    text, imports = written(found[0].source, f"keras.optimizers.{optimizer}")
    changes: list[Change | None] = [replaced(found[0], f"{text}({name}={value})"), *imports]
    return known.edit(changes)
