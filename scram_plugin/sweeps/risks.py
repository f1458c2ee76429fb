"""How much slower than the good ones a training run must be to be stopped."""

from __future__ import annotations

RISKS = (0.01, 0.02, 0.05)  # shares of runs that would have become good, and are stopped; by definition
SLOWER = {0.01: 2.3, 0.02: 2.2, 0.05: 2.1}  # times, by the risk, if the goal is known; by bench-stopping
SLOWER_THAN_BEST = {0.01: 3.1, 0.02: 3.0, 0.05: 1.9}  # times, if the goal is what the best runs reach; by bench-stopping
