"""Who comes when: shoppers, and a day with a rhythm. Pure, given a generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np

TODAY: Final = date(2026, 11, 16)
"""The first day that is simulated, a Monday."""
RHYTHM: Final = (2, 1, 1, 1, 1, 2, 4, 7, 8, 8, 9, 11, 13, 11, 9, 9, 10, 13, 17, 19, 18, 13, 8, 4)
"""Relative traffic of each hour of the day: a peak at noon and a higher one in the evening."""
EVENING: Final = range(18, 24)
DAYTIME: Final = range(8, 17)
YOUNG: Final = ("19-24", "25-34")
OLD: Final = ("55-64", "65+")
LEAN: Final = 1.8
"""How much likelier the young come in the evening, and the old in the daytime."""
REQUESTS_A_DAY: Final = 2_000


@dataclass(frozen=True)
class Shopper:
    """One shopper, as the shop knows them."""

    household: int
    """Row of the purchases."""
    age: str
    campaign: bool
    new: bool = False
    """Signed up just now: the recommender has never seen them, though they will buy."""

    @property
    def key(self) -> str:
        """What the shop calls them."""
        return f"{'new' if self.new else 'household'}-{self.household}"


@dataclass(frozen=True)
class Mix:
    """Which shoppers come, and how many."""

    new: float = 0.05
    """Share whom the recommender does not know."""
    ages: Mapping[str, float] = field(default_factory=dict)
    """Factor on how likely an age band is; 1 where not named."""
    campaign: float = 1.0
    """Factor on how likely a shopper is whom the campaign was sent to."""
    rate: float = 1.0
    """Factor on how many come in an hour."""
    eager: float = 1.0
    """Factor on how readily they take what suits them."""


def shoppers(ages: Sequence[str | None], campaign: frozenset[int]) -> tuple[Shopper, ...]:
    """The households whose age band is known: everybody who is simulated has a group."""
    return tuple(Shopper(row, age, row in campaign) for row, age in enumerate(ages) if age is not None)


def times(count: int, begin: datetime, rate: float, chance: np.random.Generator) -> list[datetime]:
    """When requests come: a Poisson process whose intensity follows the rhythm, conditioned on its number of events.

    `begin` is an aware datetime. The stretch is as long as so many requests take at `rate` times the usual traffic, a
    day at most; arrivals of such a process are independent draws from the normalised intensity (Kingman 1993).
    """
    edges, weights = _hours(count, begin, rate)
    drawn = np.sort(np.interp(chance.random(count), np.cumsum([0.0, *weights]) / sum(weights), edges))
    return [begin + timedelta(microseconds=round(second * 1e6)) for second in drawn.tolist()]


def _hours(count: int, begin: datetime, rate: float) -> tuple[list[float], list[float]]:
    """Pieces of constant intensity: their edges in seconds from the begin, and the requests expected in each."""
    edges, weights, expected = [0.0], [], 0.0
    at, left = begin, float(count)
    while left > 1e-9 and edges[-1] < 86_400:
        end = (at + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
        seconds = min((end - at).total_seconds(), 86_400 - edges[-1])
        expected = RHYTHM[at.hour] / sum(RHYTHM) * REQUESTS_A_DAY * rate * seconds / 3600
        part = min(1.0, left / expected)
        edges.append(edges[-1] + seconds * part)
        weights.append(expected * part)
        left -= expected * part
        at = end
    return edges, weights


def arrivals(
    pool: Sequence[Shopper], mix: Mix, moments: Sequence[datetime], chance: np.random.Generator
) -> list[Shopper]:
    """Who comes at each moment."""
    by_hour = {hour: _weights(pool, mix, hour) for hour in {moment.hour for moment in moments}}
    drawn = [pool[int(chance.choice(len(pool), p=by_hour[moment.hour]))] for moment in moments]
    return [_as_new(shopper) if chance.random() < mix.new else shopper for shopper in drawn]


def _as_new(shopper: Shopper) -> Shopper:
    return Shopper(shopper.household, shopper.age, campaign=shopper.campaign, new=True)


def _weights(pool: Sequence[Shopper], mix: Mix, hour: int) -> np.ndarray:
    found = np.array([_weight(shopper, mix, hour) for shopper in pool])
    weights: np.ndarray = found / found.sum()
    return weights


def _weight(shopper: Shopper, mix: Mix, hour: int) -> float:
    weight = mix.ages.get(shopper.age, 1.0) * (mix.campaign if shopper.campaign else 1.0)
    if (shopper.age in YOUNG and hour in EVENING) or (shopper.age in OLD and hour in DAYTIME):
        weight *= LEAN
    return weight
