"""Until when a training counts as live."""

from __future__ import annotations

import math
import time

import numpy as np

from scram_plugin.logs.training_run import TrainingRun

LIVE_SECONDS = 120.0  # a run is live if its last event is younger than this, or than three of its usual intervals
LONGEST_INTERVAL = 3600.0  # seconds; longer ones do not count


def live_until(run: TrainingRun) -> float:
    """Until when (seconds since 1970) a training counts as live: its log has no end, and its last event is recent."""
    last = run.last_wall_time
    if run.ended is not None or run.stopped or not math.isfinite(last):
        return -math.inf
    if last + 3 * LONGEST_INTERVAL < time.time():
        return last + 3 * LONGEST_INTERVAL  # whatever its usual interval is
    curve = run.signal("training loss")
    gaps = np.diff(curve.wall_times[-20:]) if curve is not None and len(curve) > 2 else np.zeros(1)
    usual = float(np.median(gaps)) if np.isfinite(gaps).all() else 0.0
    return last + max(LIVE_SECONDS, 3 * min(usual, LONGEST_INTERVAL))
