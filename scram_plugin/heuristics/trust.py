"""Whether code that a configuration file names may run.

A log directory is data, and may come from anybody. So code runs only if the configuration and the file that it names are the
user's own (or root's), nobody else may write them, and neither is part of a log directory that is looked at.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from scram_plugin.logs.storage import is_remote


def distrust(path: Path, logdirs: Iterable[str]) -> str | None:
    """Why code that this file names, or that it holds, may not run; None if it may."""
    real = Path(os.path.realpath(path))
    for logdir in logdirs:
        if not is_remote(logdir) and real.is_relative_to(os.path.realpath(logdir)):
            return f"{path.name} is in the log directory {logdir}"
    if not hasattr(os, "getuid"):  # Windows: its lists of rights are not read
        return None
    status = real.stat()
    if status.st_uid not in (os.getuid(), 0):
        return f"{path.name} belongs to another user"
    if status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and not _alone_in(status.st_gid)):
        return f"other users may write {path.name}"
    return None


def _alone_in(group: int) -> bool:
    """Whether a group is the private one of the user: many systems give each user one, and let it write the user's files."""
    import grp
    import pwd

    try:
        user, members = pwd.getpwuid(os.getuid()), grp.getgrgid(group)
    except KeyError:
        return False
    return members.gr_gid == user.pw_gid and members.gr_name == user.pw_name and set(members.gr_mem) <= {user.pw_name}
