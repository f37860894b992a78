"""What groups of requests get, as evidence holds it: one metric by one segment, and what becomes of it downstream."""

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


class StageRatio(Value):
    """How much worse off a group is than all others, at one stage of the pipeline."""

    key: str
    about: str
    label: str
    n: int
    """Requests of the group."""
    value: float | None = None
    others: float | None = None
    """What all other groups get together."""
    ratio: float | None = None
    """Above 1: worse off. None where there are too few requests, or a share is 0."""
    low: float | None = None
    high: float | None = None


class GroupAmplification(Value):
    """Whether the pipeline makes the lot of one group worse: log of the ratio at the last stage over the first."""

    group: str
    state: Literal["amplified", "not amplified", "unknown"]
    why: str = ""
    needs: int | None = None
    """Requests that the group needs at the first and the last stage, or about how many would decide it."""
    stages: tuple[StageRatio, ...]
    """Those at which it is measured, in the order of the pipeline."""
    log_change: float | None = None
    low: float | None = None
    high: float | None = None
    """None where it has no bound."""
    p_value: float | None = None
    """One-sided, of no amplification."""
    p_adjusted: float | None = None
    """By Benjamini and Hochberg over the groups: it orders them and decides nothing."""


class Amplification(Value):
    """One family of metrics along the pipeline, by one segment; the most amplified group first."""

    family: str
    segment: str
    groups: tuple[GroupAmplification, ...]
    evidence: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """As of a disparity."""
    measured: datetime | None = Field(default=None, exclude_if=lambda value: value is None)

    @property
    def name(self) -> str:
        """What it is known by: family and segment."""
        return f"amplification of {self.family} by {self.segment}"

    @property
    def state(self) -> Literal["amplified", "not amplified", "unknown"]:
        """Amplified if it is for one group; not amplified only if it is for none."""
        states = {g.state for g in self.groups}
        if "amplified" in states:
            return "amplified"
        return "unknown" if "unknown" in states or not states else "not amplified"

    @property
    def told(self) -> Amplification:
        """The figures alone, as the edit holds them."""
        return self.model_copy(update={"evidence": None, "measured": None})


class CompareGroups(Value):
    """What groups of requests get: the comparisons of one look that say something new, or that grew old."""

    kind: Literal["groups"] = "groups"
    window_start: datetime
    window_end: datetime
    tolerated: float
    """Ratio up to which groups count as treated alike."""
    methods: dict[str, str]
    """How figures and intervals are made, by statistic."""
    disparities: tuple[Disparity, ...]
    amplifications: tuple[Amplification, ...] = ()
    compared: tuple[str, ...]
    """Every comparison that was made, `metric by segment` in the order of the pipeline; others are no longer."""

    @property
    def told(self) -> tuple[Disparity | Amplification, ...]:
        """All that it says."""
        return (*self.disparities, *self.amplifications)
