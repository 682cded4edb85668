"""A share of one core for a process and its children, where the machine lets us make cgroups."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path

PERIOD_US = 10_000
"""Short: what a throttled process waits for is part of the latency it shows."""
_V1, _V2 = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")
NAME = "callbridge-bench"


class NoCgroup(Exception):
    """There are none here that we may make."""


@contextlib.contextmanager
def quota(share: float) -> Generator[str]:
    """The file into which a process id is written; empty when `share` is 0. Raises NoCgroup."""
    if not share:
        yield ""
        return
    first = (_V1 / "cpu.cfs_quota_us").exists()
    group = (_V1 if first else _V2) / NAME
    allowed = round(PERIOD_US * share)
    try:
        group.mkdir(exist_ok=True)
        if first:
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(allowed))
        else:
            (group / "cpu.max").write_text(f"{allowed} {PERIOD_US}")
    except OSError as error:
        raise NoCgroup(f"{group}: {error.strerror}") from error
    try:
        yield str(group / "cgroup.procs")
    finally:
        with contextlib.suppress(OSError):
            group.rmdir()
