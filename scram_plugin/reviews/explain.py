"""Which findings are consequences of others, as far as the recorded evidence allows it, and in which order findings stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scram_plugin.heuristics.catalogue import Catalogue
from scram_plugin.heuristics.consequence import Evidence
from scram_plugin.heuristics.heuristic import Finding
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.severity import SEVERITIES

KILLS = ("non-finite", "blow-up", "standstill")  # families whose findings end or spoil a training, the worst first


def explain(findings: Sequence[Finding], catalogue: Catalogue, run: TrainingRun | None = None) -> list[Finding]:
    """The findings, each with the one that explains it, in the order to read them. A cause whose consequence is an error is an
    error itself.

    An info explains only infos. `run` is what they were found in: its evidence decides what can explain what.
    """
    evidence = Evidence(run)
    order = [heuristic.id for heuristic in catalogue.heuristics]
    marked = _escalated([_marked(finding, findings, catalogue, evidence) for finding in findings])
    by = {f.heuristic: f.explained_by for f in marked if f.explained_by is not None}
    alone = {f.heuristic for f in marked if f.explained_by is None}
    rooted = [replace(f, explained_by=_root(f, by, alone, order)) for f in marked]
    explained = _escalated(
        [f if _began_in_time(f, rooted, catalogue, evidence) else replace(f, explained_by=None) for f in rooted]
    )
    return _in_order(explained, catalogue, evidence)


def _marked(finding: Finding, findings: Sequence[Finding], catalogue: Catalogue, evidence: Evidence) -> Finding:
    shown = catalogue[finding.heuristic]
    if finding.causes[0].id in shown.unexplained:
        return finding
    able = [id_ for id_, brings in catalogue.consequences.items() if finding.heuristic in brings]
    # what is not finite spoils for certain whatever comes after it; other reasons may only have that effect
    for id_ in sorted(able, key=lambda id_: "non-finite" not in catalogue[id_].families):
        for cause in findings:
            counts = cause.heuristic == id_ and (cause.severity != "info" or finding.severity == "info")
            if counts and evidence.allows(cause, catalogue[id_], finding, shown):
                return replace(finding, explained_by=id_)
    return finding


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


def _began_in_time(finding: Finding, findings: Sequence[Finding], catalogue: Catalogue, evidence: Evidence) -> bool:
    """Whether what explains a finding at the end of a chain began no later than this finding, too."""
    if finding.explained_by is None:
        return True
    of, shown = catalogue[finding.explained_by], catalogue[finding.heuristic]
    return any(evidence.in_time(f, of, finding, shown) for f in findings if f.heuristic == finding.explained_by)


def _escalated(findings: list[Finding]) -> list[Finding]:
    """Each cause as severe as its worst consequence, one after the other; infos stay."""
    severities = [finding.severity for finding in findings]
    for i, finding in enumerate(findings):
        for j, cause in enumerate(findings):
            if cause.heuristic == finding.explained_by and severities[j] != "info":
                severities[j] = min(severities[j], severities[i], key=SEVERITIES.index)
    return [replace(finding, severity=severity) for finding, severity in zip(findings, severities, strict=True)]


def _in_order(findings: list[Finding], catalogue: Catalogue, evidence: Evidence) -> list[Finding]:
    """Those that stand by themselves first, the gravest first; among equals by what kills the training first, itself or by its
    consequences; then by when they began, and in the order of the catalogue. An info kills nothing."""
    order = [heuristic.id for heuristic in catalogue.heuristics]

    def kills(finding: Finding) -> int:
        return next((i for i, family in enumerate(KILLS) if family in catalogue[finding.heuristic].families), len(KILLS))

    def when(finding: Finding) -> tuple[int, int]:
        if finding.severity == "info":
            return len(KILLS), 0
        own = [finding, *(other for other in findings if other.explained_by == finding.heuristic)]
        axis, step = evidence.began(finding, catalogue[finding.heuristic])
        began = evidence.batch(axis, step)
        return min(map(kills, own)), step if began is None else began

    return sorted(
        findings,
        key=lambda finding: (
            finding.explained_by is not None,
            SEVERITIES.index(finding.severity),
            when(finding),
            order.index(finding.heuristic),
        ),
    )
