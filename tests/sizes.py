"""How much of a set is tested: a quick part with `make test`, all of it with `make test-all`."""

import os

FULL = bool(os.environ.get("SCRAM_FULL"))


def size(full: int, quick: int) -> int:
    return full if FULL else quick
