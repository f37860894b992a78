"""IR-23, freshness skew: two parts look at data of different times."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from syscard.system import System
from syscard_monitors.assemble import Request
from syscard_monitors.risks import roles
from syscard_monitors.risks.base import Case, Lacking, Reading, examples
from syscard_monitors.stats import quantile

LEAST: Final = 100
_DAY_US: Final = 86_400_000_000
_FIELDS: Final = ("data.asof", "data.age_days")


class FreshnessSkew:
    """Days between the data of the two ends of an edge, beyond what nearly all requests of the baseline had."""

    id: Final = "IR-23"
    invariant: Final = False

    def places(self, system: System) -> tuple[str, ...]:
        """Declared edges between parts that look something up."""
        parts = roles.of_kind(system, "ranking", "vision-language", "retriever", "tool")
        return roles.edges_between(system, parts, parts)

    def usual(self, case: Case) -> dict[str, Any] | Lacking:
        """The skew that 99 of 100 requests do not exceed, and the middle one."""
        found = [s for s in _skews(case) if s is not None]
        if not found:
            return roles.needs(*(f"{end}.{field}" for end in (case.source, case.target) for field in _FIELDS))
        return {"most": quantile(found, 0.99), "middle": quantile(found, 0.5)}

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:
        """How far the middle request lies beyond that."""
        skews = _skews(case)
        found = [s for s in skews if s is not None]
        if len(found) < LEAST:
            return Lacking(f"needs n {LEAST}, has {len(found)}", LEAST, len(found))
        middle = quantile(found, 0.5)
        beyond = [s is not None and s > usual["most"] for s in skews]
        return Reading(
            n=len(found),
            effect=middle - usual["most"],
            says=f"the data of {case.source} and {case.target} are {middle:.1f} days apart, {usual['middle']:.1f} in "
            "the baseline",
            value=middle,
            reference=usual["middle"],
            unit="days",
            share=sum(beyond) / len(found),
            traces=examples(case.requests, beyond),
        )


def _skews(case: Case) -> list[float | None]:
    return [_skew(r, case.source, case.target) for r in case.requests]


def _skew(request: Request, one: str, other: str) -> float | None:
    ages = _age(request, one), _age(request, other)
    return None if ages[0] is None or ages[1] is None else abs(ages[0] - ages[1])


def _age(request: Request, ref: str) -> float | None:
    """Days before the request; of several calls the last one's data."""
    for value in reversed(request.values.get(f"{ref}.data.asof", ())):
        made = _moment(value)
        if made is not None:
            return (request.start_us - made.timestamp() * 1e6) / _DAY_US
    told = [v for v in request.values.get(f"{ref}.data.age_days", ()) if isinstance(v, int | float)]
    return float(told[-1]) if told else None


def _moment(value: Any) -> datetime | None:
    """An ISO time, in UTC where it does not say; None of anything else."""
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
