"""The records: append edits, fold, write the view, and keep what monitors remember, in one transaction."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, event, insert, text, tuple_
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, create_engine, delete, select

from syscard.card import Card
from syscard.digest import iso, text_digest
from syscard.edits import Draft, Edit, chain
from syscard.errors import MissingExtra, NotOnTheCard, RecordsError
from syscard.fold import empty_card, fold
from syscard.gates import Policy
from syscard.live import Live
from syscard.records.tables import BaselineRow, EditRow, GroupSumsRow, LeaseRow, TallyRow, TextRow, ViewRow, WatchRow
from syscard.sources import Sources, sources
from syscard.stored import Stored, read, written
from syscard.view import build_view, with_live

HEAD: Final = "0005"
"""Newest Alembic revision; tests/unit/syscard/test_migrations.py compares it with the migrations."""
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_PASSWORD: Final = re.compile(r"(?<=:)[^:@/]+(?=@)")
_WRITER: Final = 0x73797363617264
"""Key of PostgreSQL's advisory lock: `syscard` in ASCII."""
_PATIENCE_S: Final = 10
"""How long one process waits for another to let go of the file."""


class Records:
    """Everything that is recorded of the systems of one home."""

    def __init__(self, engine: Engine, gate: Policy) -> None:
        self._engine = engine
        self._gate = gate

    @classmethod
    def open(cls, where: Path | str, gate: Policy) -> Records:
        """Open, and bring the tables up to date.

        Args:
            where: a SQLite file, or a database URL.
            gate: the policy whose verdict the views carry.

        Raises:
            RecordsError: the file is no records file, is newer than this release, or cannot be written.
            MissingExtra: the database's driver is not installed.
        """
        # Not as text: a path may hold signs that mean something in a URL.
        url = URL.create("sqlite", database=str(where)) if isinstance(where, Path) else where
        try:
            engine = create_engine(url)
            if engine.dialect.name == "sqlite":
                _prepare_sqlite(engine)
            elif engine.dialect.name == "postgresql":
                _prepare_postgresql(engine)
            _migrate(engine)
        except ImportError as error:
            raise MissingExtra("postgres", "a database that is no file") from error
        except SQLAlchemyError as error:
            shown = _PASSWORD.sub("***", str(where))
            raise RecordsError(f"{shown}: {_plain(error)}: run: syscard doctor") from error
        return cls(engine, gate)

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """All or nothing; one writer at a time.

        Raises:
            RecordsError: the database refused (disk full, locked for long, read-only).
        """
        with self._session(immediate=True) as session:
            yield Transaction(session, self._gate)
            session.commit()

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """To look only: waits for no writer, and changes nothing.

        Raises:
            RecordsError: the database refused.
        """
        with self._session() as session:
            yield Transaction(session, self._gate)

    @contextmanager
    def _session(self, *, immediate: bool = False) -> Iterator[Session]:
        try:
            with Session(self._engine.execution_options(immediate=immediate)) as session:
                yield session
        except SQLAlchemyError as error:
            raise RecordsError(f"records: {_plain(error)}: nothing was changed") from error

    def systems(self) -> list[str]:
        """References of the declared systems."""
        with self._session() as session:
            return list(session.exec(select(ViewRow.system).order_by(ViewRow.system)))

    def edits(self, system: str, *, after: int = 0, until_version: int | None = None) -> Iterator[Edit]:
        """Edits in order, from behind `after`, up to and with one version."""
        yield from map(read, self.stored(system, after=after, until_version=until_version))

    def stored(self, system: str, *, after: int = 0, until_version: int | None = None) -> list[Stored]:
        """The same as they are stored, to be verified."""
        with self._session() as session:
            query = select(EditRow).where(EditRow.system == system, EditRow.seq > after).order_by(col(EditRow.seq))
            if until_version is not None:
                query = query.where(EditRow.version <= until_version)
            return [_stored(row) for row in session.exec(query)]

    def card(self, system: str, version: int | None = None) -> Card:
        """A version of the card, folded from its edits.

        Raises:
            NotOnTheCard: there is no such version.
        """
        card = fold(self.edits(system, until_version=version), start=system)
        if version is not None and card.version != version:
            raise NotOnTheCard(f"{system} has no card v{version}: the newest is v{card.version}")
        return card

    def current(self, system: str) -> Card:
        """The newest card, read from the view rather than folded from the beginning."""
        with self._session() as session:
            card, _ = Transaction(session, self._gate).newest(system)
        return card

    def watch(self, system: str) -> dict[str, Any]:
        """What the monitors remembered; empty before their first run."""
        with self._session() as session:
            return Transaction(session, self._gate).watch(system)

    def live(self, system: str) -> Live | None:
        """What the monitors knew last."""
        with self._session() as session:
            return Transaction(session, self._gate).live(system)

    def tallies(self, system: str) -> list[tuple[str, int, dict[str, Any]]]:
        """(promise, end in microseconds, sums) of every stretch that is kept, in order of their ends."""
        with self._session() as session:
            query = select(TallyRow).where(TallyRow.system == system)
            rows = session.exec(query.order_by(col(TallyRow.end_us), col(TallyRow.promise)))
            return [(row.promise, row.end_us, json.loads(row.body)) for row in rows]

    def texts(self, system: str) -> dict[str, str]:
        """Free text by the digest under which it is stored."""
        with self._session() as session:
            return Transaction(session, self._gate).texts(system)

    def group_sums(self, system: str) -> dict[int, dict[str, Any]]:
        """Sums by group of every day that is kept, the oldest first."""
        with self._session() as session:
            query = select(GroupSumsRow).where(GroupSumsRow.system == system).order_by(col(GroupSumsRow.day))
            return {row.day: json.loads(row.body) for row in session.exec(query)}

    def baseline_data(self, data_digest: str) -> dict[str, Any]:
        """The reference values of a baseline.

        Raises:
            RecordsError: they are not there, or are not what their digest says.
        """
        with self._session() as session:
            row = session.get(BaselineRow, data_digest)
        if row is None:
            raise RecordsError("the baseline's values are gone: set it again with: syscard baseline set")
        body = _inflated(row.body)
        if hashlib.sha256(body).hexdigest() != data_digest:
            raise RecordsError(
                "the baseline's values do not match their digest: set it again with: syscard baseline set"
            )
        values: dict[str, Any] = json.loads(body)
        return values


