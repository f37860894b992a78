"""The states of an incident and who may move it from which to which: data, and two questions of it. Standard library.

::

    candidate -> open -> acknowledged -> mitigating -> resolved -> reviewed
    side exits: suppressed, accepted_risk (both come back), merged, false_positive

A candidate is a breach on its way. It has no number and stands in what the monitors know live, never on the card.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Literal

IncidentState = Literal[
    "open",
    "acknowledged",
    "mitigating",
    "resolved",
    "reviewed",
    "merged",
    "false_positive",
    "accepted_risk",
    "suppressed",
]
CANDIDATE: Final = "candidate"
OPEN_STATES: Final[tuple[IncidentState, ...]] = ("open", "acknowledged", "mitigating")
"""Somebody still has to do something."""
HELD_STATES: Final[tuple[IncidentState, ...]] = ("suppressed", "accepted_risk")
"""Nobody is waited for until a time that was set; findings are recorded all the same."""
LIVE_STATES: Final[tuple[IncidentState, ...]] = (*OPEN_STATES, *HELD_STATES)
"""What breaks again belongs to it."""
REOPEN_WITHIN: Final = timedelta(days=7)
"""What has the fingerprint of an incident resolved so lately is that incident again."""

_BY_HAND: Final[Mapping[str, tuple[str, ...]]] = {
    "open": ("acknowledged", "mitigating", "resolved", "merged", "false_positive", "accepted_risk", "suppressed"),
    "acknowledged": ("mitigating", "resolved", "merged", "false_positive", "accepted_risk"),
    "mitigating": ("acknowledged", "resolved", "merged", "false_positive", "accepted_risk"),
    "suppressed": ("open", "resolved", "merged", "false_positive", "accepted_risk"),
    "accepted_risk": ("open", "resolved", "merged", "false_positive"),
    "resolved": ("open", "reviewed", "false_positive"),
    "false_positive": ("open", "reviewed"),
    "reviewed": ("open",),
    "merged": (),
}
_BY_ITSELF: Final[Mapping[str, tuple[str, ...]]] = {
    CANDIDATE: ("open", "suppressed"),
    "open": ("resolved", "suppressed"),
    "acknowledged": ("resolved",),
    "mitigating": ("resolved",),
    "suppressed": ("open", "resolved"),
    "accepted_risk": ("open", "resolved"),
    "resolved": ("open",),
}
"""What a monitor may do. All but the first way out of a candidate and the way to `resolved` only carry out what people
decided: a silence that they declared begins or ends, an acceptance runs out, the same breaks again within a week."""


def may_move(state: str, to: str, *, by_hand: bool) -> bool:
    """Whether a human, or a monitor, may move an incident from one state to another."""
    return to in (_BY_HAND if by_hand else _BY_ITSELF).get(state, ())


def refusal(number: int, state: str, to: str) -> str | None:
    """Why a human may not, in one line; None where he may."""
    if may_move(state, to, by_hand=True):
        return None
    if state == to:
        return f"INC-{number} is {_words(state)} already: see it with: syscard incident show INC-{number}"
    ways = ", ".join(map(_words, _BY_HAND.get(state, ()))) or "nothing: it is over"
    return f"INC-{number} is {_words(state)} already: from there it can become {ways}"


def hides(state: str, into: str) -> bool:
    """Whether merging keeps from people what waits for them: an accepted incident calls nobody until its time."""
    return state in OPEN_STATES and into == "accepted_risk"


def _words(state: str) -> str:
    return state.replace("_", " ")
