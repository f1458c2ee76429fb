"""The proof of a fix: the program as it is and with the fix, in turn, under the same seeds and the same budget."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scram_plugin.errors import BadOption
from scram_plugin.fixing.candidates import Candidate, Proposals, proposals
from scram_plugin.fixing.keep import SEED, keep
from scram_plugin.fixing.measures import Ending, ending, load
from scram_plugin.fixing.on_disk import OnDisk
from scram_plugin.fixing.runs import AT_ONCE, Limits, Program, Ran, Running, Workshop
from scram_plugin.fixing.verdict import Judged, judge
from scram_plugin.heuristics.catalogue import Catalogue
from scram_plugin.proof_run import CUT, OPEN
from scram_plugin.reviews.model import Review
from scram_plugin.reviews.run import review

SEEDS = 3  # pairs of runs: the fewest of which a majority is no single run; by definition
SECONDS_OF_A_RUN = 12.0  # of training, by default: three pairs of small programs take less than 90 s on two cores
PATIENCE = 90.0  # seconds: where the user says nothing, and three pairs would take longer, there are two; by definition
LONGEST = 600.0  # seconds: where the user asks for long runs, and three pairs would take longer, there is one; by definition
MOST_TRIED = 6  # fixes that are tried, at most; by definition
SHORT = 0.5  # of the batches of another run: it is made again; by definition
LONGER = ("undertrained",)  # checks whose fix is a longer training
AS_IT_IS = "as it is"

Say = Callable[[str], None]  # tells of the progress, in a sentence
Confirm = Callable[[Sequence[Candidate]], None]  # shows what would be tried; raises BadOption where the user does not want it


@dataclass(frozen=True)
class Tried:
    """A fix that was tried, and what came of it; `runs`: the names of the training runs that were compared."""

    candidate: Candidate
    judged: Judged
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Proof:
    """What came of a proof. `review` is that of the program as it is; `proven` the fix that helps."""

    review: Review
    proposals: Proposals
    tried: tuple[Tried, ...] = ()
    name: str = ""  # of the directory of its runs in the log directory
    limits: Limits = field(default_factory=Limits)
    cut: bool = False  # the program would have trained for longer

    @property
    def proven(self) -> Tried | None:
        return next((tried for tried in self.tried if tried.judged.outcome == "better"), None)


class Prover:
    """Makes one proof. `say` is told of the progress. If three pairs take longer than `patience` (seconds), there are fewer."""

    def __init__(
        self, program: Program, log_dir: Path, limits: Limits, catalogue: Catalogue, say: Say, patience: float = LONGEST
    ) -> None:
        self._patience = patience
        self._program, self._log_dir, self._limits, self._catalogue, self._say = program, log_dir, limits, catalogue, say
        self._ran: dict[str, Ran] = {}
        self._endings: dict[str, Ending] = {}
        self._shop = Workshop(program, log_dir)

    def prove(self, confirm: Confirm, known: tuple[Review, Proposals] | None = None) -> Proof:
        """Try the fixes of the review of a short run, or those of a `known` review, until one helps.

        `confirm` is asked before a change of the program runs that is not among those `known`. Raises BadOption, with a
        sentence, where the program trains nothing.
        """
        with self._shop:
            begun = time.monotonic()
            self._run([(None, seed) for seed in range(min(self._shop.at_once, SEEDS))])
            self._repeat_short_ones()
            taken = time.monotonic() - begun
            first = self._ran[self._name(None, 0)]
            self._say_of_the_network(first)
            seen, found = known or self._review(first)
            if seen is None or (not first.told.batches and not found.candidates):
                raise BadOption(self._nothing(first))
            if found.candidates and known is None:
                confirm(found.candidates)
            three_pairs = SEEDS * taken * AT_ONCE / self._shop.at_once
            pairs = SEEDS if three_pairs <= self._patience else 2 if self._patience < LONGEST else 1
            tried: list[Tried] = []
            for candidate in found.candidates[:MOST_TRIED]:
                tried.append(self._try(candidate, pairs))
                self._say(f"{candidate.label}: {tried[-1].judged.sentence}")
                if tried[-1].judged.outcome == "better":
                    break
            proof = Proof(seen, found, tuple(tried), self._program_name, self._limits, first.told.used)
            self._keep(tried)
            return proof

    def pairs_of(self, candidate: Candidate, count: int) -> list[tuple[Ending, Ending]]:
        """How the runs without and with a change ended, for so many seeds; no log is kept. Raises BadOption."""
        with self._shop:
            self._run([(which, seed) for seed in range(count) for which in (None, candidate)])
            first = self._ran[self._name(None, 0)]
            if not first.told.batches and not first.told.error:
                raise BadOption(self._nothing(first))
            return self._pairs(candidate, count)

    def _nothing(self, ran: Ran) -> str:
        """Why there is nothing to compare."""
        told, script = ran.told, self._program.script
        if told.error:
            refused = f" It tried to write {told.refused[-1]}." if told.refused and "Refused" in told.error else ""
            without = " It had no network; if it fetches its data, add --network." if told.network == CUT else ""
            return f"{script} failed before it trained: {told.error}.{refused}{without} {ran.last}".rstrip()
        return f"{script} came to its end and trained no model that is known: `fit` of Keras, or a loop of PyTorch"

    def _try(self, candidate: Candidate, pairs: int) -> Tried:
        """Compare the program with and without a fix, first with one seed."""
        self._say(f"{candidate.label}: {candidate.title}")
        ahead: list[tuple[Candidate | None, int]] = [(candidate, 0)]
        if self._shop.at_once > 1:
            missing = [seed for seed in range(pairs) if self._name(None, seed) not in self._ran]
            ahead.append((None, missing[0]) if missing else (candidate, min(1, pairs - 1)))
        self._run(ahead)
        judged = self._judged(candidate, 1)
        if pairs > 1 and self._may_be_better(candidate):
            self._run([(which, seed) for seed in range(pairs) for which in (None, candidate)])
            judged = self._judged(candidate, pairs)
        seeds = range(judged.seeds)
        return Tried(candidate, judged, tuple(self._name(which, seed) for which in (None, candidate) for seed in seeds))

    def _may_be_better(self, candidate: Candidate) -> bool:
        """Whether one pair of runs leaves it open that the fix helps."""
        judged = self._judged(candidate, 1)
        if judged.outcome != "same" or judged.before is None or judged.after is None:
            return judged.outcome == "better"
        before = self._endings[self._name(None, 0)].measures[judged.measure]
        rises = judged.after > judged.before
        return bool(candidate.wanted) or (judged.after != judged.before and rises == before.higher)

    def _judged(self, candidate: Candidate, count: int) -> Judged:
        return judge(self._pairs(candidate, count), candidate.wanted, candidate.touches_loss)

    def _pairs(self, candidate: Candidate, count: int) -> list[tuple[Ending, Ending]]:
        return [(self._endings[self._name(None, s)], self._endings[self._name(candidate, s)]) for s in range(count)]

    def _run(self, wanted: Sequence[tuple[Candidate | None, int]], limits: Limits | None = None) -> None:
        """Make the runs that are not there yet, some side by side; `limits` in the place of those of all runs."""
        left = [(which, seed) for which, seed in dict.fromkeys(wanted) if self._name(which, seed) not in self._ran]
        running: list[Running] = []
        while left or running:
            while left and len(running) < self._shop.at_once and self._can_start(*left[0]):
                running.append(self._start(*left.pop(0), limits or self._limits))
            ran = next(iter(self._shop.wait(running)))
            running = [one for one in running if one.name != ran.name]
            self._ran[ran.name], self._endings[ran.name] = ran, ending(ran)
            self._say(f"{ran.name}: {_in_words(ran, self._endings[ran.name])}")

    def _repeat_short_ones(self) -> None:
        """Make runs of the program as it is again that came to far fewer batches than another in the same time, because the
        machine was busy: seeds are compared at about the same length."""
        longest = max(ran.told.batches for ran in self._ran.values())
        short = [name for name, ran in self._ran.items() if ran.told.used and ran.told.batches < SHORT * longest]
        for name in short:
            del self._ran[name]
        limits = replace(self._limits, batches=longest, seconds=None)
        self._run([(None, int(name.rpartition(SEED)[2])) for name in short], limits)

    def _can_start(self, which: Candidate | None, seed: int) -> bool:
        """A run with a fix needs to know how many batches its partner trained."""
        return which is None or self._name(None, seed) in self._ran

    def _start(self, which: Candidate | None, seed: int, limits: Limits) -> Running:
        partner = self._ran.get(self._name(None, seed if which is not None else 0))
        if partner is not None and partner.told.batches and (which is not None or partner.told.used):
            limits = Limits(batches=partner.told.batches)
        return self._shop.start(self._name(which, seed), which.patch if which is not None else None, seed, limits)

    def _name(self, which: Candidate | None, seed: int) -> str:
        return f"{which.label if which is not None else AS_IT_IS}{SEED}{seed}"

    @property
    def _program_name(self) -> str:
        return self._program.script.removesuffix(".py").replace("\\", "/")

    def _review(self, ran: Ran) -> tuple[Review | None, Proposals]:
        """The review of a run, None if nothing was recorded; and its fixes."""
        runs = load(ran.log_dir)
        if not runs:
            return None, Proposals((), ())
        seen = review(runs[-1], self._catalogue)
        return seen, proposals(provable(seen), OnDisk(runs[-1], self._program.folder), self._catalogue)

    def _say_of_the_network(self, ran: Ran) -> None:
        if ran.told.network == OPEN and not self._program.network:
            self._say("this system cannot keep the network from the runs: what the program sends is sent")

    def _keep(self, tried: Sequence[Tried]) -> None:
        """Put the logs in place, instead of those of an earlier proof of the program."""
        logs = {name: ran.log_dir for name, ran in self._ran.items()}
        bases = [name for name in logs if name.startswith(AS_IT_IS)]
        keep(self._log_dir / self._program_name, logs, bases, [_told(one) for one in tried])


def provable(review: Review) -> Review:
    """The review without what only a longer training shows: runs are compared at equal numbers of batches, and are cut."""
    return replace(review, findings=tuple(f for f in review.findings if f.heuristic not in LONGER))


def _told(tried: Tried) -> dict[str, Any]:
    """What came of a fix, as it is written to the log."""
    judged, candidate = tried.judged, tried.candidate
    fixes = [[f.heuristic, fix.cause] for f, fix in zip(candidate.findings, candidate.fixes, strict=True)]
    numbers = {name: value for name, value in (("before", judged.before), ("after", judged.after)) if _is_finite(value)}
    told = {"verdict": judged.outcome, "sentence": judged.sentence, "measure": judged.measure, **numbers}
    return {"fixes": fixes, **told, "seeds": judged.seeds, "batches": judged.batches, "runs": list(tried.runs)}


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _in_words(ran: Ran, end: Ending) -> str:
    if end.error:
        return f"failed: {end.error}"
    best = next(iter(end.measures.values()), None)
    level = f", {best.name} {best.level:.3g}" if best is not None else ""
    return f"{end.batches:,} batches{level}, {ran.seconds:.0f} s"


def limited(seconds: float | None, epochs: int | None) -> Limits:
    """The budget that the user asks for. Raises BadOption."""
    if seconds is not None and not 1.0 <= seconds <= 86_400.0:
        raise BadOption("--seconds takes a number from 1 to 86400")
    if epochs is not None and epochs < 1:
        raise BadOption("--epochs takes a number from 1 on")
    if seconds is None and epochs is None:
        seconds = SECONDS_OF_A_RUN
    return replace(Limits(), seconds=seconds, epochs=epochs)
