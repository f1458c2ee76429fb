"""Which findings are consequences of others."""

from __future__ import annotations

from typing import Any

from scram_plugin.heuristics.catalogue import EXPLAINS, UNEXPLAINED
from scram_plugin.severity import SEVERITIES


def explain(findings: list[dict[str, Any]]) -> None:
    """Mark findings that are consequences of others. A cause whose consequence is an error is an error itself.

    An info explains only infos.
    """
    reported = {f["heuristic"] for f in findings if f["severity"] != "info"}
    remarks = {f["heuristic"] for f in findings}
    for finding in findings:
        if finding["causes"] and f"{finding['heuristic']}/{finding['causes'][0]['id']}" in UNEXPLAINED:
            continue
        able = remarks if finding["severity"] == "info" else reported
        finding["explained_by"] = next(
            (cause for cause, brings in EXPLAINS.items() if cause in able and finding["heuristic"] in brings), None
        )
    _escalate(findings)
    by = {f["heuristic"]: f["explained_by"] for f in findings if f["explained_by"] is not None}
    alone = {f["heuristic"] for f in findings if f["explained_by"] is None}
    for finding in findings:  # a consequence of a consequence is explained by the first cause of the chain
        seen = {finding["heuristic"]}
        while (cause := finding["explained_by"]) not in alone and cause in by and by[cause] not in seen:
            seen.add(cause)
            finding["explained_by"] = by[cause]
    _escalate(findings)


def _escalate(findings: list[dict[str, Any]]) -> None:
    for finding in findings:
        for cause in findings:
            if cause["heuristic"] == finding["explained_by"] and cause["severity"] != "info":
                cause["severity"] = min(cause["severity"], finding["severity"], key=SEVERITIES.index)
