"""Which findings are consequences of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scram_plugin.heuristics.catalogue import Catalogue
from scram_plugin.heuristics.heuristic import Finding
from scram_plugin.severity import SEVERITIES


def explain(findings: Sequence[Finding], catalogue: Catalogue) -> list[Finding]:
    """The findings, each with the one that explains it. A cause whose consequence is an error is an error itself.

    An info explains only infos.
    """
    reported = {f.heuristic for f in findings if f.severity != "info"}
    remarks = {f.heuristic for f in findings}
    marked = _escalated([_marked(f, remarks if f.severity == "info" else reported, catalogue) for f in findings])
    by = {f.heuristic: f.explained_by for f in marked if f.explained_by is not None}
    alone = {f.heuristic for f in marked if f.explained_by is None}
    return _escalated([_at_the_root(f, by, alone) for f in marked])


def _marked(finding: Finding, able: set[str], catalogue: Catalogue) -> Finding:
    if finding.causes[0].id in catalogue[finding.heuristic].unexplained:
        return finding
    explains = catalogue.consequences.items()
    cause = next((cause for cause, brings in explains if cause in able and finding.heuristic in brings), None)
    return replace(finding, explained_by=cause)


def _at_the_root(finding: Finding, by: dict[str, str], alone: set[str]) -> Finding:
    """A consequence of a consequence is explained by the first cause of the chain."""
    seen, cause = {finding.heuristic}, finding.explained_by
    while cause is not None and cause not in alone and cause in by and by[cause] not in seen:
        seen.add(cause)
        cause = by[cause]
    return replace(finding, explained_by=cause)


def _escalated(findings: list[Finding]) -> list[Finding]:
    """Each cause as severe as its worst consequence; infos stay."""
    found = []
    for finding in findings:
        worst = [f.severity for f in findings if f.explained_by == finding.heuristic] if finding.severity != "info" else []
        found.append(replace(finding, severity=min([finding.severity, *worst], key=SEVERITIES.index)))
    return found
