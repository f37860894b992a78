"""More than our receiver can take, for minutes: whether its memory stays where it is."""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from benchmarks.ingest.bodies import Bodies
from benchmarks.ingest.load import flood
from benchmarks.ingest.running import Running

CLIENTS: Final = 256
"""None waits after a refusal: more than can be decoded within the time that a request may wait."""
_EVERY_S: Final = 10.0


class Sample(NamedTuple):
    """One look."""

    memory_mib: float
    rows: int
    disk_mib: float


def overload(server: Running, minutes: float, spans: int) -> str:
    """What was seen, in lines."""
    bodies, over = Bodies(spans), threading.Event()
    try:
        server.start(bodies.one())
        with ThreadPoolExecutor(1) as pool:
            flooding = pool.submit(flood, server.door, bodies.kind, bodies.one, CLIENTS, over)
            try:
                samples = _samples(server, minutes * 60)
            finally:
                over.set()
            statuses = Counter(flooding.result())
        server.wait_for((statuses[200] + 1) * spans)
        return _told(samples, statuses, spans, server.rows(), minutes)
    finally:
        server.kill()


def _samples(server: Running, seconds: float) -> list[Sample]:
    end, found = time.monotonic() + seconds, []
    while time.monotonic() < end:
        time.sleep(min(_EVERY_S, seconds / 9))
        found.append(Sample(server.memory(), server.rows(), server.disk() / 2**20))
    return found


def _told(samples: Sequence[Sample], statuses: Counter[int], spans: int, rows: int, minutes: float) -> str:
    third = max(len(samples) // 3, 1)
    lines = [f"{minutes:g} minutes, {CLIENTS} senders that never wait, {spans} spans a request"]
    for name, begin in (("first", 0), ("second", third), ("last", 2 * third)):
        part = [sample.memory_mib for sample in samples[begin : begin + third]]
        lines.append(f"memory, {name} third: {min(part):,.0f} / {statistics.median(part):,.0f} / {max(part):,.0f} MiB"
                     " (least / median / most, PSS)")  # fmt: skip
    answers = ", ".join(f"{count:,} x {status or 'no answer'}" for status, count in sorted(statuses.items()))
    acknowledged = (statuses[200] + 1) * spans
    lines += [f"answers: {answers}", f"acknowledged {acknowledged:,} spans, queryable in the end {rows:,}"]
    return "\n".join([*lines, f"disk at the end of the load: {samples[-1].disk_mib:,.0f} MiB"])
