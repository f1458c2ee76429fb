"""Which tags of a TensorBoard run are read: so many at most, since each takes memory. The others are counted."""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection

# Tags of one TensorBoard run. SCRAM's recorder writes the most: some ten columns for each of at most 2,000 layers and their
# variables. A tag takes about 1 kB.
MOST_TAGS = 100_000
_BITS = 1 << 22  # of a map with one bit for each hash: linear counting (Whang et al., 1990), to 1 % up to ten million tags
_SPREAD = 0x9E3779B1  # 2**32 over the golden ratio, as in Fibonacci hashing


class Tags:
    """The tags of one TensorBoard run that are kept, and how many others there are."""

    def __init__(self, most: int = MOST_TAGS) -> None:
        self._most = most
        self._kept: set[str] = set()
        self._others = bytearray()  # the map of the others; reading them again changes nothing in it
        self._example = ""

    def keeps(self, tag: str) -> bool:
        """Whether the points of a tag are kept; a tag that is not is counted."""
        if tag in self._kept:
            return True
        if len(self._kept) < self._most:
            self._kept.add(tag)
            return True
        if not self._others:
            self._others, self._example = bytearray(_BITS >> 3), tag
        # checksums of tags that differ in a number have much in common: a multiplication spreads them
        at = (zlib.crc32(tag.encode("utf-8", "surrogatepass")) * _SPREAD & 0xFFFFFFFF) * _BITS >> 32
        self._others[at >> 3] |= 1 << (at & 7)
        return False

    def there_are(self, tags: Collection[str]) -> None:
        """These are the tags of all files now: what was kept of a file that is gone makes room."""
        if len(tags) < len(self._kept):
            self._kept = set(tags)

    @property
    def left_out(self) -> int:
        """About how many tags are not kept."""
        if not self._others:
            return 0
        empty = _BITS - int.from_bytes(self._others, "little").bit_count()
        return round(-_BITS * math.log(max(empty, 1) / _BITS))

    @property
    def sentence(self) -> str:
        """What was left out, for the user; empty if nothing was."""
        if not (count := self.left_out):
            return ""
        return (
            f"it has about {count:,} tags more than the {self._most:,} that SCRAM reads, {self._example[:80]!r} for one; "
            "their points were left out"
        )
