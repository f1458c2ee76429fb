"""Inputs and targets that a program brings into two different orders, by what its lines say.

Each variable has a history: the orders and selections that its examples went through. Where two variables are used side by
side, as inputs and targets, their histories are compared. What is not understood is compared with nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from scram_plugin.heuristics.edits.apart import CONVERSIONS, METHODS, ORDERS, TOGETHER
from scram_plugin.heuristics.edits.bindings import functions
from scram_plugin.heuristics.edits.mispaired import PAIR, Key, Made, Mispaired
from scram_plugin.heuristics.edits.program import FUNCTIONS, SCOPES, Code, Piece, program
from scram_plugin.heuristics.edits.source import SourceFile, names_in, own_nodes, targets_of
from scram_plugin.heuristics.edits.target_names import LABELS, NOT_LABELS, SPLITS

SEEDS = re.compile(r"seed|set_?(rng_)?state|default_rng|RandomState|random_state|Generator|Random\(", re.I)
STATES = re.compile(r"set_?(rng_)?state", re.I)
# an array of another one, example by example; source: NumPy, PyTorch, TensorFlow
MAKES = ("constant", "convert_to_tensor", "sqrt", "log", "log1p", "float32", "int64", *CONVERSIONS)
SHUFFLES = ("shuffle",)  # in place, or of what it is given; source: random, NumPy, scikit-learn
SORTED = "sorted"  # gives a new order, too; source: Python
# show what they are given, and leave it as it is; source: Python, IPython, logging, pandas, Matplotlib
SHOWS = ("print", "pprint", "display", "info", "debug", "head", "describe", "hist", "imshow", "plot", "scatter", "bar", "title")
# leave what they are given as it is; source: Python, NumPy
READS = (
    *("len", "type", "str", "repr", "round", "int", "float", "min", "max", "sum", "any", "all", "sorted", "list", "set"),
    *("mean", "std", "median", "bincount", "unique", "shape", "format", "join", "Counter", "head", "tolist", "item", "size"),
)
SPLIT = "train_test_split"  # each argument gives two parts; source: scikit-learn
HOLES = re.compile(r"isnan|isfinite|isnull|notna|notnull|isinf|dropna")  # by which incomplete examples are left out
# without one of these words, nothing is brought into another order, and nothing is left out
WORDS = re.compile(rf"permutation|randperm|shuffle(?!\s*=)|sorted\(|{HOLES.pattern}")
EQUAL = ("ones", "zeros", "full", "empty", "ones_like", "zeros_like", "full_like")  # targets that have no order
LONGEST_ORDER = 200  # characters of the text of an order: a longer one is called by its line; by definition
LENGTHS = re.compile(r"\b(len|size|shape|length|duration)\b")  # in a key of a sort
UNKNOWN = "unknown"  # begins the text of a step that is not understood


def two_orders(facts: Mapping[str, Any]) -> Mispaired | None:
    """The first place where inputs and targets are used side by side in two different orders; None without one."""
    known = program(facts)
    if not any(WORDS.search(source.text) for source in known.sources):
        return None
    for source in known.sources:
        # variables that functions change at any time
        shared = {name for n in source.nodes if isinstance(n, ast.Global | ast.Nonlocal) for name in n.names}
        scopes = [source.tree, *(n for n in source.nodes if isinstance(n, FUNCTIONS[:2]))]
        classes = [n for n in source.nodes if isinstance(n, ast.ClassDef)]
        for scope in (*scopes, *classes):
            found = next(_Scope(known, source, scope, shared).apart(), None)
            if found is not None:
                return found
    return None


class _Scope:
    """Follows the statements of a scope, in their order. Of a class, those of all its methods, for its attributes."""

    def __init__(self, known: Code, source: SourceFile, scope: ast.AST, shared: Iterable[str]) -> None:
        self._known, self._source, self._scope = known, source, scope
        self._of_class = isinstance(scope, ast.ClassDef)
        self._made: dict[str, Made] = {}
        self._orders: dict[str, tuple[str, bool]] = {}  # what was assigned to a name, as text, and whether it was drawn
        self._seeded, self._drawn = "", 0
        self._unordered = set(shared)  # variables that have no order of their own, or that functions change

    def apart(self) -> Iterator[Mispaired]:
        for statement in self._statements():
            for node in ast.walk(statement) if not isinstance(statement, ast.For | ast.While | ast.With | ast.If) else ():
                if isinstance(node, ast.Call) and SEEDS.search(self._source.of(node)):
                    self._seeded, self._drawn = self._source.of(node), 0
            if not self._of_class:
                yield from self._in(statement)
            self._follow(statement)
        for statement in self._statements() if self._of_class else ():  # its methods are called in any order
            yield from self._in(statement)

    def _in(self, statement: ast.stmt) -> Iterator[Mispaired]:
        for inputs, targets in self._pairs(statement):
            if (found := self._compared(statement, inputs, targets)) is not None:
                yield found

    def _statements(self) -> Iterator[ast.stmt]:
        nodes = [n for n in ast.walk(self._scope) if isinstance(n, ast.stmt)]
        inner = [n for n in nodes if self._within(n)]
        yield from sorted(inner, key=lambda n: n.lineno)

    def _within(self, statement: ast.stmt) -> bool:
        if isinstance(statement, SCOPES):
            return False
        if not self._of_class:
            return self._source.scope(statement) is self._scope
        return self._source.enclosing_class(statement) is self._scope

    # ---- what statements do

    def _follow(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            for target in targets_of(statement):
                self._assign(target, statement.value, statement.lineno)
        elif isinstance(statement, ast.For):
            for name in names_in(statement.target):
                self._forget(name, statement.lineno)
        elif (call := self._shuffle_in_place(statement)) is not None:
            text = self._name(call.args[0])
            self._add(text, self._fresh(call))
            self._orders[text] = f"{text}@{call.lineno}", True  # it may be a list of places
        for text in self._changed(statement):
            self._add(text, Key(f"{UNKNOWN}@{statement.lineno}", line=statement.lineno))

    def _shuffle_in_place(self, statement: ast.stmt) -> ast.Call | None:
        call = statement.value if isinstance(statement, ast.Expr) else None
        if not isinstance(call, ast.Call) or len(call.args) != 1 or call.keywords:
            return None
        return call if self._name(call.args[0]) and self._shuffles(call) else None

    def _changed(self, statement: ast.stmt) -> Iterator[str]:
        """The variables to which a statement does what is not understood, or which it may leave as they were."""
        does = isinstance(statement, ast.Expr) and not self._shows(statement.value)
        if does and self._shuffle_in_place(statement) is None:
            yield from self._all_names(statement)  # ``labels.append(...)``, ``fill(x, y)``
        for target in targets_of(statement):
            if isinstance(statement, ast.AugAssign):
                yield from self._all_names(target)
            elif isinstance(target, ast.Subscript | ast.Attribute) and not self._name(target):
                yield from self._all_names(target.value)  # ``y[some] = ...``, ``y.data = ...``
        for node in ast.walk(statement) if isinstance(statement, ast.Assign) else ():
            if isinstance(node, ast.keyword) and node.arg == "out":
                yield from self._all_names(node.value)
        asked = [n for n in self._source.around(statement) if isinstance(n, ast.If) and self._within_scope(n)]
        if any(not re.search(r"shuffle$", self._source.of(n.test)) for n in asked):
            if does:
                yield from self._all_names(statement)
            yield from (
                self._name(n) for n in own_nodes(statement) if isinstance(getattr(n, "ctx", None), ast.Store) and self._name(n)
            )

    def _shows(self, value: ast.expr) -> bool:
        """Whether a call is one that shows things, and no function of the program, and what it is given leaves them alone."""
        if not isinstance(value, ast.Call) or self._called(value) not in SHOWS:
            return False
        calls = [n for n in ast.walk(value) if isinstance(n, ast.Call)]
        known = all(self._called(call) in (*SHOWS, *READS) for call in calls)
        return known and not functions(self._known, Piece(self._source, value)) and "out=" not in self._source.of(value)

    def _within_scope(self, node: ast.AST) -> bool:
        return self._of_class or self._source.scope(node) is self._scope

    def _all_names(self, node: ast.AST) -> list[str]:
        """The variables in an expression."""
        return [text for n in ast.walk(node) if (text := self._name(n))]

    def _shuffles(self, call: ast.Call) -> bool:
        """Whether a call brings what it is given into a new order; a function of the program may be called so, too."""
        own = isinstance(call.func, ast.Name) and functions(self._known, Piece(self._source, call))
        return self._called(call) in SHUFFLES and not own

    def _sorts(self, call: ast.Call) -> bool:
        """Whether a call sorts by a length: a sort of names brings files into the order in which their labels are."""
        return self._called(call) == SORTED and any(LENGTHS.search(self._source.of(k.value)) for k in call.keywords)

    def _called(self, call: ast.Call) -> str:
        return self._known.called(Piece(self._source, call))

    def _assign(self, target: ast.expr, value: ast.expr, line: int) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
                histories = [self._history(each) for each in value.elts]
                for one, each, history in zip(target.elts, value.elts, histories, strict=True):
                    self._set(one, each, history, line)
            elif isinstance(value, ast.Call) and self._called(value) == SPLIT and len(target.elts) == PAIR * len(value.args):
                for i, one in enumerate(target.elts):
                    self._set(one, value, self._history(value.args[i // PAIR]), line)
            else:
                for name in names_in(target):
                    self._forget(name, line)
            return
        self._set(target, value, self._history(value), line)

    def _set(self, target: ast.expr, value: ast.expr, history: Made | None, line: int) -> None:
        if text := self._name(target):
            resolved, drawn = self._resolved(value)
            same = self._converted(value)
            if same is not None:
                self._orders[text] = same
            elif isinstance(value, ast.Call) and any(self._orders.get(n, ("", False))[1] for n in names_in(value)):
                self._orders[text] = f"{UNKNOWN}@{line}", False  # made of an order, as its inverse is
            else:
                short = not isinstance(value, ast.Call) and len(resolved) < LONGEST_ORDER
                self._orders[text] = (f"({resolved})" if short else f"{text}@{line}"), drawn
            self._made[text] = history if history is not None else Made(text, line)
            if isinstance(value, ast.Call) and self._called(value) in EQUAL:
                self._unordered.add(text)

    def _converted(self, value: ast.expr) -> tuple[str, bool] | None:
        """The order that a conversion such as ``order.tolist()`` or ``list(order)`` is made of; None for others."""
        if not isinstance(value, ast.Call) or len(value.args) > 1:
            return None
        of = value.args[0] if value.args else value.func.value if isinstance(value.func, ast.Attribute) else None
        known = self._called(value) in ("tolist", "cpu", "numpy", "clone", "list", "tuple", *METHODS, *MAKES)
        return self._orders.get(of.id) if known and isinstance(of, ast.Name) else None

    def _forget(self, text: str, line: int) -> None:
        self._orders[text] = f"{text}@{line}", False
        self._made[text] = Made(text, line)

    def _add(self, text: str, key: Key) -> None:
        before = self._made.get(text, Made(text, 0))
        self._made[text] = before._replace(keys=(*before.keys, key))

    def _history(self, value: ast.expr) -> Made | None:
        """The history of what an expression gives; None if it is not made of one variable alone."""
        if text := self._name(value):
            return self._made.get(text, Made(text, 0))
        if isinstance(value, ast.Subscript):
            before = self._history(value.value)
            key = self._key(value.slice)
            return before if before is None or key is None else before._replace(keys=(*before.keys, key))
        if isinstance(value, ast.BinOp):  # ``(x - mean) / deviation``
            left, right = self._history(value.left), self._history(value.right)
            return left if isinstance(value.op, ast.Sub | ast.Div) and (right is None or not right.keys) else None
        if isinstance(value, ast.ListComp) and len(value.generators) == 1 and not value.generators[0].ifs:
            before = self._history(value.generators[0].iter)
            drawn_for = before and not before.keys and isinstance(value.elt, ast.Call) and LABELS.search(before.root)
            return None if drawn_for else before  # examples that are made for labels
        if not isinstance(value, ast.Call):
            return None
        name = self._called(value)
        owner = value.func.value if isinstance(value.func, ast.Attribute) else None
        if name in METHODS and owner is not None and not (value.args and self._history(value.args[0]) is not None):
            return self._history(owner)
        if name in MAKES and value.args:
            return self._history(value.args[0])
        single = value.args[0] if len(value.args) == 1 else None
        orders = self._shuffles(value) or name == "permutation"
        if single is not None and self._name(single) and (self._name(single) in self._made if orders else self._sorts(value)):
            before = self._history(single)
            return before and before._replace(keys=(*before.keys, self._fresh(value)))
        if isinstance(single, ast.Call) and self._sorts(single):  # ``encode(sorted(texts, key=len))``
            return self._history(single)
        return None

    def _key(self, index: ast.expr) -> Key | None:
        """What an index does to the examples; None for a part of them in their order."""
        if isinstance(index, ast.Slice):
            upper = index.upper if index.lower is None and index.step is None else None
            of = upper.args if isinstance(upper, ast.Call) and self._called(upper) == "len" else []
            name = self._name(of[0]) if len(of) == 1 else ""
            return Key(f"len({name})", cut=True, line=index.lineno) if name else None
        if isinstance(index, ast.Tuple):
            return self._key(index.elts[0]) if index.elts else None
        if isinstance(index, ast.Call) and self._called(index) in ORDERS:
            return self._fresh(index)
        return Key(*self._resolved(index), line=index.lineno)

    def _resolved(self, index: ast.expr) -> tuple[str, bool]:
        """The text of an index, with the names of orders replaced by where they were made, and whether it was drawn."""
        text = self._source.of(index)
        drawn = any(isinstance(n, ast.Call) and self._called(n) in ORDERS for n in ast.walk(index))
        names = {name: self._orders[name] for name in names_in(index) if name in self._orders}
        text = re.sub(r"[^\W\d]\w*", lambda word: names[word[0]][0] if word[0] in names else word[0], text)
        return text, drawn or any(of_draw for _, of_draw in names.values())

    def _fresh(self, call: ast.Call) -> Key:
        """An order that is drawn here: equal to another one only where both follow the same seed. Or one by a sort."""
        if self._called(call) == SORTED:
            return Key(f"{SORTED}@{call.lineno}", random=True, line=call.lineno)
        self._drawn += 1
        how = ", ".join(self._source.of(n) for n in (call.func, *call.keywords))
        if SEEDS.search(how):
            return Key(how, random=True, line=call.lineno)
        if STATES.search(self._seeded):
            return Key(f"{UNKNOWN}@{call.lineno}", line=call.lineno)
        if self._seeded and self._drawn <= 1:
            return Key(f"seeded by {self._seeded}", random=True, line=call.lineno)
        return Key(f"{how}@{call.lineno}:{call.col_offset}", random=True, line=call.lineno)

    def _name(self, node: ast.AST) -> str:
        """``x``, or ``self.x`` of a class; "" for others."""
        if isinstance(node, ast.Name):
            return "" if self._of_class else node.id
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            return f"self.{node.attr}"
        return ""

    def _seeded_between(self, keys: list[Key]) -> bool:
        """Whether the state of random numbers may be set between two draws."""
        lines = [n for k in keys for n in (k.line, *map(int, re.findall(r"@(\d+)", k.text)))]
        calls = [n for n in self._source.nodes if isinstance(n, ast.Call)]
        setting = [c for c in calls if SEEDS.search(self._source.of(c.func)) or "fork_rng" in self._source.of(c.func)]
        functions = {f.name for c in setting for f in self._source.around(c) if isinstance(f, ast.FunctionDef)}
        setting += [c for c in calls if self._called(c) in functions]
        return any(min(lines) < c.lineno <= max(lines) for c in setting)

    # ---- where two variables stand side by side

    def _pairs(self, statement: ast.stmt) -> Iterator[tuple[ast.expr, ast.expr]]:
        for node in own_nodes(statement):
            if isinstance(node, ast.Call):
                given: list[ast.expr] = [*node.args]
                if len(given) == 1 and isinstance(given[0], ast.Tuple):
                    given = given[0].elts
                named = {k.arg: k.value for k in node.keywords}
                if NOT_LABELS.search(self._source.of(node.func)):  # ``null_model.fit``
                    continue
                together = self._called(node) in TOGETHER and len(given) == PAIR and self._named(given[0], given[1])
                fit = self._called(node) == "fit"
                if fit and "x" in named and "y" in named:
                    yield named["x"], named["y"]
                elif fit and len(given) >= PAIR and isinstance(given[1], ast.Dict):  # targets of several outputs
                    yield from ((given[0], one) for one in given[1].values)
                elif len(given) >= PAIR and (fit or together or self._same_part(given[0], given[1])):
                    yield given[0], given[1]
            elif isinstance(node, ast.Tuple) and len(node.elts) == PAIR and self._same_part(*node.elts):
                yield node.elts[0], node.elts[1]
        if isinstance(statement, ast.Assign):
            block = getattr(self._source.parent(statement), "body", [])
            at = block.index(statement) if statement in block else 0
            before = block[at - 1] if at else None
            if isinstance(before, ast.Assign) and self._same_part(before.value, statement.value):
                yield before.value, statement.value

    def _same_part(self, one: ast.expr, other: ast.expr) -> bool:
        """Whether both are parts, ``[i:j]`` or ``[order]``, of inputs and of targets."""
        (first, part), (second, of_other) = self._part(one), self._part(other)
        same = part == of_other or not any(isinstance(n, ast.Slice) for n in ast.walk(one))
        return bool(first and second) and same and self._named(one, other)

    def _named(self, inputs: ast.expr, targets: ast.expr) -> bool:
        """Whether names say that these are inputs and targets, of one part of the data."""
        x, y = " ".join(self._all_names(inputs)), " ".join(self._all_names(targets))
        same_part = SPLITS.findall(x.lower()) == SPLITS.findall(y.lower())
        return same_part and any(map(LABELS.search, y.split())) and not any(map(LABELS.search, x.split()))

    def _part(self, node: ast.expr) -> tuple[str, str]:
        while isinstance(node, ast.Call) and self._called(node) in MAKES and node.args:
            node = node.args[0]
        if isinstance(node, ast.ListComp) and len(node.generators) == 1:
            node = node.generators[0].iter
        if isinstance(node, ast.Subscript) and (text := self._name(node.value)):
            return text, self._source.of(node.slice)
        return "", ""

    def _compared(self, statement: ast.stmt, inputs: ast.expr, targets: ast.expr) -> Mispaired | None:
        one, other = self._history(inputs), self._history(targets)
        if one is None or other is None or (one.root, one.line) == (other.root, other.line):
            return None  # of one variable, as pairs of similar examples are
        x, y = self._source.of(inputs), self._source.of(targets)
        if {one.root, other.root} & self._unordered or [w for w in NOT_LABELS.findall(y.lower()) if w not in x.lower()]:
            return None
        if all(any(k.text.startswith(SORTED) for k in made.keys) for made in (one, other)):
            return None  # as the names of files
        alone = [[k for k in a.keys if k.text not in {b.text for b in of.keys}] for a, of in ((one, other), (other, one))]
        drawn = [[k for k in keys if k.random] for keys in alone]
        known = [k.line for keys in alone for k in keys if not k.text.startswith(UNKNOWN)]
        # what happened before anything that tells them apart, happened to both as they were
        rest = [k for keys in alone for k in keys if not k.random and k.line >= min(known, default=0)]
        if any(a.text in b.text or b.text in a.text for a in drawn[0] for b in drawn[1]):
            return None  # one order is a part of the other
        draws = [k for keys in drawn for k in keys]
        if all(drawn) and (self._seeded_between(draws) or len({by for k in draws if (by := _source(k.text))}) > 1):
            return None
        if any(drawn) and not [k for k in rest if not k.cut]:
            # what was made after the other was brought into its order may have been made of that
            late = (not drawn[0] and one.line >= min((k.line for k in drawn[1]), default=0)) or (
                not drawn[1] and other.line >= min((k.line for k in drawn[0]), default=0)
            )
            if late:
                return None
            lines = sorted({k.line for k in draws})
            where = f"line {lines[0]}" if len(lines) == 1 else f"lines {lines[0]} and {lines[-1]}"
            how = "each gets an order of its own" if all(drawn) else "one of them gets a new order, and the other keeps its own"
            return Mispaired("orders", statement.lineno, x, y, f"In {where} {how}.")
        cut, filtered = [k for k in alone[1] if k.cut], [k for k in alone[0] if not k.cut]
        if cut and any(HOLES.search(k.text) for k in filtered) and not any(k.text.startswith(UNKNOWN) for k in rest):
            said = f"In line {filtered[0].line} some examples are left out, and in line {cut[0].line} the others are cut off."
            return Mispaired("cut", statement.lineno, x, y, said)
        return None


def _source(text: str) -> str:
    """What draws an order: the module, or the generator."""
    found = re.search(r"([\w.]+)\.(permutation|randperm|shuffle)\b", text)
    return found[1] if found else ""