class Transaction:
    """What can be done inside one transaction."""

    def __init__(self, session: Session, gate: Policy) -> None:
        self._session = session
        self._gate = gate
        self._known: dict[str, tuple[Card, Edit | None]] = {}
        self._said: dict[str, Sources] = {}

    def append(
        self,
        system: str,
        drafts: Sequence[Draft],
        *,
        cause: str,
        recorded: datetime,
        texts: Sequence[str] = (),
        live: Live | None = None,
    ) -> Card:
        """Chain drafts as one new version, fold, and write the view.

        Args:
            system: reference of the system.
            drafts: the edits of one cause; without any, no version is made.
            cause: why, in words.
            recorded: now.
            texts: free text that the drafts name by digest.
            live: what the monitors know now; None leaves it as it was.
        """
        card, head = self.newest(system)
        rows = [written(edit) for edit in chain(drafts, head=head, cause=cause, recorded=recorded)]
        if not rows:
            self._set_live(system, live, recorded)
            return card
        self._session.add_all(EditRow(system=system, **asdict(row)) for row in rows)
        edits = [read(row) for row in rows]  # the card is of what was written, to the last digit
        for body in texts:
            self._session.merge(TextRow(sha256=text_digest(body), system=system, body=body))
        card = fold(edits, start=card)
        said = self._said[system] = sources(edits, card, self._sources(system, rows[0].seq))
        self.write_view(card, live or self.live(system), edits[-1], recorded, said)
        self._known[system] = card, edits[-1]
        return card

    @property
    def session(self) -> Session:
        """For the other modules of this room."""
        return self._session

    def newest(self, system: str) -> tuple[Card, Edit | None]:
        """The newest card, from the view where it is up to date, and the newest edit."""
        if system not in self._known:
            self._known[system] = self._read_newest(system)
        return self._known[system]

    def newest_edits(self, system: str, count: int = 500) -> list[Edit]:
        """The newest edits, in order."""
        query = select(EditRow).where(EditRow.system == system).order_by(col(EditRow.seq).desc()).limit(count)
        return [_edit(row) for row in self._session.exec(query)][::-1]

    def _read_newest(self, system: str) -> tuple[Card, Edit | None]:
        query = select(EditRow).where(EditRow.system == system).order_by(col(EditRow.seq).desc()).limit(1)
        row = self._session.exec(query).first()
        if row is None:
            return empty_card(system), None
        view = self._session.get(ViewRow, system)
        body = json.loads(view.body) if view else {}
        # A card of before evidence was counted would number new evidence from 1 again.
        if body.get("head") == row.link and "evidence_count" in body["card"]:
            self._said |= {system: body["sources"]} if "sources" in body else {}
            return Card.model_validate(body["card"]), _edit(row)
        rows = self._session.exec(select(EditRow).where(EditRow.system == system).order_by(col(EditRow.seq)))
        return fold((_edit(r) for r in rows), start=system), _edit(row)

    def watch(self, system: str) -> dict[str, Any]:
        """What the monitors remembered; empty before their first run."""
        row = self._session.get(WatchRow, system)
        return dict(json.loads(row.body)) if row else {}

    def set_watch(self, system: str, state: dict[str, Any]) -> None:
        """Replace what the monitors remember."""
        row = self._session.get(WatchRow, system) or WatchRow(system=system, body="")
        row.body = json.dumps(state, separators=(",", ":"))
        self._session.add(row)

    def lease(self, job: str, owner: str, now: datetime, length: timedelta) -> int | None:
        """Take or renew the right to do a job; returns its fencing number, None while another holds it."""
        row = self._session.get(LeaseRow, job)
        if row is None:
            row = LeaseRow(job=job, owner=owner, fence=1, heartbeat=iso(now))
        elif row.owner != owner:
            if row.owner and now - datetime.fromisoformat(row.heartbeat) < length:
                return None
            row.owner, row.fence = owner, row.fence + 1
        row.heartbeat = iso(now)
        self._session.add(row)
        return row.fence

    def release(self, job: str, owner: str) -> None:
        """Give a job back, so that the next process need not wait; `owner` is who has it, or how that begins."""
        row = self._session.get(LeaseRow, job)
        if row is not None and owner and row.owner.startswith(owner):
            row.owner = ""
            self._session.add(row)

    def set_tallies(self, system: str, sums: Mapping[tuple[str, int], dict[str, Any] | None]) -> None:
        """Keep the sums of stretches of time, by promise and end, as they are now; None forgets a stretch.

        Two statements, however many there are: every window changes one stretch of every claim.
        """
        if not sums:
            return
        place = tuple_(col(TallyRow.promise), col(TallyRow.end_us))
        self._session.exec(delete(TallyRow).where(col(TallyRow.system) == system, place.in_([*sums])))
        bodies = {where: json.dumps(one, separators=(",", ":")) for where, one in sums.items() if one is not None}
        rows = [
            {"system": system, "promise": promise, "end_us": end_us, "body": body}
            for (promise, end_us), body in bodies.items()
        ]
        if rows:
            self._session.execute(insert(TallyRow), rows)

    def group_sums(self, system: str, days: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Sums by group of some days."""
        query = select(GroupSumsRow).where(GroupSumsRow.system == system, col(GroupSumsRow.day).in_([*days]))
        return {row.day: json.loads(row.body) for row in self._session.exec(query)}

    def set_group_sums(self, system: str, day: int, sums: dict[str, Any]) -> None:
        """Replace the sums by group of one day."""
        body = json.dumps(sums, separators=(",", ":"))
        self._session.merge(GroupSumsRow(system=system, day=day, body=body))

    def drop_group_sums(self, system: str, before: int) -> None:
        """Forget days before one."""
        self._session.exec(
            delete(GroupSumsRow).where(col(GroupSumsRow.system) == system, col(GroupSumsRow.day) < before)
        )

    def add_baseline(self, system: str, body: bytes) -> str:
        """Keep the reference values of a baseline, in canonical form (`syscard.digest`); returns their digest."""
        key = hashlib.sha256(body).hexdigest()
        self._session.merge(BaselineRow(digest=key, system=system, body=zlib.compress(body)))
        return key

    def texts(self, system: str) -> dict[str, str]:
        """Free text by the digest under which it is stored."""
        rows = self._session.exec(select(TextRow).where(TextRow.system == system).order_by(TextRow.sha256))
        return {row.sha256: row.body for row in rows}

    def live(self, system: str) -> Live | None:
        """What the monitors knew last."""
        row = self._session.get(ViewRow, system)
        live = json.loads(row.body)["live"] if row else None
        return Live.model_validate(live) if live else None

    def _set_live(self, system: str, live: Live | None, recorded: datetime) -> None:
        row = self._session.get(ViewRow, system)
        if live is not None and row is not None:
            view = with_live(json.loads(row.body), live.model_dump(mode="json"), self._gate, recorded)
            self._put_view(row, view)

    def _sources(self, system: str, before: int) -> Sources:
        """Which edits say what, up to one: from the view, or from the chain where an earlier release wrote the view."""
        known = self._said.get(system)
        if known is not None:
            return known
        query = select(EditRow).where(EditRow.system == system, EditRow.seq < before).order_by(col(EditRow.seq))
        edits = [_edit(one) for one in self._session.exec(query)]
        return sources(edits, fold(edits, start=system))

    def write_view(self, card: Card, live: Live | None, head: Edit, recorded: datetime, said: Sources) -> None:
        """Write what the faces read; `said` are the edits that say what has no evidence of its own."""
        view = build_view(card, live, gate=self._gate, head=head.link, edits=head.seq, texts=self.texts(card.system),
                          written=recorded, sources=said)  # fmt: skip
        self._put_view(self._session.get(ViewRow, card.system) or ViewRow(system=card.system, stamp=0, body=""), view)

    def _put_view(self, row: ViewRow, view: dict[str, Any]) -> None:
        row.stamp += 1
        row.body = json.dumps(view, separators=(",", ":"))
        self._session.add(row)
        self._session.flush()


def _stored(row: EditRow) -> Stored:
    return Stored(row.seq, row.version, row.cause, row.draft, row.recorded, row.previous, row.link)


def _edit(row: EditRow) -> Edit:
    return read(_stored(row))


def _inflated(body: bytes) -> bytes:
    """Nothing where the bytes were changed: their digest cannot match then."""
    try:
        return zlib.decompress(body)
    except zlib.error:
        return b""


def _prepare_sqlite(engine: Engine) -> None:
    """WAL, and transactions that begin when we say so: the driver's own rules start them too late."""

    @event.listens_for(engine, "connect")
    def _connect(dbapi: Any, _record: Any) -> None:
        dbapi.isolation_level = None
        # Bytes that are no text are found by whoever verifies, and told by their row; they end no reading.
        dbapi.text_factory = lambda data: data.decode("utf-8", "replace")
        for pragma in (f"busy_timeout={_PATIENCE_S * 1000}", "synchronous=FULL", "foreign_keys=ON"):
            dbapi.execute(f"PRAGMA {pragma}")
        _use_wal(dbapi)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("immediate")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _use_wal(dbapi: Any) -> None:
    """Where several open a fresh file at once, SQLite refuses this at once, whatever its time-out: so we wait."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            dbapi.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


def _prepare_postgresql(engine: Engine) -> None:
    """One writer at a time there too: two that number their edits at once would both be refused, or fork the chain."""

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get("immediate"):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER})")


def _migrate(engine: Engine) -> None:
    """Run Alembic only where the tables are not at the newest revision: importing it takes a second."""
    found = _revision(engine)
    if found == HEAD:
        return
    if found is not None and found > HEAD:
        raise RecordsError(f"the records are of a newer release (revision {found}): upgrade syscard")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with engine.execution_options(immediate=True).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not engine.dialect.has_table(connection, "alembic_version"):
            return None
        found: str | None = connection.execute(text("select version_num from alembic_version")).scalar()
        return found


def _plain(error: SQLAlchemyError) -> str:
    """The driver's words without SQL and parameters."""
    return str(getattr(error, "orig", None) or error).splitlines()[0]
