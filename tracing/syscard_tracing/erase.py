"""A person leaves the home: the spans of their traces and sessions, and what others' spans and records say of them.

The order survives a crash at any point: what is to go is written down first (`erasing.json`), each step can be taken
again, and the paper goes last. Nothing is rolled and nothing compacted meanwhile; spans are received all along.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from syscard.digest import iso
from syscard.errors import TraceError, UsageError
from syscard.home import Home
from syscard_tracing import journal, keys
from syscard_tracing.batch import from_bytes, to_bytes
from syscard_tracing.blanking import Blanking
from syscard_tracing.durable import standing_still, sync
from syscard_tracing.erasing import Going
from syscard_tracing.inbox import Inbox
from syscard_tracing.redact import Redactor
from syscard_tracing.roller import open_lake
from syscard_tracing.rotation import lost_until

if TYPE_CHECKING:
    import pyarrow as pa

FILE: Final = "erasing.json"
STEPS: Final = ("noted", "inbox", "lake", "texts", "history", "files", "records", "written", "journal", "done")
"""Names of the steps, in order."""
_PATIENCE_S: Final = 30.0
_ID: Final = re.compile(rb"(?=([0-9a-f]{32}))")
"""Every place where a trace id may stand, within longer words too: one look, however many ids are sought."""


class Erasing(NamedTuple):
    """What is to go: written down before anything goes, deleted when it has gone."""

    reference: str
    """Made at random; the edits of this erasure carry it."""
    begun: str
    names: tuple[str, ...]
    """What the person is called here: as it was given, and the keys that follow from it."""
    going: tuple[Going, ...]
    spans: int
    days: dict[str, int]
    """Spans by day, in lake and inbox."""
    by_session: int = 0
    """Of the traces, those that name no user: their session is the person's alone."""
    shared: int = 0
    """Traces that stay and name no user: their session is the person's and somebody else's."""
    nameless: int = 0
    """Traces of the same days that stay and name neither user nor session."""
    texts: int = 0
    """Spans that stay without the texts in which the person's id stood."""

    @property
    def traces(self) -> frozenset[str]:
        """Their ids."""
        return frozenset(g.trace_id for g in self.going)

    @property
    def finds(self) -> bool:
        """Whether there is anything to erase."""
        return bool(self.going or self.texts)

    def takes(self, reference: str) -> bool:
        """Whether a trace goes, by `trace_id@start` (microseconds) or by its id alone."""
        trace, _, start = reference.partition("@")
        return any(
            g.trace_id == trace
            and (not start or g.low_us is None or g.high_us is None or g.low_us <= int(start) <= g.high_us)
            for g in self.going
        )


Step = Callable[[str], None]
Scrub = Callable[[Erasing], None]


def _ignore(_step: str) -> None:
    """Nobody watches the steps."""


def names_of(home: Home, user_key: str | None, user: str | None) -> tuple[str, ...]:
    """Every form in which this home may hold a person.

    Args:
        home: the home, whose keys hash users: the one in use, and old ones that are not destroyed yet.
        user_key: a key as the lake has it (32 hex digits), or the SDK's (16), which is hashed once more at receipt.
        user: the user as it stood in the span attribute.

    Raises:
        UsageError: neither or both are given, or it is empty, or the key that hashed the person is gone.
    """
    if (user_key is None) == (user is None):
        raise UsageError("name the person with --user-key K, or with --user ID: one of the two")
    given = (user_key or user or "").strip()
    if not given:
        raise UsageError("the key is empty: name the person with --user-key K, or with --user ID")
    if not (user_key and _keys([given])) and lost_until(home) is not None:
        raise UsageError(
            f"a key in {home.keys} is gone, and the home holds spans that it hashed: nobody can be found in them: put "
            "keys/ back from a backup, or name the person with --user-key K as the lake has it (32 hex digits)"
        )
    return given, *(Redactor(secret).user(given) for secret in keys.secrets_of(home.keys))


def find(home: Home, names: Sequence[str], now: datetime) -> Erasing:
    """What would go. Spans that wait in the inbox count too."""
    from syscard_tracing import persons

    lake, rolled = open_lake(home), _rolled(home)
    # What is in the lake already is not counted twice.
    waiting = [table for seq, table in _batches(home) if seq > rolled]
    found = persons.find(persons.observations(lake.scan(), waiting), _keys(names), Blanking(names))
    return Erasing(
        secrets.token_hex(8), iso(now), tuple(names), found.going, sum(found.days.values()), found.days,
        found.by_session, found.shared, found.nameless, found.texts,
    )  # fmt: skip


def erase(
    home: Home,
    names: Sequence[str],
    now: datetime,
    scrub: Scrub,
    may_go: Callable[[Erasing], None],
    on_step: Step = _ignore,
) -> list[Erasing]:
    """Erase a person; an erasure that was cut off is finished first. What went.

    Args:
        home: the home.
        names: from `names_of`.
        now: recorded time.
        scrub: takes the person out of the records and writes the edit, once for each `reference`.
        may_go: raises where something must not go.
        on_step: told of each of `STEPS`.

    Raises:
        LakeError, TraceError: a file cannot be written; run it again.
    """
    done: list[Erasing] = []
    with standing_still(home.lake):
        if (left := unfinished(home)) is not None:
            done.append(_carry_out(home, left, now, scrub, on_step))
        found = find(home, names, now)
        if found.finds:
            may_go(found)
            _note(home, found)
            done.append(_carry_out(home, found, now, scrub, on_step))
    return done


