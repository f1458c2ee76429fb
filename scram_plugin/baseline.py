"""A baseline: known findings, so that CI fails only on new ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from scram_plugin.errors import BadOption
from scram_plugin.logs.storage import called
from scram_plugin.reviews import Review, named_within, put_aside
from scram_plugin.severity import SEVERITIES

Known = dict[tuple[str, str], str]  # (training run, heuristic) -> the worst known severity


def load(path: Path) -> Known:
    """The findings in a report of ``scram check --format json``. Raises BadOption, with a sentence, for anything else."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        known: Known = {}
        for run in document["runs"]:
            # the name of the run when several log directories are given
            longer = named_within(called(str(document.get("logdir", "."))), run["name"])
            for finding in [*run["findings"], *(entry["finding"] for entry in run.get("accepted", ()))]:
                for name in (run["name"], longer):
                    key, severity = (name, finding["heuristic"]), finding["severity"]
                    known[key] = min(known.get(key, severity), severity, key=SEVERITIES.index)
        return known
    except OSError as error:
        raise BadOption(
            f"--baseline: {path} could not be read ({error.strerror}); create it with --format json --output"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadOption(f"--baseline: {path} is not a report of `scram check --format json`") from None


def apply(reviews: Sequence[Review], known: Known, name: str) -> None:
    """Put aside known findings; a finding whose severity got worse counts as new."""
    for review in reviews:
        graver = {
            finding["heuristic"]
            for finding in review.findings
            if SEVERITIES.index(finding["severity"]) < SEVERITIES.index(known.get((review.name, finding["heuristic"]), "error"))
        }
        reasons = {heuristic: f"known: in {name}" for run, heuristic in known if run == review.name and heuristic not in graver}
        put_aside(review, reasons, known=True)
