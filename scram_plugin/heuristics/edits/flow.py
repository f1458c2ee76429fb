"""Where inputs and targets of a training and of its validation stand in the program, and changes of them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from scram_plugin.heuristics.edits import lines
from scram_plugin.heuristics.edits.arguments import argument, replaced
from scram_plugin.heuristics.edits.bindings import follow, given, unpacked
from scram_plugin.heuristics.edits.model import fits
from scram_plugin.heuristics.edits.program import Change, Code, Piece
from scram_plugin.heuristics.edits.source import SourceFile

LOOPS = (ast.For, ast.AsyncFor, ast.While)
VALIDATION = ("val", "valid", "dev", "test", "eval")  # words in the names of what is not trained on; source: usual names


class Flow(NamedTuple):
    """Expressions for inputs and targets. Of `x` and `y` the first is the training's, the others are of validation and tests.

    `anchor` is the statement that uses the training's first; `rows` says how to write the part of it that is trained on;
    `asked` are the calls that give outputs for inputs without targets.
    """

    source: SourceFile
    anchor: ast.stmt
    x: list[Piece]
    y: list[Piece]
    rows: str = "{}"
    asked: tuple[Piece, ...] = ()


def flow(known: Code, of_torch: bool) -> Flow | None:
    """None where the program does not say it plainly."""
    found = _of_torch(known) if of_torch else _of_fit(known)
    return found


def _of_fit(known: Code) -> Flow | None:
    calls = fits(known)
    if len(calls) != 1:
        return None
    call = calls[0]
    if call.node.args and isinstance(call.node.args[0], ast.Starred):
        return _of_pairs(known, call)
    x, y = argument(known, call, "x"), argument(known, call, "y")
    if x is None:
        return None
    if y is None:
        return _of_slices(known, call.source, x)
    data = Flow(call.source, call.source.statement(call.node), [x], [y])
    validation = argument(known, call, "validation_data")
    whole = follow(known, validation) if validation is not None else None
    if whole is not None and isinstance(whole.node, ast.Tuple) and len(whole.node.elts) >= 2:
        data.x.append(Piece(whole.source, whole.node.elts[0]))
        data.y.append(Piece(whole.source, whole.node.elts[1]))
    elif whole is not None:
        return None  # a data set, or made elsewhere
    asked, mine = [], call.source.of(call.node.func).removesuffix(".fit")
    for later in known.calls("evaluate", "predict"):
        if later.source is call.source and later.source.scope(later.node) is call.source.scope(call.node):
            first = argument(known, later, "x", 0)
            second = argument(known, later, "y", 1) if known.called(later) == "evaluate" else None
            data.x.extend([first] if first is not None else [])
            data.y.extend([second] if second is not None else [])
            own = call.source.of(later.node.func) == f"{mine}.predict"
            asked += [later] if own and first is not None else []
    data = data._replace(asked=tuple(asked))
    split = argument(known, call, "validation_split")
    if split is not None and isinstance(split.node, ast.Constant) and isinstance(split.node.value, float):
        share = f"{1 - split.node.value:g}"
        return data._replace(rows=f"{{0}}[: int(len({{0}}) * {share})]")
    return data


def _of_pairs(known: Code, call: Piece) -> Flow | None:
    """``fit(*train, validation_data=test)``, where a function of the program returns the pairs."""
    training = unpacked(known, Piece(call.source, call.node.args[0].value))
    given = argument(known, call, "validation_data")
    validation = unpacked(known, given) if given is not None else None
    pairs = [p for p in (training, validation) if p is not None and isinstance(p.node, ast.Tuple) and len(p.node.elts) == 2]
    if training is None or not pairs or pairs[0] is not training or any(p.source is not training.source for p in pairs):
        return None
    x, y = ([Piece(p.source, p.node.elts[i]) for p in pairs] for i in (0, 1))
    return Flow(training.source, training.source.statement(training.node), x, y)


def _of_slices(known: Code, source: SourceFile, x: Piece) -> Flow | None:
    """``tf.data.Dataset.from_tensor_slices((x, y))``."""
    found = []
    for call in known.calls("from_tensor_slices"):
        given = call.node.args[0] if call.node.args else None
        if isinstance(given, ast.Tuple) and len(given.elts) >= 2:
            found.append((call, Piece(call.source, given.elts[0]), Piece(call.source, given.elts[1])))
    return _in_order(found)


def _of_torch(known: Code) -> Flow | None:
    found = []
    for call in known.calls("TensorDataset"):
        if len(call.node.args) >= 2 and not any(isinstance(a, ast.Starred) for a in call.node.args):
            found.append((call, Piece(call.source, call.node.args[0]), Piece(call.source, call.node.args[-1])))
    return _with_direct(known, _in_order(found)) if found else _of_loop(known)


def _with_direct(known: Code, data: Flow | None) -> Flow | None:
    """With the inputs that the model is given whole, without a loader: ``model(x_test)``."""
    if data is None:
        return None
    models, names = models_with_parameters(known), {place.text for place in data.x}
    more: list[Piece] = []
    if len(models) != 1:  # a generator, or an embedding, may get something else
        return data
    for call in known.nodes(ast.Call):
        if call.source is data.source and call.node.args and call.source.of(call.node.func) in models:
            given_ = Piece(call.source, call.node.args[0])
            place = given_ if isinstance(given_.node, ast.Name) else _whole(known, given_)
            if place is not None and place.text not in names and can_be_set_before(data, place):
                more.append(place)
    return data._replace(x=[*data.x, *more])


def models_with_parameters(known: Code) -> set[str]:
    """What the program asks for its parameters."""
    return {p.source.of(p.node.func.value) for p in known.calls("parameters") if isinstance(p.node.func, ast.Attribute)}


def _of_loop(known: Code) -> Flow | None:
    """A loop that takes its batches from variables: ``loss(model(x[i : i + 32]), y[i : i + 32]).backward()``."""
    ways = list(known.calls("backward"))
    if len(ways) != 1:
        return None
    source = ways[0].source
    loops = [n for n in within_scope(source, ways[0].node) if isinstance(n, LOOPS)]
    models = models_with_parameters(known)
    if not loops or len(models) != 1:
        return None
    model = models.pop()
    calls = [p for p in known.nodes(ast.Call) if p.source is source and source.of(p.node.func) == model and p.node.args]
    inside = [c for c in calls if any(n is loops[0] for n in source.around(c.node))]
    if not inside:
        return None
    x = [_whole(known, Piece(source, c.node.args[0])) for c in [inside[0], *(c for c in calls if c is not inside[0])]]
    losses = [p for p in known.nodes(ast.Call) if p.source is source and len(p.node.args) == 2 and is_loss(known, p)]
    losses.sort(key=lambda p: not any(n is loops[0] for n in source.around(p.node)))  # that of the training first
    y = [_whole(known, Piece(source, p.node.args[1])) for p in losses]
    if any(place is None for place in x):
        return None
    found = [place for place in y if place is not None]
    return Flow(source, loops[-1], [p for p in x if p is not None], found if len(found) == len(y) else [])


def is_loss(known: Code, place: Piece) -> bool:
    """Whether a call is one of a loss, by its name."""
    return any(word in known.called(place).lower() for word in ("loss", "criterion", "entropy"))


def _whole(known: Code, place: Piece) -> Piece | None:
    """The variable that a batch is cut out of; None where that is not plain."""
    node = follow(known, place).node
    while True:
        if isinstance(node, ast.Subscript):
            node = node.value
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("to", "float", "cuda", "long")
        ):
            node = node.func.value
        else:
            break
    return Piece(place.source, node) if isinstance(node, ast.Name) else None


def _in_order(found: list[tuple[Piece, Piece, Piece]]) -> Flow | None:
    """The training's data first: those whose names do not say that they are for validation."""
    training = [f for f in found if not _is_validation(f)]
    if len(training) > 1:  # ``TensorDataset(x[:n], y[:n]), TensorDataset(x[n:], y[n:])``
        training = [
            f
            for f in training
            if isinstance(f[1].node, ast.Subscript)
            and f[1].text.replace(" ", "").endswith("]")
            and isinstance(f[1].node.slice, ast.Slice)
            and f[1].node.slice.lower is None
        ]
    if len(training) != 1:
        return None
    others = [f for f in found if f is not training[0]]
    first = min(found, key=lambda f: f[0].node.lineno)[0]
    if any(
        f[0].source is not first.source or f[0].source.scope(f[0].node) is not first.source.scope(first.node) for f in found
    ):
        return None
    ordered = [training[0], *others]
    return Flow(first.source, first.source.statement(first.node), [f[1] for f in ordered], [f[2] for f in ordered])


