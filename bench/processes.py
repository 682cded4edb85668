"""CPU, memory and files of process trees, from the operating system's own accounts (Linux)."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024
POSTGRES = "postgres"


class Account(Struct, kw_only=True):
    cpu_s: dict[str, float]
    """User and system time by process; that of a tree's Postgres under POSTGRES."""
    rss_kb: int
    """Without Postgres."""
    files: int
    """Open file descriptors, without Postgres."""


def account(roots: dict[str, int]) -> Account:
    """Of the trees below these processes, themselves included. Who has ended is not counted."""
    children, stats = _all_processes()
    result = Account(cpu_s=dict.fromkeys((*roots, POSTGRES), 0.0), rss_kb=0, files=0)
    for name, root in roots.items():
        waiting = [root]
        while waiting:
            pid = waiting.pop()
            waiting += children.get(pid, [])
            if pid not in stats:
                continue
            command, fields = stats[pid]
            cpu_s = (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
            if command.startswith(POSTGRES):
                result.cpu_s[POSTGRES] += cpu_s
                continue
            result.cpu_s[name] += cpu_s
            result.rss_kb += int(fields[21]) * _PAGE_KB
            result.files += _files(pid)
    return result


def _all_processes() -> tuple[dict[int, list[int]], dict[int, tuple[str, list[str]]]]:
    """Children by parent, and each one's command and `stat` from the third field on (proc(5))."""
    children: dict[int, list[int]] = {}
    stats: dict[int, tuple[str, list[str]]] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            text = (folder / "stat").read_text()
        except OSError:
            continue  # it has just ended
        fields = text[text.rindex(")") + 2 :].split()
        pid = int(folder.name)
        stats[pid] = text[text.index("(") + 1 : text.rindex(")")], fields
        children.setdefault(int(fields[1]), []).append(pid)
    return children, stats


def _files(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0
