"""How a program would write a name of a library: as it writes others, with an import where it needs one."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from scram_plugin.heuristics.edits.program import Change, Piece, imported, usual
from scram_plugin.heuristics.edits.source import SourceFile

NICKNAMES = {"numpy": "np", "torch.nn.functional": "F", "torch.nn": "nn"}  # source: the libraries' own documentation


def written(source: SourceFile, full: str, near: Piece | None = None) -> tuple[str, list[Change]]:
    """How the file writes ``keras.layers.Dropout``, and the changes of its imports that this needs.

    `near` is a call of something from the same module, whose way of writing it is taken over.
    """
    module, _, last = full.rpartition(".")
    names = imported(source)
    exact = [alias for alias, of in names.items() if of == full]
    if exact:
        return exact[0], []
    if near is not None and isinstance(near.node.func, ast.Attribute):
        owner = Piece(source, near.node.func.value)
        first = owner.text.partition(".")[0]
        if _full(names, owner.node) == module or (
            first not in names and owner.text.rpartition(".")[2] == module.rpartition(".")[2]
        ):
            return f"{owner.text}.{last}", []
    aliases = {of: alias for alias, of in names.items()}
    bare = near is not None and isinstance(near.node.func, ast.Name)
    if bare and (extended := _extended(source, module, last)) is not None:
        return last, [extended]
    prefix = module
    while prefix:
        if prefix in aliases:
            return f"{aliases[prefix]}{module[len(prefix) :]}.{last}", []
        prefix = prefix.rpartition(".")[0]
    if (root := _tensorflow(names, module)) is not None:
        return f"{root}.{full}", []
    if (extended := _extended(source, module, last)) is not None:
        return last, [extended]
    return _with_import(source, module, last)


def library(source: SourceFile, name: str) -> tuple[str, list[Change]]:
    """How the file writes a whole library: ``np``; with an import where it has none."""
    found = [alias for alias, of in imported(source).items() if of == name]
    if found:
        return found[0], []
    nick = NICKNAMES.get(name)
    return nick or name, [_added(source, f"import {name} as {nick}" if nick else f"import {name}")]


def _full(names: dict[str, str], node: ast.AST) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return usual(".".join([names.get(node.id, node.id), *reversed(parts)])) if isinstance(node, ast.Name) else ""


def _tensorflow(names: dict[str, str], module: str) -> str | None:
    """The name of TensorFlow, which has Keras in it."""
    return next((alias for alias, of in names.items() if of == "tensorflow"), None) if module.startswith("keras") else None


def _extended(source: SourceFile, module: str, name: str) -> Change | None:
    """``from keras.layers import Dense`` with one more name."""
    for node in source.tree.body:
        if (
            isinstance(node, ast.ImportFrom)
            and not node.level
            and usual(node.module or "") == module
            and node.names[0].name != "*"
        ):
            end = source.span(node.names[-1])[1]
            return Change(source, end, end, f", {name}")
    return None


def _with_import(source: SourceFile, module: str, last: str) -> tuple[str, list[Change]]:
    """A name with an import of the library it is in, written as the file writes Keras, if it imports parts of it."""
    root = module.partition(".")[0]
    if root == "keras" and (spelling := _spelling(source)) is not None:
        return last, [_added(source, f"from {spelling}{module[len('keras') :]} import {last}")]
    return f"{module}.{last}", [_added(source, f"import {module if root == 'torch' and module != 'torch' else root}")]


def _spelling(source: SourceFile) -> str | None:
    """``tensorflow.keras`` or ``keras``, by the parts of it that the file imports."""
    for node in source.nodes:
        if isinstance(node, ast.ImportFrom) and not node.level and usual(node.module or "").partition(".")[0] == "keras":
            module = str(node.module)
            return module[: module.index("keras") + len("keras")]
    return None


def _added(source: SourceFile, line: str) -> Change:
    """One more import, after the last one at the top of the file."""
    imports: Sequence[ast.stmt] = [n for n in source.tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    after = next((rows[1] for n in reversed(imports) if (rows := source.rows(n)) is not None), 0)
    return Change(source, after, after, f"{line}\n")
