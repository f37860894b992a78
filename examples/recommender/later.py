"""Feedback that arrives later: each answer is sent when its time has come, faster than in life."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

FASTER: Final = 60
"""A minute of a shopper's life is a second here."""


class Later:
    """Calls that are due later, made by one thread."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._changed = threading.Condition()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="feedback", daemon=True)
        self._thread.start()

    def call(self, delay: timedelta, what: Callable[[], None]) -> None:
        """Call so much later (in shopper's time)."""
        with self._changed:
            due = time.monotonic() + delay.total_seconds() / FASTER
            heapq.heappush(self._due, (due, next(self._number), what))
            self._changed.notify()

    def finish(self) -> None:
        """Make all calls that are left, at once, and end: the shop closes."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while what := self._next():
            what()

    def _next(self) -> Callable[[], None] | None:
        """The next call, once it is due; None at the end."""
        with self._changed:
            while not self._is_ready():
                self._changed.wait(self._left())
            return heapq.heappop(self._due)[2] if self._due else None

    def _is_ready(self) -> bool:
        return self._ending or (bool(self._due) and self._left() == 0.0)

    def _left(self) -> float | None:
        """Seconds until the next call is due; None where there is none."""
        return max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
