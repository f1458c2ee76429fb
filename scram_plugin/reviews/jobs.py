"""How many processes review at once."""

import os

MOST_JOBS = 256  # more than any machine has cores for; a larger number is a slip of the finger


def usable_cores() -> int:
    """The number of cores that this process may use, as limited by a container or a batch system."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
