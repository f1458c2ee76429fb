"""A whole preflight: a short recorded training, and the active tests, whose results are written to the same directory."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np

from scram_plugin import schema
from scram_plugin.redaction import in_short
from scram_plugin.training import call_site
from scram_plugin.training.preflight import memory, own_tests, probes
from scram_plugin.training.preflight.subject import Batch, Subject
from scram_plugin.training.summary_writer import SummaryWriter

STEPS = 64  # of the short training, at most
UNTIL_EVALUATED = 4 * STEPS  # steps in which a program's own loop comes to its first evaluation, perhaps
Tests = list[tuple[str, int, Callable[..., Any]]]


class Done(SystemExit):
    """The training has been tested: the program ends here."""


class Mute:
    """Stands in for the program's own watch: what is tried out is no part of its logs."""

    should_stop = False

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def __enter__(self) -> Mute:
        return self

    def __exit__(self, *_: object) -> None: ...

    def log(self, *args: Any, **kwargs: Any) -> None: ...

    def close(self) -> None: ...


class Flight:
    """What is to be done where the training of a program begins."""

    def __init__(self, log_dir: str, seconds: float, budget: float | None, tests: tuple[str, Tests] | None) -> None:
        self.log_dir, self.seconds, self.budget, self.tests = log_dir, seconds, budget, tests
        self.made = False  # whether a training began
        self.landed = False  # and was tested
        self.before: Callable[[], None] = lambda: None  # is called where the tests begin

    def fly(self, subject: Any, watched: Callable[[], None]) -> None:
        self.made = True
        self.before()
        fly(subject, self.log_dir, self.seconds, self.budget, self.tests, watched)
        self.landed = True


def fly(
    subject: Subject,
    log_dir: str,
    seconds: float,
    budget: float | None,
    tests: tuple[str, Tests] | None,
    watched: Callable[[], None],
) -> None:
    """Run all tests, for about `seconds` seconds, and write their results.

    `watched` runs the short training. `budget` is a limit of memory in MiB. `tests` are the user's own, with the name of their
    file. Raises OSError if the results cannot be written.
    """
    results = probes.Results()
    begin = time.monotonic()
    with subject.apart():
        if subject.batches:  # first, before anything larger was computed: see `memory.probe`
            batch = max(subject.batches, key=len)
            subject.reset(True)
            results.make("memory", lambda: memory.probe(subject.step, subject.held, batch, len(batch), budget))
        try:
            watched()
        except Exception as error:
            results.tests["training"] = {"reason": in_short(error)}
        left = max(seconds - (time.monotonic() - begin), seconds / 2)
        probes.make_all(subject, results, left)
        if tests is not None and subject.batches:
            file, functions = tests
            results.make(
                "own", lambda: {"file": call_site.shown_name(file), "tests": [_own(subject, *test) for test in functions]}
            )
    write(log_dir, {"framework": subject.framework, **subject.facts}, results)


def _own(subject: Subject, name: str, line: int, function: Callable[..., Any]) -> dict[str, Any]:
    subject.reset(True)
    batch = subject.batches[0]

    def loss(given: Any = None) -> float:
        return subject.step(Batch(*given) if given is not None else batch)

    given = {"model": subject.model, "batch": (batch.x, batch.y), "optimizer": subject.optimizer, "loss": loss}
    return own_tests.run(name, line, function, given)


def write(log_dir: str, facts: dict[str, Any], results: probes.Results) -> None:
    """Write facts and results. Raises OSError if they cannot be written."""
    errors: list[Exception] = []
    writer = SummaryWriter(log_dir, lambda: None, errors.append)
    whole = {"session": uuid.uuid4().hex[:12], **facts, "preflight": results.tests}
    writer.text(schema.FACTS_TAG, json.dumps(whole, default=str))
    for name, rows in results.tables.items():
        if rows:
            values = np.array([list(row.values()) for row in rows], np.float32)
            steps = np.arange(len(rows))
            writer.rows(name, tuple(rows[0]), steps, np.full(len(rows), time.time()), values)
    writer.text(schema.END_TAG, "finished")
    writer.close()
    if errors:
        raise OSError(f"{os.fspath(log_dir)}: the results could not be written: {errors[0]}") from errors[0]
