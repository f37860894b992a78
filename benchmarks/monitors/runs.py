"""Runs of detectors over streams, many at a time. Not in `__main__`, which a process that is spawned does not load."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from benchmarks.monitors import streams
from benchmarks.monitors.detectors import LOOKS, SIGNALS, Detector
from benchmarks.monitors.streams import CHANGES, LOOK, STREAMS, Stream

_BEFORE: Final = 200
"""Looks before the change."""
_AFTER: Final = 400
"""Looks after it; who has found nothing by then has missed it."""


class Delay(NamedTuple):
    """What one detector made of one change, over all runs."""

    early: int
    missed: int
    looks: tuple[int, ...]
    """Of the runs in which it was found."""


def false_alarms(pool: ProcessPoolExecutor, present: Sequence[type[Detector]], runs: int) -> list[str]:
    """A table of runs with any alarm, by stream."""
    lines = [f"Runs of {SIGNALS} signals and {LOOKS:,} looks of {LOOK} with any false alarm, of {runs}", ""]
    lines += [f"| | {' | '.join(STREAMS)} |", "| --- |" + " --- |" * len(STREAMS)]
    for kind in present:
        counts = []
        for name in STREAMS:
            found = pool.map(partial(_any_alarm, kind, name), range(runs))
            counts.append(f"{sum(found)} of {runs}")
        lines.append(f"| {kind.name} | {' | '.join(counts)} |")
        sys.stderr.write(f"{kind.name}: false alarms counted\n")
    return lines


def _any_alarm(kind: type[Detector], name: str, run: int) -> bool:
    return any(_alarms(kind, STREAMS[name], run * SIGNALS + signal) for signal in range(SIGNALS))


def _alarms(kind: type[Detector], stream: Stream, seed: int) -> bool:
    rng = np.random.default_rng(seed)
    detector = kind(*streams.reference(stream, rng), seed)
    return any(detector.alarm(*streams.look(stream, rng, number)) for number in range(LOOKS))


def delays(pool: ProcessPoolExecutor, present: Sequence[type[Detector]], runs: int) -> list[str]:
    """A table of looks until a change is found."""
    lines = [f"Looks until a change is found: mean (median; early, missed of {runs})", ""]
    lines += [f"| | {' | '.join(CHANGES)} |", "| --- |" + " --- |" * len(CHANGES)]
    for kind in present:
        told = [_told(_delay(pool, kind, change, runs)) for change in CHANGES]
        lines.append(f"| {kind.name} | {' | '.join(told)} |")
        sys.stderr.write(f"{kind.name}: delays measured\n")
    return lines


def _delay(pool: ProcessPoolExecutor, kind: type[Detector], change: str, runs: int) -> Delay:
    found = list(pool.map(partial(_found, kind, change), range(runs)))
    return Delay(
        sum(looks is not None and looks <= 0 for looks in found),
        sum(looks is None for looks in found),
        tuple(looks for looks in found if looks is not None and looks > 0),
    )


def _found(kind: type[Detector], change: str, run: int) -> int | None:
    """Looks from the change until the alarm: zero or less is early, None is missed."""
    name, changed = CHANGES[change]
    stream, rng = STREAMS[name], np.random.default_rng(1_000_000 + run)
    detector = kind(*streams.reference(stream, rng), run)
    for number in range(_BEFORE + _AFTER):
        values, hour = streams.look(stream, rng, number)
        since = number - _BEFORE
        if since >= 0:
            values = changed(rng, values, np.full(LOOK, since))
        if detector.alarm(values, hour):
            return since + 1
    return None


def _told(delay: Delay) -> str:
    if not delay.looks:
        return f"- (-; {delay.early}, {delay.missed})"
    mean, median = statistics.fmean(delay.looks), statistics.median(delay.looks)
    return f"{mean:.1f} ({median:g}; {delay.early}, {delay.missed})"
