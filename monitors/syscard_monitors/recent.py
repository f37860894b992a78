"""The newest requests of closed windows: what is looked at over more requests than a window has.

They are no state of the monitors. After a restart they are read again from the lake, so nothing of them is stored; only
a request that got spans after its window had closed is then another one than it was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from syscard.errors import UsageError
from syscard.system import System
from syscard_monitors.assemble import Frontier, Request
from syscard_monitors.look import Scan, between
from syscard_monitors.memory import Memory
from syscard_monitors.packs import WINDOW
from syscard_monitors.risks.base import Kept
from syscard_monitors.traces import moment

MOST_RECENT: Final = 1_000
"""Requests that are kept in memory (some 20 KB each)."""
WINDOWS: Final = MOST_RECENT // WINDOW
"""Windows whose start the monitors remember, to find their requests again."""
Read = Callable[[], Sequence[Request]]


class Recent:
    """Up to `MOST_RECENT` requests of one system in the order of windows; older ones come from the lake when needed."""

    def __init__(self, system: System, frontier: Frontier, read: Read) -> None:
        self._system = system
        self._frontier = frontier
        self._read: Read | None = read
        self._requests: deque[Request] = deque(maxlen=MOST_RECENT)
        self.columns = Kept()

    def goes_on(self, system: System, frontier: Frontier) -> bool:
        """Whether these are the requests before a frontier, as the system is declared now."""
        return self._frontier == frontier and self._system == system

    def add(self, requests: Sequence[Request]) -> None:
        """One more window is closed."""
        self._requests.extend(requests)
        self._frontier = requests[-1].place

    def with_window(self, requests: Sequence[Request], count: int) -> tuple[Request, ...]:
        """The newest `count` requests up to the end of a window that is not closed yet, oldest first.

        There are fewer where so many have not come.
        """
        before = max(0, count - len(requests))
        if self._read is not None and len(self._requests) < min(before, MOST_RECENT):
            known = (*self._read(), *self._requests)
            self._read, self._requests = None, deque(known, maxlen=MOST_RECENT)
        start = max(0, len(self._requests) - before)
        return (*islice(self._requests, start, None), *requests)[-count:]


def from_lake(scan: Scan, system: System, memory: Memory, now_us: int, rotated: Sequence[int] = ()) -> Read:
    """Reads the newest requests of the windows that are closed now."""
    frontier, starts = memory.frontier, tuple(memory.starts)

    def read() -> Sequence[Request]:
        if not starts:
            return ()
        since, until = moment(min(starts)), moment(frontier.end_us)
        try:
            found = between(scan, system, since, until, now_us, rotated).requests
        except UsageError:  # a thousand requests with millions of spans: what comes from now on is enough
            return ()
        return [r for r in found if r.place <= frontier][-MOST_RECENT:]

    return read
