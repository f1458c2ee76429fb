"""The fixes of a review that can be made on this disk, in the order in which they are tried."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from scram_plugin.fixing.on_disk import DoesNotFit, OnDisk
from scram_plugin.fixing.patch import Patch, made
from scram_plugin.heuristics.catalogue import Catalogue
from scram_plugin.heuristics.edits import Edit
from scram_plugin.heuristics.heuristic import Finding, Fix
from scram_plugin.reviews.model import Review
from scram_plugin.reviews.run import review as run_review

# findings that are about the validation loss: where the accuracy is as before, it decides
OF_THE_LOSS = {"overfitting": ("validation loss",), "metric-loss-disagreement": ("validation loss",)}
# words of lines that make the loss or the targets: with other ones, two losses cannot be compared
_MAKES_LOSS = re.compile(r"loss|criterion|entropy|mse|mae|label|target|reduction|from_logits|class_weight|pos_weight", re.I)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A change to try: of one fix, or of several findings together. `names`: of the findings; `titles`: of the fixes."""

    label: str  # as runs are named: "fix 1"
    patch: Patch
    findings: tuple[Finding, ...]
    fixes: tuple[Fix, ...]

    @property
    def title(self) -> str:
        return "; ".join(dict.fromkeys(fix.title for fix in self.fixes))

    @property
    def wanted(self) -> tuple[str, ...]:
        """Measures that the findings are about."""
        return tuple(name for finding in self.findings for name in OF_THE_LOSS.get(finding.heuristic, ()))

    @cached_property
    def touches_loss(self) -> bool:
        """Whether it changes lines that make the loss or the targets."""
        changed = [line for line in self.patch.diff().splitlines() if re.match(r"[-+](?![-+]{2} )", line)]
        return any(_MAKES_LOSS.search(line) for line in changed)


@dataclass(frozen=True)
class Proposals:
    """What can be tried, in order, and sentences on the fixes that cannot be made."""

    candidates: tuple[Candidate, ...]
    refused: tuple[str, ...]

    @property
    def together(self) -> Candidate | None:
        """All that belongs into one patch: the first candidate."""
        return self.candidates[0] if self.candidates else None


def proposals(review: Review, disk: OnDisk, catalogue: Catalogue) -> Proposals:
    """The changes that the findings of a review propose, made of the program on the disk.

    First the likeliest fixes of all findings together, if there are several, then each alone, then other fixes of theirs.
    Findings that others explain propose nothing. A remark is tried alone: it is no trouble.
    """
    refused: list[str] = []
    firsts: list[tuple[Patch, Finding, Fix]] = []
    others: list[tuple[Patch, Finding, Fix]] = []
    proposing = [f for f in sorted(review.alone, key=lambda f: f.severity == "info") if any(fix.edit for fix in f.fixes)]
    asked = {finding.heuristic for finding in proposing}
    edits = _edits(disk, replace(catalogue, heuristics=tuple(h for h in catalogue.heuristics if h.id in asked)))
    for finding in proposing:
        possible = []
        for fix in finding.fixes:
            if fix.edit is None:
                continue
            try:
                patch = made(_on_disk(fix.edit, edits.get(_key(finding, fix)), disk), finding.title, disk)
            except DoesNotFit as error:
                refused.append(str(error))
            else:
                possible.append((patch, finding, fix))
        firsts += possible[:1]
        others += possible[1:]
    alone = _different([*firsts, *others])
    both = _together([entry for entry in firsts if entry[1].severity != "info"])
    kept = ([both] if both is not None else []) + [(patch, (f,), (fix,)) for patch, f, fix in alone]
    named = tuple(Candidate(f"fix {n}", patch, fs, fixes) for n, (patch, fs, fixes) in enumerate(kept, 1))
    return Proposals(named, tuple(dict.fromkeys(refused)))


def _edits(disk: OnDisk, catalogue: Catalogue) -> dict[tuple[str, ...], Edit]:
    """The edits that the same checks make of the program on the disk."""
    found: dict[tuple[str, ...], Edit] = {}
    for finding in run_review(disk.run, catalogue).all_findings:
        for fix in finding.fixes:
            if fix.edit is not None:
                found.setdefault(_key(finding, fix), fix.edit)
    return found


def _on_disk(recorded: Edit, edit: Edit | None, disk: OnDisk) -> Edit:
    """The edit that was made of the disk, in the place of the one that was made of the log. Raises DoesNotFit."""
    for place in recorded.places:
        disk.source(place.file)
    disk.check(edit or recorded)
    if edit is None:
        where = f"{recorded.file}, line {recorded.line}"
        raise DoesNotFit(f"{where}: the lines are there, but with the rest of the program as it is now the fix is not sure")
    return edit


def _key(finding: Finding, fix: Fix) -> tuple[str, ...]:
    """What makes a fix the same one in two reviews of a training run."""
    return (finding.heuristic, fix.cause, finding.curves[0].tag, *finding.where)


def _different(entries: Sequence[tuple[Patch, Finding, Fix]]) -> list[tuple[Patch, Finding, Fix]]:
    """Each change once: several findings may propose the same."""
    kept: dict[str, tuple[Patch, Finding, Fix]] = {}
    for entry in entries:
        kept.setdefault(repr([(h.file, h.change) for h in entry[0].hunks]), entry)
    return list(kept.values())


def _together(
    entries: Sequence[tuple[Patch, Finding, Fix]],
) -> tuple[Patch, tuple[Finding, ...], tuple[Fix, ...]] | None:
    """The changes that do not meet as one; None if there are not two."""
    whole: Patch | None = None
    findings: list[Finding] = []
    fixes: list[Fix] = []
    for patch, finding, fix in entries:
        joined = patch if whole is None else whole.joined(patch)
        if joined is None or (whole is not None and len(joined.hunks) == len(whole.hunks)):
            continue
        whole, findings, fixes = joined, [*findings, finding], [*fixes, fix]
    return (whole, tuple(findings), tuple(fixes)) if whole is not None and len(fixes) > 1 else None
