"""What watching costs: `python -m benchmarks.monitors --only cost`. CPU seconds, everything in one run.

A window goes through `findings_of` as in the watch: expressions, effects, strata, evidence, verdicts. Neither the lake
nor the records are in it, nor Evidently, which is asked only where a breach begins.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.monitors.streams import LOOK
from syscard.card import Card
from syscard.fold import empty_card
from syscard.system_file import parse_system
from syscard_configs import read_text
from syscard_monitors.assemble import Request
from syscard_monitors.baseline import references, signal_values
from syscard_monitors.graph import Graph
from syscard_monitors.memory import Memory
from syscard_monitors.packs import WINDOW, Kind, Signal
from syscard_monitors.plan import Plan
from syscard_monitors.severity import SeverityRule
from syscard_monitors.strata import Strata, strata_of
from syscard_monitors.window import findings_of, window_of

SIGNALS: Final = 25
REFERENCE: Final = 10_000
WINDOWS: Final = (20, LOOK)
STREAM: Final = 1_000_000
"""Requests of the memory's stream."""
ROUND: Final = 4_000
"""Requests of one round of timing."""
_MIX: Final[dict[Kind, int]] = {"number": 9, "share": 6, "rate": 4, "latency": 4, "category": 2}
_KINDS: Final = tuple(kind for kind, count in _MIX.items() for _ in range(count))
_BANDS: Final = ("19-24", "25-34", "35-44", "45-54")
_TOLERANCE: Final = {"number": 0.9, "share": 0.5, "rate": 0.5, "latency": 3.0, "category": 0.9}


def signals() -> tuple[Signal, ...]:
    """25 of the kinds that a recommender has, none of which is beyond its tolerance."""
    return tuple(
        Signal(name=f"s{k}", about="vlm", label=f"s{k}", says="", owner="discovery", window=WINDOW,
               expr=f"vlm.s{k}", kind=kind, topic="quality", direction="both", tolerance=_TOLERANCE[kind], floor=0.0,
               unit="", alpha=0.001, min_n=200, min_window=10, persist=2, severity=SeverityRule(**{"is": "ticket"}),
               optional=False)
        for k, kind in enumerate(_KINDS)
    )  # fmt: skip


def requests(n: int, seed: int, first: int = 0) -> list[Request]:
    """Requests ten seconds apart, each with one value of every signal and a segment."""
    rng = np.random.default_rng(seed)
    columns = [_column(kind, n, rng) for kind in _KINDS]
    bands = rng.integers(0, len(_BANDS), n).tolist()
    return [_request(first + i, _BANDS[bands[i]], row) for i, row in enumerate(zip(*columns, strict=True))]


def _column(kind: Kind, n: int, rng: np.random.Generator) -> list[Any]:
    if kind == "category":
        return [f"c{k}" for k in rng.integers(0, 8, n)]
    if kind in ("share", "rate"):
        return [bool(x) for x in rng.random(n) < (0.9 if kind == "share" else 0.02)]
    return [float(x) for x in (rng.lognormal(5, 0.5, n) if kind == "latency" else rng.normal(size=n))]


def _request(number: int, band: str, row: Sequence[Any]) -> Request:
    start = 1_790_000_000_000_000 + number * 10_000_000
    values = {f"vlm.s{k}": [value] for k, value in enumerate(row)}
    return Request(f"{number:032x}", "root", start, start + 1_000_000, start + 1_000_000,
                   {**values, "vlm.call": [True], "segment.age_band": [band]})  # fmt: skip


def plan(*, strata: bool) -> tuple[Card, Plan]:
    """What is watched, against a reference of 10,000 requests (more than a day), told apart by hour and band or not."""
    system = parse_system(read_text("examples", "recommender.yaml"), "recommender.yaml")
    known, watched = requests(REFERENCE, seed=1), signals()
    told = strata_of(system, ("vlm",), known) if strata else Strata()
    names = told.of("vlm", known)
    values: dict[str, Any] = {"per_minute": 6.0, "signals": {}}
    for signal in watched:
        found: dict[str, list[Any]] = {}
        for value, name in zip(signal_values(signal, known, None) or (), names, strict=True):
            found.setdefault(name, []).append(value)
        kept = {name: sorted(of) for name, of in found.items()}
        values["signals"][signal.key] = kept if strata else kept[""]
    graph = Graph(frozenset(system.components), frozenset(system.edges))
    return empty_card(system.system.ref), Plan(system, watched, graph, references(values), told, "0" * 64)


