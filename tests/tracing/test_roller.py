"""From the inbox into the lake: no span lost, none twice, whatever dies in between."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syscard.clock import ReplayClock
from syscard.errors import LakeError
from syscard.home import Home
from syscard_tracing.doctor import check
from syscard_tracing.durable import log_entries, newest_entry, set_aside_emptied_tail
from syscard_tracing.inbox import Inbox
from syscard_tracing.lake import Lake, Rival
from syscard_tracing.normalise import microseconds
from syscard_tracing.pipeline import Pipeline
from syscard_tracing.roller import STEPS, RollResult, roll_all, roll_once
from syscard_tracing.rules import TraceRules
from syscard_tracing.spans import RawSpan

Put = Callable[..., None]
Stored = Callable[[], list[int]]
ROLL = """
import os, signal, sys
from pathlib import Path
from syscard.home import Home
from syscard_tracing.inbox import Inbox
from syscard_tracing.lake import Lake
from syscard_tracing.roller import roll_all, roll_once
home, step = Home(Path(sys.argv[1])), sys.argv[2]
def on_step(name):
    if name == step:
        os.kill(os.getpid(), signal.SIGKILL)
with Inbox(home.inbox) as inbox:
    (roll_once if step else roll_all)(inbox, Lake(home.lake), on_step)
