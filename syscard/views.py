"""Reading the view: sqlite3 and json only, so that `status` and the terminal start at once.

Nothing heavy may be imported here: no pydantic, no SQLModel, no Polars.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from syscard.errors import NothingDeclared, RecordsError, UsageError

View = dict[str, Any]
Row = dict[str, Any]
_KEYS: Final = {"digest", "head", "edits", "card", "texts", "live", "gate", "written"}
"""Of every view that a release wrote."""


@contextmanager
def _reading(records: Path) -> Iterator[sqlite3.Connection]:
    if not records.is_file():
        raise _no_card(records)
    try:
        with closing(sqlite3.connect(_address(records), uri=True, timeout=5)) as connection:
            yield connection
    except sqlite3.Error as error:
        if "no such table" in str(error) and _is_being_made(records):
            raise _no_card(records) from error
        raise RecordsError(f"{records}: {error}: run: syscard doctor") from error


def _address(records: Path) -> str:
    """To read only. SQLite puts two files beside it all the same, unless nobody writes and it may not."""
    still = not os.access(records.parent, os.W_OK) and not records.with_name(f"{records.name}-wal").exists()
    return f"file:{quote(str(records))}?mode=ro{'&immutable=1' if still else ''}"


def _no_card(records: Path) -> NothingDeclared:
    return NothingDeclared(f"{records.parent} has no card yet: declare a system with: syscard apply system.yaml")


def _is_being_made(records: Path) -> bool:
    """Whether the file had no tables yet: all of them come at once, by now perhaps."""
    with closing(sqlite3.connect(_address(records), uri=True, timeout=5)) as connection:
        tables = {row[0] for row in connection.execute("select name from sqlite_schema where type = 'table'")}
    return not tables or "view" in tables


def systems(records: Path) -> list[str]:
    """References of the systems in one home, in order.

    Raises:
        NothingDeclared: there are no records yet.
        RecordsError: the file cannot be read.
    """
    with _reading(records) as connection:
        return [row[0] for row in connection.execute("select system from view order by system")]


def choose(records: Path, system: str | None) -> str:
    """The system that is meant.

    Raises:
        NothingDeclared: there is none.
        UsageError: there are several and none is named, or the one named is not there.
    """
    known = systems(records)
    if not known:
        raise _no_card(records)
    if system is None and len(known) > 1:
        raise UsageError(f"this home has several systems; name one with --system: {', '.join(known)}")
    if system is not None and system not in known:
        raise UsageError(f"no system '{system}' here; there is: {', '.join(known)}")
    return system or known[0]


def read_view(records: Path, system: str | None = None) -> View:
    """The newest view of a system.

    Raises:
        NothingDeclared: nothing has been applied.
        UsageError: the system is not named well.
        RecordsError: the file cannot be read.
    """
    chosen = choose(records, system)
    with _reading(records) as connection:
        row = connection.execute("select body from view where system = ?", (chosen,)).fetchone()
    try:
        view: View = json.loads(row[0])
    except ValueError as error:
        raise RecordsError(f"{records}: the view of {chosen} is not JSON: run: syscard doctor") from error
    if not isinstance(view, dict) or not view.keys() >= _KEYS:
        raise RecordsError(f"{records}: the view of {chosen} is none of a card: run: syscard doctor")
    return view


def version_stamp(records: Path) -> int:
    """A number that changes whenever the records do; cheap enough to ask every second.

    Raises:
        NothingDeclared: there are no records yet.
        RecordsError: the file cannot be read.
    """
    with _reading(records) as connection:
        row = connection.execute("select coalesce(sum(stamp), 0) from view").fetchone()
    return int(row[0])


def versions(records: Path, system: str, *, before: int | None = None, most: int = 50) -> list[dict[str, Any]]:
    """Newest versions of a system's card, newest first; only those earlier than `before`, where it is given.

    Of each: `version`, `cause`, `edits` (how many), `observed` (event time of its last edit), `author` (`human:mara`),
    `link` (of its last edit).

    Raises:
        NothingDeclared: there are no records yet.
        RecordsError: the file cannot be read.
    """
    query = (
        "select version, cause, draft, link, n from edit join (select system s, max(seq) m, count(*) n from edit "
        "where system = ? and version < ? group by version) on system = s and seq = m order by version desc limit ?"
    )
    with _reading(records) as connection:
        rows = connection.execute(query, (system, before if before is not None else _NO_VERSION, most)).fetchall()
    return [_version(*row) for row in rows]


_NO_VERSION: Final = 2**62


def _version(version: int, cause: str, draft: str, link: str, edits: int) -> dict[str, Any]:
    try:
        said = json.loads(draft)
        author = f"{said['author']['kind']}:{said['author']['name']}"
        return {"version": version, "cause": cause, "edits": edits, "observed": said["observed"], "author": author,
                "link": link}  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise RecordsError(f"an edit of v{version} cannot be read: run: syscard card verify") from error


def edit_rows(
    records: Path,
    system: str,
    *,
    after: int = 0,
    since_version: int = 0,
    until_version: int | None = None,
    holding: str | None = None,
) -> Iterator[Row]:
    """Stored edits in order, from behind `after`, of some versions: the fields of `syscard.stored.Stored`.

    With `holding` only those whose draft has this text as a JSON string.

    Raises:
        NothingDeclared: there are no records yet.
        RecordsError: the file cannot be read.
    """
    query = (
        "select seq, version, cause, draft, recorded, previous, link from edit"
        " where system = ? and seq > ? and version >= ? and version <= ? and instr(draft, ?) order by seq"
    )
    part = json.dumps(holding) if holding is not None else ""  # every draft holds nothing
    with _reading(records) as connection:
        last = until_version if until_version is not None else _NO_VERSION
        found = connection.execute(query, (system, after, since_version, last, part))
        names = [column[0] for column in found.description]
        for row in found:
            yield dict(zip(names, row, strict=True))
