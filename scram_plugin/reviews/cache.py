"""A cache of earlier reviews on disk: reviewing an unchanged log directory again is immediate.

A key covers everything that an answer depends on: each file (name, size, time stamp), SCRAM's own code, the user's choices and
the versions of libraries. There is no key if a file was just written, or if its storage does not say whether it has changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import sys
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from scram_plugin import __version__
from scram_plugin.heuristics.installed import installed
from scram_plugin.logs.listed import Listed
from scram_plugin.logs.storage import is_remote

if TYPE_CHECKING:
    from scram_plugin.heuristics.catalogue import Catalogue

MOST = 256 << 20  # bytes of the file; beyond that, the least recently used answers are dropped
SETTLED = 10  # seconds after which a new write gets a new time stamp; the coarsest file systems have a resolution of two
DAY = 86_400
WAIT = 1.0  # seconds to wait for another process that is writing
TABLE = "create table if not exists answers (key text primary key, day integer, value blob) without rowid"
AT_ONCE = 500  # keys in one query


def key_of(settings: str, root: str, files: Mapping[str, Sequence[Listed]], more: Any) -> str:
    """A key for what is found in these files of a log directory; empty if it is unknown whether they have changed."""
    if not settings:
        return ""
    remote, latest = is_remote(root), (time.time() - SETTLED) * 1e9
    for file in (file for listed in files.values() for file in listed):
        if not file.stamp or (not remote and max(map(int, file.stamp.split())) > latest):
            return ""
    told = json.dumps([settings, root, files, more], sort_keys=True)
    return hashlib.sha256(told.encode(errors="surrogatepass")).hexdigest()


def versions() -> str:
    """The versions of SCRAM's own code and of everything else that computes or prints."""
    libraries = map(metadata.version, ("numpy", "rich", "markupsafe", "msgspec", "pyyaml"))
    return json.dumps([__version__, _code(), sys.version, *libraries])


def settings_of(catalogue: Catalogue) -> str:
    """What reviews depend on in addition to the files: the code and the user's choices. Empty if that is unknown: heuristics
    of other packages may depend on anything."""
    if catalogue.modules or installed():
        return ""
    chosen = [[h.id for h in catalogue.heuristics], catalogue.options, catalogue.signals]
    return json.dumps([versions(), chosen], default=str, sort_keys=True)


@lru_cache(maxsize=1)
def _code() -> str:
    """A hash of SCRAM's own files, so that an edited checkout never reuses old answers."""
    files = sorted(path for path in Path(__file__).parent.parent.rglob("*") if path.suffix in (".py", ".md", ".css"))
    return hashlib.sha256(repr([(path.name, (s := path.stat()).st_size, s.st_mtime_ns) for path in files]).encode()).hexdigest()


class Cache:
    """JSON values by key, in one file. If anything is wrong with the file, nothing is found in it and nothing is raised."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or Path(platformdirs.user_cache_dir("scram", appauthor=False)) / "reviews.sqlite"

    def get(self, keys: Iterable[str]) -> dict[str, Any]:
        """The values of the keys that are in the cache."""
        wanted, today = list(keys), int(time.time()) // DAY
        found: dict[str, Any] = {}
        if not wanted:
            return found
        with self._safely(), self._open() as database:
            used = []
            for start in range(0, len(wanted), AT_ONCE):
                some = wanted[start : start + AT_ONCE]
                marks = ",".join("?" * len(some))
                for key, day, value in database.execute(f"select key, day, value from answers where key in ({marks})", some):
                    with contextlib.suppress(zlib.error, ValueError, TypeError):
                        found[key] = json.loads(zlib.decompress(value))
                    if day != today:
                        used.append((today, key))
            if used:
                with database:
                    database.executemany("update answers set day = ? where key = ?", used)
        return found

    def put(self, values: Mapping[str, Any]) -> None:
        """Store values; the least recently used are dropped when the file grows too large."""
        today = int(time.time()) // DAY
        rows = []
        for key, value in values.items():
            with contextlib.suppress(TypeError, ValueError, AttributeError):  # what JSON cannot hold is not stored
                rows.append((key, today, zlib.compress(json.dumps(value, default=_plain).encode(), 1)))
        if not rows:
            return
        with self._safely(), self._open() as database:
            with database:
                database.executemany("insert or replace into answers values (?, ?, ?)", rows)
            if self.path.stat().st_size > MOST:
                middle = "select day from answers order by day limit 1 offset (select count(*) / 2 from answers)"
                with database:
                    database.execute(f"delete from answers where day <= ({middle})")
                database.execute("vacuum")

    def _open(self) -> contextlib.closing[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        database = sqlite3.connect(self.path, timeout=WAIT)
        database.execute(TABLE)
        return contextlib.closing(database)

    @contextlib.contextmanager
    def _safely(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError:
            pass  # locked, disk full, or read-only
        except sqlite3.DatabaseError:  # damaged, or not a database
            with contextlib.suppress(OSError):
                self.path.unlink()
        except OSError:
            pass


def _plain(value: Any) -> Any:
    """A NumPy number as a Python number."""
    return value.item()
