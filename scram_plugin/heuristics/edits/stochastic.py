"""Random numbers that a PyTorch program draws in the wrong way: dropout in every mode, and samples without a gradient."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits.arguments import argument, replaced
from scram_plugin.heuristics.edits.program import Change, Piece, program
from scram_plugin.heuristics.edits.uncalled import WrongLine

DROPOUTS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout")  # of torch.nn.functional
MODE, MONTE_CARLO = ".training", re.compile(r"(^|_)mc(_|$)|monte_?carlo|MC[A-Z]", re.I)
WITHOUT_RSAMPLE = ("Categorical", "OneHotCategorical", "Bernoulli", "Geometric", "Poisson")  # source: torch.distributions
WITHOUT_GRADIENTS = ("no_grad", "inference_mode")


def always_dropping(facts: Mapping[str, Any]) -> Iterator[WrongLine]:
    """Calls of functions for dropout, in methods of modules, that do not say whether the model trains."""
    known = program(facts)
    for call in known.calls(*DROPOUTS):
        functional = known.full_name(Piece(call.source, call.node.func)).startswith("torch.nn.functional")
        starred = any(isinstance(a, ast.Starred) for a in call.node.args) or any(k.arg is None for k in call.node.keywords)
        if not functional or starred or argument(known, call, "training", 2) is not None or _asks_for_mode(call):
            continue
        this = _self(call)
        if this:
            end = call.source.span(call.node)[1] - 1
            trailing = call.source.text[:end].rstrip().endswith(",")
            text = f"{' ' if trailing else ', '}training={this}.training"
            yield WrongLine(call.text, call.node.lineno, known.edit([Change(call.source, end, end, text)]))


def _asks_for_mode(call: Piece) -> bool:
    """Whether the mode decides: ``if self.training:`` around the call, or in its arguments; or that it stays on is meant, by
    the name of the function (Monte Carlo dropout; Gal & Ghahramani, 2016)."""
    around = list(call.source.around(call.node))
    asked = [n.test for n in around if isinstance(n, ast.If | ast.IfExp)] + [call.node]
    names = [n.name for n in around if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    return any(MODE in call.source.of(n) for n in asked) or any(MONTE_CARLO.search(name) for name in names)


def _self(call: Piece) -> str:
    """The name of the module in one of its own methods; "" elsewhere."""
    function: Any = call.source.scope(call.node)
    owner = call.source.parent(function) if isinstance(function, ast.FunctionDef) else None
    if not isinstance(owner, ast.ClassDef) or function.decorator_list or not function.args.args:
        return ""
    return function.args.args[0].arg if any("Module" in call.source.of(base) for base in owner.bases) else ""


def not_reparameterised(facts: Mapping[str, Any]) -> Iterator[WrongLine]:
    """Samples, drawn without a gradient, of a distribution whose divergence is computed, and no logarithm of a probability."""
    known = program(facts)
    if not any(known.calls("kl_divergence")) or any(known.calls("log_prob", "rsample", *WITHOUT_RSAMPLE)):
        return
    compared = {c.source.of(given) for c in known.calls("kl_divergence") for given in c.node.args[:1]}
    for call in known.calls("sample"):
        function, outer = call.node.func, call.source.parent(call.node)
        owner = call.source.of(function.value) if isinstance(function, ast.Attribute) else ""
        if owner in compared and not isinstance(outer, ast.Attribute) and not _is_off(call):  # as in `.sample().detach()`
            edit = known.edit([replaced(Piece(call.source, function), f"{owner}.rsample")])
            yield WrongLine(call.text, call.node.lineno, edit)


def _is_off(call: Piece) -> bool:
    """Whether gradients are off around a call: in a block, or in its function."""
    for node in call.source.around(call.node):
        items = [item.context_expr for item in node.items] if isinstance(node, ast.With) else []
        decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
        if any(name in call.source.of(each) for each in [*items, *decorators] for name in WITHOUT_GRADIENTS):
            return True
    return False
