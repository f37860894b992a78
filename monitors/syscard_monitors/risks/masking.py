"""IR-21, error masking: errors fall because a fallback or an empty answer takes their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from syscard.system import System
from syscard_monitors.risks import roles
from syscard_monitors.risks.base import Case, Lacking, Reading
from syscard_monitors.risks.rises import rise_of, told
from syscard_monitors.risks.shares import Marks, kept

MASKS: Final = ("fallback", "empty", "abstained", "refused")
"""Fields of what a part does instead of answering."""


class ErrorMasking:
    """Both must be significant: that errors fall, and that what hides them rises."""

    id: Final = "IR-21"
    invariant: Final = False

    def places(self, system: System) -> tuple[str, ...]:
        """Any part can hide its failures."""
        return tuple(system.components)

    def usual(self, case: Case) -> dict[str, Any] | Lacking:
        """Errors, and answers that are none, by stratum."""
        hidden = _hidden(case)
        if not kept(hidden, case.strata):
            return roles.needs(f"{case.about}.call")
        return {"errors": kept(_fine(case), case.strata), "masks": kept(hidden, case.strata)}

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:
        """The rise of what hides; its p is the larger of both."""
        hidden = _hidden(case)
        more, fewer = rise_of(hidden, case.strata, usual["masks"]), rise_of(_fine(case), case.strata, usual["errors"])
        if more is None or fewer is None:
            return roles.needs(f"{case.about}.call")
        errors = f", while errors went from {1 - fewer.before:.1%} to {1 - fewer.now:.1%}"
        what = f"calls of {case.about} fall back or answer nothing"
        worse = more._replace(p_value=max(more.p_value, fewer.p_value))
        reading = told(case, hidden, worse, what)
        return replace(reading, says=reading.says + errors)


def _hidden(case: Case) -> Marks:
    """Requests in which the part did not fail, and did not answer either."""
    return roles.any_of(case, case.about, MASKS)


def _fine(case: Case) -> Marks:
    """Requests in which the part did not fail: errors fall where this rises."""
    failed = roles.any_of(case, case.about, ("error",))
    return [None if f is None else not f for f in failed]
