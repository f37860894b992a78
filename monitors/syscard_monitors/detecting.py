"""Evidence of the signals that are watched by e-detectors, and how much of it the false-alarm budget asks for."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from syscard.system import FalseAlarms, System
from syscard_monitors import edetector
from syscard_monitors.edetector import Detector, Grid, cell_of
from syscard_monitors.packs import Signal
from syscard_monitors.reference import Reference
from syscard_monitors.strata import EVERYONE

DEFAULT: Final = FalseAlarms(at_most=1, per=timedelta(days=30))
"""The budget of a system that declares none."""
MOST_CELLS: Final = 2_048
"""Cells of one signal over all its strata."""
FEWEST_CELLS: Final = 16
_MICROSECOND: Final = timedelta(microseconds=1)


def budget_of(system: System) -> FalseAlarms:
    """The false alarms that a system may raise while nothing changes."""
    return system.monitors.false_alarms or DEFAULT


def share_of_period(budget: FalseAlarms, pace_us: int) -> float:
    """Share of the budget's period that a look takes when one comes every `pace_us` microseconds."""
    return max(1, pace_us) / (budget.per // _MICROSECOND)


def log_needed(budget: FalseAlarms, signals: int, share: float, alpha: float) -> float:
    """How rare a signal's evidence must be, as a natural logarithm.

    `signals` look once each `share` of a period. An alarm at 1 in N of one look comes at most 1 / (N * share) times a
    period, so with N = signals / (at_most * share) all signals together raise at most `at_most` (union bound). Never
    below what the signal itself asks for, 1 / alpha.
    """
    return max(math.log(max(1, signals) / (budget.at_most * share)), -math.log(alpha))


def uses_detector(signal: Signal, reference: Reference) -> bool:
    """Whether a signal's evidence is gathered over all looks: no exact test of one look has it."""
    return signal.kind in ("share", "ratio", "latency", "category") or (
        signal.kind == "number" and reference.constant is None
    )


def begun(signal: Signal, reference: Reference, baseline: str) -> Detector:
    """A detector that knows the baseline; its seed is made of the baseline's digest and the signal's name."""
    strata: Mapping[str, Sequence[Any]] = reference.strata or {EVERYONE: reference.values}
    grid = _grid(signal, reference, most=min(64, max(FEWEST_CELLS, MOST_CELLS // len(strata))))
    seed = int.from_bytes(hashlib.sha256(f"{baseline}/{signal.key}".encode()).digest()[:8])
    own = {stratum: values for stratum, values in strata.items() if stratum != EVERYONE or not reference.strata}
    known = ((stratum, _cell(signal, grid, value)) for stratum, values in own.items() for value in values)
    return edetector.start(grid, known, seed)


def looked(
    detector: Detector, signal: Signal, reference: Reference, values: Sequence[Any], strata: Sequence[str], share: float
) -> Detector:
    """The detector after one look at these values, one a request; None where a request has none."""
    cells = [
        (stratum, _cell(signal, detector.grid, value))
        for value, stratum in zip(values, strata or [EVERYONE] * len(values), strict=True)
        if value is not None
    ]
    return edetector.advance(_with_everyone(detector, signal, reference, strata), cells, share)


def log_rarity(detector: Detector, share: float) -> float:
    """How many looks without a change there are to one that says as much, as a natural logarithm."""
    return detector.log_evidence - math.log(share)


def restarted(detector: Detector) -> Detector:
    """The detector with what it knows of the values and no evidence: after an alarm is over."""
    return replace(edetector.start(detector.grid, (), detector.seed), counts=detector.counts, seen=detector.seen)


def _grid(signal: Signal, reference: Reference, most: int) -> Grid:
    if signal.kind == "category":
        return edetector.grid_of_categories([str(value) for value in reference.values], most - 1)
    return edetector.grid_of_numbers(reference.everyone.numbers, most)


def _cell(signal: Signal, grid: Grid, value: Any) -> int:
    return cell_of(grid, str(value) if signal.kind == "category" else float(value))


def _with_everyone(detector: Detector, signal: Signal, reference: Reference, strata: Sequence[str]) -> Detector:
    """With the stratum of those who say no segment: they are ranked among all of the baseline."""
    if EVERYONE not in strata or EVERYONE in detector.counts:
        return detector
    everyone = [0] * detector.grid.cells
    for value in reference.values:
        everyone[_cell(signal, detector.grid, value)] += 1
    return replace(detector, counts={**detector.counts, EVERYONE: tuple(everyone)})