def unfinished(home: Home) -> Erasing | None:
    """An erasure that was cut off.

    Raises:
        TraceError: the paper is not readable.
    """
    path = home.root / FILE
    if not path.is_file():
        return None
    try:
        raw = json.loads(path.read_text("utf-8"))
        going = tuple(Going(*one) for one in raw["going"])
        return Erasing(**(raw | {"names": tuple(raw["names"]), "going": going}))
    except (ValueError, KeyError, TypeError) as error:
        raise TraceError(f"{path} cannot be read: delete it and erase again") from error


def mentions(home: Home, erased: Erasing) -> list[Path]:
    """Snapshots and reports that name the person or one of the traces: for a human to look at."""
    names, traces = [name.encode() for name in erased.names], {trace.encode() for trace in erased.traces}

    def is_one(content: bytes) -> bool:
        ids = (match[1] for match in _ID.finditer(content))
        return any(name in content for name in names) or not traces.isdisjoint(ids)

    files = (p for folder in (home.snapshots, home.reports) for p in sorted(folder.rglob("*")) if p.is_file())
    return [path for path in files if is_one(path.read_bytes())]


def rewrite(path: Path) -> None:
    """Write a SQLite file anew, so that deleted rows are not in it any more, nor in its log.

    Raises:
        TraceError: other processes keep it busy.
    """
    if not path.is_file():
        return
    try:
        with closing(sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None)) as connection:
            connection.execute("vacuum")
            until = time.monotonic() + _PATIENCE_S
            while connection.execute("pragma wal_checkpoint(truncate)").fetchone()[0]:
                if time.monotonic() > until:
                    raise TraceError(f"{path} is busy: erase again, or stop serve first")
                time.sleep(0.1)
    except sqlite3.Error as error:
        raise TraceError(f"{path}: {error}: erase again, or stop serve first") from error


def _carry_out(home: Home, erasing: Erasing, now: datetime, scrub: Scrub, on_step: Step) -> Erasing:
    from syscard_tracing import upkeep

    lake, blanking = open_lake(home), Blanking(erasing.names)
    on_step("noted")
    _scrub_inbox(home, erasing.going, blanking)
    on_step("inbox")
    upkeep.remove(lake, erasing.going, erasing.days)
    on_step("lake")
    upkeep.blank(lake, blanking)
    on_step("texts")
    upkeep.forget_history(lake)
    on_step("history")
    rewrite(home.inbox)
    on_step("files")
    scrub(erasing)
    on_step("records")
    rewrite(home.records)
    on_step("written")
    journal.write(home, now, "erasure", reference=erasing.reference, spans=erasing.spans, days=erasing.days)
    on_step("journal")
    (home.root / FILE).unlink()
    sync(home.root)
    on_step("done")
    return erasing


def _note(home: Home, erasing: Erasing) -> None:
    path = home.root / FILE
    draft = path.with_name(f"{FILE}.tmp")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, json.dumps(erasing._asdict()).encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    draft.replace(path)
    sync(home.root)


# -- the inbox -----------------------------------------------------------------------------------------


def _keys(names: Iterable[str]) -> frozenset[str]:
    """Names that can be a user key of the lake."""
    return frozenset(name for name in names if len(name) == 32 and set(name) <= set("0123456789abcdef"))


def _batches(home: Home) -> Iterator[tuple[int, pa.Table]]:
    """Number and observations of each batch in the inbox."""
    if not home.inbox.exists():
        return
    with Inbox(home.inbox) as inbox:
        for batch in inbox.every():
            yield batch.seq, from_bytes([batch.body])


def _rolled(home: Home) -> int:
    if not home.inbox.exists():
        return 0
    with Inbox(home.inbox) as inbox:
        return open_lake(home).done_seq(inbox.app_id)


def _leaves(row: dict[str, Any], going: dict[str, Going]) -> bool:
    one = going.get(row["trace_id"])
    if one is None or one.low_us is None or one.high_us is None:
        return one is not None
    start: int = round(row["start"].timestamp() * 1_000_000)
    return one.low_us <= start <= one.high_us


def _scrub_inbox(home: Home, going: Sequence[Going], blanking: Blanking) -> None:
    import pyarrow as pa

    if not home.inbox.exists():
        return
    by_id = {g.trace_id: g for g in going}
    with Inbox(home.inbox) as inbox:
        for batch in inbox.every():
            table = from_bytes([batch.body])
            left = table.filter(pa.array([not _leaves(row, by_id) for row in table.to_pylist()], pa.bool_()))
            before = left["features"].to_pylist()
            after = [blanking.blanked(features) or features for features in before]
            if left.num_rows < table.num_rows or after != before:
                at = left.schema.get_field_index("features")
                left = left.set_column(at, left.schema.field(at), pa.array(after, pa.string()))
                inbox.replace(batch.seq, left.num_rows, to_bytes(left))
