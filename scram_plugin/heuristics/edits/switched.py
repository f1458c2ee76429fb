"""Predictions after `fit` of a trainer that leaves the model in training mode."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits import lines
from scram_plugin.heuristics.edits.program import program
from scram_plugin.heuristics.edits.uncalled import WrongLine

MODES = ("Dropout", "BatchNorm")  # layers that compute something else while they train; source: PyTorch
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
