"""Arguments of calls: what is given, and the changes that set or remove one."""

from __future__ import annotations

import ast
import re

from scram_plugin.heuristics.edits.bindings import follow, number
from scram_plugin.heuristics.edits.program import Change, Code, Piece

# Positional arguments of functions and classes, in their order, for logs that hold no signatures. Source: their documentation.
PLACES = {
    "Dense": ("units", "activation"),
    "Dropout": ("rate",),
    "SpatialDropout1D": ("rate",),
    "SpatialDropout2D": ("rate",),
    "Activation": ("activation",),
    "compile": ("optimizer", "loss", "loss_weights", "metrics"),
    "fit": ("x", "y", "batch_size", "epochs"),
}
RATES = ("learning_rate", "lr", "lr0")  # source: Keras; PyTorch and Keras before 2.3; Ultralytics

# What `transformers.Trainer` and its heirs in TRL take; source: their documentation
OF_TRAINERS = re.compile(r"\w*TrainingArguments|(?:SFT|DPO|GRPO|KTO|ORPO|CPO|RLOO|PPO|Reward)Config")


def of_trainers(program: Code) -> list[Piece]:
    """The calls that make the arguments of a trainer of Hugging Face."""
    return [place for place in program.nodes(ast.Call) if OF_TRAINERS.fullmatch(program.called(place))]


def place_of(program: Code, place: Piece, name: str, at: int | None) -> int | None:
    """The position of an argument in a call: by the signature that was recorded, else `at`, else by the documentation."""
    called = program.called(place)
    if called in program.signatures:
        names = program.signatures[called]
        return names.index(name) if name in names else None
    names = PLACES.get(called, ())
    return at if at is not None else names.index(name) if name in names else None


def takes(program: Code, place: Piece, name: str) -> bool:
    """Whether the class that is called takes an argument, in the version that ran; True where that was not recorded."""
    known = program.signatures.get(program.called(place))
    return known is None or name in known


def argument(program: Code, place: Piece, name: str, at: int | None = None) -> Piece | None:
    """What a call gives for an argument: by its name, or at its position (`at`: where the signature is not known)."""
    for keyword in place.node.keywords:
        if keyword.arg == name:
            return Piece(place.source, keyword.value)
    at = place_of(program, place, name, at)
    if at is None or at >= len(place.node.args) or any(isinstance(a, ast.Starred) for a in place.node.args[: at + 1]):
        return None
    return Piece(place.source, place.node.args[at])


def replaced(place: Piece, new: str) -> Change:
    return Change(place.source, *place.source.span(place.node), new)


def set_argument(program: Code, place: Piece, name: str, value: str, at: int | None = None) -> Change | None:
    """Give a call this argument; None if what is called takes none of that name."""
    now = argument(program, place, name, at)
    if now is not None:
        return replaced(now, value)
    unclear = any(k.arg is None for k in place.node.keywords) or any(isinstance(a, ast.Starred) for a in place.node.args)
    if unclear or not takes(program, place, name):
        return None
    source, others = place.source, [*place.node.args, *place.node.keywords]
    if not others:
        end = source.span(place.node)[1] - 1
        return Change(source, end, end, f"{name}={value}")
    last = max(others, key=lambda n: source.span(n)[1])
    start, end = source.span(last)
    line_start = source.text.rfind("\n", 0, start) + 1
    lead = source.text[line_start:start]
    own_line = not lead.strip() and source.line_at(start) != source.line_at(source.span(place.node)[0])
    return Change(source, end, end, f",\n{lead}{name}={value}" if own_line else f", {name}={value}")


def set_number(program: Code, place: Piece, name: str, value: str, at: int | None = None) -> Change | None:
    """Like `set_argument`; where the argument stands for a number that is written elsewhere, it is set there."""
    now = argument(program, place, name, at)
    told = follow(program, now) if now is not None else None
    if told is not None and told != now and number(program, told) is not None:
        return replaced(told, value)
    return set_argument(program, place, name, value, at)


def without_argument(program: Code, place: Piece, name: str, at: int | None = None) -> Change | None:
    """Remove an argument of a call, with the comma before it, or after it if it is the first; None if it is not given."""
    source = place.source
    now = argument(program, place, name, at)
    if now is None:
        return None
    keyword = next((k for k in place.node.keywords if k.value is now.node), None)
    if keyword is None and place.node.args[-1] is not now.node:
        return None  # others would move to another place
    start, end = source.span(keyword or now.node)
    spans = [source.span(n) for n in (*place.node.args, *place.node.keywords)]
    if before := [e for _, e in spans if e <= start]:
        return Change(source, max(before), end, "")
    after = [s for s, _ in spans if s >= end]
    return Change(source, start, min(after) if after else end, "")
