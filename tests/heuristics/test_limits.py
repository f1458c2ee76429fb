"""Every limit has a name, a unit and a source, and pages take their numbers from options."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from scram_plugin import heuristics
from scram_plugin.heuristics.catalogue import HEURISTICS
from scram_plugin.heuristics.curves import overfitting
from scram_plugin.heuristics.heuristic import Option
from scram_plugin.heuristics.page import NUMBERED, Page, PageError

ROOM = Path(heuristics.__file__).parent
MODULES = sorted(path for path in ROOM.rglob("*.py") if "edits" not in path.parts)
# where a number may come from: a publication, a standard, a benchmark of this repository, a framework, or what it means
SOURCE = re.compile(r"\b(19|20)\d\d\b|IEEE 754|three-sigma rule|by (definition|bench-\w+)|for speed|default of (Keras|PyTorch)")
PLAIN = {0, 1, 2, 100}  # nothing, one, two, percent: these need no name
NOT_LIMITS = {"LAST", "HEURISTIC", "OPTIONS"}  # places in an order


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOM))


def comments(path: Path) -> dict[int, str]:
    """Line -> its comment."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
    return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


def numbers(node: ast.AST) -> Iterator[float]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, int | float) and not isinstance(part.value, bool):
            yield part.value


def limits(path: Path) -> Iterator[tuple[str, str]]:
    """(name, comment) of each number that a module gives a name in capitals. The comment is on its line or above it."""
    tree, said = ast.parse(path.read_text(encoding="utf-8")), comments(path)
    for line in tree.body:
        if not isinstance(line, ast.Assign) or not any(numbers(line.value)):
            continue
        name = ast.unparse(line.targets[0])
        if not name.isupper() or name.startswith("_") or name in NOT_LIMITS:
            continue
        above, at = [], line.lineno - 1
        while at in said:
            above.append(said[at])
            at -= 1
        yield name, " ".join([*above, *(said.get(i, "") for i in range(line.lineno, (line.end_lineno or 0) + 1))])


def test_every_option_has_a_source():
    options = [(h.id, o) for h in HEURISTICS for o in h.options]
    assert len(options) > 90
    assert [f"{id_}.{o.name}" for id_, o in options if len(o.help) < 20 or (not SOURCE.search(o.source)
            and not re.search(r"make bench-\w+", o.source))] == [], (
        "say in `source=` of the Option where the default comes from: a publication with its year, the default of a framework, "
        "or the benchmark that prints how far it can move"
    )  # fmt: skip


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_number_with_a_name_has_a_source(path):
    without = [name for name, comment in limits(path) if not SOURCE.search(comment)]
    assert without == [], (
        f"in {name_of(path)} the comment of {', '.join(without)} does not say where the number comes from: a publication with "
        "its year, 'by bench-limits', 'by definition', ..."
    )


def test_named_benchmarks_exist():
    named = {name for path in MODULES for name in re.findall(r"by (bench-\w+)", path.read_text(encoding="utf-8"))}
    assert named == {"bench-labelled", "bench-limits", "bench-strangers", "bench-verdicts"}
    makefile = (ROOM.parent.parent / "Makefile").read_text(encoding="utf-8")
    for name in named:
        assert f"\n{name}: " in makefile
        assert find_spec(f"tests.benchmarks.{name.removeprefix('bench-')}")


def bare(path: Path) -> Iterator[str]:
    """Lines of functions in which a number without a name is compared, calculated with, or given to a function."""
    source = path.read_text(encoding="utf-8")
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Compare):
                parts = [node.left, *node.comparators]
            elif isinstance(node, ast.BinOp):
                parts = [node.left, node.right]
            elif isinstance(node, ast.Call):
                parts = [*node.args, *(keyword.value for keyword in node.keywords)]
            elif isinstance(node, ast.Slice):
                parts = [part for part in (node.lower, node.upper, node.step) if part is not None]
            else:
                continue
            for part in parts:
                at = part.operand if isinstance(part, ast.UnaryOp) else part
                if isinstance(at, ast.Constant) and set(numbers(at)) - PLAIN:
                    yield f"{name_of(path)}, line {at.lineno}: {source.splitlines()[at.lineno - 1].strip()}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_bare_number_decides(path):
    assert list(bare(path)) == [], "give the number a name in capitals at the top of its module, with its unit and its source"


def test_page_takes_numbers_from_options():
    def page(**defaults):
        options = tuple(replace(o, default=defaults.get(o.name, o.default)) for o in overfitting.OPTIONS)
        return replace(overfitting.HEURISTIC, options=options, page=Page.beside(overfitting.__file__)).page

    assert "at least 5\nvalidation points follow" in page().sections["How sure is SCRAM"]
    assert "more than 5 % of the best loss" in page().sections["How sure is SCRAM"]
    assert "at least 8\nvalidation points follow" in page(patience=8).sections["How sure is SCRAM"]
    assert "more than 12 % of the best loss" in page(min_rise=0.12).sections["How sure is SCRAM"]


def test_other_braces_of_a_page_stay():
    text = "# Title\n\n## What happened\n{least}\n\n## How sure is SCRAM\n{least} of {other}, {least:>3}.\n"
    page = Page.parse(text).with_numbers({"least": 7})
    assert page.text == "# Title\n\n## What happened\n{least}\n\n## How sure is SCRAM\n7 of {other},   7.\n"
    with pytest.raises(PageError, match=r"mine.md, line 3: an option cannot be written as this line asks: "):
        Page.parse("# Title\n## How sure is SCRAM: {least:%Q}".replace(": {", "\n{"), "mine.md").with_numbers({"least": "text"})


@pytest.mark.parametrize("heuristic", HEURISTICS, ids=lambda h: h.id)
def test_no_page_repeats_a_default(heuristic):
    raw = Page.beside(str(ROOM / heuristic.group / f"{heuristic.id.replace('-', '_')}.py"))
    text = "\n".join(re.sub(r"```.*?```|\{.*?\}", "", raw.sections[heading], flags=re.S) for heading in NUMBERED)
    told = {
        float(m[1].replace(",", "")) / (100 if m[2] else 1) for m in re.finditer(r"(?<![\w.])(\d[\d,]*\.?\d*)(\s?%)?", text)
    }
    repeated = [o.name for o in heuristic.options if not isinstance(o.default, bool | str) and o.default not in PLAIN]
    repeated = [name for name in repeated if heuristic.defaults[name] in told]
    assert repeated == [], f"write {{{repeated and repeated[0]}}} in {raw.file} in place of the number"


def test_option_of_a_stranger_needs_no_source():
    assert Option("most", 3, "largest number that is accepted").source == ""
