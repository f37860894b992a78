"""Snapshots that are taken by themselves, beside the watch: every so often, and of an incident that calls somebody.

The only module that imports APScheduler. What is due is told by the card, so a restart takes none twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING, Final

from syscard.declare import system_of
from syscard.edits import Author, AuthorKind
from syscard.errors import MissingExtra, SyscardError
from syscard.live import Live, WatcherNow
from syscard.snapshots import of_release, wishes
from syscard_tui.options import note
from syscard_tui.snapshots import take

if TYPE_CHECKING:
    from syscard.card import Card
    from syscard.records.store import Records
    from syscard_tui.wiring import House

AUTHOR: Final = Author(kind=AuthorKind.MONITOR, name="snapshot")
_EVERY_S: Final = 30
_MOST_WORDS: Final = 300


@contextmanager
def taking_snapshots(house: House) -> Iterator[None]:
    """Take what is due while the block runs, in a thread of its own: no window waits for one.

    Raises:
        MissingExtra: APScheduler is not installed.
    """
    try:
        from apscheduler.schedulers.background import BackgroundScheduler
    except ImportError as error:
        raise MissingExtra("server", "snapshots on a schedule") from error
    scheduler = BackgroundScheduler(timezone=UTC, daemon=True)
    scheduler.add_job(
        take_due, "interval", (house,), seconds=_EVERY_S, max_instances=1, coalesce=True, misfire_grace_time=None
    )
    scheduler.start()
    try:
        yield
    finally:
        scheduler.shutdown(wait=False)


def take_due(house: House) -> None:
    """One look at every system; that one cannot be taken is told, and stops nothing."""
    try:
        with house.records() as records:
            for ref in records.systems():
                _take_of(house, records, ref)
    except SyscardError as error:
        note(f"snapshots: {error}")


def _take_of(house: House, records: Records, ref: str) -> None:
    try:
        card = records.current(ref)
        asked = system_of(card).monitors.snapshots
        if asked is None:
            return
        opened = {i.number: i.opened for i in card.open_incidents if i.severity == "page"}
        for wish in wishes(card.snapshots, asked.every, opened, house.clock()):
            take(house, records, ref, wish, AUTHOR, back=asked.every, keep=asked.keep)
        why = ""
    except SyscardError as error:
        why = str(error)
    except Exception as error:  # noqa: BLE001  (a defect in a drawing must not stop the watch)
        why = f"{type(error).__name__}: {error}"
    _tell(house, records, ref, why[:_MOST_WORDS])


def _tell(house: House, records: Records, ref: str, why: str) -> None:
    """On the watcher's line, which every face shows; once until it changes."""
    with records.transaction() as transaction:
        live = transaction.live(ref)
        if why == (live.watcher.snapshots if live else ""):
            return
        now = house.clock()
        live = live or Live(as_of=now, watcher=WatcherNow())
        told = live.model_copy(update={"watcher": live.watcher.model_copy(update={"snapshots": why})})
        transaction.append(ref, [], cause="", recorded=now, live=told)
    if why:
        note(f"no snapshot of {ref} was taken: {why}")


def take_of_release(house: House, records: Records, before: Card, after: Card, who: Author) -> str | None:
    """The snapshot of a system that says it is another version, where system.yaml wants snapshots.

    Returns:
        What there is to say of it; None where there is nothing.
    """
    asked = system_of(after).monitors.snapshots
    was, now = (card.identity.get("version") for card in (before, after))
    if asked is None or was is None or was == now:
        return None
    try:
        found = take(house, records, after.system, of_release(str(now)), who, back=asked.every)
    except SyscardError as error:
        return f"no snapshot of the release was taken: {error}"
    return f"snapshot {found.snapshot.number} of the release: {found.paths[2]}"
