"""The inbox: accepted means on the disk, and a full or broken disk harms nothing that is stored."""

from __future__ import annotations

import resource
import sqlite3
import tempfile
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from syscard.clock import ReplayClock
from syscard.errors import InboxFull, TraceError
from syscard.home import Home
from syscard_tracing.batch import from_bytes, to_table
from syscard_tracing.inbox import Inbox
from syscard_tracing.normalise import Normaliser
from syscard_tracing.rules import TraceRules
from syscard_tracing.spans import RawSpan
from tests.tracing.conftest import Children


@pytest.fixture
def table(span: Callable[..., RawSpan], now: datetime) -> Callable[..., pa.Table]:
    def rows(*numbers: int) -> pa.Table:
        readings = Normaliser(TraceRules(), bytes(32)).read([span(n) for n in numbers], now)
        return to_table([reading.row for reading in readings])

    return rows


def test_what_is_put_is_there_for_another_reader_at_once(inbox: Inbox, table: Callable[..., pa.Table]) -> None:
    inbox.put(table(0, 1))
    inbox.put(table())
    with Inbox(inbox.path) as other:
        (batch,) = other.after(0)
        assert (batch.spans, batch.moved_us) == (2, 0)
        assert from_bytes([batch.body]).num_rows == 2
        assert other.pending() == 2
        assert other.app_id == inbox.app_id


def test_many_threads_put_at_once_and_nothing_is_lost(inbox: Inbox, table: Callable[..., pa.Table]) -> None:
    threads = [threading.Thread(target=inbox.put, args=(table(n),)) for n in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inbox.pending() == 200
    ids = from_bytes([batch.body for batch in inbox.after(0)]).column("span_id").to_pylist()
    assert len(set(ids)) == 200


def test_batches_come_in_order_and_in_portions(inbox: Inbox, table: Callable[..., pa.Table]) -> None:
    for n in range(5):
        inbox.put(table(n, n + 100))
    assert [batch.seq for batch in inbox.after(0, spans=3)] == [1, 2]
    assert [batch.seq for batch in inbox.after(3)] == [4, 5]
    assert [batch.seq for batch in inbox.after(0, spans=0)] == [1]


def test_sequence_numbers_are_never_used_again(inbox: Inbox, table: Callable[..., pa.Table]) -> None:
    inbox.put(table(0))
    assert inbox.delete_to(1) == 1
    inbox.put(table(1))
    assert [batch.seq for batch in inbox.after(0)] == [2]
    assert inbox.progress().deleted == 1


def test_too_much_in_flight_is_refused(home: Home, clock: ReplayClock, table: Callable[..., pa.Table]) -> None:
    with Inbox(home.inbox, clock=clock, in_flight=1) as inbox:
        blocker = sqlite3.connect(home.inbox, isolation_level=None)
        blocker.execute("begin immediate")
        first = threading.Thread(target=inbox.put, args=(table(0),))
        first.start()
        while not inbox._bytes:
            pass
        with pytest.raises(InboxFull, match="waiting for the disk"):
            inbox.put(table(1))
        blocker.execute("rollback")
        blocker.close()
        first.join()
        assert inbox.pending() == 1


def test_a_full_disk_is_said_and_harms_nothing_that_is_stored(
    home: Home, clock: ReplayClock, table: Callable[..., pa.Table]
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Inbox(home.inbox, clock=clock) as inbox:
        inbox.put(table(0))
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
            with pytest.raises(InboxFull, match="free some space"):
                inbox.put(table(*range(1, 200)))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert inbox.pending() == 1
        inbox.put(table(1))
        assert inbox.pending() == 2
        assert inbox.integrity() == "ok"


@pytest.mark.parametrize("content", [b"this is no database at all, but long enough to be looked at" * 20])
def test_a_damaged_file_is_one_line_that_says_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "inbox.db"
    path.write_bytes(content)
    with pytest.raises(TraceError, match=r"inbox\.db is damaged .*run syscard doctor") as told:
        Inbox(path)
    assert "\n" not in str(told.value)
    assert path.read_bytes() == content


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InboxFull, match=r"unable to open.* is not there: make it"):
        Inbox(tmp_path / "missing" / "inbox.db")


BARRED = """
import os, sys
from pathlib import Path
from syscard.home import Home
from syscard_tracing.doctor import check
check(Home(Path(sys.argv[1])))  # another user may not be able to import what this needs
if os.geteuid() == 0:
    os.setuid(65534)  # root may write everywhere
print(*(f"{f.what}: {f.do}" for f in check(Home(Path(sys.argv[1]))) if not f.ok), sep="\\n")
"""


@pytest.mark.parametrize("closed", ["inbox.db", ""])
def test_a_home_that_this_user_may_not_write_is_said_so_and_not_to_be_mended(children: Children, closed: str) -> None:
    with tempfile.TemporaryDirectory() as folder:  # others may go through it, unlike tmp_path
        home = Home(Path(folder))
        Inbox(home.inbox).close()
        home.root.chmod(0o777)
        home.inbox.chmod(0o666)
        (home.root / closed).chmod(0o444 if closed else 0o555)
        told, error = children.fresh(BARRED, home.root).communicate()
        home.root.chmod(0o700)
    line = next((line for line in told.splitlines() if line.startswith("inbox")), error)
    assert "this user may not write" in line
    assert "run as its owner" in line
    assert not any(word in line for word in ("free some space", "--repair"))


def test_an_inbox_of_another_format_is_refused(home: Home) -> None:
    Inbox(home.inbox).close()
    with sqlite3.connect(home.inbox) as connection:
        connection.execute("update meta set value = '99' where key = 'format'")
    connection.close()
    with pytest.raises(TraceError, match="upgrade"):
        Inbox(home.inbox)
