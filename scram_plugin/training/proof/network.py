"""Takes the network from a run of a proof: it has a network namespace of its own, with nothing in it but its own loopback."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct
import sys

# of linux/sched.h, linux/sockios.h and linux/if.h
_NEW_NETWORK, _NEW_USER = 0x40000000, 0x10000000
_SET_FLAGS = 0x8914
_UP = 1


def cut_off() -> bool:
    """From now on this process and its children reach no other machine, and no server of this one. It cannot be undone.

    False where the system cannot do that: only Linux can, if it lets this user make namespaces.
    """
    if not sys.platform.startswith("linux"):
        return False
    import fcntl  # other systems have none

    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_NEW_NETWORK) != 0:  # for root alone; others need a namespace in which they are root
        if libc.unshare(_NEW_USER | _NEW_NETWORK) != 0:
            return False
        with contextlib.suppress(OSError):  # the program stays the user that it was
            _write("/proc/self/setgroups", "deny")
            _write("/proc/self/uid_map", f"{user} {user} 1")
            _write("/proc/self/gid_map", f"{group} {group} 1")
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH22x", b"lo", _UP))  # processes of one training may talk
    return True


def _write(file: str, text: str) -> None:
    with open(file, "w") as opened:
        opened.write(text)
