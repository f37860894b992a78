"""The interval of a share, for what the core counts itself and for the monitors. Standard library only."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final, NamedTuple

Z95: Final = NormalDist().inv_cdf(0.975)


class Interval(NamedTuple):
    """A two-sided 95 % interval."""

    low: float
    high: float


def wilson(share: float, n: float) -> Interval:
    """Wilson's score interval (1927) for a share of `n` independent requests."""
    if n <= 0:
        return Interval(0.0, 1.0)
    z2 = Z95 * Z95
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return Interval(max(0.0, centre - half), min(1.0, centre + half))
