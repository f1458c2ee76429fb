"""The user's own tests of a model, run before its training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scram_plugin.heuristics.heuristic import Cause, Finding, Heuristic
from scram_plugin.heuristics.measured import shown_loss, whole_of
from scram_plugin.heuristics.page import Page
from scram_plugin.heuristics.preflight.tested import tested
from scram_plugin.heuristics.words import one_line
from scram_plugin.logs.training_run import TrainingRun


def check(run: TrainingRun, options: Mapping[str, Any]) -> Iterable[Finding]:
    found = tested(run, "own")
    tests = found.get("tests") or []
    failed = [test for test in tests if not test.get("passed")]
    run.measured("your own tests that passed", len(tests) - len(failed))
    for test in failed:
        curve = shown_loss(run)
        yield Finding(
            severity="error",
            confidence="certain",
            title=f"Your test {one_line(str(test.get('name')))} failed",
            evidence={
                "name": test.get("name"),
                "file": found.get("file"),
                "line": test.get("line"),
                "message": one_line(str(test.get("message"))) or "(without a message)",
                "failed": len(failed),
                "tests": len(tests),
            },
            **whole_of(curve),
            causes=[Cause("model"), Cause("test")],
        )


HEURISTIC = Heuristic(
    id="own-tests",
    group="preflight",
    title_passed="Your own tests passed",
    check=check,
    page=Page.beside(__file__),
    needs=("a preflight with tests of your own",),
    order=440,
)
