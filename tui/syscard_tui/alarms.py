"""Reports of incidents, made beside the watch: one after another, in a thread and an Evidently of their own.

No window waits for one, and one that cannot be made is a line on standard error and nothing else.
"""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Final, NamedTuple

from syscard.edits import Author, AuthorKind, Draft, ReportOnIncident
from syscard.errors import SyscardError
from syscard_tui.options import note

if TYPE_CHECKING:
    from syscard.card import Card, Incident
    from syscard.evidence_files import Kept
    from syscard_monitors.reports import Report
    from syscard_tui.wiring import House

AUTHOR: Final = Author(kind=AuthorKind.MONITOR, name="report")
_STOP_S: Final = 2.0


class _Wanted(NamedTuple):
    """An incident that has no report yet."""

    system: str
    incident: Incident

    @property
    def name(self) -> str:
        return f"INC-{self.incident.number} of {self.system}"


class AlarmReports:
    """Asks for the report of every open incident that has none; each is tried once by a process."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._waiting: queue.SimpleQueue[_Wanted | None] = queue.SimpleQueue()
        self._tried: set[tuple[str, int]] = set()
        self._thread: threading.Thread | None = None

    def ask(self, card: Card) -> None:
        """Have the reports made that are missing on this card; returns at once."""
        for incident in card.open_incidents:
            key = card.system, incident.number
            if incident.reports or key in self._tried or not _signals(incident):
                continue
            self._tried.add(key)
            self._waiting.put(_Wanted(card.system, incident))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="reports", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Begin none any more. One that is being made ends with the process; the next process makes it anew."""
        self._waiting.put(None)
        if self._thread is not None:
            self._thread.join(_STOP_S)

    def _run(self) -> None:
        while (wanted := self._waiting.get()) is not None:
            try:
                self._make(wanted)
            except SyscardError as error:
                note(f"report of {wanted.name}: {error}")
            except Exception as error:  # noqa: BLE001  (whatever it is, the watch and the next report go on)
                note(f"report of {wanted.name} failed: {type(error).__name__}: {error}")

    def _make(self, wanted: _Wanted) -> None:
        from syscard_monitors.drift import DriftWorker
        from syscard_monitors.reports import Asked

        incident, worker = wanted.incident, DriftWorker()
        asked = Asked(incident.since, incident.opened, only=_signals(incident))
        try:
            with self._house.records() as records:
                made = self._house.watcher(records, worker).report(wanted.system, asked)
                page, document = made.keep(self._house.home.reports / wanted.system)
                draft = Draft(body=_body(incident, made, page, document), author=AUTHOR, observed=incident.opened)
                with records.transaction() as transaction:
                    card, _ = transaction.newest(wanted.system)
                    if not card.incidents[incident.number].reports:
                        cause, now = f"report of INC-{incident.number}", self._house.clock()
                        transaction.append(wanted.system, [draft], cause=cause, recorded=now)
        finally:
            worker.close()


def _signals(incident: Incident) -> frozenset[str]:
    """Keys of what can be compared: a part that nobody declared has no baseline."""
    return frozenset(finding.key for finding in incident.findings if not finding.key.endswith(".undeclared"))


def _body(incident: Incident, made: Report, page: Kept, document: Kept) -> ReportOnIncident:
    signals = made.document["signals"]
    return ReportOnIncident(
        number=incident.number,
        document_sha256=document.digest,
        page_sha256=page.digest,
        engine=made.document["engine"],
        compared=len(signals),
        drifted=sum(row["drifted"] for row in signals),
    )
