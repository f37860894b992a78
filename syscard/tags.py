"""Names that people give to versions of a card, and every other way to name one: v3, a day, `latest`, `-1`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from syscard.errors import NotOnTheCard, UsageError
from syscard.finding import Value

LATEST: Final = "latest"
MOST_TAGS: Final = 200
_NUMBER: Final = re.compile(r"^v?([1-9][0-9]{0,8})$")
_BACK: Final = re.compile(r"^-([1-9][0-9]{0,8})$")
_TO_ITS_END: Final = timedelta(days=1, microseconds=-1)
_DAY: Final = re.compile(r"^\d{4}-\d\d-\d\d$")
TagName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9._-]{0,63}$")]


class TagVersion(Value):
    """A human gave a version of the card a name; a name that was given before moves to it."""

    kind: Literal["tag"] = "tag"
    name: TagName
    version: int = Field(ge=1)


class Tag(Value):
    """A name of a version as it stands on the card."""

    version: int
    at: datetime
    by: str


@dataclass(frozen=True)
class Stamp:
    """One version of a card."""

    version: int
    observed: datetime
    """Event time of the newest edit up to it."""


def checked_name(name: str) -> str:
    """A name that a version can have.

    Raises:
        UsageError: it has other signs, or means something already.
    """
    try:
        TypeAdapter(TagName).validate_python(name)
    except ValidationError:
        what = "has small letters, digits and . _ -, starting with a letter"
        raise UsageError(f"'{name[:60]}' cannot name a version: a tag {what}: launch, or release-2") from None
    if name == LATEST or _NUMBER.match(name):
        raise UsageError(f"'{name}' means a version already: take another name")
    return name


def with_room(tags: Mapping[str, Tag], name: str) -> None:
    """Whether one more name may be given.

    Raises:
        UsageError: there are as many as a card keeps.
    """
    if name not in tags and len(tags) >= MOST_TAGS:
        raise UsageError(f"{MOST_TAGS} versions have names: move one of them: syscard card tag {next(iter(tags))}")


def in_order(before: str, after: str | None, known: Sequence[Stamp], tags: Mapping[str, Tag]) -> tuple[int, int]:
    """Two versions by name, the older one first; the newest where no second is named.

    Raises:
        UsageError: one is none, or the later one stands first: what was mended would read as broken.
        NotOnTheCard: one is not there.
    """
    first, last = (version_of(text, known, tags) for text in (before, after or LATEST))
    if last < first:
        raise UsageError(f"v{first} is later than v{last}: write: syscard card diff v{last} v{first}")
    return first, last


def stamps(edits: Iterable[tuple[int, datetime]]) -> tuple[Stamp, ...]:
    """Every version with its event time, from (version, observed) of the edits in order."""
    found: dict[int, datetime] = {}
    newest = datetime.fromtimestamp(0, UTC)
    for version, observed in edits:
        newest = max(newest, observed)
        found[version] = newest
    return tuple(Stamp(version, at) for version, at in found.items())


def version_of(text: str, known: Sequence[Stamp], tags: Mapping[str, Tag]) -> int:
    """The version that a text names.

    Args:
        text: `v3`, `3`, `latest`, `-1` (one before the newest), a day (its end, UTC), a time, or a tag.
        known: every version, in order.
        tags: names of versions.

    Raises:
        NotOnTheCard: there is no such version.
        UsageError: it names none at all.
    """
    text = text.strip()
    newest = known[-1].version if known else 0
    if number := _NUMBER.match(text):
        return _there(int(number[1]), known)
    if text == LATEST:
        return _there(newest, known)
    if back := _BACK.match(text):
        return _there(newest - int(back[1]), known)
    if text in tags:
        return tags[text].version
    return _at(_moment(text, tags), known)


def _there(version: int, known: Sequence[Stamp]) -> int:
    if any(stamp.version == version for stamp in known):
        return version
    newest = f"the newest is v{known[-1].version}" if known else "there is none yet"
    raise NotOnTheCard(f"there is no card v{version}: {newest}: see: syscard card history")


def _at(moment: datetime, known: Sequence[Stamp]) -> int:
    """The version that stood at a moment of event time."""
    before = [stamp.version for stamp in known if stamp.observed <= moment]
    if before:
        return before[-1]
    first = f"the first is of {known[0].observed:%Y-%m-%d %H:%M} UTC" if known else "there is none yet"
    raise NotOnTheCard(f"there was no card at {moment:%Y-%m-%d %H:%M} UTC: {first}")


def _moment(text: str, tags: Mapping[str, Tag]) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
        return moment + _TO_ITS_END if _DAY.match(text) else moment
    except (ValueError, OverflowError):
        named = f", or a tag ({', '.join(sorted(tags))})" if tags else ""
        what = f"'{text[:40]}' is no card version"
        raise UsageError(f"{what}: write v2, latest, -1, 2026-11-20 or 2026-11-20T14:00{named}") from None
