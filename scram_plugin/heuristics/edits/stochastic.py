"""Random numbers that a PyTorch program draws in the wrong way: dropout in every mode, and samples without a gradient."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits.arguments import argument, replaced
from scram_plugin.heuristics.edits.bindings import follow
from scram_plugin.heuristics.edits.program import Change, Code, Piece, program
from scram_plugin.heuristics.edits.uncalled import WrongLine

DROPOUTS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout")  # of torch.nn.functional
MODE, MONTE_CARLO = ".training", re.compile(r"(^|_)mc(_|$)|monte_?carlo|MC[A-Z]", re.I)
WITHOUT_RSAMPLE = ("Categorical", "OneHotCategorical", "Bernoulli", "Geometric", "Poisson")  # source: torch.distributions
WITHOUT_GRADIENTS = ("no_grad", "inference_mode")
GENERATES = re.compile(r"gener|sample|embed|eval|test|infer", re.I)  # names of functions that train nothing
PARAMETERS = 2  # of a normal distribution: mean and standard deviation; by definition
NOISE = ("randn_like", "randn", "normal_")
CUT = r"\.(data\b|detach\(\))"  # what takes a tensor out of the graph
# the divergence of a normal distribution from the standard one, as Kingma & Welling (2014) write it: 1 + log(v) - m**2 - v
DIVERGENCE = re.compile(r"^(?=.*log)(?=.*\bexp\()(?=.*(pow\(2|\*\*\s*2|square\())(?=.*(\b1\.?0?\s*[+-]|[+-]\s*1\b))", re.S)


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
    """Samples, without a gradient, of a distribution whose divergence is computed, and no logarithm of a probability."""
    known = program(facts)
    if any(known.calls("log_prob", "rsample", *WITHOUT_RSAMPLE)):
        return
    yield from _cut_by_hand(known)
    yield from _sampled_by_hand(known)
    compared = {c.source.of(given) for c in known.calls("kl_divergence") for given in c.node.args[:1]}
    for call in known.calls("sample"):
        function, outer = call.node.func, call.source.parent(call.node)
        owner = call.source.of(function.value) if isinstance(function, ast.Attribute) else ""
        if owner in compared and not isinstance(outer, ast.Attribute) and not _is_off(call):  # as in `.sample().detach()`
            edit = known.edit([replaced(Piece(call.source, function), f"{owner}.rsample")])
            yield WrongLine(call.text, call.node.lineno, edit)


def _sampled_by_hand(known: Code) -> Iterator[WrongLine]:
    """``Normal(mean, std).sample()``, where the divergence of `mean` is written out and nothing compares the distribution."""
    written = [p.text for p in known.nodes(ast.Assign, ast.Return, ast.AugAssign) if DIVERGENCE.search(p.text)]
    if not written or any(known.calls("kl_divergence", "randn_like", "normal_")):
        return  # there is another sample, which has a gradient
    for call in known.calls("sample"):
        if _asks_for_mode(call) or GENERATES.search(getattr(call.source.scope(call.node), "name", "")):
            continue
        function, outer = call.node.func, call.source.parent(call.node)
        made = follow(known, Piece(call.source, function.value)) if isinstance(function, ast.Attribute) else call
        if (
            known.called(made) != "Normal"
            or len(made.node.args) < PARAMETERS
            or isinstance(outer, ast.Attribute)
            or _is_off(call)
        ):
            continue
        names = {n.id for given in made.node.args for n in ast.walk(given) if isinstance(n, ast.Name)}
        if any(re.search(rf"\b{re.escape(name)}\b", text) for name in names for text in written):
            owner = call.source.of(function.value)
            edit = known.edit([replaced(Piece(call.source, function), f"{owner}.rsample")])
            yield WrongLine(call.text, call.node.lineno, edit)


def _cut_by_hand(known: Code) -> Iterator[WrongLine]:
    """``mean.data + noise * std.data``, where the divergence is written out."""
    written = [p.text for p in known.nodes(ast.Assign, ast.Return, ast.AugAssign) if DIVERGENCE.search(p.text)]
    if not written:
        return
    made = [p.node for p in known.nodes(ast.Assign) if known.called(Piece(p.source, p.node.value)) in NOISE]
    drawn = {target.id for node in made for target in node.targets if isinstance(target, ast.Name)}
    found: list[WrongLine] = []
    for place in known.nodes(ast.BinOp):
        source, node = place
        noisy = any(n.id in drawn for n in ast.walk(node) if isinstance(n, ast.Name))
        noisy |= any(known.called(Piece(source, n)) in NOISE for n in ast.walk(node) if isinstance(n, ast.Call))
        if not isinstance(node.op, ast.Add) or not noisy or _is_off(place):
            continue
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} - drawn
        if not any(re.search(rf"\b{re.escape(name)}\b", text) for name in names for text in written):
            continue
        if not re.search(CUT, place.text):
            return  # there is another sample, which has a gradient
        outer = source.parent(node)
        if not isinstance(outer, ast.Attribute | ast.BinOp):
            found.append(WrongLine(place.text, node.lineno, known.edit([replaced(place, re.sub(CUT, "", place.text))])))
    yield from found


def _is_off(call: Piece) -> bool:
    """Whether gradients are off around a call: in a block, or in its function."""
    for node in call.source.around(call.node):
        items = [item.context_expr for item in node.items] if isinstance(node, ast.With) else []
        decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
        if any(name in call.source.of(each) for each in [*items, *decorators] for name in WITHOUT_GRADIENTS):
            return True
    return False
