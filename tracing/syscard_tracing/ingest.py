"""Recordings into a home: read, shift in time if asked, store, roll; exactly once however often it is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from syscard.clock import Clock
from syscard.errors import SyscardError
from syscard.home import Home
from syscard_tracing.files import Request, no_trace, requests, trace_files
from syscard_tracing.inbox import Inbox
from syscard_tracing.normalise import microseconds
from syscard_tracing.otlp import decode_json
from syscard_tracing.own_tables import home_dialects
from syscard_tracing.pipeline import Pipeline
from syscard_tracing.roller import open_lake, roll_all
from syscard_tracing.rules import TraceRules
from syscard_tracing.spans import RawSpan

BATCH: Final = 2_000
"""Spans that are stored together."""
ROLL_EVERY: Final = 50_000
"""Spans between two rolls."""
_US: Final = timedelta(microseconds=1)
_YEAR_2000_NS: Final = 946_684_800_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class IngestProgress(NamedTuple):
    """How far an ingest has come."""

    phase: str
    """`looking` (for the latest end, before a shift in time) or `storing`."""
    file: str
    files_done: int
    files: int
    spans: int


@dataclass
class IngestResult:
    """What an ingest did."""

    files: int = 0
    without_trace: list[Path] = field(default_factory=list)
    """Files in which no span was good."""
    requests: int = 0
    spans: int = 0
    """Good spans that were read."""
    stored: int = 0
    """Spans that are new in the lake."""
    duplicates: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    """Spans refused, by reason."""
    first: datetime | None = None
    """Earliest start, event time after the shift."""
    last: datetime | None = None
    """Latest end."""
    shift: timedelta = timedelta(0)


def _ignore(_progress: IngestProgress) -> None:
    """Nobody watches."""


def ingest(
    paths: Sequence[Path],
    home: Home,
    rules: TraceRules,
    clock: Clock,
    retime: datetime | None = None,
    progress: Callable[[IngestProgress], None] = _ignore,
) -> IngestResult:
    """Store the spans of files and folders.

    `retime`: every time is shifted by one constant, so that the latest end lands there.

    Raises:
        UsageError: a path is not there, or a dialect table of the home is none.
        BadSpanData: there is no trace in any of it.
        BadSpanData, BodyTooLarge: something cannot be read, said as file:line; what came before stays.
        InboxFull: no room.
    """
    files = trace_files(paths)
    home_dialects(home.dialects)  # a table with a mistake is told before anything is read or made
    shift = retime - _latest_end(files, clock(), progress) if retime else timedelta(0)
    with _Ingest(home, rules, clock, shift, moved=retime is not None) as run:
        for number, path in enumerate(files):
            before = run.result.spans
            for request in _told(run, requests(path)):
                run.take(request.decoded.spans, request.decoded.rejected)
                progress(IngestProgress("storing", str(path), number, len(files), run.result.spans))
            run.result.files += 1
            run.result.without_trace += [path] if run.result.spans == before else []
            progress(IngestProgress("storing", str(path), number + 1, len(files), run.result.spans))
        if not run.result.spans:
            where = ", ".join(map(str, paths)) if len(files) == len(paths) < 4 else f"{len(files)} files"
            raise no_trace(where, run.result.rejected)
        return run.finish()


def ingest_lines(
    lines: Iterable[bytes], home: Home, rules: TraceRules, clock: Clock, shift: timedelta = timedelta(0)
) -> IngestResult:
    """Store requests in OTLP/JSON, one a line, with every time shifted by a constant.

    Raises:
        BadSpanData: a line cannot be decoded; what came before stays.
        InboxFull: no room.
    """
    with _Ingest(home, rules, clock, shift, moved=bool(shift)) as run:
        for number, line in enumerate(lines, start=1):
            try:
                decoded = decode_json(line)
            except SyscardError as error:
                run.finish()
                raise type(error)(f"line {number}: {error}") from error
            run.take(decoded.spans, decoded.rejected)
        return run.finish()


class _Ingest:
    """One ingest under way: an open inbox, a batch being filled, and the figures."""

    def __init__(self, home: Home, rules: TraceRules, clock: Clock, shift: timedelta, *, moved: bool) -> None:
        self.result = IngestResult(shift=shift)
        self._shift_ns = (shift // _US) * 1000
        self._moved_us = microseconds(clock()) if moved else 0
        self._inbox = Inbox(home.inbox, clock=clock)
        self._lake = open_lake(home)
        self._pipeline = Pipeline(home, self._inbox, lambda: rules, clock)
        self._batch: list[RawSpan] = []
        self._unrolled = 0
        self._first: int | None = None
        self._last: int | None = None

    def __enter__(self) -> _Ingest:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipeline.close()
        self._inbox.close()

    def take(self, spans: list[RawSpan], rejected: Counter[str]) -> None:
        """Add one request's spans."""
        shifted = [shift_span(span, self._shift_ns) for span in spans] if self._shift_ns else spans
        self.result.requests += 1
        self.result.rejected.update(rejected)
        self.result.spans += len(shifted)
        for span in shifted:
            self._first = span.start_ns if self._first is None else min(self._first, span.start_ns)
            self._last = span.end_ns if self._last is None else max(self._last, span.end_ns)
        self._batch += shifted
        if len(self._batch) >= BATCH:
            self._flush()

    def finish(self) -> IngestResult:
        """Store and roll what is left."""
        self._flush()
        self._roll()
        self.result.first, self.result.last = _moment(self._first), _moment(self._last)
        return self.result

    def _flush(self) -> None:
        if self._batch:
            self._pipeline.store(self._batch, moved_us=self._moved_us)
            self._unrolled += len(self._batch)
            self._batch = []
        if self._unrolled >= ROLL_EVERY:
            self._roll()

    def _roll(self) -> None:
        rolled = roll_all(self._inbox, self._lake)
        self.result.stored += rolled.rows
        self.result.duplicates += rolled.duplicates
        self._unrolled = 0


def shift_span(span: RawSpan, shift_ns: int) -> RawSpan:
    """The span with its times shifted; a time that is not given (0) stays so."""
    start = max(0, span.start_ns + shift_ns) if span.start_ns else 0
    return span._replace(start_ns=start, end_ns=max(0, span.end_ns + shift_ns) if span.end_ns else 0)


def _told(run: _Ingest, found: Iterator[Request]) -> Iterator[Request]:
    """Requests; what came before a bad one is stored before its error goes on."""
    try:
        yield from found
    except SyscardError:
        run.finish()
        raise


def _latest_end(files: list[Path], now: datetime, progress: Callable[[IngestProgress], None]) -> datetime:
    """The latest plausible end over all files: a span from 2100 must not move the rest into the past."""
    limit = (microseconds(now) + 3_600_000_000) * 1000
    latest, spans = 0, 0
    for number, path in enumerate(files):
        for request in requests(path):
            spans += len(request.decoded.spans)
            ends = (s.end_ns for s in request.decoded.spans if s.start_ns >= _YEAR_2000_NS and s.end_ns <= limit)
            latest = max(latest, max(ends, default=0))
        progress(IngestProgress("looking", str(path), number + 1, len(files), spans))
    return _moment(latest) or now


def _moment(nanoseconds: int | None) -> datetime | None:
    return _EPOCH + (nanoseconds // 1000) * _US if nanoseconds else None
