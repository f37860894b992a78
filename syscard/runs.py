"""Runs of the monitors: what each look at a system took and found, and when their process died.

Looks that saw nothing new are one row, or a quiet day would be 17,280 of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from syscard.finding import State, Value

MOST_RUNS: Final = 10_000
"""Rows that are kept of a system."""
KEPT_FOR: Final = timedelta(days=30)
LONGEST_ROW: Final = timedelta(days=1)
"""Looks that saw nothing new are one row for so long."""
MOST_NAMED: Final = 20
"""Signals that failed, of one run."""


class MonitorRun(Value):
    """One look at one system; or several that saw nothing new, or failed alike, one after the other."""

    started: datetime
    ended: datetime
    """Of the last of them."""
    looks: int = 1
    wall_s: float
    """Seconds that they took together, as are CPU seconds of the process, rows and requests.

    Where the process died, both are of all its life.
    """
    cpu_s: float
    rows: int = 0
    """Spans read from the lake."""
    requests: int = 0
    """In closed windows."""
    windows: int = 0
    findings: dict[State, int] = {}
    """How many of all windows, by their state."""
    failed: tuple[str, ...] = ()
    """Signals and others that could not be computed, `<key>: <why>`; at most `MOST_NAMED`."""
    error: str = ""
    """Why the look was given up; windows before that were kept."""
    died: bool = False
    """Whether the process of the monitors ended in it; told by who watches over it."""
    judging: str = ""
    """What it was at when it died: the key of a signal, or empty."""
    pid: int
    version: str
    """Of syscard."""

    @property
    def saw_nothing(self) -> bool:
        """Whether there was nothing to look at, or nothing came of it."""
        return not (self.requests or self.windows or self.failed or self.died)


MOST_DEATHS: Final = 100
"""So many of the newest tell which signals are set aside."""
DEADLY: Final = 2
"""Deaths within `DEADLY_WITHIN` after which a signal is not judged for `ASIDE_FOR`."""
DEADLY_WITHIN: Final = timedelta(days=1)
ASIDE_FOR: Final = timedelta(hours=6)


def set_aside(deaths: Iterable[MonitorRun], now: datetime) -> dict[str, str]:
    """Signals and claims that are not judged for now, as the monitors died in them again and again; with the reason.

    Args:
        deaths: newest first.
        now: by the clock that the deaths were recorded by.
    """
    by_signal: dict[str, list[MonitorRun]] = {}
    for death in deaths:
        if death.judging and now - death.ended < DEADLY_WITHIN:
            by_signal.setdefault(death.judging, []).append(death)
    return {
        signal: f"its monitor was stopped: {found[0].error}; tried again after {found[0].ended + ASIDE_FOR:%H:%M} UTC"
        for signal, found in by_signal.items()
        if len(found) >= DEADLY and now - found[0].ended < ASIDE_FOR
    }


def folded(before: MonitorRun | None, run: MonitorRun) -> MonitorRun | None:
    """Both in one row, where neither saw anything and the same process says the same of both; else None."""
    if before is None or not (before.saw_nothing and run.saw_nothing) or run.ended - before.started > LONGEST_ROW:
        return None
    if (before.error, before.pid, before.version) != (run.error, run.pid, run.version):
        return None
    return before.model_copy(
        update={
            "ended": run.ended,
            "looks": before.looks + run.looks,
            "wall_s": round(before.wall_s + run.wall_s, 3),
            "cpu_s": round(before.cpu_s + run.cpu_s, 3),
            "rows": before.rows + run.rows,
        }
    )
