"""Messages to people: what was to be told, to whom, and what came of it. Values; the monitors decide."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Final, Literal

from syscard.finding import Value

Kind = Literal["opened", "worse", "resolved", "repeat", "budget", "digest", "silent", "back"]
Delivery = Literal["waiting", "sending", "sent", "failed", "perhaps"]
"""`perhaps`: it was being sent when the process, or the answer, was lost. It is not sent again."""

MOST_KEPT: Final = 1000
"""Notifications of one system that are kept."""
KEPT_FOR: Final = timedelta(days=30)
GIVEN_UP_AFTER: Final = timedelta(days=1)
"""What could not be delivered for so long is old news."""
LOST_AFTER: Final = timedelta(minutes=2)
"""Nobody sends one message for so long: who did is no more."""
WAITS: Final = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60))
"""Before the second try, the third ..."""
MOST_TRIES: Final = len(WAITS) + 1


class Message(Value):
    """What is to be told, once, to everybody."""

    kind: Kind
    incidents: tuple[int, ...] = ()
    ordinal: int
    """Of all messages of the system."""
    title: str
    text: str


class Notification(Value):
    """One message to one target."""

    key: str
    target: str
    """Its label: no address is stored."""
    system: str
    message: Message
    state: Delivery = "waiting"
    made: datetime
    changed: datetime
    due: datetime
    """When it is to be sent, or was."""
    tries: int = 0
    why: str = ""
    """What went wrong last."""


class Outcome(Value):
    """What came of one try."""

    state: Literal["sent", "failed", "perhaps"]
    why: str = ""


def key_of(system: str, message: Message) -> str:
    """What tells a message from every other: the same decision made twice is one message."""
    first = message.incidents[0] if message.incidents else 0
    return hashlib.sha256(f"{system}|{first}|{message.kind}|{message.ordinal}".encode()).hexdigest()


def after(tried: Notification, outcome: Outcome, now: datetime) -> Notification:
    """A notification after a try: only what has certainly not arrived is tried again, and not for ever."""
    again = outcome.state == "failed" and tried.tries < MOST_TRIES and now - tried.made < GIVEN_UP_AFTER
    return tried.model_copy(
        update={
            "state": "waiting" if again else outcome.state,
            "changed": now,
            "due": now + WAITS[tried.tries - 1] if again else now,
            "why": outcome.why,
        }
    )