def windows(card: Card, watched: Plan, memory: Memory, found: Sequence[Request], size: int) -> None:
    """Look at these requests, window by window."""
    for start in range(0, len(found), size):
        some = found[start : start + size]
        findings_of(card, watched, memory, some, window_of(memory.windows, some), lambda _: {})
        memory.frontier, memory.windows, memory.pace_us = some[-1].place, memory.windows + 1, size * 10_000_000


def microseconds(size: int, *, strata: bool, rounds: int = 3) -> float:
    """CPU microseconds a value of a signal, the least of some rounds; building detectors is not in it."""
    card, watched = plan(strata=strata)
    memory, least = Memory(), float("inf")
    windows(card, watched, memory, requests(size, seed=2), size)
    for number in range(rounds):
        found = requests(ROUND, seed=3 + number, first=REFERENCE + number * ROUND)
        started = time.process_time()
        windows(card, watched, memory, found, size)
        least = min(least, (time.process_time() - started) / ROUND / SIGNALS * 1e6)
    return least


def memory_of_a_stream(n: int = STREAM, size: int = LOOK) -> tuple[float, float, float]:
    """Watch so many requests in one process: MB after a tenth, and at most; CPU seconds of the watching alone."""
    card, watched = plan(strata=True)
    memory, after_a_tenth, spent = Memory(), 0.0, 0.0
    for number in range(n // ROUND):
        found = requests(ROUND, seed=number, first=REFERENCE + number * ROUND)
        started = time.process_time()
        windows(card, watched, memory, found, size)
        spent += time.process_time() - started
        if number == n // ROUND // 10:
            after_a_tenth = _peak_mb()
    return after_a_tenth, _peak_mb(), spent


def _peak_mb() -> float:
    """Of this program: what `getrusage` tells is handed on by the process that started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))) / 1024


def beside_others(now: int = 1_000) -> tuple[float, float, float]:
    """CPU seconds of 25 columns of so many values against 10,000: ours, SciPy's KS of each, one Evidently report."""
    card, watched = plan(strata=False)
    memory, found = Memory(), requests(now, seed=2, first=REFERENCE)
    windows(card, watched, memory, requests(LOOK, seed=3), LOOK)  # detectors are built once, and not in the figure
    ours = _cpu(lambda: windows(card, watched, memory, found, LOOK))
    rng = np.random.default_rng(4)
    pairs = [(rng.normal(size=REFERENCE), rng.normal(size=now)) for _ in range(SIGNALS)]
    return ours, _cpu(lambda: _tests(pairs)), _cpu(_evidently(pairs))


def _cpu(does: Callable[[], object], rounds: int = 3) -> float:
    """The least of some rounds: the first imports, or fills caches."""
    least = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        does()
        least = min(least, time.process_time() - started)
    return least


_Pairs = Sequence[tuple[Any, Any]]


def _tests(pairs: _Pairs) -> None:
    from scipy.stats import ks_2samp

    for before, now in pairs:
        ks_2samp(before, now, method="asymp")


def _evidently(pairs: _Pairs) -> Callable[[], object]:
    """A report of the drift of every column, by the explicit method that the monitors ask for."""
    import pandas as pd
    from evidently import Report
    from evidently.metrics import ValueDrift

    before, now = (pd.DataFrame({f"s{k}": pair[side] for k, pair in enumerate(pairs)}) for side in (0, 1))
    report = Report([ValueDrift(column=name, method="ks", threshold=0.001) for name in before.columns])
    return lambda: report.run(now, before)


def lines() -> Iterator[str]:
    """The tables, in Markdown."""
    yield "CPU microseconds a value of a signal, whole windows (least of three rounds)"
    yield from ("", "| | windows of 20 | windows of 100 |", "| --- | --- | --- |")
    for strata, name in ((False, "no strata"), (True, "strata of hour and segment")):
        cells = (f"{microseconds(size, strata=strata):.1f}" for size in WINDOWS)
        yield f"| {name} | {' | '.join(cells)} |"
    ours, tests, report = beside_others()
    yield from ("", "25 columns, 1,000 values against 10,000, CPU seconds", "")
    yield from (
        '| ours, ten windows of 100 | `ks_2samp(method="asymp")` | one Evidently report |',
        "| --- | --- | --- |",
    )
    yield f"| {ours:.3f} | {tests:.3f} ({tests / ours:.1f} x) | {report:.2f} ({report / ours:.0f} x) |"


def stream(n: int) -> str:
    """The memory of a stream, to be measured in a process of its own: the peak is that of a whole process."""
    early, peak, spent = memory_of_a_stream(n)
    return (f"25 signals x {n:,} requests in one process: {peak:.0f} MB at most, {early:.0f} MB after a tenth; "
           f"{spent:.0f} CPU seconds, {spent / n / SIGNALS * 1e6:.1f} us a value.")  # fmt: skip
