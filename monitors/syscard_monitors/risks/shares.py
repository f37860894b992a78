"""Risks that are a share of requests, now against the baseline by strata: the common part of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from syscard.system import System
from syscard_monitors.risks.base import Case, Lacking, Reading, examples
from syscard_monitors.risks.statistics import Counts, Rise, rise

Marks = Sequence[bool | None]
"""Whether it happened in each request; None where it could not, or nobody says."""
_FEWEST: Final = 0.5
"""Requests that a share of none counts as, where a factor is told."""


@dataclass(frozen=True)
class Told:
    """A reading's own part: the effect in the unit of the threshold, with its p and interval."""

    effect: float
    p_value: float
    low: float
    high: float
    error: float


def difference(found: Rise) -> Told:
    """A rise as a difference of shares."""
    return Told(found.difference, found.p_value, found.low, found.high, found.error)


def reading_of(case: Case, marks: Marks, found: Rise, says: str, told: Told, scale: Any = "share") -> Reading:
    """A share and what it was, with the newest requests in which it happened.

    Args:
        case: where it was looked for.
        marks: whether it happened, by request.
        found: both shares.
        says: what stands behind a share: `of requests repeat a step`.
        told: the effect, in the unit of the threshold.
        scale: of the effect.
    """
    return Reading(
        n=found.n,
        effect=told.effect,
        says=f"{found.now:.1%} {says}, {found.before:.1%} in the baseline",
        p_value=told.p_value,
        error=told.error,
        scale=scale,
        low=told.low,
        high=told.high,
        value=found.now,
        reference=found.before,
        unit="share",
        share=sum(bool(m) for m in marks) / len(marks),
        traces=examples(case.requests, marks),
    )


class ShareRisk(ABC):
    """A share of requests that must not rise."""

    id: ClassVar[str]
    invariant: ClassVar[bool] = False
    scale: ClassVar[Any] = "share"
    says: ClassVar[str]
    """`of readings contradict the catalogue`: what stands behind the share."""

    @abstractmethod
    def places(self, system: System) -> tuple[str, ...]:
        """Where it can be."""

    @abstractmethod
    def marks(self, case: Case) -> Marks | Lacking:
        """Whether it happened, by request."""

    def usual(self, case: Case) -> dict[str, Any] | Lacking:
        """Requests in which it happened, and all that say, by stratum."""
        marks = self.marks(case)
        if isinstance(marks, Lacking):
            return marks
        return {"by": kept(marks, case.strata)}

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:
        """The share now, beside what it was with the same mix of strata."""
        marks = self.marks(case)
        if isinstance(marks, Lacking):
            return marks
        now = counted(marks, case.strata)
        found = rise(now, read_counts(usual["by"]))
        if found is None:
            return Lacking("no request is of a group that the baseline has")
        told = self.told(found, now, read_counts(usual["by"]))
        return reading_of(case, marks, found, self.says, told, self.scale)

    def told(self, found: Rise, now: Mapping[str, Counts], before: Mapping[str, Counts]) -> Told:  # noqa: ARG002
        """The rise in the unit of the threshold."""
        return difference(found)


class FactorRisk(ShareRisk):
    """A share that must not grow by some factor."""

    scale: ClassVar[Any] = "factor"

    def told(self, found: Rise, now: Mapping[str, Counts], before: Mapping[str, Counts]) -> Told:  # noqa: ARG002
        """By how many times; of a share of none half a request is counted."""
        least = _FEWEST / max(1, sum(c.n for c in before.values()))
        usual = max(found.before, least)
        low, high = ((usual + bound) / usual for bound in (found.low, found.high))
        return Told(max(found.now, least) / usual, found.p_value, max(0.0, low), high, found.error / usual)


class ChangeRisk(ShareRisk):
    """A share that must neither rise nor fall."""

    def told(self, found: Rise, now: Mapping[str, Counts], before: Mapping[str, Counts]) -> Told:
        """How far it is from what it was, either way; the smaller p counts double."""
        if found.difference >= 0:
            return Told(found.difference, min(1.0, 2 * found.p_value), found.low, found.high, found.error)
        fall = rise(_turned(now), _turned(before)) or found
        return Told(fall.difference, min(1.0, 2 * fall.p_value), fall.low, fall.high, fall.error)


def _turned(counts: Mapping[str, Counts]) -> dict[str, Counts]:
    return {stratum: Counts(c.n - c.hits, c.n) for stratum, c in counts.items()}


def kept(marks: Marks, strata: Sequence[str]) -> dict[str, list[int]]:
    """Requests in which it happened, and all that say, by stratum, as JSON."""
    return {stratum: list(counts) for stratum, counts in counted(marks, strata).items()}


def counted(marks: Marks, strata: Sequence[str]) -> dict[str, Counts]:
    """Requests by stratum; those that say nothing are left out."""
    both = Counter(zip(strata, marks, strict=True))
    known = sorted({stratum for stratum, mark in both if mark is not None})
    return {s: Counts(both[s, True], both[s, True] + both[s, False]) for s in known}


def read_counts(body: Mapping[str, Sequence[int]]) -> dict[str, Counts]:
    """From their JSON form."""
    return {stratum: Counts(*known) for stratum, known in body.items()}


def not_all_none(marks: list[bool | None], *fields: str) -> Marks | Lacking:
    """The marks, or what is needed where no request says."""
    if any(mark is not None for mark in marks):
        return marks
    return Lacking(f"needs {' or '.join(fields)}")
