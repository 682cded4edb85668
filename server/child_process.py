"""What a child of ours does between fork and exec: it is bound to our life, and steps down from root."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

UNPRIVILEGED_ID = 65534
"""`nobody` on Linux and macOS alike."""

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def dies_with_parent() -> None:
    """Linux ends the child with SIGINT when its parent thread is gone, however that went. Elsewhere nothing.

    A change of user clears it (man 2 PR_SET_PDEATHSIG), so that comes first.
    """
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT))


def as_another_user() -> None:
    """Root becomes uid 1000 inside a user namespace of its own. Raises OSError where that is forbidden."""
    if _libc is None or _libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "no user namespace")
    for name, text in (("setgroups", "deny"), ("uid_map", "1000 0 1"), ("gid_map", "1000 0 1")):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
        os.write(descriptor, text.encode())
        os.close(descriptor)
    dies_with_parent()
