"""Which places hold no logs: file systems that the kernel makes up, and what a link outside of a log directory leads to."""

from __future__ import annotations

import os

# File systems without files of a user's, by the names of Linux (Documentation/filesystems); reading them may not end, or act.
SPECIAL = frozenset(
    {
        *("proc", "sysfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "configfs"),
        *("pstore", "bpf", "mqueue", "hugetlbfs", "fusectl", "binfmt_misc", "efivarfs", "rpc_pipefs", "nsfs", "selinuxfs"),
    }
)
MOUNTED = "/proc/self/mountinfo"  # device and type of each file system; on Linux alone


class Places:
    """The places at and below a log directory."""

    def __init__(self, root: str) -> None:
        self._root = os.path.realpath(root)
        self._special: dict[int, str] | None = None  # device -> type

    def special(self, device: int) -> str:
        """The type of a special file system, by the number of its device; empty for an ordinary one."""
        if self._special is None:
            self._special = _special()
        return self._special.get(device, "")

    def leads_out(self, link: str) -> str | None:
        """Why what a link leads to is left out; None if it stays in the log directory. Raises OSError for a broken link."""
        target = os.path.realpath(link)
        if target == self._root or target.startswith(self._root.rstrip(os.sep) + os.sep):
            return None
        if kind := self.special(os.stat(target).st_dev):
            return f"it leads to a special file system ({kind}), and was left out"
        return f"it leads out of the log directory, and was left out; to read it, give {target!r} as a log directory of its own"


def _special() -> dict[int, str]:
    found = {}
    try:
        with open(MOUNTED, encoding="utf-8", errors="replace") as mounts:
            for line in mounts:
                before, _, after = line.partition(" - ")
                major, _, minor = before.split()[2].partition(":")
                if (kind := after.split()[0]) in SPECIAL:
                    found[os.makedev(int(major), int(minor))] = kind
    except (OSError, ValueError, IndexError):
        return found
    return found
