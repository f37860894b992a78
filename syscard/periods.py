"""When the next report that is made every so often is due, and of what time. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple


class Period(NamedTuple):
    """A stretch of event time."""

    start: datetime
    end: datetime


def due(last_end: datetime | None, every: timedelta, now: datetime) -> Period | None:
    """The time that the next report is of, once it is over; None before that.

    Periods follow each other without a gap: after a pause one report is of all the periods that were missed.

    Args:
        last_end: where the period of the last report ended; None where there was none: the first is of the time
            before now.
        every: how long a period is.
        now: how far spans have arrived.
    """
    if last_end is None:
        return Period(now - every, now)
    over = (now - last_end) // every
    return Period(last_end, last_end + over * every) if over > 0 else None
