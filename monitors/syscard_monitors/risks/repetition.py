"""IR-24, step repetition: one part is called again and again within a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from syscard.system import System
from syscard_monitors.assemble import Request
from syscard_monitors.risks import roles
from syscard_monitors.risks.base import Case, Lacking, Reading
from syscard_monitors.risks.rises import rise_reading, usual_share
from syscard_monitors.stats import quantile

REPEATS: Final = 2
"""Calls more than the baseline's usual most make a request one that repeats itself."""
_USUAL: Final = 0.99


class Repetition:
    """Requests in which one part is called more often than nearly all of the baseline do; the agent is the subject."""

    id: Final = "IR-24"
    invariant: Final = False

    def places(self, system: System) -> tuple[str, ...]:
        """Who enters the request and calls the others."""
        caller = roles.caller(system)
        return (caller,) if caller else ()

    def usual(self, case: Case) -> dict[str, Any] | Lacking:
        """The most calls of each part in 99 of 100 requests, and how many requests go beyond it all the same."""
        most = {
            ref: quantile(calls, _USUAL)
            for ref in case.system.components
            if (calls := [float(n) for r in case.requests if (n := _calls(r, ref))])
        }
        if not most:
            return roles.needs("spans of single calls")
        found = usual_share([_repeats(r, most) for r in case.requests], case.strata)
        return found if isinstance(found, Lacking) else {"most": most, **found}

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:
        """The rise of the share of such requests."""
        flags = [_repeats(r, usual["most"]) for r in case.requests]
        return rise_reading(case, flags, usual, f"requests call a part {REPEATS} times more than is usual", "call")


def _calls(request: Request, ref: str) -> int:
    return len(request.values.get(f"{ref}.call", ()))


def _repeats(request: Request, most: Mapping[str, float]) -> bool:
    return any(_calls(request, ref) >= usual + REPEATS for ref, usual in most.items())
