"""Recordings: every kind of file, once, whatever is broken in it."""

from __future__ import annotations

import gzip
import json
import lzma
import shutil
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from syscard.clock import ReplayClock
from syscard.errors import BadSpanData, BodyTooLarge, UsageError
from syscard.home import Home
from syscard_tracing.doctor import SHOWN, check, read_trace_file
from syscard_tracing.files import requests, trace_files
from syscard_tracing.ingest import IngestProgress, IngestResult, ingest, ingest_lines
from syscard_tracing.lake import Lake
from syscard_tracing.rules import TraceRules

Ingest = Callable[..., IngestResult]


@pytest.fixture
def take(home: Home, clock: ReplayClock) -> Ingest:
    return lambda *paths, **options: ingest(list(paths), home, TraceRules(), clock, **options)


def test_all_kinds_of_files_are_read_and_a_span_in_two_of_them_counts_once(take: Ingest, data: Path) -> None:
    result = take(data)
    assert result.files == 20
    assert result.spans == result.stored + result.duplicates
    recommender = 15 + 30  # the other traces are there as JSON and as protobuf
    assert result.duplicates == (result.spans - recommender) // 2
    again = take(data)
    assert (again.stored, again.duplicates) == (0, again.spans)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
@pytest.mark.parametrize("name", ["x.json", "x.jsonl", "x.pb", "x.unknown"])
def test_content_decides_what_a_file_is(name: str, pack: Callable[[bytes], bytes], tmp_path: Path, data: Path) -> None:
    pretty = json.dumps(json.loads((data / "otel-genai-langchain-latest-02.json").read_bytes()), indent=1).encode()
    bodies = [pretty, b"\n" + pretty, (data / "otel-genai-langchain-latest-02.pb").read_bytes()]
    for body in bodies:
        path = tmp_path / name
        path.write_bytes(pack(body))
        assert sum(len(request.decoded.spans) for request in requests(path)) == 4


def test_an_xz_file_that_asks_for_more_memory_than_it_may_have_is_refused(tmp_path: Path) -> None:
    wide = [{"id": lzma.FILTER_LZMA2, "dict_size": 256 * 1024 * 1024}]
    (tmp_path / "x.jsonl.xz").write_bytes(lzma.compress(b"{}", filters=wide))
    with pytest.raises(BadSpanData, match=r"x\.jsonl\.xz: xz data .*[Mm]emory"):
        list(requests(tmp_path / "x.jsonl.xz"))