def says_validation(text: str) -> bool:
    """Whether names say that something is not trained on."""
    return any(word in text.lower() for word in VALIDATION)


def _is_validation(found: tuple[Piece, Piece, Piece]) -> bool:
    call, x, _ = found
    statement = call.source.statement(call.node)
    text = call.source.of(statement.targets[0]) if isinstance(statement, ast.Assign) else ""
    both = "train" in text.lower()  # ``train_set, val_set = random_split(TensorDataset(x, y), [800, 200])``
    return says_validation(x.text) or (says_validation(text) and not both)


def change(known: Code, data: Flow, places: Sequence[Piece], template: Callable[[str], str]) -> list[Change | None]:
    """Change expressions: a variable that is used from the anchor on gets its new value in front of it, all else where it is
    written."""
    made: list[Change | None] = []
    names: list[str] = []
    for place in places:
        if can_be_set_before(data, place):
            if place.text not in names:
                names.append(place.text)
        else:
            made.append(replaced(place, template(place.text)))
    if names:
        made.append(lines.before(data.source, data.anchor, [f"{name} = {template(name)}" for name in names]))
    return made


def can_be_set_before(data: Flow, place: Piece) -> bool:
    """Whether a variable has its last value before the anchor, which runs once."""
    source, node = place
    if not isinstance(node, ast.Name) or source is not data.source or source.scope(node) is not source.scope(data.anchor):
        return False
    if in_loop(source, data.anchor) or source.statement(node).lineno < data.anchor.lineno:
        return False  # it would be changed again in each round; it was used before
    return all(line < data.anchor.lineno for line in _assigned_at(source, node)) and _is_bound(data, node)


