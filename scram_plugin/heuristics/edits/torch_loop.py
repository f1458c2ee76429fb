"""A PyTorch training loop, or the trainer that runs it: its optimizer, its loss, its steps, its loaders."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any

from scram_plugin.heuristics.edits import lines
from scram_plugin.heuristics.edits.arguments import argument, of_trainers, replaced, set_argument, set_number, without_argument
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.flow import says_validation
from scram_plugin.heuristics.edits.naming import library, written
from scram_plugin.heuristics.edits.program import Change, Code, Piece, program

# Keras's name of a loss -> class of `torch.nn`, function of `torch.nn.functional`
LOSSES = {
    "binary_crossentropy": ("BCELoss", "binary_cross_entropy"),
    "binary_crossentropy_with_logits": ("BCEWithLogitsLoss", "binary_cross_entropy_with_logits"),
    "sparse_categorical_crossentropy": ("CrossEntropyLoss", "cross_entropy"),
    "categorical_crossentropy": ("CrossEntropyLoss", "cross_entropy"),
    "mean_squared_error": ("MSELoss", "mse_loss"),
}
LOSS_FUNCTIONS = {function for _, function in LOSSES.values()} | {"nll_loss", "l1_loss", "smooth_l1_loss", "huber_loss"}
IN_TRAINERS = {"weight_decay": "weight_decay", "eps": "adam_epsilon"}  # source: the documentation of `TrainingArguments`
OF_PARAMETERS = re.compile(r"([\w.]+)\.parameters\(")
CLIP = re.compile(r"clip_grad_(norm|value)_")


def optimizers(known: Code, facts: Mapping[str, Any]) -> list[Piece]:
    """The calls that make an optimizer of the class that trained."""
    return list(known.calls(str(facts.get("optimizer", {}).get("class"))))


def set_in_optimizer(facts: Mapping[str, Any], name: str, value: str) -> Edit | None:
    """Set an argument of the optimizer where it is created, if there is one such place."""
    known = program(facts)
    found = optimizers(known, facts)
    if not found:
        found, name = of_trainers(known), IN_TRAINERS.get(name, "")
    return known.edit([set_number(known, found[0], name, value)]) if len(found) == 1 and name else None


def minimize(facts: Mapping[str, Any]) -> Edit | None:
    """Remove ``maximize=True`` where the optimizer is created."""
    known = program(facts)
    found = optimizers(known, facts)
    return known.edit([without_argument(known, found[0], "maximize")]) if len(found) == 1 else None


def clip_gradients(facts: Mapping[str, Any], norm: str) -> Edit | None:
    """Clip between ``backward()`` and ``step()``; where a trainer runs the loop, by its own argument."""
    known = program(facts)
    for found, name in ((_trainers(known), "gradient_clip_val"), (of_trainers(known), "max_grad_norm")):
        if len(found) == 1:
            return known.edit([set_argument(known, found[0], name, norm)])
    steps, models = _steps(known), models_with_optimizer(known)
    if len(steps) != 1 or len(models) != 1:
        return None
    text, imports = written(steps[0].source, "torch.nn.utils.clip_grad_norm_")
    statement = steps[0].source.statement(steps[0].node)
    return known.edit([lines.before(steps[0].source, statement, [f"{text}({models[0]}.parameters(), {norm})"]), *imports])


def _trainers(known: Code) -> list[Piece]:
    """The calls that make a trainer of Lightning."""
    return [p for p in known.calls("Trainer") if "lightning" in known.full_name(Piece(p.source, p.node.func))]


def _steps(known: Code) -> list[Piece]:
    """The statements ``optimizer.step()``: of what has parameters, or is called so."""
    made = [p for p in known.nodes(ast.Assign) if ".parameters(" in p.text]
    names = {p.source.of(p.node.targets[0]) for p in made}
    found = []
    for call in known.calls("step"):
        func = call.node.func
        owner = call.source.of(func.value) if isinstance(func, ast.Attribute) else ""
        if not call.node.args and (owner in names or re.search(r"opt", owner, re.I)) and not re.search("sched", owner, re.I):
            found.append(call)
    return found


def models_with_optimizer(known: Code) -> list[str]:
    """The variables whose parameters optimizers get: ``optimizer = Adam(model.parameters())``."""
    found = []
    for call in known.calls("parameters"):
        outer = call.source.parent(call.node)
        if (
            isinstance(outer, ast.Call)
            and isinstance(call.node.func, ast.Attribute)
            and not CLIP.search(call.source.of(outer.func))
        ):
            found.append(call.source.of(call.node.func.value))
    return sorted(set(found))


def clear_gradients(facts: Mapping[str, Any]) -> Edit | None:
    """Put ``optimizer.zero_grad()`` in front of ``loss.backward()``."""
    known = program(facts)
    steps, ways = _steps(known), list(known.calls("backward"))
    owners = {s.source.of(s.node.func.value) for s in steps}
    if len(ways) != 1 or len(owners) != 1 or steps[0].source is not ways[0].source:
        return None
    source = ways[0].source
    return known.edit([lines.before(source, source.statement(ways[0].node), [f"{owners.pop()}.zero_grad()"])])


def never_cleared(facts: Mapping[str, Any]) -> tuple[str, Edit | None] | None:
    """An optimizer that steps and whose gradients nothing clears, in a program that clears those of others; and the change
    that clears them before the backward pass of its step. None where it is not sure."""
    known = program(facts)
    of = {
        place.source.of(place.node.targets[0]): modules
        for place in known.nodes(ast.Assign)
        if isinstance(place.node.value, ast.Call) and (modules := set(OF_PARAMETERS.findall(place.text)))
    }
    clears = {
        call.source.of(call.node.func.value) for call in known.calls("zero_grad") if isinstance(call.node.func, ast.Attribute)
    }
    others = clears - of.keys() - set().union(*of.values())
    if not clears or len(of) < 2 or others or any(".grad = None" in source.text for source in known.sources):
        return None
    for step in _steps(known):
        owner, source = step.source.of(step.node.func.value), step.source
        if owner not in of or owner in clears or of[owner] & clears:
            continue
        statement = source.statement(step.node)
        block = getattr(source.parent(statement), "body", [])
        before = block[: block.index(statement)] if statement in block else []
        ways = [s for s in before if any(known.called(Piece(source, n)) == "backward" for n in ast.walk(s))]
        return owner, known.edit([lines.before(source, ways[-1], [f"{owner}.zero_grad()"])]) if ways else None
    return None


def clear_before_backward(facts: Mapping[str, Any]) -> Edit | None:
    """Move a ``zero_grad()`` that stands between the backward pass and the step in front of the backward pass."""
    known = program(facts)
    clears, ways = list(known.calls("zero_grad")), list(known.calls("backward"))
    if len(clears) != 1 or len(ways) != 1 or clears[0].source is not ways[0].source:
        return None
    source = ways[0].source
    clear, way = source.statement(clears[0].node), source.statement(ways[0].node)
    if source.parent(clear) is not source.parent(way) or clear.lineno < way.lineno or not isinstance(clear, ast.Expr):
        return None
    return known.edit([lines.before(source, way, [source.of(clear)]), lines.removed(source, clear)])


def clip_before_step(facts: Mapping[str, Any]) -> Edit | None:
    """Move a clipping of gradients that follows ``step()`` in the same block in front of it."""
    known = program(facts)
    clips = [p for p in known.nodes(ast.Call) if CLIP.fullmatch(known.called(p))]
    steps = _steps(known)
    if len(clips) != 1 or len(steps) != 1 or clips[0].source is not steps[0].source:
        return None
    source = clips[0].source
    clip, step = source.statement(clips[0].node), source.statement(steps[0].node)
    if source.parent(clip) is not source.parent(step) or clip.lineno < step.lineno or not isinstance(clip, ast.Expr):
        return None
    return known.edit([lines.before(source, step, [source.of(clip)]), lines.removed(source, clip)])


def set_loss(facts: Mapping[str, Any], loss: str) -> Edit | None:
    """Replace the loss, if there is only one, by another, given by Keras's name."""
    known = program(facts)
    kind, function = LOSSES.get(loss, (loss, ""))
    found = [p for p in known.nodes(ast.Call) if re.fullmatch(r"\w+Loss", known.called(p)) or known.called(p) in LOSS_FUNCTIONS]
    found = [p for p in found if known.full_name(Piece(p.source, p.node.func)).startswith("torch")] or found
    now = [p for p in found if known.called(p) in (facts.get("loss", {}).get("class"), facts.get("loss", {}).get("name"))]
    chosen = now or found
    if len({known.called(call) for call in chosen}) != 1:
        return None
    changes: list[Change] = []  # the same loss, of the training and of the validation
    for call in chosen:
        of_class = known.called(call).endswith("Loss")
        if not of_class and not function:
            return None
        text, imports = written(call.source, f"torch.nn.{kind}" if of_class else f"torch.nn.functional.{function}", call)
        place = call if of_class else Piece(call.source, call.node.func)
        kept = ", ".join(call.source.of(given) for given in call.node.keywords if given.arg == "reduction")
        changes += [replaced(place, f"{text}({kept})" if of_class else text), *imports]
    return known.edit(changes)


