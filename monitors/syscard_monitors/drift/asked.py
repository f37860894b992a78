"""What the worker is asked and what it answers: plain values that fit through a pipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from syscard_monitors.edetector import Grid
from syscard_monitors.groups import GroupMetric, Sums

Method = Literal["ks", "syscard_ks", "syscard_fisher", "syscard_chi2", "syscard_psi", "syscard_js"]
"""`ks` is exact where samples are small, which takes long where they are large; `syscard_ks` is asymptotic."""
Figure = Literal["mean", "share", "p95", "per_minute", "shifted_share"]
"""What the monitors show of a signal: `shifted_share` is the share of categories that changed places."""
Values = tuple[float, ...] | tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Two samples of one signal to compare."""

    key: str
    method: Method
    threshold: float
    reference: Values
    current: Values
    grid: Grid | None = None
    """For PSI and Jensen-Shannon: the cells, which must not depend on the samples."""
    figure: Figure = "mean"
    """In a report: the signal's own figure."""

    @property
    def is_distance(self) -> bool:
        """Whether the score grows with the difference; a p-value shrinks."""
        return self.method in ("syscard_psi", "syscard_js")

    def is_drift(self, score: float) -> bool:
        """Whether a score is beyond the threshold."""
        return score > self.threshold if self.is_distance else score < self.threshold

    @property
    def is_numeric(self) -> bool:
        """Whether the values are compared as numbers; a test of counts takes numbers as names."""
        return self.method in ("ks", "syscard_ks") or (self.grid is not None and not self.grid.categories)


class RankedItem(NamedTuple):
    """One item of one request's list. Requests and items are numbered: a report names neither."""

    request: int
    item: int
    rank: int
    """1 is the top."""
    taken: int
    """1 if it was."""


class ByPurchase(NamedTuple):
    """One interaction that the recommender was trained on."""

    user: int
    item: int


@dataclass(frozen=True)
class Ranking:
    """The lists of one component, and what came of them."""

    component: str
    k: int
    """Length to which lists are judged."""
    items: tuple[RankedItem, ...]
    accurate: bool = True
    """Whether it is known what was taken."""
    even: bool = True
    """Whether every list has at least `k` items."""
    trained_on: tuple[ByPurchase, ...] = ()
    features: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    """Numbers that describe an item."""
    histories: tuple[ByPurchase, ...] = ()
    """What the one behind a request (`user`) took before; empty where Serendipity cannot be computed."""


@dataclass(frozen=True)
class GroupsAsked:
    """Groups to compare."""

    metrics: tuple[GroupMetric, ...]
    sums: Sums
    segments: tuple[str, ...]


@dataclass(frozen=True)
class ReportAsked:
    """One Evidently report."""

    title: str
    comparisons: tuple[Comparison, ...]
    rankings: tuple[Ranking, ...] = ()
    usual: tuple[Ranking, ...] = ()
    """Those of the baseline: only their figures are asked for."""


class Drifted(NamedTuple):
    """What a report says of one signal."""

    score: float
    """Of its method."""
    now: float
    """The signal's own figure."""
    before: float
    """The same in the reference."""


@dataclass(frozen=True)
class MadeReport:
    """One Evidently report, made."""

    engine: str
    """`evidently` and its version."""
    html: str
    metrics: tuple[dict[str, Any], ...]
    """As Evidently tells them."""
    signals: Mapping[str, Drifted]
    rankings: Mapping[str, Mapping[str, float]]
    """Component -> metric -> value at `k`."""
    usual: Mapping[str, Mapping[str, float]]
    """The same of the baseline."""