def in_loop(source: SourceFile, node: ast.AST) -> bool:
    """Whether a node runs again and again in its scope."""
    return any(isinstance(n, LOOPS) for n in within_scope(source, node))


def within_scope(source: SourceFile, node: ast.AST) -> Iterator[ast.AST]:
    scope = source.scope(node)
    for above in source.around(node):
        if above is scope:
            return
        yield above


def _assigned_at(source: SourceFile, name: ast.Name) -> list[int]:
    scope = source.scope(name)
    return [n.lineno for n in ast.walk(scope) if isinstance(n, ast.Name) and n.id == name.id and isinstance(n.ctx, ast.Store)]


def _is_bound(data: Flow, name: ast.Name) -> bool:
    """Whether a variable gets its value in this scope: an assignment to one of another scope would make a new one."""
    scope = data.source.scope(name)
    here = bool(_assigned_at(data.source, name))
    arguments = getattr(scope, "args", None)
    return here or (
        isinstance(arguments, ast.arguments) and any(a.arg == name.id for a in (*arguments.posonlyargs, *arguments.args))
    )


def at_callers(known: Code, data: Flow) -> Flow | None:
    """The same data where a function gets them that makes the data sets of both: ``data_set(x_train, y_train)``."""
    scope = data.source.scope(data.anchor)
    if not isinstance(scope, ast.FunctionDef):
        return None
    method = isinstance(data.source.scope(scope), ast.ClassDef)
    names = {p.arg for p in scope.args.args}
    x, y = (
        [n.id for n in ast.walk(places[0].node) if isinstance(n, ast.Name) and n.id in names] for places in (data.x, data.y)
    )
    if len(set(x)) != 1 or len(set(y)) != 1:
        return None
    found = []
    for call in known.calls(scope.name):
        inputs, targets = (given(known, call, scope, name, method) for name in (x[0], y[0]))
        if inputs is None or targets is None:
            return None
        found.append((call, inputs, targets))
    return _in_order(found) if found else None


def runs_once(known: Code, data: Flow) -> bool:
    """Whether the anchor is in no function that the program calls for training and validation alike."""
    scope = data.source.scope(data.anchor)
    return isinstance(scope, ast.Module) or len(list(known.calls(str(getattr(scope, "name", ""))))) <= 1
