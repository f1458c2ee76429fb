"""How often findings are right, by check and by the word that says how sure it is."""

from __future__ import annotations

from collections import Counter, defaultdict

from scram_plugin.heuristics.heuristic import Finding

WORDS = ("certain", "likely", "possible")
LEAST = 3  # findings of a check: fewer stand only in the sum


class Reliability:
    """Counts right and wrong findings."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], Counter[bool]] = defaultdict(Counter)

    def add(self, finding: Finding, right: bool) -> None:
        self._counts[finding.heuristic, finding.confidence][right] += 1

    def print(self) -> None:
        checks = sorted({heuristic for heuristic, _ in self._counts})
        print(f"{'findings that are right':28}" + "".join(f"{word:>18}" for word in WORDS))
        for name in [*checks, ""]:
            cells = [self._share(name, word) for word in WORDS]
            if not name or any(of >= LEAST for _, of in cells):
                print(
                    f"{name or 'all':28}" + "".join(f"{f'{right / of:.1%} of {of}' if of else '':>18}" for right, of in cells)
                )

    def _share(self, heuristic: str, word: str) -> tuple[int, int]:
        """The number of right ones, and of all; of all checks, if `heuristic` is empty."""
        chosen = [c for (h, w), c in self._counts.items() if w == word and heuristic in ("", h)]
        return sum(c[True] for c in chosen), sum(c.total() for c in chosen)
