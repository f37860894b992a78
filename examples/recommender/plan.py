"""What is recorded: which shopper comes when, on a normal day, on another one, and under each fault. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

import numpy as np

from recommender.faults import FAULTS, NORMAL, Fault
from recommender.traffic import REQUESTS_A_DAY, TODAY, Mix, Shopper, arrivals, times

Key = tuple[str, int]
"""(recording, number of the request)."""
FAULT_REQUESTS: Final = 300
NORMAL_DAYS: Final = {"normal": 0, "normal-again": 1}
"""Recordings of a whole day without any fault -> days after `TODAY`."""
FAULTY_DAY: Final = 2
FAULTY_FROM: Final = time(10)


@dataclass(frozen=True)
class Stretch:
    """One recording."""

    name: str
    requests: int
    begin: datetime
    fault: Fault | None = None

    @property
    def mix(self) -> Mix:
        """Who comes."""
        return self.fault.mix if self.fault else NORMAL


@dataclass(frozen=True)
class Planned:
    """One request of a recording."""

    stretch: Stretch
    number: int
    moment: datetime
    """Event time of its start."""
    shopper: Shopper
    seed: tuple[int, ...]

    @property
    def key(self) -> Key:
        """What tells it from all others."""
        return self.stretch.name, self.number

    @property
    def progress(self) -> float:
        """How far the stretch has come, 0 to 1."""
        return self.number / max(1, self.stretch.requests - 1)

    def chance(self) -> np.random.Generator:
        """A generator of this request's own."""
        return np.random.default_rng(self.seed)


def stretches(share: float = 1.0) -> tuple[Stretch, ...]:
    """Every recording; `share` makes all of them smaller, for a trial."""
    days = (Stretch(name, _scaled(REQUESTS_A_DAY, share), _at(day, time())) for name, day in NORMAL_DAYS.items())
    faulty = (
        Stretch(fault.name, _scaled(FAULT_REQUESTS, share), _at(FAULTY_DAY, FAULTY_FROM), fault) for fault in FAULTS
    )
    return (*days, *faulty)


def planned(stretch: Stretch, pool: Sequence[Shopper], seed: int) -> list[Planned]:
    """The requests of a recording, in order of time; the same for the same seed."""
    key = zlib.crc32(stretch.name.encode())
    chance = np.random.default_rng((seed, key))
    moments = times(stretch.requests, stretch.begin, stretch.mix.rate, chance)
    comers = arrivals(pool, stretch.mix, moments, chance)
    return [
        Planned(stretch, number, moment, shopper, (seed, key, number))
        for number, (moment, shopper) in enumerate(zip(moments, comers, strict=True))
    ]


def interleaved(plans: Sequence[Sequence[Planned]], seed: int) -> list[Planned]:
    """All requests in an order in which no recording comes before another: machine load meets all of them alike."""
    every = [request for plan in plans for request in plan]
    return [every[place] for place in np.random.default_rng(seed).permutation(len(every))]


def _scaled(requests: int, share: float) -> int:
    return max(1, round(requests * share))


def _at(day: int, clock: time) -> datetime:
    return datetime.combine(TODAY + timedelta(days=day), clock, tzinfo=UTC)
