"""The measure by which runs of one program are compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from scram_plugin.reviews.model import Review
from scram_plugin.reviews.score import FALLBACK, RunScore


def scores_in_common(runs: Sequence[Review], asked: str = "") -> list[RunScore | None]:
    """The score of each run by the measure that counts for most of them; None of a run without it.

    `asked`: the signal or the tag of another measure.
    """
    told = [score for run in runs if (score := run.score_by(asked)) is not None]
    # before its first validation, a run has nothing else
    told = [score for score in told if score.signal not in FALLBACK] or told
    if not told:
        return [None] * len(runs)
    (signal, higher), _ = Counter((score.signal, score.higher) for score in told).most_common(1)[0]
    own = [run.score_by(signal) for run in runs]
    return [score if score is not None and score.higher == higher else None for score in own]
