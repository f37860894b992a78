"""What is remembered of what was told. Frozen values, stored in the transaction that decides to tell more."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from syscard.finding import Value
from syscard.incident_states import OPEN_STATES

TOLD: Final[frozenset[str]] = frozenset(OPEN_STATES)
"""States of incidents that are told. Beside these, `SILENCED` and candidates, an incident is over."""
SILENCED: Final[str] = "suppressed"
JOINED: Final[str] = "merged"
"""State of an incident that another one tells of."""


class Known(Value):
    """One incident of which something is still to be told, or may be."""

    level: str
    """Its severity at the last look."""
    told: str = ""
    """The severity in which it was told, or would have been but for the budget; empty: not yet."""
    by_message: bool = False
    """Whether a message of its own told it: then its end is told so, too."""
    held: bool = False
    """Whether the budget kept it back: it waits for the digest."""
    silenced: bool = False


class Group(Value):
    """What was told of one group of incidents."""

    since: datetime | None = None
    """When something began to wait; None: nothing waits."""
    last: datetime | None = None
    """When the newest message was decided on, or held back."""


class Outage(Value):
    """The monitors, or spans, are not there."""

    kind: Literal["monitors", "spans"]
    since: datetime
    """When it was noticed."""
    well_since: datetime | None = None
    """When it was first found to be over; None: it goes on."""


class NotifierState(Value):
    """All that is remembered of one system."""

    digested: datetime
    """When the last digest was due, or the notifier began."""
    seen: int = 0
    """Incidents up to this number are known, or done with."""
    known: dict[int, Known] = {}
    groups: dict[str, Group] = {}
    spent: tuple[datetime, ...] = ()
    """Messages that count against the budget, oldest first."""
    used_up: datetime | None = None
    """When it was last told that the budget is used up."""
    unsure: tuple[str, ...] = ()
    """What the last digest said is unknown or stale."""
    ordinal: int = 0
    """Messages so far."""
    outage: Outage | None = None
    sent: int = 0
    """Deliveries since the beginning, one a target; as are the next two."""
    failed: int = 0
    perhaps: int = 0

    @property
    def held(self) -> int:
        """Incidents that the budget keeps for the digest."""
        return sum(one.held for one in self.known.values())
