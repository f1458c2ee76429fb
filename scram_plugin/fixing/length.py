"""How long the runs of a proof must train to show what a longer training showed."""

from __future__ import annotations

import math

import numpy as np

from scram_plugin.fixing.proof import SECONDS_OF_A_RUN
from scram_plugin.fixing.runs import Limits
from scram_plugin.heuristics.catalogue import Catalogue
from scram_plugin.heuristics.heuristic import Finding
from scram_plugin.logs.training_run import TrainingRun
from scram_plugin.reviews.run import judged

LONGEST_BY_ITSELF = 30.0  # seconds of a run, where the user says nothing: two pairs take less than 90 s on two cores
MOST_LOOKS = 50  # lengths of the log that are judged, at most; by definition


def needed(run: TrainingRun, finding: Finding, catalogue: Catalogue) -> Limits:
    """The budget after which this finding showed in a log, as far as the runs may take so long."""
    loss = run.signal("validation loss") or run.signal("training loss")
    if finding.axis != "epoch" or loss is None or len(loss) < 2:
        return Limits(seconds=SECONDS_OF_A_RUN)
    times = loss.wall_times
    seconds = float(np.median(np.diff(times))) * _epochs(run, times, finding, catalogue)
    return Limits(seconds=min(max(seconds, SECONDS_OF_A_RUN), LONGEST_BY_ITSELF))


def _epochs(run: TrainingRun, times: np.ndarray, finding: Finding, catalogue: Catalogue) -> int:
    """The first number of epochs of which the check says the same as of the whole log."""
    heuristic = catalogue[finding.heuristic]
    ends = (times[:-1] + times[1:]) / 2
    first = min(max(finding.first_step, 0), len(ends) - 1)
    for at in range(first, len(ends), math.ceil((len(ends) - first) / MOST_LOOKS)):
        part = run.between(run.name, -math.inf, float(ends[at]), "")
        found = judged(heuristic, catalogue.options_of(heuristic), part)
        if isinstance(found, list) and any(one.severity == finding.severity for one in found):
            return at + 1
    return len(times)
