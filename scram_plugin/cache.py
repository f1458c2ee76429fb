"""What was found earlier, kept on the disk: a second look at a large log directory is immediate.

A key says everything that an answer depends on: each file as its file system tells of it, SCRAM's own code, the choices of the
user, and what else computes. Where a file was just written, or its store does not say whether it has changed, there is no key.
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
from scram_plugin.logs.storage import Listed, is_remote

if TYPE_CHECKING:
    from scram_plugin.heuristics.catalogue import Catalogue

MOST = 256 << 20  # bytes of the file; beyond it what was not asked for longest is dropped
SETTLED = 10  # seconds after which whatever is written gets another time; the coarsest file systems have steps of two
DAY = 86_400
WAIT = 1.0  # seconds for another process that is writing
TABLE = "create table if not exists answers (key text primary key, day integer, value blob) without rowid"
AT_ONCE = 500  # keys in one question


def key_of(settings: str, root: str, files: Mapping[str, Sequence[Listed]], more: Any) -> str:
    """A key for what is found in these files of a log directory; empty where it cannot be told whether they have changed."""
    if not settings:
        return ""
    remote, latest = is_remote(root), (time.time() - SETTLED) * 1e9
    for file in (file for listed in files.values() for file in listed):
        if not file.stamp or (not remote and max(map(int, file.stamp.split())) > latest):
            return ""
    told = json.dumps([settings, root, files, more], sort_keys=True)
    return hashlib.sha256(told.encode(errors="surrogatepass")).hexdigest()


def versions() -> str:
    """SCRAM's own code, and everything else that computes or prints."""
    return json.dumps([__version__, _code(), sys.version, metadata.version("numpy"), metadata.version("rich")])


def settings_of(catalogue: Catalogue) -> str:
    """What reviews depend on beside the files: what computes, and the choices of the user. Empty where that cannot be told:
    heuristics of others may depend on anything."""
    if catalogue.modules or installed():
        return ""
    accepted = [vars(entry) for entry in catalogue.accepted]
    chosen = [[h.id for h in catalogue.heuristics], catalogue.options, catalogue.signals, accepted]
    return json.dumps([versions(), chosen], default=str, sort_keys=True)


@lru_cache(maxsize=1)
def _code() -> str:
    """Another one whenever a file of SCRAM's changes, as it does where SCRAM is developed."""
    files = sorted(path for path in Path(__file__).parent.rglob("*") if path.suffix in (".py", ".md", ".css"))
    return hashlib.sha256(repr([(path.name, (s := path.stat()).st_size, s.st_mtime_ns) for path in files]).encode()).hexdigest()


class Cache:
    """Values of JSON by their keys, in one file. Whatever is wrong with the file: nothing is known then, and nothing raised."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or Path(platformdirs.user_cache_dir("scram", appauthor=False)) / "reviews.sqlite"

    def get(self, keys: Iterable[str]) -> dict[str, Any]:
        """The values that are known."""
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
        """Keep values, for as long as there is room."""
        today = int(time.time()) // DAY
        rows = []
        for key, value in values.items():
            with contextlib.suppress(TypeError, ValueError, AttributeError):  # what has no place in JSON is not kept
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
            pass  # locked, no room, not to be written
        except sqlite3.DatabaseError:  # it is damaged, or something else
            with contextlib.suppress(OSError):
                self.path.unlink()
        except OSError:
            pass


def _plain(value: Any) -> Any:
    """A number of NumPy's as one of Python's."""
    return value.item()
