"""Retention: whole days leave the lake, oldest first, by age and by size; traces that are held stay."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from syscard.errors import UsageError
from syscard.home import Home
from syscard_tracing import journal
from syscard_tracing.durable import rolling, sync
from syscard_tracing.roller import open_lake
from syscard_tracing.rotation import destroy_unused

if TYPE_CHECKING:
    from syscard_tracing.upkeep import DaySize

FILE: Final = "retention.json"
_log = logging.getLogger("syscard.tracing")


class Setting(NamedTuple):
    """What was set for this home by hand; None: not set."""

    days: int | None = None
    max_bytes: int | None = None


class Keeping(NamedTuple):
    """What is kept: the setting in force and the traces that no day takes with it."""

    days: int | None = None
    """Whole days that are kept beside today; None: for ever."""
    max_bytes: int | None = None
    """Most bytes of data files; None: any."""
    held: frozenset[str] = frozenset()
    """Trace ids."""
    by: str = ""
    """Who says so, in words."""

    def __str__(self) -> str:
        age = f"{self.days} d" if self.days is not None else "any age"
        size = f", at most {self.max_bytes / 10**9:g} GB" if self.max_bytes is not None else ""
        return f"{age}{size}{f' ({self.by})' if self.by else ''}"


class Dropped(NamedTuple):
    """A day that left the lake, or would."""

    day: str
    spans: int
    """Spans that went. In a dry run: that the day has, held ones too."""
    bytes: int
    why: str


def read_setting(home: Home) -> Setting:
    """The home's own setting.

    Raises:
        UsageError: the file is not what `syscard retain` writes.
    """
    path = home.root / FILE
    if not path.is_file():
        return Setting()
    try:
        found = Setting(**json.loads(path.read_text("utf-8")))
        valid = all(value is None or (type(value) is int and value > 0) for value in found)
    except (ValueError, TypeError):
        valid = False
    if not valid:
        raise UsageError(f"{path} cannot be read: set it again with: syscard retain --days N")
    return found


def write_setting(home: Home, setting: Setting) -> None:
    """Keep the setting; the file is there whole or as it was."""
    path = home.root / FILE
    draft = path.with_name(f"{FILE}.tmp")
    draft.write_text(json.dumps(setting._asdict()) + "\n", "utf-8")
    sync(draft)
    draft.replace(path)
    sync(path.parent)


def trace_ids(references: Collection[str]) -> frozenset[str]:
    """The ids in trace references."""
    return frozenset(reference.partition("@")[0] for reference in references)


def due(sizes: list[DaySize], keeping: Keeping, today: date) -> list[Dropped]:
    """Days that have to go, oldest first. Today never does. Pure."""
    found: dict[str, Dropped] = {}
    past = [size for size in sizes if date.fromisoformat(size.day) < today]
    if keeping.days is not None:
        oldest = today - timedelta(days=keeping.days)
        found |= {s.day: Dropped(s.day, s.rows, s.bytes, "age") for s in past if date.fromisoformat(s.day) < oldest}
    over = sum(s.bytes for s in sizes) - sum(d.bytes for d in found.values()) - (keeping.max_bytes or 0)
    for size in past if keeping.max_bytes is not None else ():
        if over <= 0:
            break
        if size.day not in found:
            found[size.day] = Dropped(size.day, size.rows, size.bytes, "size")
            over -= size.bytes
    return [found[day] for day in sorted(found)]


def apply(home: Home, keeping: Keeping, now: datetime) -> list[Dropped]:
    """Drop what is due, and old keys under which nothing is hashed any more; write down what was.

    Raises:
        LakeError: the lake cannot be read or written.
    """
    from syscard_tracing import upkeep

    lake = open_lake(home)
    with rolling(lake.path):
        days = due(upkeep.day_sizes(lake), keeping, now.astimezone(UTC).date())
        tried = [day._replace(spans=upkeep.drop_day(lake, day.day, keeping.held)) for day in days]
    dropped = [day for day in tried if day.spans]
    if dropped:
        say = ", ".join(f"{d.day} ({d.spans} spans, {d.why})" for d in dropped)
        _log.warning("retention: %s: dropped %s; %d traces are held", keeping, say, len(keeping.held))
        journal.write(home, now, "retention", policy=str(keeping), days=[d._asdict() for d in dropped])
    destroy_unused(home, now)
    return dropped


def planned(home: Home, keeping: Keeping, now: datetime) -> list[Dropped]:
    """What `apply` would drop now."""
    from syscard_tracing import upkeep

    return due(upkeep.day_sizes(open_lake(home)), keeping, now.astimezone(UTC).date())
