"""Parts of a training that SCRAM's recorder could not record, in words; `schema.py` describes how they are logged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MOST_NAMED = 3  # gaps that notes name


def stopped(gaps: Sequence[Mapping[str, Any]], last: int | None) -> str:
    """Why and where the recording stopped while the training went on; empty if it did not. `last`: the last recorded batch."""
    if not gaps or gaps[-1]["end"] is not None:
        return ""
    where = "before the first batch was recorded" if last is None else f"after batch {last:,}"
    return f"the recording stopped {where} ({gaps[-1]['reason']})"


def notes(gaps: Sequence[Mapping[str, Any]], stop: str) -> list[str]:
    """Sentences on all gaps; `stop` is that of `stopped`."""
    said = [f"{stop[0].upper()}{stop[1:]}. What the training did since is not known."] if stop else []
    said += [_missing(gap) for gap in gaps[:MOST_NAMED] if gap["end"] is not None]
    return said + ([f"And {len(gaps) - MOST_NAMED:,} more gaps in the recording."] if len(gaps) > MOST_NAMED else [])


def _missing(gap: Mapping[str, Any]) -> str:
    """A sentence on a part that was not recorded, after which the recording went on."""
    what = "Something" if gap["first"] is None or gap["last"] is None else f"Batches {gap['first']:,} to {gap['last']:,}"
    seconds = max(gap["end"] - gap["begin"], 0.0)
    return f"{what} could not be recorded, for {seconds:,.0f} s, and nothing is known of it: {gap['reason']}."
