"""What pages and documents are made of: views, versions and what changed with each. It only reads."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from syscard.card import Card
from syscard.diff import Change
from syscard.errors import NothingDeclared, NotOnTheCard, UsageError
from syscard.fold import empty_card
from syscard.past import changes_by_version
from syscard.stored import Stored, read
from syscard.views import View, choose, edit_rows, read_view, systems, version_stamp, versions

PAGE: Final = 25
"""Versions on one page."""
_NAMED: Final = 20
_REMEMBERED: Final = 2_000
"""Versions of which it is remembered what changed: versions do not change any more."""


def some(names: Iterable[str]) -> str:
    """The first of all there are: an error is a line, however many there are."""
    known = list(names)
    more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
    return f"{', '.join(known[:_NAMED])}{more}" if known else "none"


class Version(NamedTuple):
    """One version, as the list of them tells of it, and what materially changed with it."""

    row: dict[str, Any]
    """As `syscard.views.versions` has it."""
    changes: tuple[Change, ...]

    @property
    def number(self) -> int:
        """Its number."""
        return int(self.row["version"])


class _Kept(NamedTuple):
    """A card as it was folded last, and behind which edit."""

    card: Card
    seq: int
    link: str


class Reader:
    """The records of one home, read by several threads."""

    def __init__(self, records: Path) -> None:
        self.records = records
        self._lock = threading.Lock()
        self._changes: dict[tuple[str, str], tuple[Change, ...]] = {}
        """By system and link of the version's last edit."""
        self._kept: dict[str, _Kept] = {}

    def systems(self) -> list[str]:
        """References of the systems.

        Raises:
            NothingDeclared, RecordsError: as `syscard.views` says.
        """
        return systems(self.records)

    def stamp(self) -> int:
        """What changes whenever the records do; 0 while there are none."""
        with suppress(NothingDeclared):
            return version_stamp(self.records)
        return 0

    def choose(self, system: str | None) -> str:
        """The system that is meant.

        Raises:
            NothingDeclared, RecordsError: as `syscard.views` says.
            NotOnTheCard: there is none of this name.
            UsageError: there are several, and none is named.
        """
        known = self.systems()
        if system is not None and system not in known:
            raise NotOnTheCard(f"no system '{system[:64]}' here; there is: {some(known)}")
        if system is None and len(known) > 1:
            raise UsageError(f"this home has several systems; name one with ?system=: {some(known)}")
        return choose(self.records, system)

    def view(self, system: str) -> View:
        """The newest view of a system."""
        return read_view(self.records, system)

    def history(self, system: str, before: int | None = None, most: int = PAGE) -> list[Version]:
        """Versions with what materially changed, newest first."""
        rows = versions(self.records, system, before=before, most=most)
        with self._lock:
            unknown = [row for row in rows if (system, row["link"]) not in self._changes]
            if unknown:
                self._learn(system, unknown)
            return [Version(row, self._changes.get((system, row["link"]), ())) for row in rows]

    def version(self, system: str, number: int) -> Version:
        """One version.

        Raises:
            NotOnTheCard: there is none of this number.
        """
        found = self.history(system, number + 1, 1)
        if not found or found[0].number != number:
            newest = versions(self.records, system, most=1)
            raise NotOnTheCard(
                f"{system} has no card v{number}: the newest is v{newest[0]['version'] if newest else 0}"
            )
        return found[0]

    def edits_of(self, system: str, number: int, most: int) -> list[dict[str, Any]]:
        """The first edits of one version: `seq`, `kind`, `about`, `author`, `link`."""
        found: list[dict[str, Any]] = []
        for row in edit_rows(self.records, system, since_version=number, until_version=number):
            if len(found) == most:
                break
            edit = read(Stored(**row))
            body = edit.body.model_dump()
            about = next(
                (str(body[key]) for key in ("ref", "claim", "about", "number", "risk", "id") if body.get(key)), ""
            )
            author = f"{edit.draft.author.kind}:{edit.draft.author.name}"
            found.append({"seq": edit.seq, "kind": edit.body.kind, "about": about, "author": author, "link": edit.link})
        return found

    def _learn(self, system: str, rows: Iterable[dict[str, Any]]) -> None:
        """Fold up to the newest of these versions, and remember what changed with each from the oldest on."""
        links = {row["version"]: row["link"] for row in rows}
        start = self._start(system, min(links))
        after = start.seq if start else 0
        stored = [read(Stored(**row)) for row in edit_rows(self.records, system, after=after, until_version=max(links))]
        card, found = changes_by_version(start.card if start else empty_card(system), stored, since=min(links))
        for version, changes in found.items():
            if version in links:
                self._changes[system, links[version]] = changes
        while len(self._changes) > _REMEMBERED:
            del self._changes[next(iter(self._changes))]
        known = self._kept.get(system)
        if stored and (known is None or stored[-1].seq > known.seq or start is None):
            self._kept[system] = _Kept(card, stored[-1].seq, stored[-1].link)

    def _start(self, system: str, oldest: int) -> _Kept | None:
        """The card that was folded last, where these versions follow it and the chain still holds it."""
        kept = self._kept.get(system)
        if kept is None or kept.card.version >= oldest:
            return None
        there = next(edit_rows(self.records, system, after=kept.seq - 1, until_version=kept.card.version), None)
        return kept if there is not None and there["link"] == kept.link else None
