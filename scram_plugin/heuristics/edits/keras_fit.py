"""The calls of `compile` and `fit` of a Keras program, its optimizer and its loss."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from typing import Any

from scram_plugin.heuristics.edits.arguments import argument, replaced, set_argument, without_argument
from scram_plugin.heuristics.edits.bindings import follow
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.flow import says_validation
from scram_plugin.heuristics.edits.model import fits
from scram_plugin.heuristics.edits.naming import written
from scram_plugin.heuristics.edits.program import Change, Code, Piece, program
from scram_plugin.heuristics.edits.rates import with_optimizer


def set_loss(facts: Mapping[str, Any], loss: str) -> Edit | None:
    """Give `compile` another loss, named as text."""
    known = program(facts)
    found = [place for call in known.calls("compile") if (place := argument(known, call, "loss")) is not None]
    if len(found) != 1:
        return None
    given = follow(known, found[0])
    named = isinstance(given.node, ast.Constant) and isinstance(given.node.value, str)
    return known.edit([replaced(given if named else found[0], json.dumps(loss))])


def set_from_logits(facts: Mapping[str, Any], value: bool) -> Edit | None:
    """Set the flag where the loss is created, if there is one such place; a loss that is given by name becomes an object."""
    known = program(facts)
    kind = str(facts.get("loss", {}).get("class"))
    found = list(known.calls(kind))
    if not found and value:
        given = [place for call in known.calls("compile") if (place := argument(known, call, "loss")) is not None]
        if len(given) != 1 or not isinstance(follow(known, given[0]).node, ast.Constant):
            return None
        text, imports = written(given[0].source, f"keras.losses.{kind}")
        return known.edit([replaced(given[0], f"{text}(from_logits=True)"), *imports])
    if len(found) != 1:
        return None
    if not value:
        return known.edit([without_argument(known, found[0], "from_logits", 0)])
    return known.edit([set_argument(known, found[0], "from_logits", str(value))])


def set_in_optimizer(facts: Mapping[str, Any], name: str, value: str) -> Edit | None:
    """Set an argument of the optimizer where it is made, if there is one such place; ``compile("adam")`` gets an optimizer."""
    known = program(facts)
    optimizer = str(facts.get("optimizer", {}).get("class"))
    found = list(known.calls(optimizer))
    if not found:
        return with_optimizer(known, optimizer, name, value)
    return known.edit([set_argument(known, found[0], name, value)]) if len(found) == 1 else None


def set_in_fit(facts: Mapping[str, Any], name: str, value: str | None) -> Edit | None:
    """Set an argument of `fit` (``shuffle``); None removes it."""
    known = program(facts)
    found = fits(known)
    if len(found) != 1:
        return None
    return known.edit(
        [set_argument(known, found[0], name, value) if value is not None else without_argument(known, found[0], name)]
    )


def shuffle(facts: Mapping[str, Any]) -> Edit | None:
    """Let `fit` shuffle its arrays, or ``from_tensor_slices((x, y))`` what it makes of them."""
    known = program(facts)
    found = [p for p in known.calls("from_tensor_slices") if p.node.args and isinstance(p.node.args[0], ast.Tuple)]
    training = [p for p in found if not says_validation(p.text)]
    if len(training) != 1 or "shuffle" in {known.called(p) for p in known.nodes(ast.Call)}:
        return set_in_fit(facts, "shuffle", None)
    source, node = training[0]
    end = source.span(node)[1]
    return known.edit([Change(source, end, end, f".shuffle(len({source.of(node.args[0].elts[0])}))")])


def add_callback(facts: Mapping[str, Any], callback: str) -> Edit | None:
    """Add a Keras callback (``EarlyStopping(...)``) to the call of fit."""
    known = program(facts)
    found = fits(known)
    if len(found) != 1:
        return None
    call = found[0]
    name, _, rest = callback.partition("(")
    given = argument(known, call, "callbacks")
    whole = follow(known, given) if given is not None else None
    source = call.source if whole is None else whole.source
    text, imports = written(source, f"keras.callbacks.{name}", _near(known, whole))
    new = f"{text}({rest}"
    if given is None:
        return known.edit([set_argument(known, call, "callbacks", f"[{new}]"), *imports])
    if whole is not None and isinstance(whole.node, ast.List):
        return known.edit([_appended(whole, new), *imports])
    return None


def _near(known: Code, whole: Piece | None) -> Piece | None:
    """A callback of Keras in the list, whose way of writing is taken over."""
    elements = whole.node.elts if whole is not None and isinstance(whole.node, ast.List) else []
    calls = [Piece(whole.source, e) for e in elements if isinstance(e, ast.Call)] if whole is not None else []
    return next((c for c in calls if known.full_name(Piece(c.source, c.node.func)).startswith("keras.callbacks")), None)


def _appended(whole: Piece, new: str) -> Change:
    source, elements = whole.source, whole.node.elts
    if not elements:
        end = source.span(whole.node)[1] - 1
        return Change(source, end, end, new)
    end = source.span(elements[-1])[1]
    return Change(source, end, end, f", {new}")
