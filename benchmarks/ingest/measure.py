"""What is measured of one server that runs."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Final, NamedTuple

from benchmarks.ingest.bodies import Bodies
from benchmarks.ingest.load import Sent, closed, paced, percentiles_ms
from benchmarks.ingest.running import Running

_LOOK_S: Final = 0.2
_TICK_S: Final = 0.01
"""What the kernel counts CPU in."""


class Load(NamedTuple):
    """One closed-loop load."""

    per_cpu: float
    """Queryable spans per second of the server's CPU."""
    per_second: float
    """Queryable spans per second: load and what is left to be rolled."""
    p50_ms: float
    p99_ms: float
    lag_s: float
    """From the last acknowledgement until the last span is queryable."""
    lost: int
    """Acknowledged spans that never became queryable."""


class Pace(NamedTuple):
    """One open-loop load."""

    rate: float
    p50_ms: float
    p99_ms: float
    lag_p50_s: float
    """From when a request was due until its spans are queryable."""
    lag_max_s: float
    refused: int
    """Requests that were not answered with 200."""


class Crash(NamedTuple):
    """What a kill -9 right after an acknowledgement left."""

    acknowledged: int
    kept: int
    restart_s: float


def closed_load(server: Running, bodies: Bodies, spans: int) -> Load:
    """As fast as it answers."""
    made = bodies.take(max(spans // bodies.spans, 4))
    rows, cpu, begin = server.rows(), server.cpu(), time.monotonic()
    sent = closed(server.door, bodies.kind, made)
    acknowledged = _acknowledged(sent) * bodies.spans
    acked = end = max(each.answered for each in sent)
    if server.subject.stores:
        end = server.wait_for(rows + acknowledged)
    used = max(server.cpu() - cpu, _TICK_S)
    found = server.rows() - rows if server.subject.stores else acknowledged
    p50, p99 = percentiles_ms(sent)
    return Load(found / used, found / (end - begin), p50, p99, max(end - acked, 0.0), acknowledged - found)


def paced_load(server: Running, bodies: Bodies, rate: float, seconds: float) -> Pace:
    """So many spans a second, whatever comes back."""
    made = bodies.take(max(round(rate * seconds / bodies.spans), 4))
    rows = server.rows()
    with _watched(server) as looks:
        sent = paced(server.door, bodies.kind, made, rate / bodies.spans)
        if server.subject.stores:
            server.wait_for(rows + _acknowledged(sent) * bodies.spans)
    found = lags(sent, bodies.spans, rows, looks) if server.subject.stores else [0.0]
    p50, p99 = percentiles_ms(sent)
    return Pace(rate, p50, p99, statistics.median(found), max(found), len(sent) - _acknowledged(sent))


def crash(server: Running, bodies: Bodies, requests: int) -> Crash:
    """Send, kill -9 right after the last 200, start again, count."""
    made = bodies.take(requests)
    before, rows = server.subject.distinct(server.folder), server.rows()
    acknowledged = _acknowledged(closed(server.door, bodies.kind, made)) * bodies.spans
    server.kill()
    restart = server.start(bodies.one())
    server.wait_for(rows + acknowledged + bodies.spans)
    return Crash(acknowledged, server.subject.distinct(server.folder) - before - bodies.spans, restart)


def _acknowledged(sent: Sequence[Sent]) -> int:
    return sum(each.status == 200 for each in sent)


@contextmanager
def _watched(server: Running) -> Iterator[list[tuple[float, int]]]:
    """(when, rows) of looks that another thread takes."""
    looks: list[tuple[float, int]] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_S):
            rows = server.rows()
            looks.append((time.monotonic(), rows))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield looks
    finally:
        time.sleep(2 * _LOOK_S)
        over.set()
        watcher.join()


def lags(sent: Sequence[Sent], spans: int, rows: int, looks: Sequence[tuple[float, int]]) -> list[float]:
    """Seconds for each request, taken to become queryable in the order of the answers; infinite where it never did."""
    taken = sorted((each for each in sent if each.status == 200), key=lambda each: each.answered)
    found, seen = [], iter([*looks, (float("inf"), 2**63)])
    when, count = next(seen)
    for each, wanted in zip(taken, accumulate([spans] * len(taken), initial=rows + spans), strict=False):
        while count < wanted:
            when, count = next(seen)
        found.append(when - each.due)
    return found
