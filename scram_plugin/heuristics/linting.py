"""What is wrong with heuristics of the user's own: all of it at once, with file, line and what would be right.

Most of it is read from the source text; the module is imported at the end, as `scram check` does, to find what only that shows.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Collection, Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

from scram_plugin.errors import BadOption
from scram_plugin.heuristics.catalogue import HEURISTICS, from_file, line_in
from scram_plugin.heuristics.heuristic import CONFIDENCES, FAMILIES, FILLED_IN, Finding, Heuristic
from scram_plugin.heuristics.page import Page, PageError
from scram_plugin.severity import SEVERITIES

NAME = "HEURISTIC"
ALLOWED = {"severity": SEVERITIES, "confidence": CONFIDENCES}


class Mistake(NamedTuple):
    """Something that is wrong; `line` counts from 1."""

    file: Path
    line: int
    sentence: str


def modules(paths: Iterable[Path]) -> list[Path]:
    """The modules of heuristics among these files and in these directories. Raises BadOption where there is none."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += [file for file in sorted(path.rglob("*.py")) if NAME in file.read_text(encoding="utf-8", errors="replace")]
        elif path.is_file():
            found.append(path)
        else:
            raise BadOption(f"{path}: there is no such file or directory")
    if not found:
        raise BadOption(f"no module with {NAME} in {', '.join(map(str, paths))}")
    return found


def lint(module: Path) -> list[Mistake]:
    """All that is wrong with one heuristic, its module and its page, in the order of files and lines."""
    page, problems = _page(module)
    problems += _source(module, page)
    # what is known already would only be told twice
    if page is not None and not any(problem.file == module for problem in problems):
        problems += _loaded(module, _line_of_heuristic(module))
    return sorted(set(problems))


def _page(module: Path) -> tuple[Page | None, list[Mistake]]:
    path = module.with_suffix(".md")
    try:
        page = Page.parse(path.read_text(encoding="utf-8"), path.name)
    except OSError:
        return None, [Mistake(module, 1, f"there is no page {path.name} beside it; `docs/writing-a-check.md` shows one")]
    except UnicodeDecodeError as error:
        return None, [Mistake(path, 1, f"it is not UTF-8: {error.reason} at byte {error.start}")]
    except PageError as error:
        return None, [Mistake(path, error.line, error.sentence)]
    return page, [Mistake(path, problem.line, problem.sentence) for problem in page.problems()]


def _source(module: Path, page: Page | None) -> list[Mistake]:
    try:
        tree = ast.parse(module.read_text(encoding="utf-8"))
    except SyntaxError as error:
        return [Mistake(module, error.lineno or 1, f"it is no Python: {error.msg}")]
    except (UnicodeDecodeError, ValueError) as error:
        return [Mistake(module, 1, f"it is no Python: {error}")]
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    found: list[Mistake] = []
    if not any(NAME in _targets(node) for node in tree.body):
        found.append(Mistake(module, 1, f"it has no {NAME} = Heuristic(...)"))
    findings = [call for call in calls if _called(call) == "Finding"]
    for call in findings:
        found += [Mistake(module, line, sentence) for line, sentence in _finding(call)]
    if page is not None and not list(page.problems()):
        for call in calls:
            if _called(call) == "Cause" and (id_ := _constant(_argument(call, 0, "id"))) is not None and id_ not in page.causes:
                sentence = f"there is no cause {id_!r} on the page; its causes are {', '.join(page.causes)}"
                found.append(Mistake(module, call.lineno, sentence))
        found += _template(module, page, findings)
    return found


def _finding(call: ast.Call) -> Iterator[tuple[int, str]]:
    """(line, sentence) of what is wrong with a call of `Finding`, as far as its text shows it."""
    given = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}
    known = [field.name for field in fields(Finding) if field.name not in FILLED_IN]
    for name, value in given.items():
        if name not in known:
            yield value.lineno, f"a Finding has no {name}; it has {', '.join(known)}"
    for name, allowed in ALLOWED.items():
        constant = _constant(given.get(name))
        if constant is not None and constant not in allowed:
            yield given[name].lineno, f"{name} is one of {', '.join(allowed)}, not {constant!r}"
    for name in ("title", "axis"):
        if _constant(given.get(name)) == "":
            yield given[name].lineno, f"{name} is empty"
    curves = given.get("curves")
    if isinstance(curves, ast.List) and not curves.elts:
        yield curves.lineno, "curves is empty; name at least one curve that shows the problem, as curve.source() does"


def _template(module: Path, page: Page, findings: Collection[ast.Call]) -> list[Mistake]:
    """Names that the template asks for and no finding has; nothing where a finding's evidence is not written out."""
    written: set[str] = set()
    for call in findings:
        evidence = next((keyword.value for keyword in call.keywords if keyword.arg == "evidence"), None)
        if not isinstance(evidence, ast.Dict) or not all(isinstance(key, ast.Constant) for key in evidence.keys):
            return []
        written |= {str(key.value) for key in evidence.keys if isinstance(key, ast.Constant)}
    if not findings:
        return []
    has = ", ".join(sorted(written)) or "nothing"
    return [
        Mistake(module.with_suffix(".md"), line, f"the template asks for {name}, and the finding's evidence has {has}")
        for name, line in page.placeholders().items()
        if name not in written
    ]


def _line_of_heuristic(module: Path) -> int:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    return next((node.lineno for node in tree.body if NAME in _targets(node)), 1)


def _loaded(module: Path, line: int) -> list[Mistake]:
    """What importing it shows; `line` is that of its HEURISTIC."""
    try:
        loaded = from_file(module)
    except (Exception, SystemExit) as error:
        return [Mistake(module, line_in(module, error) or line, f"it cannot be imported: {type(error).__name__}: {error}")]
    if not isinstance(loaded, Heuristic):
        return [Mistake(module, line, f"{NAME} is of the type {type(loaded).__name__}, and not Heuristic")]
    built_in = next((heuristic for heuristic in HEURISTICS if heuristic.id == loaded.id), None)
    if built_in is not None and Path(inspect.getfile(built_in.check)).resolve() != module.resolve():
        return [Mistake(module, line, f"there is a heuristic {loaded.id!r} already; give this one another id")]
    known = {*FAMILIES, *(heuristic.id for heuristic in HEURISTICS)}
    wrong = [f"explains names {name!r}, which is no heuristic and no family" for name in loaded.explains if name not in known]
    if not list(loaded.page.problems()):
        causes = loaded.page.causes
        wrong += [
            f"unexplained names {name!r}, which is no cause on the page; its causes are {', '.join(causes)}"
            for name in loaded.unexplained
            if name not in causes
        ]
    return [Mistake(module, line, sentence) for sentence in wrong]


def _targets(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _called(call: ast.Call) -> str:
    function = call.func
    return function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""


def _argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    if len(call.args) > position:
        return call.args[position]
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _constant(node: ast.expr | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None
