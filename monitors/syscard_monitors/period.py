"""What came in a period: requests, what they cost, and what was accepted, summed over the lake and not kept."""

from __future__ import annotations

from datetime import datetime

from syscard.render.page import PeriodSums
from syscard.system import System
from syscard_monitors import frames
from syscard_monitors.assemble import REACH_BACK
from syscard_monitors.behaviour import COST_KEYS
from syscard_monitors.look import Scan, ours


def period_sums(scan: Scan, system: System, start: datetime, end: datetime) -> PeriodSums:
    """Sums over the requests of a system that began in a period, and over the answers that came in it.

    Args:
        scan: the lake.
        system: whose requests.
        start: event time.
        end: event time, exclusive.
    """
    rows = scan(start - REACH_BACK)  # a request that began before the period is not one of it
    found = frames.sums(rows, start=start, end=end, cost=COST_KEYS, **ours(system))
    return PeriodSums(start=start, end=end, **found)
