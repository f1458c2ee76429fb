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
COLOURS = ("3",)  # channels of pictures in colour; by definition
SOFTMAXES = ("softmax", "log_softmax", "Softmax", "LogSoftmax")
OF_CLASSES = ("cross_entropy", "nll_loss")  # losses that want the classes as the second axis


def softmax_over_classes(facts: Mapping[str, Any]) -> Edit | None:
    """Let the only softmax along the first axis go along the last one."""
    return _along(facts, SOFTMAXES, (0,), "-1")


def softmax_over_channels(facts: Mapping[str, Any]) -> Edit | None:
    """Let the only softmax along the last axis of three or four go along the second one."""
    return _along(facts, SOFTMAXES, (-1, 2, 3), "1")


def softmax_over_tokens(facts: Mapping[str, Any]) -> Edit | None:
    """Let the only log-softmax along the second axis go along the last one."""
    return _along(facts, ("log_softmax", "LogSoftmax"), (1,), "-1")


def softmax_over_keys(facts: Mapping[str, Any], axes: int) -> Edit | None:
    """Let the only softmax along the second last axis, of `axes`, go along the last one."""
    return _along(facts, SOFTMAXES, (-2, axes - 2), "-1")


def normalize_examples(facts: Mapping[str, Any]) -> Edit | None:
    """Let the only `normalize` along the first axis go along the last one."""
    return _along(facts, ("normalize",), (0,), "-1", after=2)


def _along(facts: Mapping[str, Any], names: Sequence[str], wrong: Sequence[int], right: str, after: int = 1) -> Edit | None:
    """Another axis for the only call of such a function that has a wrong one. `after`: arguments of the function before it."""
    known = program(facts)
    found = []
    for call in known.calls(*names):
        function = not known.called(call)[0].isupper()
        of_torch = known.full_name(Piece(call.source, call.node.func)).startswith("torch")
        axis = argument(known, call, "dim", after if function and of_torch else 0)
        try:
            value = ast.literal_eval(axis.node) if axis is not None else None
        except ValueError:
            continue
        if axis is not None and value in wrong and not isinstance(value, bool):
            found.append(replaced(axis, right))
    return known.edit(found) if len(found) == 1 else None


def transpose(facts: Mapping[str, Any], before: Sequence[int], after: Sequence[int]) -> Edit | None:
    """Swap two axes, where the only view with as many sizes gives them each other's lengths: the only one of the program, or
    the only one that is given to a loss of classes."""
    known = program(facts)
    if len(before) != len(after):
        return None
    axes = [at for at, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
    if len(axes) != 2 or [before[at] for at in axes] != [after[at] for at in reversed(axes)]:
        return None
    calls = list(known.calls("view", "reshape"))
    views = [call for call in calls if _sizes(call.node) == len(after)]
    given = [call for call in views if _is_given_to_a_loss(known, call)]
    of_models = [call for call in views if call.source.enclosing_class(call.node) is not None]
    functions = [call for call in calls if _sizes(call.node) is None]
    found = given or (of_models if not functions else [])
    if len(found) != 1:
        return None
    swapped = f"{found[0].source.of(found[0].node.func.value)}.transpose({axes[0]}, {axes[1]})"
    return known.edit([replaced(found[0], swapped if given else f"{swapped}.contiguous()")])  # another view may follow


def permute_pictures(facts: Mapping[str, Any]) -> Edit | None:
    """Let the only view of pictures that puts their channels first swap axes, ``view(3, height, width)``, as tensors and arrays
    can."""
    known = program(facts)
    found = []
    for call in known.calls("view", "reshape"):
        sizes = [call.source.of(size) for size in call.node.args] if _sizes(call.node) == len(call.node.args) else []
        *several, channels, height, width = sizes if len(sizes) in (3, 4) else ("", "", "")
        if channels in COLOURS and width not in COLOURS:
            at = len(several)
            order = ", ".join([*several, height, width, channels])
            swaps = f".swapaxes({at + 1}, {at + 2}).swapaxes({at}, {at + 1})"
            found.append(replaced(call, f"{call.source.of(call.node.func)}({order}){swaps}"))
    return known.edit(found) if len(found) == 1 else None


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
        summed = "sum(" in call.source.of(call.source.scope(call.node)) if _in_function(call) else True
        if summed and known.full_name(Piece(call.source, call.node.func)).startswith("torch.nn") and not _is_no_mean(told):
            found.append(set_argument(known, call, "reduction", '"sum"'))
    return known.edit(found) if len(found) == 1 else None


def warms_up_weight(facts: Mapping[str, Any]) -> bool:
    """Whether the program has a weight that rises to 1: ``min(1.0, epoch / 12)``."""
    for call in program(facts).calls("min"):
        ones = [a for a in call.node.args if isinstance(a, ast.Constant) and a.value == 1]
        rising = [a for a in call.node.args if isinstance(a, ast.BinOp) and isinstance(a.op, ast.Div)]
        if ones and rising:
            return True
    return False


def average_errors(facts: Mapping[str, Any]) -> Edit | None:
    """Let the only loss that is told to be a sum be a mean, as the other parts are."""
    known = program(facts)
    found = []
    for call in known.calls(*MEANS, "kl_div", "cross_entropy", "nll_loss", "CrossEntropyLoss", "NLLLoss", "KLDivLoss"):
        told = argument(known, call, "reduction", None)
        if told is not None and isinstance(told.node, ast.Constant) and told.node.value == "sum":
            mean = "batchmean" if known.called(call) in ("kl_div", "KLDivLoss") else "mean"
            found.append(replaced(told, f'"{mean}"'))
    return known.edit(found) if len(found) == 1 else None


def _in_function(call: Piece) -> bool:
    return isinstance(call.source.scope(call.node), ast.FunctionDef)


def _is_no_mean(told: Piece | None) -> bool:
    return told is not None and not (isinstance(told.node, ast.Constant) and told.node.value == "mean")


def change_compared(facts: Mapping[str, Any], template: str) -> Edit | None:
    """Replace the targets by ``template.format(targets)`` where the loss of the training gets them; so also where it gets what
    has the same name in other loops."""
    known = program(facts)
    ways = list(known.calls("backward"))
    losses = [call for call in known.nodes(ast.Call) if len(call.node.args) == 2 and is_loss(known, call)]
    around = [node for way in ways for node in within_scope(way.source, way.node) if isinstance(node, LOOPS)][:1]
    trained = [loss for loss in losses for loop in around if any(inner is loss.node for inner in ast.walk(loop))]
    if len(ways) != 1 or len({loss.source.of(loss.node.func) for loss in trained}) != 1:
        return None
    first = trained[0]
    wanted = first.source.of(first.node.func), first.source.of(first.node.args[1])
    same = [loss for loss in losses if (loss.source.of(loss.node.func), loss.source.of(loss.node.args[1])) == wanted]
    if not isinstance(first.node.args[1], ast.Name | ast.Attribute | ast.Subscript):
        return None
    targets = [Piece(loss.source, loss.node.args[1]) for loss in same]
    return known.edit([replaced(target, template.format(target.text)) for target in targets])
