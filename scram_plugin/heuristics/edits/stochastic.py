"""Random numbers that a PyTorch program draws in the wrong way: dropout in every mode, and samples without a gradient."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits.arguments import argument, replaced
from scram_plugin.heuristics.edits.program import Change, Code, Piece, program
from scram_plugin.heuristics.edits.uncalled import WrongLine

DROPOUTS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout")  # of torch.nn.functional
WITHOUT_GRADIENTS = ("no_grad", "inference_mode")


def always_dropping(facts: Mapping[str, Any]) -> Iterator[WrongLine]:
    """Calls of functions for dropout, in methods of modules, that do not say whether the model trains."""
    known = program(facts)
    for call in known.calls(*DROPOUTS):
        functional = known.full_name(Piece(call.source, call.node.func)).startswith("torch.nn.functional")
        starred = any(isinstance(a, ast.Starred) for a in call.node.args) or any(k.arg is None for k in call.node.keywords)
        if not functional or starred or argument(known, call, "training", 2) is not None:
            continue
        this = _self(call)
        if this:
            end = call.source.span(call.node)[1] - 1
            trailing = call.source.text[:end].rstrip().endswith(",")
            text = f"{' ' if trailing else ', '}training={this}.training"
            yield WrongLine(call.text, call.node.lineno, known.edit([Change(call.source, end, end, text)]))


def _self(call: Piece) -> str:
    """The name of the object in a method of a class; "" elsewhere."""
    scope = call.source.scope(call.node)
    arguments = getattr(getattr(scope, "args", None), "args", [])
    return arguments[0].arg if call.source.enclosing_class(call.node) is not None and arguments else ""


def not_reparameterised(facts: Mapping[str, Any]) -> Iterator[WrongLine]:
    """Samples, drawn without a gradient, of a distribution whose divergence is computed, and no logarithm of a probability."""
    known = program(facts)
    if not any(known.calls("kl_divergence")) or any(known.calls("log_prob")):
        return
    compared = {c.source.of(given) for c in known.calls("kl_divergence") for given in c.node.args[:1]}
    for call in known.calls("sample"):
        function = call.node.func
        if isinstance(function, ast.Attribute) and call.source.of(function.value) in compared and not _is_off(known, call):
            owner = call.source.of(function.value)
            yield WrongLine(
                call.text, call.node.lineno, known.edit([replaced(Piece(call.source, function), f"{owner}.rsample")])
            )


def _is_off(known: Code, call: Piece) -> bool:
    """Whether gradients are off around a call: in a block, or in its function."""
    for node in call.source.around(call.node):
        items = [item.context_expr for item in node.items] if isinstance(node, ast.With) else []
        decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
        if any(name in call.source.of(each) for each in [*items, *decorators] for name in WITHOUT_GRADIENTS):
            return True
    return False
