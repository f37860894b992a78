"""Snapshots as the chain holds them: that one was taken, of which card, why, and the digests of what was written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

from pydantic import Field

from syscard.finding import Value
from syscard.periods import Period, due

SNAPSHOTS_SHOWN: Final = 20
"""The newest ones stand on the card; the edits hold all of them."""
ON_REQUEST: Final = "on request"
SCHEDULED: Final = "scheduled"
_TO_READ: Final = timedelta(minutes=10)
"""Requests of a period may be looked at so long after its end."""


class Snapshot(Value):
    """A card version was written down for people, signed, and chained to the one before."""

    kind: Literal["snapshot"] = "snapshot"
    number: int
    """1, 2, 3 ... of one system."""
    version: int
    """Of the card that was written down."""
    card: str
    """Its digest."""
    reason: str
    """`on request`, `scheduled`, `release 1.2`, `incident INC-5`."""
    verdict: str
    files: dict[str, str]
    """SHA-256 of each by its suffix: `md`, `json`, `html`, `pdf`."""
    previous: str | None = None
    """SHA-256 of the envelope before; None of the first."""
    envelope: str
    """SHA-256 of the signed envelope."""
    start: datetime | None = None
    """The period that it is about (event time), where it is about one."""
    end: datetime | None = None
    incidents: tuple[int, ...] = Field(default=(), exclude_if=lambda numbers: not numbers)
    """Those because of which it was taken."""


class SnapshotCard(Value):
    """One snapshot as the card tells of it."""

    number: int
    version: int
    card: str
    at: datetime
    """When it was taken."""
    reason: str
    verdict: str
    files: dict[str, str]
    previous: str | None
    envelope: str
    start: datetime | None = None
    end: datetime | None = None
    incidents: tuple[int, ...] = Field(default=(), exclude_if=lambda numbers: not numbers)

    @property
    def period(self) -> Period | None:
        """The stretch of event time that it is about."""
        return Period(self.start, self.end) if self.start and self.end else None


def with_snapshot(known: Sequence[SnapshotCard], body: Snapshot, at: datetime) -> tuple[SnapshotCard, ...]:
    """The newest of them, oldest first.

    The newest scheduled one stays however old: the next period begins where its own ended.
    """
    told = {name: getattr(body, name) for name in SnapshotCard.model_fields if name != "at"}
    every = (*known, SnapshotCard(at=at, **told))
    newest = every[-SNAPSHOTS_SHOWN:]
    if last_period_end(newest) is None:
        last = [s for s in every[:-SNAPSHOTS_SHOWN] if s.reason == SCHEDULED][-1:]
        return (*last, *newest[len(last) :])
    return newest


class Wish(Value):
    """A snapshot that somebody, or something, asks for."""

    reason: str = ON_REQUEST
    start: datetime | None = None
    """None: the time before now, as long as is usual."""
    end: datetime | None = None
    incidents: tuple[int, ...] = ()


def taken(known: Sequence[SnapshotCard], version: int, wish: Wish, verdict: str) -> SnapshotCard | None:
    """The one that says the same already: of this card, for this reason, about this period, with this verdict.

    A snapshot is an edit, so it makes a version itself: versions that are nothing but snapshots are looked through.
    What is due by itself is taken once, whatever has changed since: two processes may have seen that it is due.

    Args:
        known: of the card, oldest first.
        version: of the card.
        wish: what is asked for.
        verdict: what a snapshot would say now.
    """
    if wish.reason == SCHEDULED or wish.incidents:
        due_by = (wish.reason, wish.start, wish.end, wish.incidents)
        return next((s for s in known if due_by == (s.reason, *_about(s, wish), s.incidents)), None)
    for snapshot in reversed(known):
        if snapshot.version != version - 1:
            return None
        version = snapshot.version
        period = wish.start is None or (snapshot.start, snapshot.end) == (wish.start, wish.end)
        if period and (snapshot.reason, snapshot.verdict) == (wish.reason, verdict):
            return snapshot
    return None


def _about(snapshot: SnapshotCard, wish: Wish) -> tuple[datetime | None, datetime | None]:
    """Its period, where one is asked for: of incidents it is the time before now."""
    return (snapshot.start, snapshot.end) if wish.start else (None, None)


def last_period_end(known: Sequence[SnapshotCard]) -> datetime | None:
    """Where the period of the newest scheduled one ended."""
    return next((s.end for s in reversed(known) if s.reason == SCHEDULED), None)


def scheduled(known: Sequence[SnapshotCard], every: timedelta, now: datetime) -> Wish | None:
    """The scheduled one, once its period is over and its last requests have been looked at."""
    period = due(last_period_end(known), every, now - _TO_READ)
    return Wish(reason=SCHEDULED, start=period.start, end=period.end) if period else None


def of_incidents(known: Sequence[SnapshotCard], opened: dict[int, datetime]) -> Wish | None:
    """One for all incidents that have none.

    Args:
        known: of the card, oldest first.
        opened: open incidents that call somebody at once, by number: when each opened.
    """
    told = {number for snapshot in known for number in snapshot.incidents}
    # Beyond what the card remembers nobody knows whether there was one: what opened before has had its chance.
    since = known[1].at if len(known) >= SNAPSHOTS_SHOWN else None
    new = sorted(n for n, at in opened.items() if n not in told and (since is None or at > since))
    return Wish(reason=f"incident {', '.join(f'INC-{n}' for n in new)}", incidents=tuple(new)) if new else None


def of_release(version: str) -> Wish:
    """The one of a release: the system says that it is another version."""
    return Wish(reason=f"release {version}")


def wishes(
    known: Sequence[SnapshotCard], every: timedelta, opened: dict[int, datetime], now: datetime
) -> Iterator[Wish]:
    """What is due by itself: what an incident asks for goes first."""
    yield from (wish for wish in (of_incidents(known, opened), scheduled(known, every, now)) if wish)
