"""Fixes of the data: their scale, values that are missing, labels."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from scram_plugin.heuristics.edits import keras_layers, lines
from scram_plugin.heuristics.edits.arguments import argument, replaced
from scram_plugin.heuristics.edits.bindings import follow
from scram_plugin.heuristics.edits.edit import Edit
from scram_plugin.heuristics.edits.flow import Flow, at_callers, can_be_set_before, change, flow, runs_once
from scram_plugin.heuristics.edits.forward import scaled_in_forward
from scram_plugin.heuristics.edits.model import made
from scram_plugin.heuristics.edits.naming import library, written
from scram_plugin.heuristics.edits.program import Change, Code, Piece, imported, program
from scram_plugin.heuristics.edits.target_names import LABELS

TINY = "1e-8"  # keeps the division by the spread of a constant column finite; source: Adam's epsilon, for the same purpose
# what says that cells of a table may be missing, and what keeps the argument of a logarithm above 0
MISSING = re.compile(r"\bnan\b|isna|isnull|fillna|dropna|read_csv", re.I)
GUARDED = re.compile(r"\d *[+]|[+] *\w*(\d|eps)|clip|clamp|maximum|where", re.I)
PIXELS = ("255", "255.0")  # by which those of a picture are divided; by definition
# words in a line that say that what it divides is no picture
MASKS = re.compile(r"mask|label|target|seg|\bgt|binar|batch|page|block", re.I)
ZEROS = ("zeros", "zeros_like", "new_zeros")  # source: PyTorch, NumPy, Keras
REWARDS = re.compile(r"reward|advantage|(^|_)adv(s|antages?)?$", re.I)  # by definition
BATCH_SIZE = re.compile(r"((train|mini)_?)?(batch(_?size)?|bs)", re.I)  # the name of a batch size; by definition


def of_torch(facts: Mapping[str, Any]) -> bool:
    return facts.get("framework") == "torch"


def names_batch_size(facts: Mapping[str, Any], examples: int) -> bool:
    """Whether the program gives a variable for the batch size this value: ``BATCH = 64``."""
    known = program(facts)
    for place in known.nodes(ast.Assign):
        holder, value = place.node.targets[0], place.node.value
        pairs = zip(holder.elts, value.elts, strict=False) if _tuples(holder, value) else [(holder, value)]
        for one, number in pairs:
            name = str(getattr(one, "id", None) or getattr(one, "attr", ""))
            value = number.value if isinstance(number, ast.Constant) and type(number.value) is int else 0
            if BATCH_SIZE.fullmatch(name) and value == examples > 1:
                return True
    return False


def divide_pixels(facts: Mapping[str, Any]) -> Edit | None:
    """Let the only division of whole numbers by 255 keep what is behind the point: ``image // 255``; None with another one."""
    known = program(facts)
    found = [
        Change(place.source, *place.source.span(place.node), f"{place.source.of(place.node.left)} / {by}")
        for place in known.nodes(ast.BinOp)
        if isinstance(place.node.op, ast.FloorDiv)
        and (by := place.source.of(place.node.right)) in PIXELS
        and not MASKS.search(place.source.of(place.source.statement(place.node)))
    ]
    return known.edit(found) if len(found) == 1 else None


def names_zeros(facts: Mapping[str, Any]) -> bool:
    """Whether the program calls an array of zeros labels: ``labels = torch.zeros(len(logits), dtype=torch.long)``."""
    known = program(facts)
    for place in known.nodes(ast.Assign):
        zeros = [n for n in ast.walk(place.node.value) if known.called(Piece(place.source, n)) in ZEROS]
        if zeros and LABELS.search(place.source.of(place.node.targets[0])):
            return True
    return False


def speaks_of_rewards(facts: Mapping[str, Any]) -> bool:
    """Whether a variable of the program is called after a reward or an advantage, as where actions are learned."""
    return any(REWARDS.search(name) for name in program(facts).names)


def scores_actions(facts: Mapping[str, Any]) -> bool:
    """Whether the program asks for the logarithms of probabilities, as those of actions."""
    return any(program(facts).calls("log_prob"))


def _tuples(holder: ast.AST, value: ast.AST) -> bool:
    return isinstance(holder, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List)


