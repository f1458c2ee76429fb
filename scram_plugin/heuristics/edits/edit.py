"""A change of the user's own lines."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Edit:
    """Replace the lines `before`, which begin at `line` (from 1) of `file`, by the lines `after`.

    `more` are further places that belong to the same change: all of them are made, or none. `reason` says why, if the finding
    does not.
    """

    file: str
    line: int
    before: str
    after: str
    more: tuple[Edit, ...] = ()
    reason: str = ""

    @property
    def places(self) -> tuple[Edit, ...]:
        """All places of the fix, each without the others."""
        return (replace(self, more=()), *self.more) if self.more else (self,)
