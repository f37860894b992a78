"""How long the process of the monitors may be silent, and how large it may grow. No clock and no process in here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from syscard.steps import Step

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
GIB: Final = 2**30
_LARGE_PART: Final = 4
"""A step that grew by less than this part of the limit is not what filled the memory."""


@dataclass(frozen=True)
class Limits:
    """Beyond these it is stopped and started again."""

    silent_s: float
    memory: int
    """Bytes of resident memory."""


@dataclass(frozen=True)
class Stop:
    """Why it must be stopped, and in what."""

    why: str
    step: Step
    """What it was at."""
    blames: bool = True
    """Whether the step is what it must be stopped for."""


class Patience:
    """What has been seen of one process, look by look."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._count = -1
        self._silent_s = 0.0
        self._memory = self._memory_before = 0

    def look(self, count: int, step: Step, memory: int, seconds: float) -> Stop | None:
        """Another look.

        Args:
            count: beats so far.
            step: what it is at.
            memory: bytes of resident memory; 0 where that cannot be known.
            seconds: between the look before and this one, as they were waited for: a machine that slept counts none.

        Returns:
            Why it must be stopped; None where it may go on.
        """
        if count != self._count:
            self._count, self._silent_s, self._memory_before = count, 0.0, self._memory
        else:
            self._silent_s += seconds
        self._memory = memory
        if memory > self._limits.memory:
            large = memory - self._memory_before >= self._limits.memory // _LARGE_PART
            limit = f"{self._limits.memory / GIB:.3g} GiB"
            return Stop(f"{memory / GIB:.1f} GiB of memory, more than {limit}", step, blames=large)
        if self._silent_s >= self._limits.silent_s:
            return Stop(f"no progress for {self._limits.silent_s:g} s", step)
        return None


def resident(pid: int) -> int:
    """Bytes of memory that a process holds; 0 where this system does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * _PAGE