def rescale_inputs(facts: Mapping[str, Any], divisor: str, minus_one: bool, input_name: str | None) -> Edit | None:
    """Divide the inputs of training and validation (then subtract 1); `input_name` names one of several.

    A layer does it where the model has a place for one, so that it also holds when the model is used.
    """
    known, after = program(facts), " - 1" if minus_one else ""
    if not of_torch(facts):
        layer = keras_layers.first_layer(known, "Rescaling", f"1.0 / {divisor}{', offset=-1' if minus_one else ''}", input_name)
        if layer is not None and (edit := known.edit(layer)) is not None:
            return edit
    if input_name is not None:
        return None
    data = flow(known, of_torch(facts))
    edit = known.edit(change(known, data, data.x, lambda x: f"{grouped(x)} / {divisor}{after}")) if data is not None else None
    return edit or scaled_in_forward(known, facts, f"{{0}} / {divisor}{after}")


def grouped(text: str) -> str:
    """An expression in brackets, unless it is a name, a number, a call or a part of something."""
    node = ast.parse(text, mode="eval").body
    return text if isinstance(node, ast.Name | ast.Call | ast.Subscript | ast.Attribute | ast.Constant) else f"({text})"


def normalize_features(facts: Mapping[str, Any]) -> Edit | None:
    """Scale each feature to mean 0 and standard deviation 1, by the training data alone."""
    known = program(facts)
    data = _once(known, flow(known, of_torch(facts)))
    names = _new_names(known)
    if data is None or names is None:
        return None
    if not of_torch(facts) and (edit := _with_normalization(known, data)) is not None:
        return edit
    mean, spread = names
    rows = data.rows.format(grouped(data.x[0].text))
    # PyTorch takes NumPy's `axis`, too
    made_ = f"{mean}, {spread} = {rows}.mean(axis=0), {rows}.std(axis=0) + {TINY}"
    measured = lines.before(data.source, data.anchor, [made_])
    return known.edit(_together(measured, change(known, data, data.x, lambda x: f"({grouped(x)} - {mean}) / {spread}")))


def _once(known: Code, data: Flow | None) -> Flow | None:
    """The data where the training's are alone: what is measured of them must not be measured of the validation's again."""
    return data if data is None or runs_once(known, data) else at_callers(known, data)


def _together(first: Change | None, changes: list[Change | None]) -> list[Change | None]:
    """Lines that are put in front of the same statement as one change, in their order."""
    same = next((c for c in changes if c is not None and first is not None and c[:3] == first[:3]), None)
    if same is None or first is None:
        return [first, *changes]
    return [Change(*first[:3], first.new + same.new), *(c for c in changes if c is not same)]


def _new_names(known: Code) -> tuple[str, str] | None:
    """Names for a mean and a spread that the program does not use."""
    used = known.names
    pairs = (("mean", "spread"), ("own_mean", "own_spread"))
    return next((pair for pair in pairs if not used & set(pair)), None)


def _with_normalization(known: Code, data: Flow) -> Edit | None:
    """A layer that has seen the training data, if these have their last value before the model is made."""
    start = made(known)
    if start is None or "normalization" in known.names or data.rows != "{}" or start.source is not data.source:
        return None
    layer = keras_layers.first_layer(known, "normalization", "")
    if layer is None:
        return None
    statement = start.source.statement(start.node)
    for change_ in layer:
        if change_.source is start.source:
            statement = lines.first_of(start.source, statement, change_.start)  # a functional model is made at its end
    if not can_be_set_before(data._replace(anchor=statement), data.x[0]):
        return None
    text, imports = written(start.source, "keras.layers.Normalization", keras_layers.beside(known, start.source))
    lines_ = [f"normalization = {text}()", f"normalization.adapt({data.x[0].text})"]
    return known.edit([*_together(lines.before(start.source, statement, lines_), list(layer)), *imports])


def replace_missing_inputs(facts: Mapping[str, Any]) -> Edit | None:
    """Replace inputs of the training that are not finite by 0."""
    known = program(facts)
    data = flow(known, of_torch(facts))
    if data is None:
        return None
    of_numpy = not of_torch(facts) and "numpy" in imported(data.source).values()
    module = "numpy" if of_numpy else "torch" if of_torch(facts) else "keras.ops"
    text, imports = written(data.source, f"{module}.nan_to_num")
    return known.edit([*change(known, data, data.x[:1], lambda x: f"{text}({x})"), *imports])


