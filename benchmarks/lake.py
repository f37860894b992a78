"""Reading the lake: a trace by (id, start), and five minutes of three columns, at 1 M and 10 M spans.

Run: `make bench-lake`. Both lakes are made through the real schema and writer in a temporary folder, ten days each (so
the big one is ten times as dense), and sorted by the real upkeep; the looks take turns, so that load falls on both.
"""

from __future__ import annotations

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from syscard.observation import arrow_schema
from syscard_tracing import upkeep
from syscard_tracing.lake import Lake

DAYS = 10
SIZES = (1_000_000, 10_000_000)
SPANS = 8
"""In one request."""
LOOKS = 40
BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
DAY_US = 86_400_000_000
COMPONENTS = ("agent", "cf", "vlm", "llm", "cf", "vlm", "llm", "llm")
Trace = tuple[str, datetime]


def main() -> None:
    """Make both lakes, look, print a table."""
    with tempfile.TemporaryDirectory() as folder:
        lakes = [_made(Lake(Path(folder) / str(size)), size) for size in SIZES]
        _looked(lakes)


def _made(lake: Lake, size: int) -> tuple[Lake, list[Trace]]:
    lake.create()
    rng, picked = np.random.default_rng(size), []
    for day in range(DAYS):
        rows, traces = _day(rng, day, size // DAYS // SPANS)
        half = rows.num_rows // 2
        # Two rolls whose times overlap: late spans.
        for part, seq in ((rows.slice(0, half + 500), 2 * day + 1), (rows.slice(half + 500), 2 * day + 2)):
            lake.append(part, "inbox-bench", seq)
        picked += traces
    settled = upkeep.settle(lake, BEGIN + timedelta(days=DAYS + 2))
    stats = lake.stats()
    sys.stdout.write(f"{stats.rows:,} spans: {DAYS} days, {len(settled)} sorted, {stats.files} files, "
                     f"{stats.bytes / stats.rows:.0f} B/span\n")  # fmt: skip
    return lake, picked[:: len(picked) // LOOKS][:LOOKS]


def _day(rng: np.random.Generator, day: int, requests: int) -> tuple[pa.Table, list[Trace]]:
    """Spans of one day in order of arrival, and some of its traces."""
    begins = np.sort(rng.integers(0, DAY_US - 10_000_000, requests)) + int(BEGIN.timestamp()) * 1_000_000 + day * DAY_US
    ids = np.array([f"{high:016x}{low:016x}" for high, low in rng.integers(0, 2**63, (requests, 2))])
    start = np.repeat(begins, SPANS) + np.tile(np.arange(SPANS) * 50_000, requests)
    count = len(start)
    parents = [None if place == 0 else f"{place:016x}" for place in range(SPANS)] * requests
    columns = {
        "trace_id": pa.array(np.repeat(ids, SPANS)),
        "span_id": pa.array([f"{number:016x}" for number in rng.integers(0, 2**63, count)]),
        "parent_span_id": pa.array(parents, pa.string()),
        "day": pa.array([(BEGIN + timedelta(days=day)).date()] * count, pa.date32()),
        "start": pa.array(start, pa.timestamp("us", tz="UTC")),
        "duration_us": pa.array(rng.integers(100, 400_000, count)),
        "received": pa.array(start + 1_000_000, pa.timestamp("us", tz="UTC")),
        "service": pa.array(["shop"] * count),
        "component": pa.array(np.tile(np.array(COMPONENTS), requests)),
        "clock_suspect": pa.array([False] * count),
    }
    schema = arrow_schema()
    table = pa.table([columns.get(f.name, pa.nulls(count, f.type)) for f in schema], schema=schema)
    some = rng.integers(0, requests, LOOKS)
    return table, [(str(ids[i]), datetime.fromtimestamp(int(begins[i]) / 1_000_000, UTC)) for i in some]


def _looked(lakes: list[tuple[Lake, list[Trace]]]) -> None:
    figures: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for turn in range(LOOKS):
        for number, (lake, traces) in enumerate(lakes):
            for name, look in (("trace by (id, start)", _trace), ("five minutes, three columns", _window)):
                figures.setdefault((name, number), []).append(_timed(look, lake, traces[turn]))
    sys.stdout.write(f"\n| median of {LOOKS}, ms | 1 M | 10 M | times |\n|---|---|---|---|\n")
    for name in ("trace by (id, start)", "five minutes, three columns"):
        for kind, place in (("elapsed", 0), ("CPU", 1)):
            small, big = (statistics.median(f[place] for f in figures[name, n]) for n in (0, 1))
            sys.stdout.write(f"| {name}, {kind} | {small:.1f} | {big:.1f} | {big / small:.2f} |\n")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    sys.stdout.write(f"\nmost memory: {peak:.1f} GB\n")


def _timed(look: Callable[[Lake, Trace], int], lake: Lake, trace: Trace) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    rows = look(lake, trace)
    took = (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000
    if not rows:
        sys.exit("the look found nothing")
    return took


def _trace(lake: Lake, trace: Trace) -> int:
    found = lake.trace(*trace).height
    return found if found == SPANS else 0


def _window(lake: Lake, trace: Trace) -> int:
    begin = trace[1]
    frame = lake.scan(begin, begin + timedelta(minutes=5)).select("start", "component", "duration_us")
    return pl.DataFrame(frame.collect()).height


if __name__ == "__main__":
    main()
