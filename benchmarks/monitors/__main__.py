"""Changes that are found and alarms that are false: `make bench-monitors`, or `python -m benchmarks.monitors`.

False alarms: of runs of 25 signals and 1,000 looks of 100 values without a change, those with any alarm. Delay: looks
from the change, after 200 without one, until the alarm (1: the first changed look); runs with an alarm before it are
counted as early and have no delay. Every detector gets the same values.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from benchmarks.monitors import cost, streams, ticks
from benchmarks.monitors.detectors import (
    ALL,
    NEEDS,
    Detector,
    KolmogorovSmirnov,
    Ours,
    cusum_threshold,
)
from benchmarks.monitors.faults import outcomes, table
from benchmarks.monitors.runs import delays, false_alarms
from benchmarks.monitors.streams import LOOK, STREAMS, Values


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monitors", description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="runs of 25 signals without a change (20)")
    parser.add_argument("--changes", type=int, default=50, help="runs of each change (50)")
    parser.add_argument("--only", choices=("detectors", "faults", "cost", "ticks"), help="one part alone")
    parser.add_argument("--detectors", nargs="+", help="only those whose name has one of these words")
    parser.add_argument("--stream", type=int, default=cost.STREAM, help="requests whose memory is measured (1,000,000)")
    asked = parser.parse_args()
    present = [kind for kind in ALL if asked.detectors is None or any(name in kind.name for name in asked.detectors)]
    present = [kind for kind in present if kind not in NEEDS or importlib.util.find_spec(NEEDS[kind])]
    wanted = (asked.only,) if asked.only else ("detectors", "faults", "cost", "ticks")
    lines = [_circumstances(), ""]
    # Spawned: what reads and writes the lake has threads, which a fork would not carry along.
    with ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as pool:
        if "detectors" in wanted:
            lines += [*false_alarms(pool, present, asked.runs), "", *delays(pool, present, asked.changes), ""]
        if "faults" in wanted:
            lines += ["Recorded faults, look-alikes and the other normal day", "", *table(outcomes(pool)), ""]
    if "cost" in wanted:
        lines += [*_cost(), "", *cost.lines(), ""]
        lines += [_of_a_program(f"from benchmarks.monitors import cost; print(cost.stream({asked.stream:d}))")]
    if "ticks" in wanted:
        lines += ["", *ticks.table()]
    print("\n".join(lines))  # noqa: T201


def _of_a_program(code: str) -> str:
    """What a program of its own says: this one has other libraries in its memory."""
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)  # noqa: S603
    return ran.stdout


def _circumstances() -> str:
    return (f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; "
            f"made by `python -m benchmarks.monitors {' '.join(sys.argv[1:])}`.")  # fmt: skip


def _cost() -> list[str]:
    """CPU microseconds a value, least of five rounds, in looks of 100 and of 20, beside KS of each look."""
    rng = np.random.default_rng(5)
    told = [
        "CPU a value (least of five rounds of 20,000 values)",
        "",
        "| | looks of 100 | looks of 20 |",
        "| --- | --- | --- |",
    ]
    for kind in (Ours, KolmogorovSmirnov):
        cells = []
        for size in (LOOK, 20):
            detector = kind(*streams.reference(STREAMS["gaussian"], rng), 5)
            looks = [rng.normal(size=size) for _ in range(20_000 // size)]
            cells.append(f"{min(_round(detector, looks) for _ in range(5)):.1f} us")
        told.append(f"| {kind.name} | {' | '.join(cells)} |")
    return [*told, "", f"Threshold of CUSUM, simulated: {cusum_threshold():.1f}."]


def _round(detector: Detector, looks: Sequence[Values]) -> float:
    """CPU microseconds a value."""
    begin = time.process_time()
    for values in looks:
        detector.alarm(values, 0)
    return (time.process_time() - begin) / sum(map(len, looks)) * 1e6


if __name__ == "__main__":
    main()