def guard_logarithm(facts: Mapping[str, Any]) -> Edit | None:
    """Add a little to what the only logarithm of a variable is taken of; None where cells of a table may be missing."""
    known = program(facts)
    if any(MISSING.search(source.text) for source in known.sources):
        return None
    found = []
    for name in ("log", "log10", "log2"):
        for call in known.calls(name):
            inner = Piece(call.source, call.node.args[0]) if call.node.args else None
            if inner is not None and isinstance(inner.node, ast.Name | ast.Attribute | ast.Subscript):
                found.append(inner)
    if len(found) != 1 or GUARDED.search(follow(known, found[0]).text):
        return None
    return known.edit([replaced(found[0], f"{found[0].text} + 1e-6")])


def keep_finite_targets(facts: Mapping[str, Any]) -> Edit | None:
    """Leave out the examples whose target is not finite."""
    known = program(facts)
    data = flow(known, of_torch(facts))
    if data is None or not data.y or "kept" in known.names or any(known.calls("random_split")):  # of a given number of examples
        return None
    name, imports = library(data.source, "torch" if of_torch(facts) else "numpy")
    x, y = data.x[0], data.y[0]
    finite = f"{name}.isfinite({y.text}).reshape(len({y.text}), -1).all({'dim' if of_torch(facts) else 'axis'}=1)"
    if can_be_set_before(data, x) and can_be_set_before(data, y):
        made_ = [f"kept = {finite}", f"{x.text}, {y.text} = {x.text}[kept], {y.text}[kept]"]
        return known.edit([lines.before(data.source, data.anchor, made_), *imports])
    measured = lines.before(data.source, data.anchor, [f"kept = {finite}"])
    parts = [Change(p.source, *p.source.span(p.node), f"{grouped(p.text)}[kept]") for p in (x, y)]
    return known.edit([measured, *parts, *imports])


def change_targets(facts: Mapping[str, Any], template: str) -> Edit | None:
    """Replace the targets, of training and validation, by ``template.format(targets, training targets)``.

    None where the model is asked for outputs whose targets are not known, since they would be compared in another unit; but
    Keras's `predict` gives them in the old unit, if the new one is known.
    """
    known = program(facts)
    data = flow(known, of_torch(facts))
    if data is None or len(data.y) + len(data.asked) < len(data.x):
        return None
    if not of_torch(facts) and len(list(known.calls("predict"))) > len(data.asked):
        return None
    if "{1}" not in template:
        others = [] if of_torch(facts) else _targets_of_asked(known, data)
        if others is None:
            return None
        data.y.extend(others)
        return known.edit(change(known, data, data.y, lambda y: template.format(grouped(y))))
    names, data = _new_names(known), _once(known, data)
    if names is None or data is None or template != STANDARDIZED:
        return None
    mean, spread = names
    rows = data.rows.format(grouped(data.y[0].text))
    measured = lines.before(data.source, data.anchor, [f"{mean}, {spread} = {rows}.mean(), {rows}.std()"])
    if not data.asked:
        return known.edit(_together(measured, change(known, data, data.y, lambda y: f"({grouped(y)} - {mean}) / {spread}")))
    if any(data.source.statement(place.node).lineno < data.anchor.lineno for place in (*data.y, *data.asked)):
        return None
    # Variables keep their unit, since outputs are compared with them.
    targets = [replaced(place, f"({grouped(place.text)} - {mean}) / {spread}") for place in data.y]
    return known.edit([measured, *targets, *(replaced(call, f"({call.text} * {spread} + {mean})") for call in data.asked)])


def _targets_of_asked(known: Code, data: Flow) -> list[Piece] | None:
    """The targets that predictions are compared with, by their names: ``y_test`` for ``X_test``; None where one has none."""
    names = {p.node.id: p for p in known.nodes(ast.Name) if p.source is data.source and isinstance(p.node.ctx, ast.Load)}
    found = []
    for call in data.asked:
        inputs = argument(known, call, "x", 0)
        name = inputs.text if inputs is not None and isinstance(inputs.node, ast.Name) else ""
        mine = next((p for p in names if name[:1] in "xX" and p in (f"y{name[1:]}", f"Y{name[1:]}")), None)
        if mine is None or not can_be_set_before(data, names[mine]):
            return None
        if mine not in {place.text for place in data.y}:
            found.append(names[mine])
    return found


STANDARDIZED = "({0} - {1}.mean()) / {1}.std()"


def change_validation(facts: Mapping[str, Any], template: str) -> Edit | None:
    """Replace the validation inputs by ``template.format(inputs)``."""
    known = program(facts)
    data = flow(known, of_torch(facts))
    return known.edit(change(known, data, data.x[1:], lambda x: template.format(grouped(x)))) if data is not None else None
