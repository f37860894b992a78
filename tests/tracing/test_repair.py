"""The doctor mends what can be mended, and puts aside what it takes out."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime

import pytest

from syscard.errors import LakeError, UsageError
from syscard.home import Home
from syscard_tracing import keys
from syscard_tracing.doctor import check
from syscard_tracing.durable import log_entries, log_folder, missing_entries
from syscard_tracing.inbox import Inbox
from syscard_tracing.lake import Lake
from syscard_tracing.repair import repair
from syscard_tracing.roller import roll_all
from syscard_tracing.serving import only_server
from syscard_tracing.upkeep import renew_checkpoint

Put = Callable[..., None]
Stored = Callable[[], list[int]]


@pytest.fixture
def rolled(put: Put, inbox: Inbox, lake: Lake) -> None:
    for number in range(3):
        put(number)
        roll_all(inbox, lake)
    put(9)


def wrong(home: Home) -> list[str]:
    return [finding.what for finding in check(home) if not finding.ok]


def aside(home: Home) -> list[str]:
    return sorted(p.name for p in (home.root / "aside").rglob("*") if p.is_file())


def roll(home: Home) -> None:
    with Inbox(home.inbox) as inbox:
        roll_all(inbox, Lake(home.lake))


def test_a_sound_home_keeps_everything_that_is_not_elsewhere(
    rolled: None, home: Home, now: datetime, stored: Stored
) -> None:
    assert wrong(home) == []
    assert repair(home, now) == ["inbox: 1 batches that the lake holds durably were deleted"]
    assert repair(home, now) == []
    assert aside(home) == []
    roll(home)
    assert stored() == [0, 1, 2, 9]


def test_a_home_that_is_served_is_left_alone(rolled: None, home: Home, now: datetime) -> None:
    with only_server(home), pytest.raises(UsageError, match="already served"):
        repair(home, now)


def test_an_emptied_log_entry_goes_aside_and_its_spans_roll_again(
    rolled: None, home: Home, now: datetime, lake: Lake, stored: Stored
) -> None:
    log_entries(lake.path)[-1].path.write_bytes(b"")
    assert any("is empty" in what for what in wrong(home))
    assert "roll again" in repair(home, now)[0]
    assert wrong(home) == [], "what rolls again is still in the inbox"
    roll(home)
    assert (wrong(home), stored()) == ([], [0, 1, 2, 9])
    assert aside(home) == ["00000000000000000003.json"]


def test_a_log_entry_that_is_missing_is_named_and_nothing_is_touched(
    rolled: None, home: Home, lake: Lake, now: datetime, stored: Stored
) -> None:
    entry = log_entries(lake.path)[2].path
    backup = entry.read_bytes()
    entry.unlink()
    told = f"its log lacks entry {entry.name}; the data files are untouched.*from a backup"
    assert any(re.search(told, what) and "ParsedLogPath" not in what for what in wrong(home))
    files = sorted(lake.path.rglob("*"))
    with pytest.raises(LakeError, match=told):
        repair(home, now)
    assert (sorted(lake.path.rglob("*")), aside(home)) == (files, [])
    entry.write_bytes(backup)
    roll(home)
    assert (wrong(home), stored()) == ([], [0, 1, 2, 9])


def test_entries_before_a_checkpoint_are_not_missed(rolled: None, lake: Lake, stored: Stored) -> None:
    renew_checkpoint(lake)
    log_entries(lake.path)[1].path.unlink()
    assert (missing_entries(lake.path), stored()) == ([], [0, 1, 2])


def test_keys_and_databases_that_others_can_read_are_closed(rolled: None, home: Home, now: datetime) -> None:
    keys.load_or_make(home.keys / keys.FILE).hex()
    (home.keys / keys.FILE).chmod(0o644)
    home.root.chmod(0o755)
    home.inbox.chmod(0o644)
    assert len(wrong(home)) == 1
    repair(home, now)
    assert wrong(home) == []
    assert (home.keys / keys.FILE).stat().st_mode & 0o777 == 0o600
    assert home.inbox.stat().st_mode & 0o777 == 0o600


def test_drafts_and_files_of_no_version_go_aside_when_they_are_old(
    rolled: None, home: Home, lake: Lake, now: datetime, stored: Stored
) -> None:
    data = next(lake.path.rglob("*.parquet"))
    orphan, draft = data.with_name("part-orphan.parquet"), home.root / "retention.json.tmp"
    orphan.write_bytes(data.read_bytes())
    draft.write_text("{")
    assert wrong(home) == [], "somebody may be writing them now"
    for path in (orphan, draft):
        os.utime(path, (0, 0))
    assert len(wrong(home)) == 1
    repair(home, now)
    assert (aside(home), wrong(home)) == (["part-orphan.parquet", "retention.json.tmp"], [])
    roll(home)
    assert stored() == [0, 1, 2, 9]


def test_a_missing_pointer_to_the_checkpoint_is_made_anew(
    rolled: None, home: Home, lake: Lake, now: datetime, stored: Stored
) -> None:
    renew_checkpoint(lake)
    (log_folder(lake.path) / "_last_checkpoint").unlink()
    assert any("pointer" in what for what in wrong(home))
    repair(home, now)
    assert (wrong(home), stored()) == ([], [0, 1, 2])


def test_what_can_be_read_of_a_damaged_inbox_waits_in_a_new_one(
    home: Home, put: Put, inbox: Inbox, lake: Lake, now: datetime, stored: Stored
) -> None:
    for number in range(40):
        put(*range(number * 50, number * 50 + 50))
    roll_all(inbox, lake)
    for number in range(40, 60):
        put(*range(number * 50, number * 50 + 50))
    inbox.close()
    with closing(sqlite3.connect(home.inbox)) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    size = home.inbox.stat().st_size
    with home.inbox.open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(b"\xff" * 4096)
    assert wrong(home) != []
    said = repair(home, now)
    assert any("inbox was damaged" in line for line in said)
    assert "inbox.db" in aside(home)
    roll(home)
    left = stored()
    assert len(left) == len(set(left)), "nothing is there twice"
    assert set(range(2000)) <= set(left), "what was in the lake is there"
    assert len(left) > 2000, "what could be read was saved"
    assert wrong(home) == []


def test_one_batch_that_cannot_be_read_does_not_hold_up_the_others(
    rolled: None, home: Home, inbox: Inbox, put: Put, now: datetime, stored: Stored
) -> None:
    put(10)
    inbox.replace(inbox.last_seq() - 1, 1, b"no arrow")
    said = repair(home, now)
    assert any("cannot be read" in line for line in said)
    roll(home)
    assert stored() == [0, 1, 2, 10]
    assert aside(home) == ["inbox-batch-4.bin"]


def test_a_copy_whose_inbox_is_older_than_its_lake_would_swallow_spans_and_is_mended(
    rolled: None, home: Home, inbox: Inbox, put: Put, now: datetime, stored: Stored
) -> None:
    roll(home)
    with closing(sqlite3.connect(home.inbox)) as connection, connection:
        connection.execute("delete from batch where seq > 2")
        connection.execute("update sqlite_sequence set seq = 2")
    assert any("taken for old ones" in what for what in wrong(home))
    repair(home, now)
    assert wrong(home) == []
    put(20)
    roll(home)
    assert stored() == [0, 1, 2, 9, 20]


def test_data_files_that_are_gone_are_forgotten_only_when_asked(
    rolled: None, home: Home, lake: Lake, now: datetime, stored: Stored
) -> None:
    repair(home, now)
    first, second = sorted(lake.path.rglob("*.parquet"), key=lambda p: p.stat().st_mtime)[:2]
    first.unlink()
    second.write_bytes(second.read_bytes()[:100])
    repair(home, now)
    assert any("2 data files" in what for what in wrong(home))
    said = repair(home, now, forget_missing=True)
    assert len(said) == 2
    assert all("2026-11-20 11:55" in line for line in said), "says which time is lost"
    assert wrong(home) == []
    assert stored() == [2]
    assert second.name in aside(home)


def test_a_log_entry_that_is_cut_off_goes_aside_like_an_empty_one(
    rolled: None, home: Home, now: datetime, lake: Lake, stored: Stored
) -> None:
    newest = log_entries(lake.path)[-1].path
    newest.write_bytes(newest.read_bytes()[:100])
    assert all(len(what.splitlines()) == 1 for what in wrong(home)), "no backtrace"
    repair(home, now)
    roll(home)
    assert (wrong(home), stored()) == ([], [0, 1, 2, 9])


@pytest.mark.parametrize("left", [None, 500], ids=["gone", "cut off"])
def test_spans_of_a_lost_file_come_back_from_the_inbox_that_still_has_them(
    rolled: None, home: Home, now: datetime, lake: Lake, stored: Stored, left: int | None
) -> None:
    newest = max(lake.path.glob("day=*/*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    newest.write_bytes(newest.read_bytes()[:left]) if left else newest.unlink()
    assert not any("durably" in line for line in repair(home, now)), "the inbox may have the only copy"
    assert any("missing or cut off" in what for what in wrong(home))
    assert any("roll again" in line for line in repair(home, now, forget_missing=True))
    roll(home)
    assert (wrong(home), stored()) == ([], [0, 1, 2, 9])
