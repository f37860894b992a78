"""IR-13, retry and latency amplification: a part is called more often per request than it was."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from syscard.system import System
from syscard_monitors.assemble import Request
from syscard_monitors.risks import roles
from syscard_monitors.risks.base import Case, Lacking, Reading, examples
from syscard_monitors.risks.statistics import rate_ratio
from syscard_monitors.strata import EVERYONE

_MANY: Final = 2
"""Calls more than is usual make a request one of those that are affected."""


class Amplification:
    """Calls of a part per request: now over before. The subject is the edge from who calls."""

    id: Final = "IR-13"
    invariant: Final = False

    def places(self, system: System) -> tuple[str, ...]:
        """Who enters the request calls everything else, whatever edges are declared."""
        caller = roles.caller(system)
        if caller is None:
            return tuple(system.components)
        return tuple(f"{caller}->{ref}" for ref in system.components if ref != caller)

    def usual(self, case: Case) -> dict[str, Any] | Lacking:
        """Sum, sum of squares and number of requests by stratum, of requests that come to the part."""
        found: dict[str, list[float]] = {}
        for count, stratum in zip(_calls(case), case.strata, strict=True):
            if count is not None:
                sums = found.setdefault(stratum, [0.0, 0.0, 0])
                sums[0], sums[1], sums[2] = sums[0] + count, sums[1] + count * count, sums[2] + 1
        return {"calls": dict(sorted(found.items()))} if found else roles.needs(f"{case.target}.call")

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:
        """The ratio, each stratum's expectation weighed by its share of the requests now."""
        told = [(r, c, s) for r, c, s in zip(case.requests, _calls(case), case.strata, strict=True) if c is not None]
        expected = _expected(usual["calls"], [s for _, _, s in told])
        known = [(r, c) for (r, c, _), e in zip(told, expected, strict=True) if e is not None]
        if not known:
            return roles.needs(f"{case.target}.call")
        calls, past = [c for _, c in known], _mixed(usual["calls"], [s for _, _, s in told])
        found = rate_ratio(calls, past)
        before, now = past[0] / past[2], math.fsum(calls) / len(calls)
        many = [c >= before + _MANY for c in calls]
        return Reading(
            n=len(known),
            effect=found.ratio,
            says=f"{now:.2f} calls of {case.target} a request, {before:.2f} in the baseline",
            p_value=found.p_value,
            error=found.error,
            scale="factor",
            low=found.low,
            high=found.high,
            value=now,
            reference=before,
            unit="calls",
            share=sum(many) / len(many),
            traces=examples([r for r, _ in known], many),
        )


def _calls(case: Case) -> list[float | None]:
    """Calls of the part by request; None where it was not reached."""
    field = f"{case.target}.call"
    return case.columns.of(("count", field), lambda request: _count(request, field))


def _count(request: Request, field: str) -> float | None:
    calls = request.values.get(field)
    return float(len(calls)) if calls else None


def _of(sums: Mapping[str, Sequence[float]], stratum: str) -> Sequence[float] | None:
    if stratum == EVERYONE:
        return [math.fsum(s[i] for s in sums.values()) for i in range(3)]
    return sums.get(stratum)


def _expected(sums: Mapping[str, Sequence[float]], strata: Sequence[str]) -> list[float | None]:
    means = {s: (found[0] / found[2] if (found := _of(sums, s)) else None) for s in {*strata}}
    return [means[s] for s in strata]


def _mixed(sums: Mapping[str, Sequence[float]], strata: Sequence[str]) -> tuple[float, float, int]:
    """The baseline's sums with the mix of strata of now, over as many requests as the baseline has of those strata."""
    shares = {s: strata.count(s) for s in sorted({*strata}) if _of(sums, s)}
    total, size = sum(shares.values()), sum(int((_of(sums, s) or (0, 0, 0))[2]) for s in shares)
    if not total or not size:
        return 0.0, 0.0, 0
    first = second = 0.0
    for s, count in shares.items():
        known = _of(sums, s) or (0.0, 0.0, 1)
        first += count / total * known[0] / known[2]
        second += count / total * known[1] / known[2]
    return first * size, second * size, size
