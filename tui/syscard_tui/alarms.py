"""Reports of incidents: of the requests with which one began."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from syscard.edits import Author, AuthorKind, Draft, ReportOnIncident
from syscard_tui.pages import kept, let_go_of

if TYPE_CHECKING:
    from syscard.card import Card, Incident
    from syscard.records.store import Records
    from syscard_monitors.watch import Watcher
    from syscard_tui.wiring import House

AUTHOR: Final = Author(kind=AuthorKind.MONITOR, name="report")


def wanted(card: Card) -> Iterator[OfIncident]:
    """Of every open incident that has none."""
    for incident in card.open_incidents:
        if not incident.reports and _signals(incident):
            yield OfIncident(card.system, incident)


class OfIncident(NamedTuple):
    """The report of an incident that has none yet."""

    system: str
    incident: Incident

    @property
    def key(self) -> tuple[str, int]:
        """System and number."""
        return self.system, self.incident.number

    @property
    def name(self) -> str:
        """`INC-5 of shop`."""
        return f"INC-{self.incident.number} of {self.system}"

    def make(self, house: House, records: Records, watcher: Watcher) -> None:
        """Make it of the incident's signals, keep it, and put its digests into the chain.

        Raises:
            SyscardError: it cannot be made.
        """
        from syscard_monitors.reports import Asked

        incident = self.incident
        made = watcher.report(self.system, Asked(incident.since, incident.opened, only=_signals(incident)))
        body = ReportOnIncident(number=incident.number, **kept(house, self.system, made))
        draft = Draft(body=body, author=AUTHOR, observed=incident.opened)
        with records.transaction() as transaction:
            card, _ = transaction.newest(self.system)
            if not card.incidents[incident.number].reports:
                cause, now = f"report of INC-{incident.number}", house.clock()
                card = transaction.append(self.system, [draft], cause=cause, recorded=now)
        let_go_of(house, card)


def _signals(incident: Incident) -> frozenset[str]:
    """Keys of what can be compared: a part that nobody declared has no baseline."""
    return frozenset(finding.key for finding in incident.findings if not finding.key.endswith(".undeclared"))
