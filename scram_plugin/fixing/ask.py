"""What a user asks for, of the command line or from Python, and the answer."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scram_plugin.errors import BadOption
from scram_plugin.fixing.candidates import Candidate, Proposals, proposals
from scram_plugin.fixing.length import needed
from scram_plugin.fixing.patch import DoesNotFit, Patch, apply
from scram_plugin.fixing.proof import LONGEST, PATIENCE, Proof, Prover, Tried, limited
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
GIT_SECONDS = 10.0  # that git may take to say whether a file is as it was committed; by definition


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


def answer(asked: Asked, catalogue: Catalogue, say: Callable[[str], None]) -> FixAnswer:
    """Find, prove and apply the fixes, as asked. Raises BadOption, with a sentence, where it cannot be done."""
    folder = asked.directory
    if not folder.is_dir():
        raise BadOption(f"{folder}: there is no such directory")
    limits = limited(asked.seconds, asked.epochs)
    if Path(asked.target).is_file():
        if not asked.prove:
            raise BadOption(
                f"{asked.target}: what to fix is found by running it: add --prove; or give the log directory of a training run"
            )
        program = _program(asked.target, folder, asked.arguments)
        known: Review | None = None
    else:
        run, known = _run_of(asked, catalogue)
        found = proposals(known, folder)
        if not found.candidates and found.refused:
            raise BadOption(" ".join(f"{sentence}." for sentence in found.refused))
        if not asked.prove or not (found.candidates or asked.program):
            return _with_patch(asked, FixAnswer(known, found, log_dir=asked.log_dir))
        program = _program(asked.program or _script(run, folder), folder, asked.arguments)
        if found.candidates and asked.seconds is None and asked.epochs is None:
            limits = needed(run, found.candidates[0].findings[0], catalogue)
        known = known if found.candidates else None
    say(f"running {program.script} as it is, and with each fix, in copies of {program.folder}")
    patience = PATIENCE if asked.seconds is None and asked.epochs is None else LONGEST
    proof = Prover(program, asked.log_dir, limits, catalogue, say, patience).prove(known)
    return _with_patch(asked, FixAnswer(proof.review, proof.proposals, proof, log_dir=asked.log_dir))


def _program(script: str, folder: Path, arguments: tuple[str, ...]) -> Program:
    path = Path(script)
    if path.suffix != ".py":
        raise BadOption(f"{script}: give a Python program, or the log directory of a training run")
    within = Path(os.path.abspath(path))
    if within.is_relative_to(os.path.abspath(folder)):
        return Program(folder.absolute(), within.relative_to(os.path.abspath(folder)).as_posix(), arguments)
    return Program(within.parent, within.name, arguments)


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


def _with_patch(asked: Asked, found: FixAnswer) -> FixAnswer:
    """The answer after the patch was applied, if that was asked for and it is good."""
    candidate = found.candidate
    if not asked.apply or candidate is None or not found.good:
        return found
    back = _way_back(candidate.patch, asked.log_dir)
    try:
        apply(candidate.patch)
    except DoesNotFit as error:
        raise BadOption(str(error)) from None
    return FixAnswer(found.review, found.proposals, found.proof, candidate, back, found.log_dir)


def _way_back(patch: Patch, log_dir: Path) -> str:
    """The command that takes the patch back; it is kept in the log directory, unless git has the files as they are."""
    if all(_is_committed(patch.folder, file) for file in patch.files):
        return f"git checkout -- {' '.join(map(_quoted, patch.files))}"
    kept = log_dir / f"{patch.files[0].removesuffix('.py').replace('/', '_')}.patch"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(patch.diff().encode(patch.sources[patch.files[0]].encoding))
    where = os.path.relpath(kept, patch.folder)
    return f"patch -R -p1 --binary < {_quoted(where)}"


def _is_committed(folder: Path, file: str) -> bool:
    """Whether git knows the file and has it as it is on the disk."""
    try:
        asked = [["ls-files", "--error-unmatch", "--", file], ["diff", "--quiet", "HEAD", "--", file]]
        done = [subprocess.run(["git", *a], cwd=folder, capture_output=True, timeout=GIT_SECONDS) for a in asked]
    except (OSError, subprocess.SubprocessError):
        return False
    return all(one.returncode == 0 for one in done)


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[\w./-]+", name) else "'" + name.replace("'", "'\\''") + "'"
