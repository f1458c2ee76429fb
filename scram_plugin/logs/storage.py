"""Access to logs: in local directories, or in remote ones through fsspec (``s3://``, ``gs://``, ``memory://`` ...)."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple, TypeVar

from scram_plugin.logs.arranged import TextFiles, arranged
from scram_plugin.logs.listed import Directories, Listed, is_event_file
from scram_plugin.logs.places import Places
from scram_plugin.logs.settings_file import has_settings
from scram_plugin.logs.text_file import may_be_log

T = TypeVar("T")

STAMPS = ("ETag", "etag", "generation", "md5Hash", "content_md5")  # names of values that change with the content
# Limits of a log directory, far above real ones; what lies beyond is reported and not read
DEEPEST = 64  # directories within each other
MOST_ENTRIES = 4_000_000
MOST_LINKS_TOLD = 20  # that lead out of a log directory and are named one by one; by definition
# A pipe that took the name of a file must not block the reader; Windows has no such flag, and needs one for bytes.
_TO_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
WHAT_TO_INSTALL = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}


class Problem(NamedTuple):
    """Something that could not be read: which file, from which byte on, and a sentence for the user."""

    path: str
    byte: int | None
    sentence: str


def is_remote(root: str) -> bool:
    return "://" in root


def storage(root: str) -> Local | Remote:
    """The storage that contains a directory. Raises OSError, with a sentence, if a remote one cannot be reached."""
    return Remote(root) if is_remote(root) else Local()


def called(root: str) -> str:
    """The name of a log directory that is used from here on."""
    return root if is_remote(root) else os.path.normpath(root)


def opened(logdir: str | os.PathLike[str]) -> tuple[str, Local | Remote]:
    """The name of a log directory that is used from here on, and its storage.

    Raises FileNotFoundError, NotADirectoryError or OSError, with a sentence for the user, if it is not a directory.
    """
    root = os.fspath(logdir)
    where = storage(root)
    if not where.exists(root):
        raise FileNotFoundError(f"{root}: there is no such directory")
    if not where.is_directory(root):
        raise NotADirectoryError(f"{root} is a file; give the directory that contains it")
    return called(root), where


class Listing(NamedTuple):
    """A log directory, and the files that each of its TensorBoard runs has now."""

    root: str
    files: dict[str, list[Listed]]
    problems: list[Problem]


def listing(logdir: str | os.PathLike[str]) -> Listing:
    """Lists the logs of a directory. Raises as `opened`, and FileNotFoundError if there are none."""
    root, where = opened(logdir)
    problems: list[Problem] = []
    files = dict(where.directories(root, problems))
    if not files:
        told = "".join(f"\n  {p.path!r}: {p.sentence}" for p in problems[:5])
        raise FileNotFoundError(
            f"{os.fspath(logdir)}: no event files (their names contain 'tfevents') and no logs as CSV or JSON in or below this "
            f"directory. Is it the one that you pass to `tensorboard --logdir`?{told}"
        )
    return Listing(root, files, problems)


class Local:
    def __init__(self) -> None:
        self._text_files = TextFiles(self.open)

    def open(self, path: str) -> BinaryIO:
        """Raises OSError for what is not a regular file, also if it became so after it was listed."""
        descriptor = os.open(path, _TO_READ)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file")
            return os.fdopen(descriptor, "rb", buffering=0)
        except BaseException:
            os.close(descriptor)
            raise

    def now(self, stream: BinaryIO, listed: Listed) -> Listed:
        """The open file as it is now: it may have grown, or another may have taken its name, since it was listed."""
        return Listed.of(listed.path, os.fstat(stream.fileno()))

    def exists(self, root: str) -> bool:
        return os.path.exists(root)

    def is_directory(self, root: str) -> bool:
        return os.path.isdir(root)

    def directories(self, root: str, problems: list[Problem]) -> Directories:
        """The TensorBoard runs at or below `root` with their files, in the order of their names (see `arranged.py`).

        Links within `root` are followed, except those that lead back to a directory above them. What leads out of it, and
        special file systems, are told and left out. Each real directory is visited once, by the first of its names.
        """
        return arranged(self._walk(root, problems))

    def _walk(self, root: str, problems: list[Problem]) -> Directories:
        todo, visited, entries_left = [(root, ".", 0)], set(), MOST_ENTRIES
        places, links_out = Places(root), 0
        while todo:
            directory, name, depth = todo.pop()
            files: list[Listed] = []
            candidates: list[Listed] = []
            below = []
            try:
                status = os.stat(directory)
            except OSError as error:
                problems.append(Problem(directory, None, f"it could not be opened ({error.strerror})"))
                continue
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            if kind := places.special(status.st_dev):
                problems.append(Problem(directory, None, f"it is a special file system ({kind}), and was left out"))
                continue
            if depth > DEEPEST or entries_left < 0:
                limit = f"it is more than {DEEPEST} directories deep" if depth > DEEPEST else f"after {MOST_ENTRIES:,} entries"
                problems.append(Problem(directory, None, f"it was not read: {limit}"))
                continue
            try:
                with os.scandir(directory) as entries:
                    for entry in entries:
                        entries_left -= 1
                        try:
                            is_directory = entry.is_dir()
                            is_log = is_event_file(entry.name)
                            if not (is_directory or is_log or may_be_log(entry.name) or has_settings(entry.name)):
                                continue
                            if entry.is_symlink():
                                if is_directory and _leads_up(entry.path, directory):
                                    continue
                                if (why := places.leads_out(entry.path)) is not None:
                                    links_out += 1
                                    if links_out <= MOST_LINKS_TOLD:
                                        problems.append(Problem(entry.path, None, why))
                                    continue
                            if is_directory:
                                below.append((entry.path, entry.name if name == "." else f"{name}/{entry.name}", depth + 1))
                                continue
                            status = entry.stat()
                            if not stat.S_ISREG(status.st_mode):  # reading a pipe might never end
                                problems.append(Problem(entry.path, None, "it is not a regular file"))
                                continue
                            kept = files if is_log or has_settings(entry.name) else candidates
                            kept.append(Listed.of(entry.path, status))
                        except OSError as error:
                            problems.append(Problem(entry.path, None, f"it could not be opened ({error.strerror})"))
            except OSError as error:
                problems.append(Problem(directory, None, f"it could not be opened ({error.strerror})"))
            files += self._text_files.among(candidates)
            if files:
                yield name.replace(os.sep, "/"), files
            below.sort(reverse=True)
            todo += below
        if (more := links_out - MOST_LINKS_TOLD) > 0:
            problems.append(Problem(root, None, f"{more:,} more links lead out of the log directory, and were left out"))


def _leads_up(link: str, directory: str) -> bool:
    target, here = os.path.realpath(link), os.path.realpath(directory)
    return here == target or here.startswith(target.rstrip(os.sep) + os.sep)


class Remote:
    """A file system of fsspec. Each listing reads it again, without a cache."""

    def __init__(self, root: str) -> None:
        scheme = root.partition("://")[0]
        try:
            import fsspec
        except ImportError:
            raise OSError(f"reading {scheme}:// needs fsspec; install it with: pip install fsspec") from None
        try:
            self._files: Any
            self._files, _ = fsspec.core.url_to_fs(root)
        except ImportError as error:
            package = WHAT_TO_INSTALL.get(scheme)
            raise OSError(
                f"reading {scheme}:// needs {package}; install it with: pip install {package}" if package else str(error)
            ) from None
        except Exception as error:
            raise OSError(f"{type(error).__name__}: {str(error)[:200]}") from None
        self._text_files = TextFiles(self.open)

    def open(self, path: str) -> BinaryIO:
        file: BinaryIO = _remotely(lambda: self._files.open(path, "rb"))
        return file

    def now(self, stream: BinaryIO, listed: Listed) -> Listed:
        """As `Local.now`, as far as it is known: an object in a store is replaced as a whole."""
        return listed._replace(size=_remotely(lambda: stream.seek(0, 2)))

    def exists(self, root: str) -> bool:
        return bool(_remotely(lambda: self._files.exists(root)))

    def is_directory(self, root: str) -> bool:
        return bool(_remotely(lambda: self._files.isdir(root)))

    def directories(self, root: str, problems: list[Problem]) -> Directories:
        """As `Local.directories`."""
        try:
            _remotely(self._files.invalidate_cache)
            top = str(self._files._strip_protocol(root)).rstrip("/")
            found = _remotely(lambda: self._files.find(root, detail=True))
        except OSError as error:
            problems.append(Problem(root, None, f"it could not be listed ({error})"))
            return
        by_directory: dict[str, list[Listed]] = {}
        candidates: dict[str, list[Listed]] = {}
        for path, info in found.items():
            above, _, name = path.rpartition("/")
            if (is_log := is_event_file(name) or has_settings(name)) or may_be_log(name):
                relative = above[len(top) :].strip("/") or "."
                # no identity: an object in a store is replaced as a whole whenever it grows
                stamp = next((str(info[key]) for key in STAMPS if info.get(key)), "")
                listed = Listed(path, int(info.get("size") or 0), 0, stamp)
                (by_directory if is_log else candidates).setdefault(relative, []).append(listed)
        for relative, files in candidates.items():
            by_directory.setdefault(relative, []).extend(self._text_files.among(files))
        yield from arranged(by_directory.items())


def _remotely(call: Callable[[], T]) -> T:
    """The result of a call of fsspec. Every exception there becomes an OSError with a sentence."""
    try:
        return call()
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {str(error)[:200]}") from None
