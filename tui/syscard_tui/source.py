"""Where the screens get their data: a source that is asked once a second, and the asking itself. No Textual here."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from syscard import views
from syscard.clock import Clock
from syscard.errors import SyscardError
from syscard.faces import Overview, overview
from syscard.views import View
from syscard.words import one_line

CardJson = dict[str, Any]
EVERY: Final = 1.0
"""Seconds between two looks at the stamp."""
_SLOWEST: Final = 15.0
# What reading a file that others write can raise, or a view of a shape from another release.
_TROUBLE: Final = (SyscardError, OSError, sqlite3.Error, ValueError, LookupError, TypeError, AttributeError)


class Source(Protocol):
    """What the screens need."""

    def stamp(self) -> int:
        """A number that changes whenever the view does; cheap."""

    def view(self) -> View:
        """The newest view."""

    def previous_card(self) -> CardJson | None:
        """The card version before, as JSON, where it is known."""


class DatabaseSource:
    """The view row of one home, read with sqlite3 only."""

    def __init__(self, records: Path, system: str | None) -> None:
        self._records, self._system = records, system
        self._last: CardJson | None = None
        self._before: CardJson | None = None

    def stamp(self) -> int:
        """A number that changes whenever the records do."""
        return views.version_stamp(self._records)

    def view(self) -> View:
        """The newest view; the card of another version that was read before becomes the previous one."""
        view = views.read_view(self._records, self._system)
        card: CardJson = view["card"]
        if self._last is not None and self._last["version"] != card["version"]:
            self._before = self._last
        self._last = card
        return view

    def previous_card(self) -> CardJson | None:
        """The version that was shown before this one; None until a version changes while we look."""
        return self._before


@dataclass(frozen=True)
class Snapshot:
    """What every screen draws; replaced as a whole, never changed."""

    view: View
    overview: Overview
    previous: CardJson | None
    fetched: datetime


@dataclass(frozen=True)
class Trouble:
    """Why there is no new data."""

    says: str
    since: datetime
    retry: float
    """Seconds until the next try."""


class Poller:
    """Asks a source; gives a snapshot when something changed, a trouble when it fails, nothing otherwise."""

    def __init__(self, source: Source, clock: Clock) -> None:
        self._source, self._clock = source, clock
        self._stamp: int | None = None
        self._failures = 0
        self._since: datetime | None = None

    def ask(self) -> Snapshot | Trouble | None:
        """One look."""
        try:
            return self._look()
        except _TROUBLE as error:
            return self._failed(error)

    @property
    def pause(self) -> float:
        """Seconds until the next look: longer and longer while it fails."""
        return float(min(_SLOWEST, EVERY * 2**self._failures)) if self._failures < 8 else _SLOWEST

    def _look(self) -> Snapshot | None:
        stamp = self._source.stamp()
        if stamp == self._stamp:
            return None
        view, now = self._source.view(), self._clock()
        snapshot = Snapshot(view, overview(view, now), self._source.previous_card(), now)
        self._stamp, self._failures, self._since = stamp, 0, None
        return snapshot

    def _failed(self, error: Exception) -> Trouble:
        # Forgotten, so that the first look that works again brings a snapshot and clears the trouble.
        self._stamp = None
        self._failures += 1
        self._since = self._since or self._clock()
        says = str(error) if isinstance(error, SyscardError) else f"{type(error).__name__}: {error}"
        return Trouble(one_line(says), self._since, self.pause)
