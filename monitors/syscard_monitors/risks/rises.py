"""Readings of shares that rose, for risks that are more than one share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from syscard_monitors.risks.base import Case, Lacking, Reading
from syscard_monitors.risks.roles import needs
from syscard_monitors.risks.shares import Marks, counted, difference, kept, read_counts, reading_of
from syscard_monitors.risks.statistics import Rise, rise


def usual_share(marks: Marks, strata: Sequence[str], *fields: str) -> dict[str, Any] | Lacking:
    """What a baseline keeps of one share; without a request of which it can be said, that a field is needed."""
    found = kept(marks, strata)
    return {"counts": found} if found else needs(*fields)


def rise_of(marks: Marks, strata: Sequence[str], before: Mapping[str, Sequence[int]]) -> Rise | None:
    """How much more often it happens than in the baseline; None where nothing can be compared."""
    return rise(counted(marks, strata), read_counts(before))


def rise_reading(case: Case, marks: Marks, usual: Mapping[str, Any], what: str, *fields: str) -> Reading | Lacking:
    """A reading of one share; `what` is what so many requests do: `requests repeat a step`."""
    found = rise_of(marks, case.strata, usual["counts"])
    return needs(*fields) if found is None else told(case, marks, found, what)


def told(case: Case, marks: Marks, found: Rise, what: str) -> Reading:
    """A rise as a reading; `what` as of `rise_reading`."""
    return reading_of(case, marks, found, f"of {what}", difference(found))
