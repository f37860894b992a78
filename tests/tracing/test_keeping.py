"""What is kept of the lake: retention, holds, compaction, a short log; read on while it happens."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from syscard.clock import ReplayClock
from syscard.errors import UsageError
from syscard.home import Home
from syscard_tracing import journal, retention, upkeep
from syscard_tracing.durable import log_entries
from syscard_tracing.housekeeping import Housekeeper, keep_house
from syscard_tracing.inbox import Inbox
from syscard_tracing.lake import Lake, Rival
from syscard_tracing.retention import Keeping, Setting
from syscard_tracing.roller import roll_all, roll_once
from syscard_tracing.spans import RawSpan
from syscard_tracing.upkeep import DaySize

Put = Callable[..., None]
Stored = Callable[[], list[int]]
Span = Callable[..., RawSpan]
DAY_NS = 86_400 * 10**9
TODAY = date(2026, 11, 20)


@pytest.fixture
def old(put: Put, inbox: Inbox, lake: Lake, span: Span) -> Callable[..., RawSpan]:
    """Stores a span some days back."""

    def store(number: int, days: float) -> RawSpan:
        back = round(days * DAY_NS)
        found = span(number)._replace(start_ns=span(number).start_ns - back, end_ns=span(number).end_ns - back)
        put(found)
        roll_all(inbox, lake)
        return found

    return store


# -- retention -----------------------------------------------------------------------------------------


def test_days_past_the_age_leave_the_lake_and_it_is_written_down(
    home: Home, old: Any, now: datetime, stored: Stored
) -> None:
    for number, days in enumerate((0, 1, 2, 3)):
        old(number, days)
    keeping = Keeping(days=2, by="test")
    assert [d.day for d in retention.planned(home, keeping, now)] == ["2026-11-17"]
    assert stored() == [0, 1, 2, 3], "looking drops nothing"
    dropped = retention.apply(home, keeping, now)
    assert [(d.day, d.spans, d.why) for d in dropped] == [("2026-11-17", 1, "age")]
    assert stored() == [0, 1, 2]
    entry = journal.last(home, "retention")
    assert entry is not None
    assert entry["days"][0]["day"] == "2026-11-17"
    assert retention.apply(home, keeping, now) == []


def test_the_oldest_days_go_until_the_lake_is_small_enough_and_today_never_does(
    home: Home, old: Any, now: datetime, stored: Stored, lake: Lake
) -> None:
    for number, days in enumerate((0, 1, 2)):
        old(number, days)
    two_days = sum(size.bytes for size in upkeep.day_sizes(lake)[1:])
    assert [d.why for d in retention.apply(home, Keeping(max_bytes=two_days), now)] == ["size"]
    assert stored() == [0, 1]
    retention.apply(home, Keeping(max_bytes=1), now)
    assert stored() == [0]


def test_held_traces_stay_when_their_day_goes(home: Home, old: Any, now: datetime, stored: Stored, lake: Lake) -> None:
    for number in range(5):
        old(number, 9)
    held = retention.trace_ids([f"{3:032x}@17"])
    assert [d.spans for d in retention.apply(home, Keeping(days=2, held=held), now)] == [4]
    assert stored() == [2]
    assert retention.apply(home, Keeping(days=2, held=held), now) == [], "nothing is left to drop in that day"
    assert [d.spans for d in retention.apply(home, Keeping(days=2), now)] == [1], "the hold has ended"


def test_a_span_with_a_wrong_clock_goes_with_the_day_of_its_receipt(
    home: Home, put: Put, inbox: Inbox, lake: Lake, span: Span, now: datetime, stored: Stored
) -> None:
    put(span(0)._replace(start_ns=0, end_ns=0))
    roll_all(inbox, lake)
    retention.apply(home, Keeping(days=2), now)
    assert stored() == [0]
    retention.apply(home, Keeping(days=2), now + timedelta(days=3))
    assert stored() == []


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 10**6)), unique_by=lambda d: d[0]),
    st.none() | st.integers(1, 400),
    st.none() | st.integers(1, 10**7),
)
def test_what_is_due_is_always_the_oldest_days_and_no_more_than_needed(
    found: list[tuple[int, int]], days: int | None, most: int | None
) -> None:
    sizes = [DaySize(str(TODAY - timedelta(days=back)), 1, 1, size) for back, size in sorted(found, reverse=True)]
    gone = retention.due(sizes, Keeping(days, most), TODAY)
    past = [size for size in sizes if size.day < str(TODAY)]
    assert [d.day for d in gone] == [size.day for size in past[: len(gone)]], "oldest first, without a gap"
    left = past[len(gone) :]
    assert all(days is None or size.day >= str(TODAY - timedelta(days=days)) for size in left)
    kept_bytes = sum(size.bytes for size in sizes) - sum(d.bytes for d in gone)
    assert most is None or kept_bytes <= most or not left
    if gone and gone[-1].why == "size" and most is not None:
        assert kept_bytes + gone[-1].bytes > most, "the last one was needed"


def test_a_setting_is_kept_in_the_home_and_a_spoilt_one_is_said(home: Home) -> None:
    assert retention.read_setting(home) == Setting()
    retention.write_setting(home, Setting(90, 20 * 10**9))
    assert retention.read_setting(home) == Setting(90, 20 * 10**9)
    assert str(Keeping(90, 20 * 10**9, by="set by hand")) == "90 d, at most 20 GB (set by hand)"
    for text in ("{", '{"days": -1}', '{"days": "9"}', '{"weeks": 1}', "[]", "3"):
        (home.root / retention.FILE).write_text(text)
        with pytest.raises(UsageError, match="syscard retain"):
            retention.read_setting(home)


# -- housekeeping --------------------------------------------------------------------------------------


def test_house_is_kept_once_an_hour_and_after_a_restart_not_sooner(
    home: Home, old: Any, clock: ReplayClock, stored: Stored
) -> None:
    old(0, 5)
    asked: list[datetime] = []

    def keeping() -> Keeping:
        asked.append(clock())
        return Keeping(days=4 if len(asked) > 1 else None)

    Housekeeper(home, keeping, clock).look()
    clock.advance(timedelta(minutes=50))
    again = Housekeeper(home, keeping, clock)
    again.look()
    assert len(asked) == 1
    clock.advance(timedelta(minutes=11))
    again.look()
    assert (len(asked), stored()) == (2, [])


def test_a_failure_of_housekeeping_is_said_and_tried_again(
    home: Home, old: Any, clock: ReplayClock, stored: Stored, caplog: pytest.LogCaptureFixture
) -> None:
    old(0, 5)
    (home.root / retention.FILE).write_text("{")
    keeper = Housekeeper(home, lambda: Keeping(retention.read_setting(home).days), clock)
    keeper.look()
    assert "nothing is lost" in caplog.text
    retention.write_setting(home, Setting(days=1))
    clock.advance(timedelta(hours=1))
    keeper.look()
    assert stored() == []


def test_a_journal_that_cannot_be_written_ends_no_housekeeping(
    home: Home, old: Any, clock: ReplayClock, stored: Stored, caplog: pytest.LogCaptureFixture
) -> None:
    """As on a full disk, where letting go of old spans is what would help."""
    (home.root / journal.FILE).mkdir()
    keeper = Housekeeper(home, lambda: Keeping(days=1), clock)
    old(0, 5)
    keeper.look()
    assert "nothing is lost" in caplog.text
    (home.root / journal.FILE).rmdir()
    clock.advance(timedelta(hours=1))
    keeper.look()
    assert stored() == []


def test_without_a_lake_there_is_nothing_to_keep(home: Home, now: datetime) -> None:
    assert keep_house(home, Keeping(days=1), now) == []
    assert retention.planned(home, Keeping(days=1), now) == []


# -- files and log -------------------------------------------------------------------------------------


def test_a_day_that_is_over_becomes_one_sorted_file_and_reads_the_same(
    old: Any, lake: Lake, now: datetime, stored: Stored
) -> None:
    for number in (3, 1, 2, 0):
        old(number, 3 - number / 100)
    old(9, 0)
    before = lake.scan().sort("start").collect()
    assert upkeep.settle(lake, now) == ["2026-11-17"]
    assert [(s.day, s.files, s.rows) for s in upkeep.day_sizes(lake)] == [("2026-11-17", 1, 4), ("2026-11-20", 1, 1)]
    assert lake.scan().sort("start").collect().equals(before)
    path = max((lake.path / "day=2026-11-17").glob("*.parquet"), key=lambda p: p.stat().st_size)
    assert parquet.read_table(path, partitioning=None).column("start").to_pylist() == sorted(
        before["start"].to_list()[:4]
    )
    assert upkeep.settle(lake, now) == [], "once is enough"


def test_late_spans_do_not_make_a_big_past_day_be_written_again_at_once(
    old: Any, lake: Lake, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "SMALL", 2)
    monkeypatch.setattr(upkeep, "LOOSE_SHARE", 0.9)
    for number in range(3):
        old(number, 3)
    assert upkeep.settle(lake, now) == [], "three files, one after the other"
    old(7, 3)
    assert upkeep.settle(lake, now) == []
    monkeypatch.setattr(upkeep, "LOOSE_SHARE", 0.0)
    old(8, 3 + 1 / 86_400)
    assert upkeep.settle(lake, now) == [] or upkeep.day_sizes(lake)[0].rows == 5


def test_a_roll_that_comes_between_is_not_blocked_and_the_sorting_still_counts(
    old: Any, put: Put, inbox: Inbox, lake: Lake, now: datetime, stored: Stored
) -> None:
    for number in range(3):
        old(number, 2)
    put(7)
    writer = lake.writer(inbox.app_id)
    assert upkeep.settle(lake, now) == ["2026-11-18"]
    empty = lake.scan().collect().to_arrow().slice(0, 0)
    with pytest.raises(Rival):
        writer.append(empty.cast(_schema()), inbox.after(0)[-1].seq)
    assert roll_once(inbox, lake).rows == 1
    assert stored() == [0, 1, 2, 7]


def test_how_far_the_inboxes_have_come_outlives_all_tidying(
    old: Any, inbox: Inbox, lake: Lake, now: datetime, home: Home
) -> None:
    for number in range(4):
        old(number, 2)
    done = lake.done_seq(inbox.app_id)
    keep_house(home, Keeping(days=1), now)
    upkeep.renew_checkpoint(lake)
    for entry in log_entries(lake.path):
        os.utime(entry.path, (0, 0))
    lake.open().cleanup_metadata()
    assert done > 0
    assert lake.done_seq(inbox.app_id) == done


def test_a_reader_of_an_older_version_still_finds_its_files(old: Any, lake: Lake, home: Home, now: datetime) -> None:
    for number in range(3):
        old(number, 2)
    reading = lake.scan()
    keep_house(home, Keeping(days=1), now)
    assert (reading.collect().height, lake.scan().collect().height) == (3, 0)


def test_however_many_commits_a_lake_has_its_log_is_short_and_its_files_are_few(
    lake: Lake, put: Put, inbox: Inbox, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "CHECKPOINT_EVERY", 20)
    lake.create()
    put(0)
    roll_all(inbox, lake)
    empty = lake.scan().collect().to_arrow().slice(0, 0).cast(_schema())
    for seq in range(1, 70):
        lake.writer("inbox-x").append(empty, seq)
        if lake.version() % upkeep.CHECKPOINT_EVERY == 0:
            for entry in log_entries(lake.path):
                os.utime(entry.path, (0, 0))
            assert upkeep.checkpoint(lake)
    assert len(log_entries(lake.path)) < 3 * upkeep.CHECKPOINT_EVERY
    assert lake.done_seq("inbox-x") == 69
    assert stored() == [0]


def test_small_files_that_were_put_together_are_not_put_together_for_ever(
    put: Put, inbox: Inbox, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "FILES_A_DAY", 3)
    for number in range(4):
        put(number)
        roll_once(inbox, lake)
    assert upkeep.compact_crowded(lake, 3) == 1
    assert lake.stats().files == 1
    assert upkeep.compact_crowded(lake, 3) == 0


# -- looking -------------------------------------------------------------------------------------------


def test_a_trace_is_found_whole_though_it_runs_for_half_an_hour(
    put: Put, span: Span, inbox: Inbox, lake: Lake, now: datetime
) -> None:
    minute = 60 * 10**9
    root = span(0)
    parts = [
        root._replace(span_id=f"{n:016x}", parent_span_id=root.span_id, start_ns=at, end_ns=at + 4 * minute)
        for n, at in ((n, root.start_ns + n * 4 * minute) for n in range(1, 8))
    ]
    put(root, *parts, span(5))
    roll_all(inbox, lake)
    begin = now - timedelta(minutes=5)
    assert lake.trace(root.trace_id, around=begin).height == 8
    assert lake.trace(root.trace_id, around=begin + timedelta(minutes=20)).height == 8
    assert lake.trace(root.trace_id).height == 8
    assert lake.trace("f" * 32, around=begin).height == 0


def test_a_kept_handle_sees_what_others_commit_and_a_version_that_came_again(
    put: Put, inbox: Inbox, lake: Lake, home: Home, stored: Stored
) -> None:
    put(0)
    roll_all(inbox, lake)
    assert stored() == [0]
    other = Lake(home.lake)
    put(1)
    roll_all(inbox, other)
    assert stored() == [0, 1]
    # A power cut empties the newest entry; its version comes again with other content.
    log_entries(lake.path)[-1].path.write_bytes(b"")
    put(2)
    roll_all(inbox, other)
    assert stored() == [0, 1, 2]


def _schema() -> Any:
    from syscard.observation import arrow_schema

    return arrow_schema()
