"""The programs that `make bench-faults` places faults into, and the faults: all have their places, and are Python."""

import ast
from collections import Counter
from typing import NamedTuple

import pytest

from tests.benchmarks import faults
from tests.faults.forms import ENTRY, PROGRAMS
from tests.faults.kinds import inoculated
from tests.faults.several import TOGETHER, together

SEEDS = (201, 202)


class Edit(NamedTuple):
    file: str
    line: int
    before: str
    after: str
    more: tuple["Edit", ...] = ()


@pytest.mark.parametrize("framework", faults.KINDS)
def test_there_are_as_many_forms_and_kinds_as_promised(framework):
    assert len({p.form for p in PROGRAMS if p.framework == framework}) >= 6
    assert len(faults.KINDS[framework]) >= 20


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: f"{p.framework}-{p.name}")
def test_a_fault_changes_a_program_and_leaves_it_python(program):
    for seed in SEEDS:
        healthy = program.files(seed)
        assert next(iter(healthy)) == ENTRY
        placed = list(inoculated(faults.KINDS[program.framework], program, seed, None))
        assert len(placed) >= 5
        for kind, files in placed:
            assert files.keys() == healthy.keys(), kind.name
            assert files != healthy, kind.name
            for text in files.values():
                ast.parse(text)


def test_a_seed_draws_the_same_again_and_another_one_something_else():
    for program in PROGRAMS:
        assert program.files(201) == program.files(201)
        assert program.files(201) != program.files(202)


@pytest.mark.parametrize("framework", faults.KINDS)
def test_every_kind_has_a_place(framework):
    kinds = faults.KINDS[framework]
    mine = [p for p in PROGRAMS if p.framework == framework]
    found = Counter(kind.name for p in mine for kind, _ in inoculated(kinds, p, SEEDS[0], None))
    assert [kind.name for kind in kinds if not found[kind.name]] == []
    assert sum(found.values()) * len(SEEDS) >= faults.FAULTS


@pytest.mark.parametrize("framework", TOGETHER)
def test_faults_that_are_placed_together_are_all_there(framework):
    kinds = faults.KINDS[framework]
    found = set()
    for program in (p for p in PROGRAMS if p.framework == framework):
        for chosen, files in together(kinds, program, SEEDS[0]):
            alone = dict(inoculated(kinds, program, SEEDS[0], [kind.name for kind in chosen]))
            assert all(files != of_one for of_one in alone.values())
            found.add(tuple(kind.name for kind in chosen))
    assert found == set(TOGETHER[framework])


def test_an_edit_is_applied_with_all_that_belong_to_it_and_nothing_else(tmp_path):
    faults.written(tmp_path, {"train.py": "a\nb\nc\n", "model.py": "d\n"})
    whole = Edit("train.py", 1, "a", "A\nA", (Edit("model.py", 1, "d", "D"), Edit("train.py", 3, "c", "")))
    assert faults.applied(tmp_path, whole)
    assert (tmp_path / "train.py").read_text() == "A\nA\nb\n"
    assert (tmp_path / "model.py").read_text() == "D\n"


@pytest.mark.parametrize("edit", [Edit("train.py", 1, "b", "c"), Edit("other.py", 1, "a", "b"), Edit("../x.py", 1, "a", "b")])
def test_an_edit_that_does_not_fit_is_not_applied(tmp_path, edit):
    faults.written(tmp_path, {"train.py": "a\n"})
    assert not faults.applied(tmp_path, edit)
    assert (tmp_path / "train.py").read_text() == "a\n"


@pytest.mark.parametrize(
    ("value", "other", "expected"),
    [(0.9, 0.95, True), (0.92, 0.95, False), (None, 0.5, True), (0.5, None, False), (None, None, False)],
)
def test_what_is_worse(value, other, expected):
    assert faults.worse(value, other) is expected