"""


def test_a_roll_moves_everything_and_keeps_one_commit_behind(
    put: Put, inbox: Inbox, lake: Lake, stored: Stored
) -> None:
    put(0, 1)
    assert roll_once(inbox, lake) == RollResult(2, 0, 1)
    assert inbox.pending() == 0
    assert len(inbox.after(0)) == 1
    put(2)
    assert roll_all(inbox, lake).rows == 1
    assert [batch.seq for batch in inbox.after(0)] == [2]
    assert stored() == [0, 1, 2]
    assert roll_once(inbox, lake).rows == 0


def test_ids_that_a_seeded_host_made_twice_are_two_spans(
    put: Put, inbox: Inbox, lake: Lake, stored: Stored, span: Callable[..., RawSpan]
) -> None:
    later = span(0)._replace(start_ns=span(0).start_ns + 1_000, end_ns=span(0).end_ns + 1_000)
    put(0, later, later)
    assert roll_once(inbox, lake) == RollResult(2, 1, 1)
    put(later, span(0))
    assert roll_once(inbox, lake).duplicates == 2
    assert stored() == [0, 0]


def test_a_recording_that_is_moved_in_time_and_taken_again_counts_once(
    put: Put, inbox: Inbox, lake: Lake, stored: Stored, span: Callable[..., RawSpan]
) -> None:
    put(span(0), moved=True)
    roll_all(inbox, lake)
    put(span(0)._replace(start_ns=span(0).start_ns + 1_000), moved=True)
    assert roll_all(inbox, lake).duplicates == 1
    assert stored() == [0]


def test_a_moved_recording_that_was_left_half_way_and_is_taken_again_before_a_roll_counts_once(
    put: Put, inbox: Inbox, lake: Lake, stored: Stored, clock: ReplayClock, span: Callable[..., RawSpan]
) -> None:
    put(span(0), moved=True)
    clock.advance(timedelta(seconds=1))
    for number in (0, 1):
        put(span(number)._replace(start_ns=span(number).start_ns + 10**12), moved=True)
    assert roll_all(inbox, lake).duplicates == 1
    assert stored() == [0, 1]


def test_ids_that_come_again_within_a_moved_recording_are_kept_though_it_is_rolled_in_parts(
    inbox: Inbox, lake: Lake, home: Home, stored: Stored, clock: ReplayClock, span: Callable[..., RawSpan]
) -> None:
    pipeline, began = Pipeline(home, inbox, TraceRules, clock), microseconds(clock())
    again = span(0)._replace(start_ns=span(0).start_ns + 10**12)
    for part in ([span(0)], [again], [again]):
        clock.advance(timedelta(seconds=1))
        pipeline.store(part, moved_us=began)
        roll_all(inbox, lake)
    assert stored() == [0, 0]
    pipeline.store([span(0)._replace(start_ns=span(0).start_ns + 5 * 10**12)], moved_us=microseconds(clock()))
    assert roll_all(inbox, lake).duplicates == 1, "the same recording, moved once more"


def test_spans_that_are_sent_beside_a_moved_recording_are_known_by_their_times(
    put: Put, inbox: Inbox, lake: Lake, stored: Stored, span: Callable[..., RawSpan]
) -> None:
    put(0)
    roll_all(inbox, lake)
    put(span(1), moved=True)
    put(span(0)._replace(start_ns=span(0).start_ns + 10**12))
    roll_all(inbox, lake)
    assert stored() == [0, 0, 1]


def test_a_span_sent_twice_counts_once(put: Put, inbox: Inbox, lake: Lake, stored: Stored) -> None:
    put(0, 1, 1)
    assert roll_once(inbox, lake) == RollResult(2, 1, 1)
    put(1, 2)
    assert roll_once(inbox, lake) == RollResult(1, 1, 2)
    put(0, 1, 2)
    assert roll_once(inbox, lake) == RollResult(0, 3, 3)
    assert stored() == [0, 1, 2]


def test_spans_of_1970_and_2100_are_kept_once_even_when_sent_again_another_day(
    put: Put, span: Callable[..., RawSpan], inbox: Inbox, lake: Lake, stored: Stored, clock: ReplayClock
) -> None:
    far = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()) * 10**9
    odd = [span(0, start_ns=0, end_ns=0), span(1, start_ns=far, end_ns=far + 1), span(2)]
    put(*odd)
    roll_all(inbox, lake)
    clock.advance(timedelta(days=2))
    put(*odd)
    assert roll_all(inbox, lake).duplicates == 3
    assert stored() == [0, 1, 2]
    rows = lake.scan().collect().to_dicts()
    assert {(row["start"].year, row["clock_suspect"]) for row in rows} == {(1970, True), (2100, True), (2026, False)}


def test_a_moved_recording_is_known_again_at_another_time(
    put: Put, span: Callable[..., RawSpan], inbox: Inbox, lake: Lake, stored: Stored
) -> None:
    put(0, moved=True)
    roll_all(inbox, lake)
    put(span(0, start_ns=span(0).start_ns - 10**15), moved=True)
    assert roll_all(inbox, lake).duplicates == 1


@pytest.mark.parametrize("step", STEPS)
def test_kill_at_any_step_loses_nothing_and_doubles_nothing(
    step: str, put: Put, home: Home, inbox: Inbox, lake: Lake, stored: Stored, children: Any
) -> None:
    put(0, 1)
    roll_all(inbox, lake)
    put(1, 2)
    put(3)
    assert children.run(ROLL, home.root, step).wait(60) == -signal.SIGKILL
    put(4)
    roll_all(inbox, lake)
    assert stored() == [0, 1, 2, 3, 4]
    assert inbox.pending() == 0
    assert all(finding.ok for finding in check(home))


def test_two_rollers_at_once_store_each_span_once(
    put: Put, home: Home, inbox: Inbox, lake: Lake, stored: Stored, children: Any
) -> None:
    for n in range(30):
        put(n)
    rivals = [children.run(ROLL, home.root, "") for _ in range(2)]
    for n in range(30, 60):
        put(n, n - 30)
        roll_once(inbox, lake)
    for rival in rivals:
        assert rival.wait(60) == 0, rival.stderr.read()
    roll_all(inbox, lake)
    assert stored() == list(range(60))


def test_two_inboxes_with_the_same_spans_store_each_once(put: Put, home: Home, lake: Lake, stored: Stored) -> None:
    put(*range(20))
    shutil.copy(home.inbox, home.root / "other.db")
    wal = home.inbox.with_name("inbox.db-wal")
    shutil.copy(wal, home.root / "other.db-wal")
    with Inbox(home.inbox) as one, Inbox(home.root / "other.db") as other:
        other._reader.execute("update meta set value = 'other' where key = 'uuid'")
        other._reader.commit()
        threads = [threading.Thread(target=roll_all, args=(inbox, lake)) for inbox in (one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert one.pending() == other.pending() == 0
    assert stored() == list(range(20))


def test_a_commit_on_an_old_look_is_refused(put: Put, inbox: Inbox, lake: Lake) -> None:
    put(0)
    roll_all(inbox, lake)
    old = lake.writer("inbox-a")
    lake.append(lake.scan().collect().to_arrow().slice(0, 0).cast(_schema()), "inbox-b", 1)
    with pytest.raises(Rival):
        old.append(lake.scan().collect().to_arrow().cast(_schema()), 1)


def _schema() -> Any:
    from syscard.observation import arrow_schema

    return arrow_schema()


@pytest.mark.parametrize("more", [[], [5]])
def test_an_emptied_last_log_entry_loses_nothing(
    more: list[int], put: Put, home: Home, inbox: Inbox, lake: Lake, stored: Stored
) -> None:
    for n in range(3):
        put(n)
        roll_once(inbox, lake)
    log_entries(lake.path)[-1].path.write_bytes(b"")
    told = [str(finding) for finding in check(home) if not finding.ok]
    assert any("is empty" in line for line in told)
    assert lake.health()
    if more:
        put(*more)
    result = roll_all(inbox, lake)
    assert (result.emptied, result.rows) == (3, 1 + len(more))
    assert stored() == [0, 1, 2, *more]
    assert all(finding.ok for finding in check(home))
    assert any("was set aside" in str(finding) for finding in check(home))


def test_an_emptied_first_log_entry_is_a_new_lake(put: Put, inbox: Inbox, lake: Lake, stored: Stored) -> None:
    lake.create()
    log_entries(lake.path)[0].path.write_bytes(b"")
    put(0)
    assert roll_all(inbox, lake).rows == 1
    assert stored() == [0]


def test_an_emptied_entry_is_set_aside_once_by_two(put: Put, inbox: Inbox, lake: Lake) -> None:
    put(0)
    roll_all(inbox, lake)
    assert set_aside_emptied_tail(lake.path) is None
    log_entries(lake.path)[-1].path.write_bytes(b"")
    found: list[int | None] = []
    threads = [threading.Thread(target=lambda: found.append(set_aside_emptied_tail(lake.path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, found)) == ["1", "None", "None", "None"]


def test_an_entry_that_is_set_aside_during_a_look_is_looked_past(
    put: Put, inbox: Inbox, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(0)
    roll_all(inbox, lake)
    *_, newest = log_entries(lake.path)
    gone, look = newest.path.with_name(f"{newest.version + 1:020d}.json"), os.scandir

    def slow(folder: Path) -> Any:
        gone.touch()
        seen = list(look(folder))
        gone.unlink()
        monkeypatch.setattr(os, "scandir", look)
        return iter(seen)

    monkeypatch.setattr(os, "scandir", slow)
    assert newest_entry(lake.path) == newest


def test_a_lake_that_was_taken_away_is_told_by_the_doctor(put: Put, home: Home, inbox: Inbox, lake: Lake) -> None:
    for n in range(3):
        put(n)
        roll_once(inbox, lake)
    shutil.rmtree(lake.path)
    told = " ".join(str(finding) for finding in check(home) if not finding.ok)
    assert "batches 1 to 2 are in neither inbox nor lake" in told
    assert roll_all(inbox, lake).rows == 1


def test_a_lake_that_cannot_be_read_leaves_everything_in_the_inbox(put: Put, inbox: Inbox, lake: Lake) -> None:
    put(0)
    roll_all(inbox, lake)
    log_entries(lake.path)[0].path.write_text("no json")
    put(1)
    with pytest.raises(LakeError):
        roll_once(inbox, lake)
    assert inbox.pending() == 1
    assert lake.health()


def test_a_disk_that_fills_up_during_a_roll_harms_nothing(
    put: Put, home: Home, inbox: Inbox, lake: Lake, stored: Stored, children: Any
) -> None:
    put(0)
    roll_all(inbox, lake)
    put(*range(1, 50))
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
    child = children.run(full + ROLL, home.root, "")
    assert "LakeError" in child.communicate(timeout=60)[1]
    assert child.returncode == 1
    assert roll_all(inbox, lake).rows == 49
    assert stored() == list(range(50))
    assert all(finding.ok for finding in check(home))


def test_a_roller_that_always_loses_gives_up_in_words(
    put: Put, inbox: Inbox, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(0)
    lake.create()
    empty = lake.scan().collect().to_arrow().cast(_schema())

    def rival(step: str) -> None:
        if step == "deduplicated":
            lake.writer("inbox-rival").append(empty, lake.version() + 1)

    monkeypatch.setattr("syscard_tracing.roller.LOST_RACES", 3)
    with pytest.raises(LakeError, match="takes no commit"):
        roll_all(inbox, lake, rival)
    assert inbox.pending() == 1


@pytest.mark.endurance
def test_a_crowded_day_is_compacted_and_reads_the_same(put: Put, inbox: Inbox, lake: Lake, stored: Stored) -> None:
    for n in range(35):
        put(n)
        roll_once(inbox, lake)
    assert lake.stats().files < 32
    assert lake.stats().rows == 35
    assert stored() == list(range(35))
    log_entries(lake.path)[-1].path.write_bytes(b"")
    put(99)
    roll_all(inbox, lake)
    assert stored() == [*range(35), 99]


@pytest.mark.endurance
def test_a_checkpoint_is_written_at_a_hundred_versions(inbox: Inbox, lake: Lake, put: Put, stored: Stored) -> None:
    lake.create()
    empty = lake.scan().collect().to_arrow().cast(_schema())
    for seq in range(1, 100):
        lake.writer("inbox-x").append(empty, seq)
    for entry in log_entries(lake.path):
        os.utime(entry.path, (0, 0))
    put(0)
    assert roll_once(inbox, lake).version == 100
    assert (lake.path / "_delta_log" / "_last_checkpoint").is_file()
    assert lake.done_seq("inbox-x") == 99
    assert len(log_entries(lake.path)) < 10
    put(1)
    assert roll_once(inbox, lake).version == 101
    assert stored() == [0, 1]


def test_scans_are_bounded_by_time_and_service(
    put: Put, span: Callable[..., RawSpan], inbox: Inbox, lake: Lake, now: datetime
) -> None:
    assert lake.scan().collect().shape == (0, 29)
    other = span(7, resource={"service.name": "other"})
    put(*range(5), other, span(8, start_ns=0))
    roll_all(inbox, lake)
    begin = now - timedelta(minutes=5)
    window = lake.scan(begin + timedelta(milliseconds=1), begin + timedelta(milliseconds=3)).collect()
    assert sorted(window["span_id"]) == [f"{n:016x}" for n in (2, 3)]
    assert lake.scan(services=["other"]).collect().height == 1
    assert lake.scan(since=datetime(1960, 1, 1, tzinfo=UTC)).collect().height == 6
    assert lake.scan().collect().height == 7
    assert lake.trace(f"{4:032x}", around=now).height == lake.trace(f"{4:032x}").height == 1
    assert (f"{4:032x}", f"{4:016x}") in lake.keys_in(begin, now)
    assert lake.stats().rows == 7
    assert lake.missing_files() == []
