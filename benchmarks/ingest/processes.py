"""A process and all below it: CPU time and memory, from /proc (Linux)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PARENT: Final = 1
_TIMES: Final = slice(11, 15)
"""utime, stime and those of reaped children, counted from the state on."""


def cpu_seconds(root: int) -> float:
    """User and system time of the tree so far, with children that have ended."""
    return sum(sum(map(int, fields[_TIMES])) for fields in _tree(root).values()) / _TICKS


def memory_mib(root: int) -> float:
    """Memory of the tree, shared pages counted once (PSS)."""
    return sum(_pss(pid) for pid in _tree(root)) / 1024


def _tree(root: int) -> dict[int, list[str]]:
    stats = {int(place.name): found for place in _PROC.glob("[0-9]*") if (found := _stat(place))}
    wanted, size = {root}, 0
    while len(wanted) > size:
        size = len(wanted)
        wanted |= {pid for pid, fields in stats.items() if int(fields[_PARENT]) in wanted}
    return {pid: stats[pid] for pid in wanted if pid in stats}


def _stat(place: Path) -> list[str]:
    """Fields from the state on: the name before it may hold anything."""
    try:
        return (place / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return []


def _pss(pid: int) -> int:
    try:
        lines = (_PROC / str(pid) / "smaps_rollup").read_text("utf-8").splitlines()
    except OSError:
        return 0  # it has just ended
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
