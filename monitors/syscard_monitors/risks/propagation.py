"""IR-01, error propagation: what goes wrong in one part makes the next go wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from syscard.system import System
from syscard_monitors.risks import roles
from syscard_monitors.risks.base import Case, Lacking, Reading, examples
from syscard_monitors.risks.statistics import association
from syscard_monitors.stats import Rates

TROUBLE: Final = ("error", "fallback", "empty", "abstained", "refused", "truncated")
"""What says that a call went wrong."""
LEAST_EXPECTED: Final = 5
"""Joint events that independence would make: with fewer the interval of the ratio is too narrow."""
LEAST_ATTRIBUTABLE: Final = 0.05


class Propagation:
    """The risk ratio of trouble in d, given trouble in u, in requests of one stratum."""

    id: Final = "IR-01"
    invariant: Final = False

    def places(self, system: System) -> tuple[str, ...]:
        """Every declared edge."""
        return tuple(system.interactions)

    def usual(self, case: Case) -> dict[str, Any] | Lacking:
        """How often either has trouble: the test itself is within the newest requests."""
        told = troubles(case, case.source), troubles(case, case.target)
        if any(all(t is None for t in one) for one in told):
            return roles.needs(f"calls of {case.source} and {case.target}")
        return {"n": len(case.requests), "troubles": [sum(bool(t) for t in one) for one in told]}

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:  # noqa: ARG002
        """The lower bound of the ratio, where enough of the trouble comes of it."""
        up, down = troubles(case, case.source), troubles(case, case.target)
        found = association(_tables(up, down, case.strata))
        n = sum(u is not None and d is not None for u, d in zip(up, down, strict=True))
        if found.expected < LEAST_EXPECTED:
            why = f"needs {LEAST_EXPECTED} expected joint events, has {found.expected:.1f}"
            return Lacking(why, LEAST_EXPECTED, int(found.expected))
        both = [bool(u and d) for u, d in zip(up, down, strict=True)]
        effect = found.low if found.attributable >= LEAST_ATTRIBUTABLE else min(found.low, 1.0)
        return Reading(
            n=n,
            effect=effect,
            says=f"with trouble in {case.source} {case.target} has it {found.ratio:.2g} times as often; "
            f"{found.attributable:.0%} of its trouble comes of that",
            p_value=found.p_value,
            error=found.error,
            scale="factor",
            low=found.low,
            high=found.high,
            value=found.ratio,
            reference=1.0,
            unit="times",
            share=sum(both) / max(1, n),
            traces=examples(case.requests, both),
        )


def troubles(case: Case, ref: str) -> list[bool | None]:
    """Whether a part had trouble; None where it was not called."""
    return roles.any_of(case, ref, TROUBLE)


def _tables(up: Sequence[bool | None], down: Sequence[bool | None], strata: Sequence[str]) -> list[Rates]:
    counts: dict[str, list[int]] = {}
    for u, d, stratum in zip(up, down, strata, strict=True):
        if u is not None and d is not None:
            known = counts.setdefault(stratum, [0, 0, 0, 0])
            known[0 if u else 2] += d
            known[1 if u else 3] += 1
    return [Rates(*known) for _, known in sorted(counts.items())]
