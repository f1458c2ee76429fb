"""Keeps a program from writing outside the directories of its proof, and from reading the user's credentials.

On Linux the kernel refuses both (Landlock), to the program's children as well. On all systems a hook of Python refuses to
write, with a sentence. What is forbidden raises PermissionError in the program.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

# of linux/landlock.h; the numbers of the calls are the same for all processors
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION = 1  # flag: tell the version
_BENEATH = 1  # kind of a rule
_NO_NEW_PRIVILEGES = 38  # of linux/prctl.h
_WRITE, _READ, _TRUNCATE, _DEVICE = 1 << 1, 1 << 2, 1 << 14, 1 << 15
_ENTRIES = sum(1 << bit for bit in range(4, 13))  # removes and makes entries of directories
_MOVE = 1 << 13
_MOVES_FROM, _TRUNCATES_FROM, _DEVICES_FROM = 2, 3, 5  # versions that know these rights
# devices that programs write to, and memory that processes share
DEVICES = ("null", "zero", "full", "tty", "random", "urandom", "ptmx", "pts", "shm", "dri", "kfd")
GPUS = "nvidia"  # how the names of such devices begin
# below the home directory; source: the documentation of these programs
CREDENTIALS = (
    *(".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".netrc", "_netrc", ".git-credentials", ".password-store"),
    *(".pypirc", ".npmrc", ".yarnrc.yml", ".pgpass", ".my.cnf", ".boto", ".s3cfg", ".kaggle", ".comet.config", ".vault-token"),
    *(".huggingface/token", ".cache/huggingface/token", ".cache/huggingface/stored_tokens", ".config/gcloud", ".config/gh"),
    *(".config/git/credentials", ".config/rclone", ".config/op", ".config/sops", ".config/kaggle", ".config/wandb"),
    *(".cargo/credentials", ".cargo/credentials.toml", ".gem/credentials", ".terraform.d/credentials.tfrc.json"),
    *(".local/share/keyrings", ".mozilla", ".config/google-chrome", ".config/chromium", ".bash_history", ".zsh_history"),
)

_OPENS_TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# event of Python's audit -> the places of its arguments that are entries (a link itself, not what it points to), with the
# place of the descriptor of a directory for relative ones
_ENTRY_EVENTS: Mapping[str, tuple[tuple[int, int], ...]] = {
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.mkdir": ((0, 2),),
    "os.rename": ((0, 2), (1, 3)),
    "os.link": ((1, 3),),
    "os.symlink": ((1, 2),),
}
# events of which the first argument is a file that is changed
_FILE_EVENTS = ("os.truncate", "os.chmod", "os.chown", "os.utime", "os.setxattr", "os.removexattr")


class Refused(PermissionError):
    """A place in which the program may not write."""


def enforce(writable: Iterable[str], refused: Callable[[str], None]) -> None:
    """From now on this process and its children may write only below these directories, and read no credentials.

    It cannot be undone. `refused` is called with each place that Python's hook refuses.
    """
    places = [os.path.realpath(place) for place in writable]
    devices = _devices()
    with contextlib.suppress(OSError, AttributeError):  # an older kernel, or another system: the hook remains
        _restrict(places, devices)
    sys.addaudithook(_Hook(places, devices, refused))


def _devices() -> list[str]:
    if not os.path.isdir("/dev"):
        return []
    return [f"/dev/{name}" for name in os.listdir("/dev") if name in DEVICES or name.startswith(GPUS)]


class _Hook:
    def __init__(self, places: list[str], devices: list[str], refused: Callable[[str], None]) -> None:
        self._within = tuple(place.rstrip(os.sep) + os.sep for place in (*places, *devices))
        self._exact = {*places, *devices}
        self._refused = refused

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & _OPENS_TO_WRITE:
                self._check(_file(path))
        elif event in _ENTRY_EVENTS:
            for at, directory in _ENTRY_EVENTS[event]:
                given = arguments[directory] if directory < len(arguments) else -1
                self._check(_entry(arguments[at], given))
        elif event in _FILE_EVENTS:
            self._check(_file(arguments[0]))

    def _check(self, place: str | None) -> None:
        if place is None or place in self._exact or place.startswith(self._within) or place == os.devnull:
            return
        self._refused(place)
        raise Refused(
            f"{place}: this run only tries out a fix, so it may write in a copy of the program's directory, not here. Give the "
            "program a relative path, or prepare this file before"
        )


def _file(path: Any) -> str | None:
    """The file that is meant, links followed; None for a descriptor, which was opened before."""
    return None if isinstance(path, int) or path is None else os.path.realpath(os.fsdecode(path))


def _entry(path: Any, directory: Any) -> str | None:
    """The entry of a directory that is meant: a link is not followed."""
    if isinstance(path, int) or path is None:
        return None
    name = os.fsdecode(path)
    if isinstance(directory, int) and directory >= 0 and not os.path.isabs(name):
        with contextlib.suppress(OSError):
            name = os.path.join(os.readlink(f"/proc/self/fd/{directory}"), name)
    parent, last = os.path.split(name.rstrip(os.sep) or os.sep)
    return os.path.join(os.path.realpath(parent or "."), last)


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("directory", ctypes.c_int32))


def _restrict(places: list[str], devices: list[str]) -> None:
    """Have the kernel refuse to write elsewhere. Raises OSError where it cannot."""
    if not sys.platform.startswith("linux"):
        raise OSError("there is no Landlock")
    libc = ctypes.CDLL(None, use_errno=True)
    version = _call(libc, _CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION))
    on_files = _WRITE
    on_files |= _TRUNCATE if version >= _TRUNCATES_FROM else 0
    on_files |= _DEVICE if version >= _DEVICES_FROM else 0
    everything = on_files | _ENTRIES | (_MOVE if version >= _MOVES_FROM else 0)
    handled = ctypes.c_uint64(everything | _READ)
    rules = _call(libc, _CREATE, ctypes.byref(handled), ctypes.c_size_t(ctypes.sizeof(handled)), ctypes.c_uint32(0))
    try:
        for place in (*places, *devices):
            _allow(libc, rules, place, _READ | (everything if os.path.isdir(place) else on_files))
        for place in _all_but(os.sep, _credentials()):
            with contextlib.suppress(OSError):  # it is gone, or in a directory that is not open to this user
                _allow(libc, rules, place, _READ)
        if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
        _call(libc, _RESTRICT, ctypes.c_int(rules), ctypes.c_uint32(0))
    finally:
        os.close(rules)


def _allow(libc: Any, rules: int, place: str, rights: int) -> None:
    directory = os.open(place, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = _Beneath(rights, directory)
        _call(libc, _ADD, ctypes.c_int(rules), ctypes.c_int(_BENEATH), ctypes.byref(rule), ctypes.c_uint32(0))
    finally:
        os.close(directory)


def _credentials() -> frozenset[str]:
    """Where credentials are, links followed; without a place in which Python or this directory is."""
    needed = [os.path.realpath(place) for place in (sys.prefix, sys.base_prefix, ".")]
    found = {os.path.realpath(os.path.join(os.path.expanduser("~"), name)) for name in CREDENTIALS}
    return frozenset(p for p in found if os.path.exists(p) and not any(n == p or n.startswith(p + os.sep) for n in needed))


def _all_but(directory: str, hidden: frozenset[str]) -> Iterator[str]:
    """The fewest places that hold what is in a directory, without what is hidden: Landlock knows only what is allowed."""
    if not any(place.startswith(directory.rstrip(os.sep) + os.sep) for place in hidden):
        yield directory
        return
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.path not in hidden and not entry.is_symlink():
                yield from _all_but(entry.path, hidden) if entry.is_dir() else (entry.path,)


def _call(libc: Any, number: int, *arguments: Any) -> int:
    result = int(libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"call {number}")
    return result
