"""Attacks: what somebody who wants harm, or an accident, may put before SCRAM. What must hold is in `docs/security.md`.

Each makes its inputs from a seed; `make test` makes some, `make test-all` many. At the end a table tells how many.
"""

from collections.abc import Callable, Sequence


def held(record_property: Callable[[str, object], None], attack: str, tried: int, broken: Sequence[str]) -> None:
    """Tell the table of `tests/run.py` what was tried, and fail if anything did not hold."""
    record_property("attack", [attack, tried, len(broken)])
    assert tried
    assert not broken, "\n".join(broken[:10])
