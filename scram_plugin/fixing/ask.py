"""What a user asks for, of the command line or from Python, and the answer."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scram_plugin.errors import BadOption
from scram_plugin.fixing.candidates import Candidate, Proposals, proposals
from scram_plugin.fixing.length import needed
from scram_plugin.fixing.on_disk import DoesNotFit, OnDisk
from scram_plugin.fixing.patch import apply
from scram_plugin.fixing.proof import LONGEST, PATIENCE, Proof, Prover, Tried, limited, provable
from scram_plugin.fixing.revert import remember
from scram_plugin.fixing.runs import Program
from scram_plugin.heuristics.catalogue import Catalogue
from scram_plugin.logs.logdir import read
from scram_plugin.logs.pairing import training_runs
from scram_plugin.logs.storage import listing
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.reviews.model import Review
from scram_plugin.reviews.policy import accept
from scram_plugin.reviews.run import file_notes, review

FEW_NAMES = 8  # training runs that a sentence names
TAKE_BACK = "scram fix --revert"

Confirm = Callable[[str, str], bool]  # what is to be run or written, and the question; whether the user wants it


@dataclass(frozen=True)
class Asked:
    """`target` is a log directory or a program; `directory` the one in which the program ran.

    `program`: the one of the log directory, where it is known; if the log proposes nothing, a short run of it does.
    """

    target: str
    program: str = ""
    arguments: tuple[str, ...] = ()
    directory: Path = Path(".")
    log_dir: Path = Path("logs/fix")
    run: str = ""
    prove: bool = False
    apply: bool = False
    seconds: float | None = None
    epochs: int | None = None
    network: bool = False


@dataclass(frozen=True)
class FixAnswer:
    """What `scram fix` found. `take_back`: the command that undoes what was applied."""

    review: Review
    proposals: Proposals
    proof: Proof | None = None
    applied: Candidate | None = None
    take_back: str = ""
    log_dir: Path = Path("logs/fix")

    @property
    def tried(self) -> tuple[Tried, ...]:
        return self.proof.tried if self.proof is not None else ()

    @property
    def candidate(self) -> Candidate | None:
        """The fix that is shown: the one that is proven, else the first one."""
        proven = self.proof.proven if self.proof is not None else None
        return proven.candidate if proven is not None else self.proposals.together

    @property
    def good(self) -> bool:
        """Whether there is a patch; with a proof, whether it helps."""
        return self.candidate is not None and (self.proof is None or self.proof.proven is not None)


def answer(asked: Asked, catalogue: Catalogue, say: Callable[[str], None], confirm: Confirm) -> FixAnswer:
    """Find, prove and apply the fixes, as asked; nothing that a log proposes runs or is written before `confirm` says yes.

    Raises BadOption, with a sentence, where it cannot be done.
    """
    folder = asked.directory
    if not folder.is_dir():
        raise BadOption(f"{folder}: there is no such directory")
    limits = limited(asked.seconds, asked.epochs)
    log: tuple[Review, Proposals] | None = None
    if Path(asked.target).is_file():
        if not asked.prove:
            raise BadOption(
                f"{asked.target}: what to fix is found by running it: add --prove; or give the log directory of a training run"
            )
        program = _program(asked.target, asked)
    else:
        run, known = _run_of(asked, catalogue)
        found = proposals(provable(known) if asked.prove else known, OnDisk(run, folder), catalogue)
        if not found.candidates and found.refused:
            raise BadOption(" ".join(f"{sentence}." for sentence in found.refused))
        if not asked.prove or not (found.candidates or asked.program):
            return _with_patch(asked, FixAnswer(known, found, log_dir=asked.log_dir), confirm)
        program = _program(asked.program or _script(run, folder), asked)
        if found.candidates:
            log = known, found
            _confirmed(confirm, found.candidates, f"Run {program.script} as it is and with {_these(found.candidates)}?")
            if asked.seconds is None and asked.epochs is None:
                limits = needed(run, found.candidates[0].findings[0], catalogue)
    say(f"running {program.script} as it is, and with each fix, in copies of {program.folder}")
    patience = PATIENCE if asked.seconds is None and asked.epochs is None else LONGEST

    def tried(candidates: Sequence[Candidate]) -> None:
        _confirmed(confirm, candidates, f"Run {program.script} with {_these(candidates)}?")

    proof = Prover(program, asked.log_dir, limits, catalogue, say, patience).prove(tried, log)
    return _with_patch(asked, FixAnswer(proof.review, proof.proposals, proof, log_dir=asked.log_dir), confirm)


def _confirmed(confirm: Confirm, candidates: Sequence[Candidate], question: str) -> None:
    """Show patches and ask. Raises BadOption where the answer is no."""
    if not confirm("\n".join(f"# {one.label}: {one.title}\n{one.patch.diff()}" for one in candidates), question):
        raise BadOption("nothing was changed, and no change was run")


def _these(candidates: Sequence[Candidate]) -> str:
    return "this change" if len(candidates) == 1 else "each of these changes"


def _program(script: str, asked: Asked) -> Program:
    path, folder = Path(script), asked.directory
    if path.suffix != ".py":
        raise BadOption(f"{script}: give a Python program, or the log directory of a training run")
    within = Path(os.path.abspath(path))
    if within.is_relative_to(os.path.abspath(folder)):
        name = within.relative_to(os.path.abspath(folder)).as_posix()
        return Program(folder.absolute(), name, asked.arguments, asked.network)
    return Program(within.parent, within.name, asked.arguments, asked.network)


def _script(run: TrainingRun, folder: Path) -> str:
    """The program of a training run, by its facts. Raises BadOption where it is not known, or not here."""
    name = str((run.facts.get("source") or {}).get("file") or "")
    path = folder / name
    if not name or Path(name).is_absolute() or ".." in Path(name).parts or not path.is_file():
        raise BadOption(
            f"{name or run.name}: the program of this training run is not in {folder}; name its directory by --directory, or "
            "give the program itself: scram fix --prove PROGRAM.py"
        )
    return str(path)


def _run_of(asked: Asked, catalogue: Catalogue) -> tuple[TrainingRun, Review]:
    """The one training run that is meant, and its review. Raises BadOption where there is none, or more than one."""
    try:
        wanted = re.compile(asked.run)
    except re.error as error:
        raise BadOption(f"--run: {asked.run!r} is not a regular expression ({error})") from None
    if not Path(asked.target).exists():
        raise BadOption(f"{asked.target}: there is no such file or directory")
    try:
        listing(asked.target)
    except OSError as error:
        raise BadOption(str(error)) from None
    logs = read(asked.target)
    runs = [run for run in training_runs(logs, catalogue.signals) if wanted.search(run.name)]
    if len(runs) != 1:
        names = ", ".join(run.name for run in runs[:FEW_NAMES]) + (", ..." if len(runs) > FEW_NAMES else "")
        if not runs:
            raise BadOption(f"{asked.target}: there is no training run whose name matches {asked.run!r}")
        raise BadOption(f"{asked.target} has {len(runs)} training runs: name one by --run REGEX ({names})")
    seen = review(runs[0], catalogue, file_notes(runs[0], logs))
    return runs[0], accept(seen, catalogue, [runs[0].name])


def _with_patch(asked: Asked, found: FixAnswer, confirm: Confirm) -> FixAnswer:
    """The answer after the patch was applied, if that was asked for and it is good."""
    candidate = found.candidate
    if not asked.apply or candidate is None or not found.good:
        return found
    _confirmed(confirm, [candidate], f"Write this to {', '.join(candidate.patch.files)}?")
    try:
        apply(candidate.patch)
    except DoesNotFit as error:
        raise BadOption(str(error)) from None
    back = TAKE_BACK if asked.directory == Path(".") else f"{TAKE_BACK} --directory {shlex.quote(str(asked.directory))}"
    remember(candidate.patch)
    return FixAnswer(found.review, found.proposals, found.proof, candidate, back, found.log_dir)