LINES = [f'{{"resourceSpans": [], "number": {i}}}\n'.encode() for i in range(100)]


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_packed_files_that_were_put_together_are_read_to_the_end(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    (tmp_path / "x.jsonl").write_bytes(pack(b"".join(LINES[:50])) + pack(b"".join(LINES[50:])))
    assert len(list(requests(tmp_path / "x.jsonl"))) == 100


def test_an_xz_file_may_be_padded_and_may_not_end_in_something_else(tmp_path: Path) -> None:
    packed = lzma.compress(b"".join(LINES))
    (tmp_path / "x.jsonl").write_bytes(packed + bytes(40_000) + packed + bytes(4))
    assert len(list(requests(tmp_path / "x.jsonl"))) == 200
    (tmp_path / "x.jsonl").write_bytes(packed + b"something else")
    with pytest.raises(BadSpanData, match=r"x\.jsonl: xz data is cut off or broken after line 100"):
        list(requests(tmp_path / "x.jsonl"))


def test_a_python_without_xz_reads_everything_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lzma", None)
    (tmp_path / "x.jsonl").write_bytes(LINES[0])
    assert len(list(requests(tmp_path / "x.jsonl"))) == 1
    (tmp_path / "x.jsonl.xz").write_bytes(lzma.compress(LINES[0]))
    with pytest.raises(UsageError, match=r"x\.jsonl\.xz: this Python was built without lzma: unpack the file first"):
        list(requests(tmp_path / "x.jsonl.xz"))


def test_packed_files_of_a_folder_are_found_by_their_names(tmp_path: Path) -> None:
    for name in ("a.jsonl.xz", "b.pb.gz", "c.json", "d.txt.xz", "e.gz"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in trace_files([tmp_path])] == ["a.jsonl.xz", "b.pb.gz", "c.json"]


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    for name in ("x.json", "x.pb"):
        (tmp_path / name).write_bytes(b"")
        assert not [span for request in requests(tmp_path / name) for span in request.decoded.spans]


def test_a_bad_line_is_named_and_what_came_before_stays_exactly_once(
    take: Ingest, tmp_path: Path, line_of: Callable[..., bytes], stored: Callable[[], list[int]]
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"\n".join([line_of(0), b"", line_of(1), b'{"resourceSpans": 5}', line_of(2)]))
    for _ in range(2):
        with pytest.raises(BadSpanData, match=r"x\.jsonl:4: "):
            take(path)
        assert stored() == [0, 1]
    path.write_bytes(b"\n".join([line_of(0), line_of(1), line_of(2)]))
    assert take(path).stored == 1
    assert stored() == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("x.jsonl", b"not json\n", r"x\.jsonl:1: not JSON"),
        ("x.json", b'{\n "resourceSpans": [\n oops]}', r"x\.json:3: not JSON"),
        ("x.json", b"[]", r"x\.json:1: "),
        ("x.pb", b"garbage", r"x\.pb: not an OTLP protobuf"),
        (
            "x.jsonl",
            gzip.compress(b'{"resourceSpans": []}\n' * 3000, mtime=0)[:-20],
            r"x\.jsonl: gzip data is cut off",
        ),
        ("x.jsonl", lzma.compress(b'{"resourceSpans": []}\n' * 3000)[:-20], r"x\.jsonl: xz data is cut off"),
        ("x.jsonl", lzma.compress(b"{}")[:12] + b"\0" * 40, r"x\.jsonl: xz data is cut off or broken"),
        ("x.jsonl", b"\x1f\x8bgarbage", r"x\.jsonl: gzip data"),
    ],
)
def test_what_cannot_be_read_is_one_line_with_its_place(
    name: str, content: bytes, told: str, take: Ingest, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadSpanData, match=told) as error:
        take(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_request_over_the_limit_is_refused(tmp_path: Path) -> None:
    for name, content in (
        ("x.jsonl", b'{"a": 1}\n{"a": "%s"}' % (b"x" * 100)),
        ("x.pb", b"\n\x12" * 50),
        ("y.json", b"{" * 100),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BodyTooLarge, match="over 50 bytes"):
            list(requests(tmp_path / name, limit=50))


def test_a_path_that_is_not_there_or_holds_nothing_is_a_usage_error(take: Ingest, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not there"):
        take(tmp_path / "missing")
    with pytest.raises(UsageError, match="holds no trace file"):
        trace_files([tmp_path])


def test_retiming_shifts_everything_by_one_constant(
    take: Ingest, data: Path, home: Home, clock: ReplayClock, tmp_path: Path
) -> None:
    original = tmp_path / "original"
    ingest([data / "recommender.otlp.jsonl.gz"], Home(original).create(), TraceRules(), clock)
    result = take(data / "recommender.otlp.jsonl.gz", retime=clock())
    assert result.last == clock()
    before = Lake(original / "lake").scan().sort("trace_id", "span_id").collect()
    after = Lake(home.lake).scan().sort("trace_id", "span_id").collect()
    assert set(after["start"] - before["start"]) == {result.shift}
    assert after["duration_us"].to_list() == before["duration_us"].to_list()


def test_retiming_the_same_recording_again_adds_nothing(take: Ingest, data: Path, clock: ReplayClock) -> None:
    path = data / "recommender.otlp.jsonl.gz"
    assert take(path, retime=clock()).stored == 15
    clock.advance(timedelta(days=3))
    assert take(path, retime=clock()).stored == 0


def test_one_span_of_2100_does_not_move_a_recording_into_the_past(
    take: Ingest, tmp_path: Path, line_of: Callable[..., bytes], clock: ReplayClock, home: Home
) -> None:
    odd = json.loads(line_of(1))
    times = {"startTimeUnixNano": "4102444800000000000", "endTimeUnixNano": "4102444800000000001"}
    odd["resourceSpans"][0]["scopeSpans"][0]["spans"][0] |= times
    path = tmp_path / "x.jsonl"
    path.write_bytes(line_of(0) + b"\n" + json.dumps(odd).encode())
    result = take(path, retime=clock())
    assert abs(result.shift - timedelta(minutes=5)) < timedelta(seconds=1)


def test_lines_are_ingested_with_a_fixed_shift(home: Home, clock: ReplayClock, line_of: Callable[..., bytes]) -> None:
    result = ingest_lines([line_of(0, 1), line_of(2)], home, TraceRules(), clock, shift=timedelta(hours=-1))
    assert (result.requests, result.stored) == (2, 3)
    assert result.first == clock() - timedelta(minutes=65)
    with pytest.raises(BadSpanData, match="line 2: not JSON"):
        ingest_lines([line_of(3), b"oops"], home, TraceRules(), clock)
    assert Lake(home.lake).stats().rows == 4


def test_spans_with_bad_ids_are_counted_by_reason(take: Ingest, tmp_path: Path, line_of: Callable[..., bytes]) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(line_of(0, traceId="ab") + b"\n" + line_of(1))
    result = take(path)
    assert (result.stored, dict(result.rejected)) == (1, {"trace id is not 16 bytes": 1})


def test_progress_is_told(take: Ingest, data: Path, clock: ReplayClock) -> None:
    told: list[IngestProgress] = []
    take(data / "recommender.otlp.jsonl.gz", retime=clock(), progress=told.append)
    assert {progress.phase for progress in told} == {"looking", "storing"}
    assert (told[-1].files_done, told[-1].files, told[-1].spans) == (1, 1, 15)


def test_the_doctor_reads_a_trace_file_without_a_home(data: Path, tmp_path: Path) -> None:
    rows = read_trace_file(data / "openinference-langchain-04.pb", TraceRules())
    assert list(rows[0]) == [*SHOWN, "unread"]
    assert rows[0]["model"] == "overloaded-llm"
    assert json.loads(json.dumps(rows)) == rows


def test_the_doctor_finds_a_new_home_well_and_a_damaged_inbox_ill(home: Home, take: Ingest, data: Path) -> None:
    assert all(finding.ok for finding in check(home))
    take(data / "openinference-langchain-04.pb")
    assert all(finding.ok for finding in check(home))
    shutil.rmtree(home.lake / "day=2026-11-22", ignore_errors=True)
    for folder in home.lake.glob("day=*"):
        shutil.rmtree(folder)
    assert "data files are missing or cut off" in " ".join(map(str, check(home)))
    home.inbox.write_bytes(b"damaged" * 200)
    assert "is damaged" in " ".join(map(str, check(home)))
