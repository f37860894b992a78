"""One look into the lake: the new complete requests of a system, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from syscard.errors import MonitorError, UsageError
from syscard.system import System
from syscard_monitors import frames
from syscard_monitors.assemble import REACH_BACK, Assembled, Frontier, Request, assemble, micros, named_as_declared
from syscard_monitors.memory import Memory
from syscard_monitors.traces import Row

if TYPE_CHECKING:
    import polars as pl

Scan = Callable[[datetime | None], "pl.LazyFrame"]
"""Observations from a moment on (event time); None for all."""
MOST_ROWS: Final = 200_000
"""Spans that one look takes into memory (some 9 KB each); the rest waits for the next look."""
LARGEST_LOOK: Final = 40
"""How many times that a look may grow where it would otherwise see no request whole."""
HOPELESS: Final = 10_000
"""So many spans without a single root: what lies before is not looked at again."""
_BACK: Final = (1, 6, 24, 24 * 7, None)
"""How many hours back the newest requests are looked for; None is everything."""
_PARTS: Final = 50
"""Of a stretch of time with more spans than fit into memory."""
_MARGIN_US: Final = 1_000_000
_REACH_US: Final = round(REACH_BACK.total_seconds() * 1_000_000)


def look(
    scan: Scan,
    system: System,
    memory: Memory,
    now_us: int,
    most_rows: int = MOST_ROWS,
    rotated: Sequence[int] = (),
) -> Assembled:
    """New complete requests, oldest first; moves watermark, newest span and floor on.

    `rotated` is when the key was changed (`syscard.rotations`).

    Raises:
        MonitorError: more spans lie within the reach of one look than it may take.
    """
    since, read = max(memory.frontier.end_us, memory.floor_us), 0
    for size in (most_rows, most_rows * 4, most_rows * LARGEST_LOOK):
        rows = _rows(scan, system, since, size)
        whole, read = len(rows) < size, read + len(rows)
        looked = _assembled(rows, system, memory, now_us if whole else _newest(rows), rotated)
        if whole or looked.complete:
            break
    else:
        raise MonitorError(
            f"more than {most_rows * LARGEST_LOOK:,} spans within {REACH_BACK}: they cannot be put together"
        )
    if whole and not looked.roots and looked.spans >= HOPELESS:
        memory.floor_us = now_us - _REACH_US
    looked = replace(looked, rows=read, received=_received(scan, system, rows, memory.received_us))
    memory.newest_us = max(memory.newest_us, looked.newest_us)
    memory.received_us = max((memory.received_us, *(r["received_us"] for r in rows)))
    memory.watermark_us = now_us
    return looked


class Stretch(NamedTuple):
    """What is known of a stretch of time."""

    requests: tuple[Request, ...]
    """Complete ones, in order."""
    feedback: tuple[Request, ...]
    """All that came since the stretch began, whichever requests it is about."""


def between(
    scan: Scan,
    system: System,
    since: datetime | None,
    until: datetime | None,
    now_us: int,
    rotated: Sequence[int] = (),
) -> Stretch:
    """All complete requests of a stretch of time, and what came of requests.

    Raises:
        UsageError: there are more spans in it than fit into memory.
    """
    most = MOST_ROWS * LARGEST_LOOK
    low, high = micros(since) if since else 0, micros(until) if until else now_us
    rows = _rows(scan, system, low, most, high + _REACH_US if until else None)
    if len(rows) == most:
        raise UsageError(f"more than {most:,} spans in that time: name a shorter one with --from and --to")
    return _inside(rows, system, low, high, now_us, rotated)


def sampled(
    scan: Scan,
    system: System,
    since: datetime,
    until: datetime,
    now_us: int,
    rotated: Sequence[int] = (),
    most: int = MOST_ROWS,
) -> tuple[Stretch, bool]:
    """The complete requests of a stretch of time, and whether there were too many.

    Then they are a sample: the first of each of `_PARTS` parts of the time, so many that all of them fit into memory.
    Whether a request is taken does not depend on what it says.
    """
    low, high = micros(since), micros(until)
    rows = _rows(scan, system, low, most)
    if len(rows) < most or _newest(rows) > high:
        return _inside(rows, system, low, high, now_us, rotated), False
    bounds = [low + (high - low) * i // _PARTS for i in range(_PARTS + 1)]
    parts = [_beginning(scan, system, *part, most // _PARTS, rotated) for part in pairwise(bounds)]
    requests, feedback = ({r.place: r for part in parts for r in part[i]} for i in (0, 1))
    return Stretch(tuple(requests[p] for p in sorted(requests)), tuple(feedback[p] for p in sorted(feedback))), True


def _beginning(scan: Scan, system: System, low: int, high: int, most: int, rotated: Sequence[int]) -> Stretch:
    """What is complete among the first spans of a part; without what began at once, of which spans may lie before."""
    rows = _rows(scan, system, low + _REACH_US, most)
    # What ended before the newest of them began has all of its spans among them: nothing need be waited for.
    ended_us = _newest(rows) + round(system.traces.request.complete_after.total_seconds() * 1_000_000)
    return _inside(rows, system, low + _MARGIN_US, high, ended_us, rotated)


def _inside(rows: list[Row], system: System, low: int, high: int, watermark_us: int, rotated: Sequence[int]) -> Stretch:
    found = _assembled(rows, system, Memory(frontier=Frontier()), watermark_us, rotated)
    return Stretch(tuple(r for r in found.complete if low <= r.start_us and r.end_us <= high), found.feedback)


def newest(scan: Scan, system: System, count: int, before_us: int, now_us: int, rotated: Sequence[int] = ()) -> Stretch:
    """The newest complete requests, and what came of them: looked for further and further back from a moment.

    Raises:
        UsageError: there are more spans in that time than fit into memory.
    """
    for back in _BACK:
        since = datetime.fromtimestamp((before_us - back * 3_600_000_000) / 1_000_000, UTC) if back else None
        found = between(scan, system, since, None, now_us, rotated)
        if len(found.requests) >= count:
            break
    return found._replace(requests=found.requests[-count:])


def _rows(scan: Scan, system: System, since_us: int, limit: int, until_us: int | None = None) -> list[Row]:
    """Observations from `REACH_BACK` before a moment on: a request that is waiting may have started there."""
    start = datetime.fromtimestamp((since_us - _REACH_US) / 1_000_000, UTC) if since_us else None
    return frames.rows(scan(start), limit=limit, until_us=until_us, **ours(system))


def _received(scan: Scan, system: System, rows: list[Row], after_us: int) -> dict[str, int]:
    """How many spans are new, and how many of them have a clock that cannot be right."""
    suspect = frames.suspects(scan(None), after_us=after_us, **ours(system))
    return {"suspect": suspect, "looked_at": suspect + sum(r["received_us"] > after_us for r in rows)}


def ours(system: System) -> dict[str, Any]:
    """Whose spans a system's are."""
    select = system.traces.select
    service = select.get("service.name")
    return {"services": [service] if service else [], "environment": select.get("deployment.environment.name")}


def _newest(rows: list[Row]) -> int:
    return max((r["start_us"] for r in rows), default=0)


def _assembled(rows: list[Row], system: System, memory: Memory, watermark_us: int, rotated: Sequence[int]) -> Assembled:
    return assemble(
        named_as_declared(rows, system),
        root=system.traces.request.root,
        frontier=memory.frontier,
        watermark_us=watermark_us,
        before_us=memory.watermark_us,
        complete_after=system.traces.request.complete_after,
        seen_before_us=memory.received_us,
        rotated=rotated,
    )
