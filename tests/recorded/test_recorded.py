"""The recorded logs are those of the programs; and a fresh training gives the findings that the recorded one gives."""

import pytest

from tests.recorded import INDEX, KEPT, LOGS, findings, index
from tests.recorded.record import COLUMNS, MODULES
from tests.reviews import review_of

ROWS = index()
# by what a preflight times or measures of this machine, findings may differ that are only worth knowing
BY_THE_CLOCK = {"slow-input", "batch-size-memory", "learning-rate-range"}


def test_each_log_has_its_program_its_seed_and_its_versions():
    assert INDEX.read_text(encoding="utf-8").startswith(f"{COLUMNS}\n")
    assert {row[0].split("/")[0] for row in ROWS} == set(MODULES)
    assert all(len(row) == 4 and all(row) for row in ROWS)
    logged = {path.relative_to(KEPT) for path in KEPT.rglob("*tfevents*")}
    named = [row[0] for row in ROWS]
    assert len(set(named)) == len(named)
    assert [name for name in named if not (KEPT / name).is_dir()] == []
    assert [path for path in logged if not any(path.is_relative_to(name) for name in named)] == []


def test_the_logs_are_small_and_name_no_machine():
    files = [path for path in KEPT.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 15e6
    here = str(KEPT.parents[3]).encode()
    assert [path for path in files if path != INDEX and here in path.read_bytes()] == []


WRITTEN = findings.read()


@pytest.mark.parametrize("log", [row[0] for row in ROWS])
def test_what_is_found_is_what_was_read_when_it_was_written(log):
    """After a change that is meant: `python -m tests.recorded.findings`, and read the difference."""
    assert findings.whole(log).splitlines() == WRITTEN[log].splitlines()


def test_nothing_else_is_written():
    assert set(WRITTEN) == {row[0] for row in ROWS}


def causes_of(path):
    findings = [f for f in review_of(path).alone if f.severity != "info"]
    return {f.heuristic: f.causes[0].id for f in findings if f.heuristic not in BY_THE_CLOCK}


@pytest.mark.slow
@pytest.mark.skipif(LOGS == KEPT, reason="needs fresh trainings: make test-all")
@pytest.mark.parametrize("log", [row[0] for row in ROWS])
def test_a_fresh_training_gives_the_same_findings(log):
    assert causes_of(LOGS / log) == causes_of(KEPT / log)
