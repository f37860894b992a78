"""What a look of the monitors costs behind 1 M and behind 10 M stored spans, as many a day.

Both lakes are made through the real schema and writer, 100,000 spans a day, eight a request, and sorted by the real
upkeep. The monitors stand at their ends, with a baseline of the first 2,000 requests and the claims of the demo; each
round brings both the same new requests and looks at them in turn, so that load falls on both.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from syscard.clock import ReplayClock
from syscard.declare import declaring
from syscard.edits import Author, AuthorKind
from syscard.home import Home
from syscard.observation import arrow_schema
from syscard.records.store import Records
from syscard.system_file import parse_system
from syscard_configs import read_text
from syscard_monitors.assemble import Frontier, micros
from syscard_monitors.drift import DriftWorker
from syscard_monitors.memory import Memory
from syscard_monitors.watch import Watcher
from syscard_tracing import upkeep
from syscard_tracing.lake import Lake
from syscard_tracing.roller import open_lake
from syscard_tui.wiring import House

REF: Final = "shop-recommender"
SIZES: Final = (1_000_000, 10_000_000)
A_DAY: Final = 100_000
SPANS: Final = 8
NEW: Final = 200
"""Requests in one look: ten windows."""
ROUNDS: Final = 15
BASELINE: Final = 2_000
BEGIN: Final = datetime(2026, 7, 1, tzinfo=UTC)
_DAY_US: Final = 86_400_000_000
_PARTS: Final = ("agent", "cf", "vlm", "vlm", "llm", "cf", "vlm", "llm")
_NAMES: Final = ("invoke_agent agent", *["call"] * (SPANS - 1))
_HUMAN: Final = Author(kind=AuthorKind.HUMAN, name="benchmark")


class Stand:
    """One home: its lake, and the monitors at the lake's end."""

    def __init__(self, folder: Path, size: int) -> None:
        """Make the lake, declare the demo's system, set the baseline and skip what lies between."""
        self.size = size
        self._end = BEGIN + timedelta(days=size // A_DAY)
        self._clock = ReplayClock(self._end)
        self.house = House(Home(folder).create(), self._clock)
        self._lake, self._sequence = open_lake(self.house.home), 0
        _fill(self._lake, size // A_DAY)
        self.files = self._lake.stats().files

    def prepared(self, records: Records) -> Watcher:
        """The monitors, as if they had seen everything."""
        system = parse_system(read_text("examples", "recommender.yaml"), "recommender.yaml")
        with records.transaction() as transaction:
            drafts = declaring(transaction.newest(REF)[0], system, _HUMAN, self._clock())
            transaction.append(REF, drafts, cause="apply", recorded=self._clock())
        worker = DriftWorker()
        watcher = self.house.watcher(records, worker)
        until = BEGIN + timedelta(days=BASELINE * SPANS / A_DAY)
        watcher.set_baseline(REF, "launch", _HUMAN, BEGIN, until)
        worker.close()
        end = micros(self._end)
        memory = Memory(frontier=Frontier(end, ""), watermark_us=end, newest_us=end, received_us=end)
        with records.transaction() as transaction:
            transaction.set_watch(REF, memory.body())
        return watcher

    def bring(self, number: int) -> None:
        """New requests, two seconds apart, in one append."""
        begins = micros(self._end) + (number * NEW + np.arange(NEW)) * 2_000_000
        self._sequence += 1
        self._lake.append(_table(np.random.default_rng([self.size, number]), begins), "inbox-new", self._sequence)
        last = datetime.fromtimestamp(int(begins[-1]) / 1e6, UTC)
        self._clock.move_to(last + timedelta(minutes=2))


def table() -> list[str]:
    """Markdown: CPU and elapsed milliseconds of a look, median of the rounds."""
    with tempfile.TemporaryDirectory() as folder:
        stands = [Stand(Path(folder) / str(size), size) for size in SIZES]
        took = _rounds(stands)
    lines = [f"A look at {NEW} new requests ({NEW // 20} windows), median of {ROUNDS}", "",
             "| | 1 M stored | 10 M stored | times |", "| --- | --- | --- | --- |"]  # fmt: skip
    lines.append(f"| data files | {stands[0].files} | {stands[1].files} | |")
    for name, place in (("CPU ms", 0), ("elapsed ms", 1)):
        small, big = (statistics.median(one[place] for one in took[size]) for size in SIZES)
        lines.append(f"| {name} | {small:,.0f} | {big:,.0f} | {big / small:.2f} |")
    return lines


def _rounds(stands: list[Stand]) -> dict[int, list[tuple[float, float]]]:
    took: dict[int, list[tuple[float, float]]] = {stand.size: [] for stand in stands}
    with stands[0].house.records() as small, stands[1].house.records() as big:
        watchers = [stand.prepared(records) for stand, records in zip(stands, (small, big), strict=True)]
        for number in range(ROUNDS + 1):
            for stand, watcher in zip(stands, watchers, strict=True):
                stand.bring(number)
                took[stand.size].append(_timed(watcher))
    return {size: found[1:] for size, found in took.items()}  # the first look reads libraries in


def _timed(watcher: Watcher) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    tick = watcher.tick(REF)
    spent = (time.process_time() - cpu) * 1000, (time.perf_counter() - wall) * 1000
    if tick.windows < NEW // 20 - 1:
        raise SystemExit(f"a look saw {tick.windows} windows")
    return spent


def _fill(lake: Lake, days: int) -> None:
    lake.create()
    rng = np.random.default_rng(11)
    for day in range(days):
        begins = np.sort(rng.integers(0, _DAY_US - 10_000_000, A_DAY // SPANS)) + micros(BEGIN) + day * _DAY_US
        lake.append(_table(rng, begins), "inbox-old", day + 1)
    upkeep.settle(lake, BEGIN + timedelta(days=days + 2))


def _table(rng: np.random.Generator, begins: Any) -> pa.Table:
    """Spans of requests that begin at these moments (microseconds), in order of arrival."""
    requests = len(begins)
    ids = np.array([f"{high:016x}{low:016x}" for high, low in rng.integers(0, 2**63, (requests, 2))])
    start = np.repeat(begins, SPANS) + np.tile(np.arange(SPANS) * 50_000, requests)
    count = len(start)
    spans = np.array([f"{number:016x}" for number in rng.integers(0, 2**63, count)])
    roots = np.repeat(spans[::SPANS], SPANS)
    parents = [None if place % SPANS == 0 else root for place, root in enumerate(roots)]
    agrees = rng.random(count) < 0.95
    features = [f'{{"vlm.agrees": {str(bool(a)).lower()}}}' for a in agrees]
    columns = {
        "trace_id": pa.array(np.repeat(ids, SPANS)),
        "span_id": pa.array(spans),
        "parent_span_id": pa.array(parents, pa.string()),
        "name": pa.array([*_NAMES] * requests),
        "day": pa.array([datetime.fromtimestamp(int(us) / 1e6, UTC).date() for us in start], pa.date32()),
        "start": pa.array(start, pa.timestamp("us", tz="UTC")),
        "duration_us": pa.array(np.where(np.arange(count) % SPANS, rng.integers(1_000, 40_000, count), 500_000)),
        "received": pa.array(start + 1_000_000, pa.timestamp("us", tz="UTC")),
        "service": pa.array([REF] * count),
        "component": pa.array(np.tile(np.array(_PARTS), requests)),
        "operation": pa.array(["step"] * count),
        "features": pa.array(features),
        "clock_suspect": pa.array([False] * count),
    }
    schema = arrow_schema()
    return pa.table([columns.get(f.name, pa.nulls(count, f.type)) for f in schema], schema=schema)
