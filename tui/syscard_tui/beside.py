"""Reports made beside the watch: one after another, in a thread and an Evidently of their own.

No window waits for one, and one that cannot be made is a line on standard error and nothing else.
"""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Final, Protocol

from syscard.errors import SyscardError
from syscard_tui.options import note

if TYPE_CHECKING:
    from collections.abc import Hashable

    from syscard.card import Card
    from syscard.records.store import Records
    from syscard_monitors.watch import Watcher
    from syscard_tui.wiring import House

_STOP_S: Final = 2.0


class Wanted(Protocol):
    """A report that is to be made."""

    @property
    def key(self) -> Hashable:
        """Tells it from every other."""

    @property
    def name(self) -> str:
        """What it is of, in words."""

    def make(self, house: House, records: Records, watcher: Watcher) -> None:
        """Make it, keep it, and record that it was made.

        Raises:
            SyscardError: it cannot be made.
        """


class ReportsBeside:
    """Makes the reports that are missing; each is tried once by a process."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._waiting: queue.SimpleQueue[Wanted | None] = queue.SimpleQueue()
        self._tried: set[Hashable] = set()
        self._thread: threading.Thread | None = None

    def ask(self, card: Card) -> None:
        """Have the reports made that are missing on this card, and those that are due; returns at once."""
        from syscard_tui import alarms, scheduled

        missing: list[Wanted] = [*alarms.wanted(card), *scheduled.wanted(card, self._house.clock())]
        for wanted in missing:
            if wanted.key in self._tried:
                continue
            self._tried.add(wanted.key)
            self._waiting.put(wanted)
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

    def _make(self, wanted: Wanted) -> None:
        from syscard_monitors.drift import DriftWorker

        worker = DriftWorker()
        try:
            with self._house.records() as records:
                wanted.make(self._house, records, self._house.watcher(records, worker))
        finally:
            worker.close()
