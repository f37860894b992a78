"""Reports every so often, as system.yaml asks for: of the time since the last one, once it is over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from syscard.declare import system_of
from syscard.edits import Draft, PeriodicReport
from syscard.errors import NoRequests
from syscard.periods import Period, due
from syscard_tui.alarms import AUTHOR
from syscard_tui.pages import kept, let_go_of

if TYPE_CHECKING:
    from syscard.card import Card
    from syscard.records.store import Records
    from syscard_monitors.watch import Watcher
    from syscard_tui.wiring import House

SETTLED: Final = timedelta(minutes=10)
"""Spans of a period may arrive so long after its end: the reach of one look of the monitors."""


def wanted(card: Card, now: datetime) -> Iterator[OfPeriod]:
    """The one that is due, where there is a baseline to compare with."""
    asked = system_of(card).monitors.report
    if asked is None or card.baseline is None:
        return
    period = due(_last_end(card), asked.every, now - SETTLED)
    if period is not None:
        yield OfPeriod(card.system, period, _last_end(card))


def _last_end(card: Card) -> datetime | None:
    return card.reports[-1].end if card.reports else None


class OfPeriod(NamedTuple):
    """The report of a period that is over."""

    system: str
    period: Period
    after: datetime | None
    """Where the report before it ended."""

    @property
    def key(self) -> tuple[str, datetime | None]:
        """System and the report before: the first one's period moves with the clock."""
        return self.system, self.after

    @property
    def name(self) -> str:
        """`2026-11-20 to 2026-11-27 of shop`."""
        return f"{self.period.start:%Y-%m-%d %H:%M} to {self.period.end:%Y-%m-%d %H:%M} of {self.system}"

    def make(self, house: House, records: Records, watcher: Watcher) -> None:
        """Make it, keep it, and put its digests into the chain; that there was no traffic is said there, too.

        Raises:
            SyscardError: it cannot be made.
        """
        body = PeriodicReport(start=self.period.start, end=self.period.end, **self._found(house, watcher))
        draft = Draft(body=body, author=AUTHOR, observed=self.period.end)
        with records.transaction() as transaction:
            card, _ = transaction.newest(self.system)
            if _last_end(card) == self.after:  # another process may have made it meanwhile
                card = transaction.append(self.system, [draft], cause="report of a period", recorded=house.clock())
        let_go_of(house, card)

    def _found(self, house: House, watcher: Watcher) -> dict[str, Any]:
        from syscard_monitors.reports import Asked

        try:
            made = watcher.report(self.system, Asked(*self.period, sample=True))
        except NoRequests:
            return {"why": "there was no complete request in that time"}
        return {"requests": made.document["window"]["requests"], **kept(house, self.system, made)}
