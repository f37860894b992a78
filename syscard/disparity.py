"""What groups of requests get, as evidence holds it: one metric by one segment, with n and intervals."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from syscard.finding import Sampling, Value


class GroupFigure(Value):
    """What one group gets of one metric."""

    group: str
    n: int
    value: float | None = None
    """None where there are too few requests to say."""
    low: float | None = None
    high: float | None = None
    needs: int | None = None
    """Least n, where there are fewer."""
    sampled: Sampling | None = None


class Disparity(Value):
    """One metric by one segment: how far apart its groups are."""

    key: str
    about: str
    label: str
    statistic: str
    """`share`, `mean`, `rate` or a quantile such as `p95`."""
    unit: str = ""
    segment: str
    state: Literal["even", "uneven", "unknown"]
    """Whether the whole interval of the ratio lies below, or above, what is tolerated."""
    why: str = ""
    needs: int | None = None
    """Requests that its smaller group needs, where more would decide it."""
    ratio: float | None = None
    """Largest over smallest, of the groups that are large enough."""
    ratio_low: float | None = None
    ratio_high: float | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    highest: str | None = None
    lowest: str | None = None
    groups: tuple[GroupFigure, ...] = ()
    without: int = 0
    """Requests of no group: their segment is unknown, or there are too many groups."""
    # The edit that holds the figures cannot name itself.
    evidence: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """Digest of the edit that holds these figures."""
    measured: datetime | None = Field(default=None, exclude_if=lambda value: value is None)
    """Event time up to which that edit's requests reach."""

    @property
    def name(self) -> str:
        """What it is known by: metric and segment."""
        return f"{self.key} by {self.segment}"

    @property
    def told(self) -> Disparity:
        """The figures alone, as the edit holds them."""
        return self.model_copy(update={"evidence": None, "measured": None})
