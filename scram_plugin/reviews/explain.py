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
    order = [heuristic.id for heuristic in catalogue.heuristics]
    marked = _escalated([_marked(f, remarks if f.severity == "info" else reported, catalogue) for f in findings])
    by = {f.heuristic: f.explained_by for f in marked if f.explained_by is not None}
    alone = {f.heuristic for f in marked if f.explained_by is None}
    return _escalated([replace(f, explained_by=_root(f, by, alone, order)) for f in marked])


def _marked(finding: Finding, able: set[str], catalogue: Catalogue) -> Finding:
    if finding.causes[0].id in catalogue[finding.heuristic].unexplained:
        return finding
    explains = catalogue.consequences.items()
    cause = next((cause for cause, brings in explains if cause in able and finding.heuristic in brings), None)
    return replace(finding, explained_by=cause)


def _root(finding: Finding, by: dict[str, str], alone: set[str], order: Sequence[str]) -> str | None:
    """What explains a finding in the end: a consequence of a consequence is explained by the first cause of the chain.

    Heuristics of the user's own may explain each other in a circle: then the first of it in the catalogue stands alone.
    """
    chain = [finding.heuristic]
    cause = finding.explained_by
    while cause is not None and cause not in alone and cause in by:
        if cause in chain:
            first = min(chain[chain.index(cause) :], key=order.index)
            return None if first == finding.heuristic else first
        chain.append(cause)
        cause = by[cause]
    return cause


def _escalated(findings: list[Finding]) -> list[Finding]:
    """Each cause as severe as its worst consequence, one after the other; infos stay."""
    severities = [finding.severity for finding in findings]
    for i, finding in enumerate(findings):
        for j, cause in enumerate(findings):
            if cause.heuristic == finding.explained_by and severities[j] != "info":
                severities[j] = min(severities[j], severities[i], key=SEVERITIES.index)
    return [replace(finding, severity=severity) for finding, severity in zip(findings, severities, strict=True)]
