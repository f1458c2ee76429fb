"""`scram lint`: everything that is wrong with a check of one's own is told with file, line and what would be right."""

import pytest

from scram_plugin.cli.main import main
from tests.heuristics.test_own_heuristic import block_of
from tests.paths import ROOT

MODULE = block_of("docs/writing-a-check.md", "```", "python", "# checks/slow_start.py")
PAGE = block_of("docs/writing-a-check.md", "````", "markdown", "# It starts slowly")


@pytest.fixture
def lint(tmp_path, capsys, monkeypatch):
    """(module, page) -> exit status, and what was printed."""

    def of(module=MODULE, page=PAGE):
        (tmp_path / "checks").mkdir(exist_ok=True)
        (tmp_path / "checks" / "slow_start.py").write_text(module)
        if page is not None:
            (tmp_path / "checks" / "slow_start.md").write_text(page)
        monkeypatch.chdir(tmp_path)
        statuses, said = set(), set()
        for path in ("checks", str(tmp_path / "checks")):  # a line is found by either name of the file
            statuses.add(main(["lint", path]))
            out, err = capsys.readouterr()
            assert err.startswith("1 check, ")
            said.add(out.replace(f"{tmp_path}/", "").replace("checks/", ""))
        (status,), (told,) = statuses, said
        return status, told.splitlines()

    return of


def line_of(text, part):
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


def test_the_example_of_the_documentation_is_right(lint):
    assert lint() == (0, [])


def test_a_module_may_have_a_dataclass(lint):
    dataclass = "from dataclasses import dataclass\n\n\n@dataclass\nclass End:\n    level: float\n\n\n"
    assert lint(f"from __future__ import annotations\n\n{dataclass}{MODULE}")[0] == 0


@pytest.mark.parametrize("file", ["curves/plateau.py", "data/constant_inputs.py"])
def test_a_built_in_check_is_not_one_that_is_there_already(file, capsys):
    assert main(["lint", str(ROOT / "scram_plugin" / "heuristics" / file)]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('severity="info"', 'severity="warn"', "severity is one of error, warning, info, not 'warn'"),
        ('confidence="certain"', 'confidence="sure"', "confidence is one of certain, likely, possible, not 'sure'"),
        ('Cause("warm-up"', 'Cause("warmup"', "there is no cause 'warmup' on the page; its causes are warm-up"),
        ("curves=[", "curves=[], causes_=[", "curves is empty"),
        ("def check(run, options):", "def check(run, options)", "it is no Python: expected ':'"),
        ('group="curves"', "group=undefined_name", "it cannot be imported: NameError"),
        ('id="slow-start"', 'id="overfitting"', "there is a heuristic 'overfitting' already"),
        ('id="slow-start"', 'id="Slow start"', "id is words of small letters"),
        ('group="curves"', 'group="nonsense"', "group is one of data, model, curves, layers, preflight, not 'nonsense'"),
        ("axis=loss.axis", 'axis=""', "axis is empty"),
        ('id="slow-start"', 'id="slow-start", explains=("plateux",)', "explains names 'plateux', which is no heuristic"),
        ('id="slow-start"', 'id="slow-start", unexplained=("x",)', "unexplained names 'x', which is no cause on the page"),
    ],
)
def test_a_mistake_in_the_module(old, new, said, lint):
    assert old in MODULE
    module = MODULE.replace(old, new)
    status, told = lint(module)
    assert status == 1
    (line,) = [line for line in told if said in line]
    assert line.startswith("slow_start.py:")
    number = int(line.split(":")[1])
    assert number in (line_of(module, new), line_of(module, "HEURISTIC ="))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{points}", "{pionts}", "the template asks for pionts, and the finding's evidence has "),
        ("{points}", "{points", "cannot be filled"),
        ("## Likely causes", "## Causes", "the headings of a page are What happened"),
        ("### warm-up: The warm-up is long", "### The warm-up is long", "has no id"),
        ("### warm-up: Shorten the warm-up", "### warmup: Shorten the warm-up", "the cause warm-up has no fix"),
        ("```python torch", "```python torch gpu", "does not name one framework, so the code is not shown; write "),
        ("warmup_steps = 200", "warmup_steps = = 200", "the code is no Python: invalid syntax"),
        ("# It starts slowly", "It starts slowly", "a page begins with '# '"),
    ],
)
def test_a_mistake_on_the_page(old, new, said, lint):
    assert old in PAGE
    page = PAGE.replace(old, new, 1)
    status, told = lint(page=page)
    assert status == 1
    (line,) = [line for line in told if said in line]
    file, number, _ = line.split(":", 2)
    assert file == "slow_start.md"
    assert int(number) in (line_of(page, new), line_of(PAGE, "### warm-up: The warm-up"))


def test_all_mistakes_are_told_at_once(lint):
    module = MODULE.replace('severity="info"', 'severity="warn"').replace('confidence="certain"', 'confidence="sure"')
    status, told = lint(module, PAGE.replace("{points}", "{points", 1))
    assert status == 1
    assert len(told) == 3


def test_a_page_that_is_not_there(lint):
    status, told = lint(page=None)
    assert status == 1
    assert "there is no page slow_start.md beside it" in told[0]


def test_what_is_not_there_is_a_sentence(tmp_path, capsys):
    assert main(["lint", str(tmp_path / "nothing.py")]) == 2
    assert capsys.readouterr().err == f"scram: {tmp_path}/nothing.py: there is no such file or directory\n"
    assert main(["lint", str(tmp_path)]) == 2
    assert "no module with HEURISTIC" in capsys.readouterr().err
