"""Predictions of a model that no line switches to evaluation mode: after `fit` of a trainer, or by a method of the model."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits import lines
from scram_plugin.heuristics.edits.program import Piece, program
from scram_plugin.heuristics.edits.uncalled import WrongLine

MODES = ("Dropout", "BatchNorm")  # layers that compute something else while they train; source: PyTorch
# methods that do not predict: they give parameters and parts, train, or move a model; source: PyTorch
KEEPS = re.compile(
    r"_|(named_)?(parameters|buffers|modules|children)$|(load_)?state_dict|zero_grad|train$|to$|cpu|cuda|half|float|apply|register|"
    r"requires|share|update|reset|init|copy|loss|policy|act"
)
WITHOUT = re.compile(r"no_grad|inference_mode|set_grad_enabled\(False")  # source: PyTorch
ON_PURPOSE = re.compile(r"mc_?drop|monte|bayes|uncertain|spread|std\(", re.I)  # several passes, to see how much they differ
SWITCHES = ("eval", "train", "freeze", "load_from_checkpoint")  # after these a model evaluates; source: PyTorch, Lightning


def predicts_in_training(facts: Mapping[str, Any]) -> Iterator[WrongLine]:
    """Calls of the model itself behind Lightning's `fit`, which ends in training mode, where nothing switches it."""
    known = program(facts)
    classes = [str(layer.get("class")) for layer in (facts.get("model") or {}).get("layers") or []]
    fits = list(known.calls("fit")) if facts.get("trainer") == "lightning" else []
    if len(fits) != 1 or any(known.calls(*SWITCHES)) or not any(name.startswith(MODES) for name in classes):
        return
    source, fit = fits[0]
    model = fit.args[0] if fit.args else next((k.value for k in fit.keywords if k.arg == "model"), None)
    statement = source.statement(fit)
    if not isinstance(model, ast.Name) or not isinstance(statement, ast.Expr | ast.Assign):
        return
    made = [n for n in known.nodes(ast.Name) if n.node.id == model.id and isinstance(n.node.ctx, ast.Store)]
    if len(made) != 1:
        return  # it may be another one by then
    for call in known.nodes(ast.Call):
        behind = call.source is source and call.node.lineno > fit.lineno and source.scope(call.node) is source.scope(fit)
        if not behind or not isinstance(call.node.func, ast.Name) or call.node.func.id != model.id:
            continue
        passes = [n for n in source.around(call.node) if isinstance(n, ast.ListComp | ast.GeneratorExp)]
        if any(source.of(n.generators[0].iter).startswith("range(") for n in passes):
            continue  # several passes through dropout, to see how much they differ (Gal & Ghahramani, 2016)
        switch = lines.behind(source, statement, [f"{model.id}.eval()"])
        yield WrongLine(call.text, call.node.lineno, known.edit([switch]))


def decodes_in_training(facts: Mapping[str, Any]) -> Iterator[WrongLine]:
    """Calls of a method of the model that predicts without gradients, where the program never calls `eval`.

    Such a method calls the layers, and not the model itself, so that no forward pass of an evaluation was seen.
    """
    loop = facts.get("loop") or {}
    known, kinds = program(facts), loop.get("modal") or []
    if loop.get("unswitched") or loop.get("evaluations") or not any("Dropout" in kind for kind in kinds):
        return
    trains = [call for call in known.calls("train") if isinstance(call.node.func, ast.Attribute)]
    if any(known.calls("eval")) or any(call.node.args or call.node.keywords for call in trains):
        return
    given = [call for call in known.calls("parameters") if isinstance(call.node.func, ast.Attribute)]
    models = {call.source.of(call.node.func.value) for call in (*trains, *given)}
    for call in known.nodes(ast.Call):
        function = call.node.func
        predicts = isinstance(function, ast.Attribute) and not KEEPS.match(function.attr)
        kept = not isinstance(call.source.parent(call.node), ast.Expr)
        if predicts and kept and call.source.of(function.value) in models and _is_without_gradients(call):
            yield WrongLine(call.text, call.node.lineno, None)


def _is_without_gradients(call: Piece) -> bool:
    """Whether a call stands in a block or a function without gradients, which does not repeat it to see how results differ."""
    for node in call.source.around(call.node):
        parts = node.decorator_list if isinstance(node, ast.FunctionDef) else []
        parts = [item.context_expr for item in node.items] if isinstance(node, ast.With) else parts
        if any(WITHOUT.search(call.source.of(part)) for part in parts):
            return not ON_PURPOSE.search(call.source.of(node))
    return False
