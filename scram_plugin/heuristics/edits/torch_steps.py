"""What a PyTorch loop leaves out or does at the wrong place: its modes, its step, its scheduler."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from scram_plugin.heuristics.edits import lines
from scram_plugin.heuristics.edits.arguments import replaced
from scram_plugin.heuristics.edits.bindings import follow, given
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.flow import LOOPS, within_scope
from scram_plugin.heuristics.edits.program import Change, Code, Piece, program
from scram_plugin.heuristics.edits.source import SourceFile
from scram_plugin.heuristics.edits.torch_loop import CLIP, models_with_optimizer

# classes of torch.optim.lr_scheduler
SCHEDULERS = (
    *("LambdaLR", "MultiplicativeLR", "StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "PolynomialLR"),
    *("CosineAnnealingLR", "CyclicLR", "OneCycleLR", "CosineAnnealingWarmRestarts", "SequentialLR", "ChainedScheduler"),
)
JUMPS = (ast.Continue, ast.Break, ast.Return, ast.Raise)


def switch_modes(facts: Mapping[str, Any], evaluation: bool) -> Edit | None:
    """Train in training mode; with `evaluation`, evaluate in evaluation mode."""
    known = program(facts)
    batches = _batch_loop(known)
    if batches is None:
        return None
    source, loop = batches
    trained = [c for c in _model_calls(known) if c.source is source and _belongs(known, c, loop)]
    if not trained:
        return None
    changes: list[Change | None] = []
    if not _is_switched(known, source, loop):
        changes.append(lines.before(source, loop, [f"{source.of(trained[0].node.func)}.train()"]))
    if evaluation:
        others = [c for c in _model_calls(known) if c not in trained]
        if not others:
            return None
        changes.append(_before_evaluation(others[0], loop))
    return known.edit(changes) if changes else None


def _batch_loop(known: Code) -> tuple[SourceFile, ast.stmt] | None:
    """The loop over batches: the innermost one with the only backward pass, or with the call of its function."""
    ways = list(known.calls("backward"))
    if len(ways) != 1:
        return None
    loops = [n for n in within_scope(ways[0].source, ways[0].node) if isinstance(n, LOOPS)]
    if loops:
        return ways[0].source, loops[0]
    name = str(getattr(ways[0].source.scope(ways[0].node), "name", ""))
    calls = [c for c in known.calls(name) if c.source.of(c.node.func) in (name, f"self.{name}")]
    if len(calls) != 1 or calls[0].source is not ways[0].source:
        return None
    loops = [n for n in within_scope(calls[0].source, calls[0].node) if isinstance(n, LOOPS)]
    return (calls[0].source, loops[0]) if loops else None


def _belongs(known: Code, call: Piece, loop: ast.stmt) -> bool:
    """Whether a call of the model is in the loop over batches, or in the function that the loop calls for each."""
    if any(n is loop for n in call.source.around(call.node)):
        return True
    way = next(known.calls("backward"))
    apart = not any(n is loop for n in way.source.around(way.node))
    return apart and call.source.scope(call.node) is way.source.scope(way.node)


def _model_calls(known: Code) -> list[Piece]:
    """The calls of the trained model: by its variable, or by the parameter of a function that gets it."""
    names = set(models_with_optimizer(known))
    found = []
    for call in known.nodes(ast.Call):
        if isinstance(call.node.func, ast.Name | ast.Attribute):
            text = call.source.of(call.node.func)
            scope = call.source.scope(call.node)
            parameters = getattr(getattr(scope, "args", None), "args", [])
            is_parameter = text in {p.arg for p in parameters}
            if is_parameter and isinstance(scope, ast.FunctionDef):
                gets = [given(known, c, scope, text, False) for c in known.calls(scope.name)]
                if any(g is not None and g.text in names for g in gets):
                    found.append(call)
            elif text in names:
                found.append(call)
    return found


def _is_switched(known: Code, source: SourceFile, loop: ast.stmt) -> bool:
    """Whether the training mode is switched on in the same round of epochs."""
    around = [loop, *within_scope(source, loop)]
    outermost = [n for n in around if isinstance(n, LOOPS)][-1]
    root = outermost if outermost is not loop else source.scope(loop)
    calls = [c for c in known.calls("train") if c.source is source and not c.node.args]
    return any(any(n is root for n in source.around(c.node)) for c in calls)


def _before_evaluation(call: Piece, training: ast.stmt) -> Change | None:
    """Put ``model.eval()`` in front of what evaluates: in the loop over epochs that also has `training`, or in its function."""
    source = call.source
    blocks = [n for n in within_scope(source, call.node) if isinstance(n, ast.stmt)]
    epochs = next((i for i, n in enumerate(blocks) if any(inner is training for inner in ast.walk(n))), len(blocks))
    return lines.before(source, blocks[epochs - 1], [f"{source.of(call.node.func)}.eval()"]) if epochs else None


def take_steps(facts: Mapping[str, Any]) -> Edit | None:
    """Let the optimizer take a step behind the backward pass, and behind what clips its gradients."""
    known = program(facts)
    ways = list(known.calls("backward"))
    made = [
        p
        for p in known.nodes(ast.Assign)
        if ".parameters(" in p.text and isinstance(p.node.targets[0], ast.Name | ast.Attribute)
    ]
    names = {p.source.of(p.node.targets[0]) for p in made}
    if len(ways) != 1 or len(names) != 1:
        return None
    source = ways[0].source
    last = source.statement(ways[0].node)
    later = lines.following(source, last)
    clip = next((i for i, s in enumerate(later) if CLIP.search(source.of(s))), None)
    if clip is not None:
        if any(
            isinstance(n, JUMPS) or known.called(Piece(source, n)) == "zero_grad" for s in later[:clip] for n in ast.walk(s)
        ):
            return None
        last = later[clip]
    return known.edit([lines.behind(source, last, [f"{names.pop()}.step()"])])


def call_scheduler(facts: Mapping[str, Any], each_epoch: bool) -> Edit | None:
    """Call the scheduler once an epoch, behind the loop over batches; or else in each step."""
    known = program(facts)
    if any(configured := _of_lightning(known, "epoch" if each_epoch else "step")):
        return known.edit(configured)
    batches = _batch_loop(known)
    calls = [
        c for c in known.calls("step") if isinstance(c.node.func, ast.Attribute) and "sched" in c.source.of(c.node.func).lower()
    ]
    if batches is None or len(calls) != 1 or calls[0].source is not batches[0]:
        return None
    source, loop = batches
    statement = source.statement(calls[0].node)
    inside = any(n is loop for n in source.around(statement))
    text = source.of(statement)
    if inside is not each_epoch or not isinstance(statement, ast.Expr):
        return None
    if each_epoch:
        return known.edit([lines.removed(source, statement), lines.behind(source, loop, [text])])
    last = getattr(loop, "body", [])[-1]
    return known.edit([lines.removed(source, statement), lines.behind(source, last, [text])])


def _of_lightning(known: Code, interval: str) -> list[Change | None]:
    """What lets Lightning call the only scheduler that ``configure_optimizers`` returns so often."""
    methods = [p for p in known.nodes(ast.FunctionDef) if p.node.name == "configure_optimizers"]
    if len(methods) != 1:
        return []
    source = methods[0].source
    returned = [node.value for node in ast.walk(methods[0].node) if isinstance(node, ast.Return) and node.value is not None]
    found = [scheduler for value in returned for scheduler in _schedulers(follow(known, Piece(source, value)).node)]
    if len(found) != 1:
        return []
    place = Piece(source, found[0])
    made = follow(known, place)
    if isinstance(made.node, ast.Dict) and made.source is source:
        entries = {k.value: v for k, v in zip(made.node.keys, made.node.values, strict=True) if isinstance(k, ast.Constant)}
        first = made.node.keys[0] if made.node.keys else None
        if (told := entries.get("interval")) is not None:
            return [replaced(Piece(source, told), f'"{interval}"')] if isinstance(told, ast.Constant) else []
        if "scheduler" not in entries or first is None:
            return []
        start = source.span(first)[0]
        return [Change(source, start, start, f'"interval": "{interval}"{source.between(first)}')]
    if isinstance(made.node, ast.Call) and known.called(made) in SCHEDULERS:
        return [replaced(place, f'{{"scheduler": {place.text}, "interval": "{interval}"}}')]
    return []


def _schedulers(returned: ast.expr) -> list[ast.expr]:
    """The schedulers in what ``configure_optimizers`` returns: ``[optimizer], [scheduler]``, or a dictionary."""
    if isinstance(returned, ast.Tuple) and len(returned.elts) == 2 and isinstance(returned.elts[1], ast.List):
        return returned.elts[1].elts
    if isinstance(returned, ast.Dict):
        pairs = zip(returned.keys, returned.values, strict=True)
        return [v for k, v in pairs if isinstance(k, ast.Constant) and k.value == "lr_scheduler"]
    return []
