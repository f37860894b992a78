"""Rotation of the key of fingerprints: a new one from now on, the old one for as long as rows live that it hashed.

Which key hashed a row is told from when it was received. That is exact, because the key is changed only while nobody
takes spans, at a moment later than anything that was received, and nothing is taken as received before it afterwards.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from syscard.digest import iso
from syscard.errors import SyscardError, UsageError
from syscard.home import Home
from syscard_tracing import journal, keys
from syscard_tracing.batch import from_bytes
from syscard_tracing.durable import newest_entry
from syscard_tracing.inbox import Inbox
from syscard_tracing.keys import Key
from syscard_tracing.normalise import microseconds, moment
from syscard_tracing.roller import open_lake

_EVER_US: Final = 2**63 - 1
_log = logging.getLogger("syscard.tracing")


def _ignore(_step: str) -> None:
    """Nobody watches the steps."""


def rotate(home: Home, now: datetime, on_step: Callable[[str], None] = _ignore) -> Key:
    """Make a new key and use it from now on; the new key.

    Args:
        home: the home; nobody may be taking spans into it.
        now: the moment, by the clock that spans are received by.
        on_step: told of each of `syscard_tracing.keys.STEPS`.

    Raises:
        UsageError: the home is served or ingested into, or has no key yet.
        LakeError, TraceError: what was received last cannot be read, or the key cannot be written.
    """
    from syscard_tracing import upkeep

    with keys.unused(home.keys):
        before = keys.ring(home.keys)
        if not before:
            raise UsageError(f"home {home.root} has no key yet: nothing was taken, so there is nothing to rotate")
        received = max((*_waiting(home), upkeep.newest_received(open_lake(home))), default=0)
        at_us = max(microseconds(now), received + 1, before[-1].since_us + 1)
        keys.exchange(home.keys, at_us, on_step)
        made = keys.ring(home.keys)[-1]
        journal.write(home, now, "key rotated", key=made.name, before=before[-1].name, since=iso(moment(at_us)))
    return made


def destroy_unused(home: Home, now: datetime) -> list[Key]:
    """Destroy every old key under which no row is hashed any more; those that were.

    Raises:
        LakeError, TraceError: it cannot be told which rows there are, so no key goes.
    """
    old = [key for key in keys.ring(home.keys)[:-1] if key.secret is not None]
    if not old:
        return []
    oldest_us = oldest_received(home)
    going = [key for key in old if key.until_us is not None and (oldest_us is None or oldest_us >= key.until_us)]
    for key in going:
        keys.destroy(home.keys, key)
        journal.write(home, now, "key destroyed", key=key.name, until=iso(moment(key.until_us or 0)))
        _log.warning("key %s: nothing that it hashed is left: it was destroyed", key.name)
    return going


def oldest_received(home: Home) -> int | None:
    """When the oldest row was received that the home still holds, in microseconds, or a little before; None: no row."""
    from syscard_tracing import upkeep

    # The inbox first: what rolls meanwhile is seen in the lake, and nothing goes the other way.
    waiting = list(_waiting(home))
    return min((*waiting, *upkeep.oldest_received(open_lake(home))), default=None)


def lost_until(home: Home) -> int | None:
    """Up to when, in microseconds, rows that are still here were hashed under a key that is gone; None: none were.

    Raises:
        LakeError, TraceError: it cannot be told.
    """
    found = keys.ring(home.keys)
    gone = [key.until_us for key in found if key.secret is None and key.until_us is not None]
    if found and not gone:
        return None
    if newest_entry(home.lake) is None and next(_waiting(home), None) is None:
        return None  # a new home: the lake's libraries take half a second to load
    oldest_us, until_us = oldest_received(home), max(gone) if found else _EVER_US
    return until_us if oldest_us is not None and oldest_us < until_us else None


def note_lost(home: Home, now: datetime) -> None:
    """Where the key is gone and rows are there: say so, and let it stay known when a new key is made."""
    if (home.keys / keys.FILE).exists():
        return
    try:
        if lost_until(home) is None:
            return
    except SyscardError:  # what cannot be read may hold rows: spans are taken all the same
        pass
    home.keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys.note_gone(home.keys, microseconds(now))
    _log.warning(
        "key %s is gone and the home holds spans that it hashed: a new key is made, the two are not comparable and "
        "erase does not find persons from before: put keys/ back from a backup",
        home.keys / keys.FILE,
    )


def _waiting(home: Home) -> Iterator[int]:
    """When what is in the inbox was received: the first and the last span of each batch."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not home.inbox.exists():
        return
    with Inbox(home.inbox) as inbox:
        for batch in inbox.every():
            received = from_bytes([batch.body]).column("received").cast(pa.int64())
            yield from (pc.min(received).as_py(), pc.max(received).as_py())
