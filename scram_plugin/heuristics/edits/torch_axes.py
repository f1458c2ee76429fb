"""Operations of a PyTorch program along the wrong axis, and sums beside means."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from scram_plugin.heuristics.edits.arguments import argument, replaced, set_argument
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.flow import LOOPS, is_loss, within_scope
from scram_plugin.heuristics.edits.program import Code, Piece, program

# losses that are a mean unless they are told to be a sum
MEANS = (
    *("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits"),
    *("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "BCELoss", "BCEWithLogitsLoss"),
)
OF_CLASSES = ("cross_entropy", "nll_loss")  # losses that want the classes as the second axis


def softmax_over_classes(facts: Mapping[str, Any]) -> Edit | None:
    """Let the only softmax along the first axis go along the last one."""
    known = program(facts)
    found = []
    for call in known.calls("softmax", "log_softmax", "Softmax", "LogSoftmax"):
        at = (
            0
            if known.called(call)[0].isupper() or not known.full_name(Piece(call.source, call.node.func)).startswith("torch")
            else 1
        )
        axis = argument(known, call, "dim", at)
        if axis is not None and isinstance(axis.node, ast.Constant) and axis.node.value == 0:
            found.append(replaced(axis, "-1"))
    return known.edit(found) if len(found) == 1 else None


def transpose(facts: Mapping[str, Any], before: Sequence[int], after: Sequence[int]) -> Edit | None:
    """Swap two axes, where the only view with as many sizes gives them each other's lengths: the only one of the program, or
    the only one that is given to a loss of classes."""
    known = program(facts)
    if len(before) != len(after):
        return None
    axes = [at for at, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
    if len(axes) != 2:
        return None
    views = [call for call in known.calls("view", "reshape") if _sizes(call.node) == len(after)]
    given = [call for call in views if _is_given_to_a_loss(known, call)]
    found = given if len(views) > 1 else views
    if len(found) != 1:
        return None
    return known.edit([replaced(found[0], f"{found[0].source.of(found[0].node.func.value)}.transpose({axes[0]}, {axes[1]})")])


def _sizes(call: ast.Call) -> int | None:
    """How many sizes a view is given, one by one or as a tuple; None for a function."""
    if not isinstance(call.func, ast.Attribute) or call.keywords:
        return None
    only = call.args[0] if len(call.args) == 1 else None
    return len(only.elts) if isinstance(only, ast.Tuple | ast.List) else len(call.args)


def _is_given_to_a_loss(known: Code, call: Piece) -> bool:
    outer = call.source.parent(call.node)
    return isinstance(outer, ast.Call) and call.node in outer.args[:1] and known.called(Piece(call.source, outer)) in OF_CLASSES


def sum_errors(facts: Mapping[str, Any]) -> Edit | None:
    """Let the only loss that is a mean be a sum, as the other parts are."""
    known = program(facts)
    found = []
    for call in known.calls(*MEANS):
        told = argument(known, call, "reduction", None)
        if known.full_name(Piece(call.source, call.node.func)).startswith("torch.nn") and not _is_no_mean(told):
            found.append(set_argument(known, call, "reduction", '"sum"'))
    return known.edit(found) if len(found) == 1 else None


def _is_no_mean(told: Piece | None) -> bool:
    return told is not None and not (isinstance(told.node, ast.Constant) and told.node.value == "mean")


def change_compared(facts: Mapping[str, Any], template: str) -> Edit | None:
    """Replace the targets by ``template.format(targets)`` where losses get them: in the loop that trains, and in others."""
    known = program(facts)
    ways = list(known.calls("backward"))
    losses = [call for call in known.nodes(ast.Call) if len(call.node.args) == 2 and is_loss(known, call)]
    plain = [loss for loss in losses if isinstance(loss.node.args[1], ast.Name | ast.Attribute | ast.Subscript)]
    around = [node for way in ways for node in within_scope(way.source, way.node) if isinstance(node, LOOPS)][:1]
    if len(ways) != 1 or not any(inner is loss.node for loop in around for inner in ast.walk(loop) for loss in plain):
        return None
    targets = [Piece(loss.source, loss.node.args[1]) for loss in plain]
    return known.edit([replaced(target, template.format(target.text)) for target in targets])
