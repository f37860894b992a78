"""IR-27, blind spot of the monitors: spans of a part are missing, or nothing gives a verdict on it now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from syscard.blindspots import TOPICS
from syscard.card import Card
from syscard.system import SYSTEM, System
from syscard_monitors.risks.base import Case, Lacking, Reading
from syscard_monitors.risks.rises import rise_reading, usual_share
from syscard_monitors.risks.shares import Marks

UNWATCHED: Final = "nothing watches it"
"""Why the state of a part is unknown that no signal and no claim speaks of (`parts`)."""

_NAMED: Final = 3
"""Claims whose names are told."""


class BlindSpot:
    """Requests that lack the spans of a part, more often than the baseline's; parts that nothing watches now.

    Of the system: topics that nobody looks at in any part. Part by part they stand in the matrix of the card, which is
    no verdict: not every part costs something, or can do harm (`syscard.blindspots`).
    """

    id: Final = "IR-27"
    invariant: Final = False

    def places(self, system: System) -> tuple[str, ...]:
        """Every declared component, and the system."""
        return (*system.components, SYSTEM)

    def usual(self, case: Case) -> dict[str, Any] | Lacking:
        """Requests without it, by stratum; of the system nothing."""
        if case.about == SYSTEM:
            return {}
        return usual_share(_missing(case), case.strata, f"{case.about}.call")

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:
        """The rise of the share of requests without it; where nothing looks now it is blind whatever comes."""
        if case.about == SYSTEM:
            return _nowhere(case)
        if case.card is not None and (says := _unseen(case.card, case.about)):
            return Reading(n=len(case.requests), effect=1.0, says=says)
        return rise_reading(
            case, _missing(case), usual, f"requests lack the spans of {case.about}", f"{case.about}.call"
        )


def _nowhere(case: Case) -> Reading | Lacking:
    if case.topics is None:
        return Lacking("needs the signals that watch the system")
    blind = [topic for topic in TOPICS if topic not in case.topics]
    named = " or ".join(blind)
    return Reading(
        n=len(case.requests),
        effect=float(bool(blind)),
        says=f"no signal and no claim looks at {named} of any part" if blind else "every topic is looked at",
        p_value=None if blind else 1.0,  # nothing is left to chance, and no smaller effect could be missed
        value=float(len(blind)),
        reference=0.0,
        unit="topics",
    )


def _unseen(card: Card, ref: str) -> str:
    """Why nobody sees how a part does, whatever its spans say; empty where somebody does."""
    if ref in unwatched(card):
        return f"no signal and no claim speaks of {ref}"
    stale = [c.id for c in card.claims.values() if c.declared.get("about") == ref and c.status == "stale"]
    return f"what was measured for {', '.join(stale[:_NAMED])} has expired" if stale else ""


def unwatched(card: Card) -> Sequence[str]:
    """Declared parts that no monitor speaks of, as the card has it."""
    return [ref for ref, part in card.parts.items() if part.declared is not None and part.why == UNWATCHED]


def _missing(case: Case) -> Marks:
    return [f"{case.about}.call" not in r.values for r in case.requests]
