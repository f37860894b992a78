"""The inbox: accepted requests on their way to the lake, in one SQLite file. Accepted means committed and synced."""

from __future__ import annotations

import logging
import os
import queue
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, NamedTuple

from syscard.clock import Clock, system_clock
from syscard.errors import InboxFull, TraceError
from syscard_tracing.batch import to_bytes

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT: Final = "1"
GROUP: Final = 64
"""Requests committed in one transaction."""
IN_FLIGHT: Final = 64 * 1024 * 1024
"""Bytes that may wait for their commit."""
_SCHEMA: Final = """
create table if not exists batch(
    seq integer primary key autoincrement,
    received text not null,
    spans integer not null,
    wide integer not null, -- Batch.moved_us: the name is older
    body blob not null
);
create table if not exists meta(key text primary key, value text not null) without rowid;
"""
_FULL: Final = ("full", "readonly", "read-only", "disk i/o error", "unable to open", "locked")
_log = logging.getLogger("syscard.tracing")


class Batch(NamedTuple):
    """One accepted request as it waits."""

    seq: int
    spans: int
    moved_us: int
    """When the ingest began that moved its times (0: none did): what the lake had by then is known by id alone."""
    body: bytes


class Progress(NamedTuple):
    """What the inbox remembers of its rolls, so that `doctor` can tell what happened to the lake."""

    rolled: int
    """Newest sequence number that a durable lake version holds."""
    lake_version: int
    """That version, -1 before the first."""
    deleted: int
    """Newest sequence number that was deleted here."""


class _Waiting:
    """One request that waits for its commit."""

    def __init__(self, row: tuple[str, int, int, bytes]) -> None:
        self.row = row
        self.size = len(row[3])
        self.done: Future[None] = Future()
        self.done.set_running_or_notify_cancel()  # whoever stops waiting takes nothing back