def set_class_weight(facts: Mapping[str, Any], weights: Sequence[float]) -> Edit | None:
    known = program(facts)
    found = [*known.calls("CrossEntropyLoss"), *known.calls("cross_entropy")]
    if len(found) > 1:  # that of the training
        found = [p for p in found if getattr(p.source.scope(p.node), "name", "") == "training_step" or _has_backward(known, p)]
    if len(found) != 1:
        return None
    name, imports = library(found[0].source, "torch")
    at = 0 if known.called(found[0]) == "CrossEntropyLoss" else 2
    return known.edit([set_argument(known, found[0], "weight", f"{name}.tensor({list(weights)})", at), *imports])


def _has_backward(known: Code, place: Piece) -> bool:
    """Whether the function of a call has the backward pass."""
    scope = place.source.scope(place.node)
    return not isinstance(scope, ast.Module) and any(w.source.scope(w.node) is scope for w in known.calls("backward"))


def shuffle(facts: Mapping[str, Any]) -> Edit | None:
    """Let the training's `DataLoader` shuffle: that whose name does not say that it is for validation."""
    known = program(facts)
    found = []
    for call in known.calls("DataLoader"):
        statement = call.source.statement(call.node)
        inside = call.source.scope(call.node)
        named = call.source.of(statement.targets[0]) if isinstance(statement, ast.Assign) else getattr(inside, "name", "")
        given = call.source.of(call.node.args[0]) if call.node.args else ""
        if not says_validation(f"{named} {given}"):
            found.append(call)
    if len(found) != 1 or argument(known, found[0], "sampler") or argument(known, found[0], "batch_sampler"):
        return None
    return known.edit([set_argument(known, found[0], "shuffle", "True", 2)])


def stop_early(facts: Mapping[str, Any]) -> Edit | None:
    """Lightning's callback that ends a training whose validation loss no longer falls; where its name of that loss is known."""
    known = program(facts)
    found = _trainers(known)
    told = [a for c in known.calls("log") for a in c.node.args[:1] if isinstance(a, ast.Constant)]
    logged = [a.value for a in told if isinstance(a.value, str) and "val" in a.value]
    losses = [name for name in logged if "loss" in name]
    if len(found) != 1 or len(losses) != 1:
        return None
    call = found[0]
    package = known.full_name(Piece(call.source, call.node.func)).rpartition(".Trainer")[0]
    text, imports = written(call.source, f"{package}.callbacks.EarlyStopping", call)
    new = f'{text}(monitor="{losses[0]}", patience=3)'
    given = argument(known, call, "callbacks")
    if given is None:
        return known.edit([set_argument(known, call, "callbacks", f"[{new}]"), *imports])
    if not isinstance(given.node, ast.List) or not given.node.elts:
        return None
    end = call.source.span(given.node.elts[-1])[1]
    return known.edit([Change(call.source, end, end, f", {new}"), *imports])