class Inbox:
    """One inbox file. Several processes may use it at once; each has its own object.

    Raises:
        TraceError: the file is no inbox or is damaged.
        InboxFull: the disk is full or read-only.
    """

    def __init__(self, path: Path, *, clock: Clock = system_clock, in_flight: int = IN_FLIGHT) -> None:
        self.path = path
        self._clock = clock
        self._limit = in_flight
        self._bytes = 0
        self._closed = False
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._reader_lock = threading.Lock()
        with self._told():
            self._reader = self._connect()
            try:
                self._set_up()
            except BaseException:
                self._reader.close()
                raise

    def put(self, table: pa.Table, *, moved_us: int = 0) -> None:
        """Store a table of observations; returns after the commit.

        Raises:
            InboxFull: too much is waiting, or there is no room on the disk. Nothing of the table is stored.
        """
        self.begin(table, moved_us=moved_us).result()

    def begin(self, table: pa.Table, *, moved_us: int = 0) -> Future[None]:
        """Hand a table of observations to the writer. It is stored when the future is done without an error.

        Raises:
            InboxFull: too much is waiting; the future raises it where there is no room on the disk.
        """
        waiting = _Waiting((self._clock().isoformat(), table.num_rows, moved_us, to_bytes(table)))
        if table.num_rows == 0:
            waiting.done.set_result(None)
        else:
            self._enter(waiting)
        return waiting.done

    def after(self, seq: int, *, spans: int = 100_000) -> list[Batch]:
        """Batches behind a sequence number in order, until they hold about `spans` spans (at least one batch)."""
        found: list[Batch] = []
        with self._told(), self._reader_lock:
            rows = self._reader.execute("select seq, spans, wide, body from batch where seq > ? order by seq", (seq,))
            for row in rows:
                found.append(Batch(*row))
                spans -= row[1]
                if spans <= 0:
                    break
            rows.close()
        return found

    def every(self) -> Iterator[Batch]:
        """Every batch that is still here, in order, one at a time."""
        last = 0
        while found := self.after(last, spans=1):
            yield found[0]
            last = found[0].seq

    def replace(self, seq: int, spans: int, body: bytes) -> None:
        """Put what is left of a batch in its place; a batch of no spans goes."""
        with self._told(), self._reader_lock, self._reader:
            if spans:
                self._reader.execute("update batch set spans = ?, body = ? where seq = ?", (spans, body, seq))
            else:
                self._reader.execute("delete from batch where seq = ?", (seq,))

    def last_seq(self) -> int:
        """Number of the newest batch that was ever put here, 0 before the first."""
        with self._told(), self._reader_lock:
            found = self._reader.execute("select seq from sqlite_sequence where name = 'batch'").fetchone()
        return int(found[0]) if found else 0

    def skip_to(self, seq: int) -> None:
        """Number new batches from behind `seq`: a lake that is newer than this file counts the others as rolled."""
        with self._told(), self._reader_lock, self._reader:
            self._reader.execute("delete from sqlite_sequence where name = 'batch'")
            self._reader.execute("insert into sqlite_sequence(name, seq) values('batch', ?)", (seq,))

    def delete_to(self, seq: int) -> int:
        """Delete batches up to a sequence number, which the lake must hold; how many there were."""
        with self._told(), self._reader_lock, self._reader:
            gone = self._reader.execute("delete from batch where seq <= ?", (seq,)).rowcount
            if gone:
                self._remember(deleted=max(seq, self._progress().deleted))
        return gone

    def remember(self, rolled: int, lake_version: int) -> None:
        """Note how far the lake has come."""
        with self._told(), self._reader_lock, self._reader:
            self._remember(rolled=rolled, lake_version=lake_version)

    @property
    def app_id(self) -> str:
        """Name of this inbox in the lake's transactions."""
        with self._told(), self._reader_lock:
            return f"inbox-{self._meta()['uuid']}"

    def progress(self) -> Progress:
        """How far the rolls have come."""
        with self._told(), self._reader_lock:
            return self._progress()

    def pending(self, done: int | None = None) -> int:
        """Spans that are not in the lake yet: behind `done`, or behind the last roll that was noted."""
        with self._told(), self._reader_lock:
            seq = self._progress().rolled if done is None else done
            found = self._reader.execute("select coalesce(sum(spans), 0) from batch where seq > ?", (seq,)).fetchone()
        return int(found[0])

    def integrity(self) -> str:
        """SQLite's own check: `ok`, or the first thing it found."""
        with self._told(), self._reader_lock:
            return str(self._reader.execute("pragma quick_check(1)").fetchone()[0])

    def close(self) -> None:
        """Commit what waits, stop the writer and close the file."""
        with self._lock:
            writer, self._writer = self._writer, None
            self._closed = True
            self._queue.put(None)
        if writer is not None:
            writer.join()
        with self._reader_lock:
            self._reader.close()

    def __enter__(self) -> Inbox:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # -- the writer thread ------------------------------------------------------------------------

    def _enter(self, waiting: _Waiting) -> None:
        with self._lock:
            if self._closed:
                raise InboxFull(f"inbox {self.path} is closed: syscard is shutting down")
            if self._bytes and self._bytes + waiting.size > self._limit:
                raise InboxFull(f"inbox {self.path} has {self._bytes} bytes waiting for the disk: try again")
            self._bytes += waiting.size
            self._queue.put(waiting)
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="syscard-inbox", daemon=True)
                self._writer.start()

    def _write(self) -> None:
        connection: sqlite3.Connection | None = None
        try:
            while group := self._group():
                error: TraceError | None = None
                try:
                    with self._told():
                        connection = connection or self._connect()
                        _insert(connection, [waiting.row for waiting in group])
                except TraceError as told:
                    error = told
                except Exception as unforeseen:  # noqa: BLE001 - whoever waits must get an answer
                    error = InboxFull(f"inbox {self.path}: {type(unforeseen).__name__}: {unforeseen}")
                self._answer(group, error)
        finally:
            if connection is not None:
                connection.close()

    def _group(self) -> list[_Waiting]:
        """The next requests to commit together; empty when the inbox is being closed."""
        first = self._queue.get()
        if first is None:
            return []
        group = [first]
        while len(group) < GROUP and not self._queue.empty():
            following = self._queue.get()
            if following is None:
                self._queue.put(None)
                break
            group.append(following)
        return group

    def _answer(self, group: list[_Waiting], error: TraceError | None) -> None:
        with self._lock:
            self._bytes -= sum(waiting.size for waiting in group)
        for waiting in group:
            if error is None:
                waiting.done.set_result(None)
            else:
                waiting.done.set_exception(error)

    # -- the file -----------------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=30, check_same_thread=False)
        connection.execute("pragma synchronous=FULL")
        connection.execute("pragma journal_size_limit=67108864")
        return connection

    def _set_up(self) -> None:
        if self._reader.execute("pragma journal_mode=wal").fetchone()[0] != "wal":
            raise TraceError(f"inbox {self.path} cannot use write-ahead logging: put the home on a local disk")
        self._reader.executescript(_SCHEMA)
        with self._reader:
            start = {"uuid": uuid.uuid4().hex, "format": FORMAT, "rolled": "0", "lake_version": "-1", "deleted": "0"}
            self._reader.executemany("insert or ignore into meta values(?, ?)", start.items())
        if (found := self._meta()["format"]) != FORMAT:
            raise TraceError(f"inbox {self.path} has format {found}, this syscard reads {FORMAT}: upgrade syscard")

    def _meta(self) -> dict[str, str]:
        return dict(self._reader.execute("select key, value from meta").fetchall())

    def _progress(self) -> Progress:
        meta = self._meta()
        return Progress(int(meta["rolled"]), int(meta["lake_version"]), int(meta["deleted"]))

    def _remember(self, **values: int) -> None:
        self._reader.executemany("update meta set value = ? where key = ?", [(str(v), k) for k, v in values.items()])

    @contextmanager
    def _told(self) -> Iterator[None]:
        """SQLite's errors in our words."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            text = str(error)
            if isinstance(error, OSError) or any(word in text.lower() for word in _FULL):
                raise InboxFull(f"inbox {self.path}: {text}: {_advice(self.path)}, then send again") from error
            raise TraceError(f"inbox {self.path} is damaged ({text}): run syscard doctor") from error


def _advice(path: Path) -> str:
    """What to do about an inbox that cannot be written."""
    folder = path.parent
    if not folder.is_dir():
        return f"{folder} is not there: make it, or name another home with --home"
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return f"{folder} is mounted read-only: mount it for writing, or name another home with --home"
    files = (path.with_name(f"{path.name}{end}") for end in ("", "-wal", "-shm"))
    if barred := next((p for p in (folder, *files) if p.exists() and not os.access(p, os.R_OK | os.W_OK)), None):
        return f"this user may not write {barred}: run as its owner, or let this user write there"
    return "free some space"


def _insert(connection: sqlite3.Connection, rows: list[tuple[str, int, int, bytes]]) -> None:
    with connection:
        connection.executemany("insert into batch(received, spans, wide, body) values(?, ?, ?, ?)", rows)
