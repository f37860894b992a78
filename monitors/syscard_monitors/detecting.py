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
    """Whether a signal's evidence is gathered over all looks; a rate has the exact test of the last ones beside it."""
    return signal.kind in ("share", "rate", "ratio", "latency", "category") or (
        signal.kind == "number" and reference.constant is None
    )


def begun(signal: Signal, reference: Reference, baseline: str) -> Detector:
    """A detector that knows the baseline; its seed is made of the baseline's digest and the signal's name."""
    strata: Mapping[str, Sequence[Any]] = reference.strata or {EVERYONE: reference.values}
    grid = grid_of(signal, reference)
    seed = int.from_bytes(hashlib.sha256(f"{baseline}/{signal.key}".encode()).digest()[:8])
    known = ((stratum, _cell(signal, grid, value)) for stratum, values in strata.items() for value in values)
    return edetector.start(grid, known, seed)


def cells_of(
    detector: Detector, signal: Signal, reference: Reference, values: Sequence[Any], strata: Sequence[str]
) -> list[tuple[str, int]]:
    """(stratum, cell) of each value, one a request; None where a request has none.

    Values of groups that the baseline has not are left out: what they are like is no evidence of anything.
    """
    of = strata or [EVERYONE] * len(values)
    if signal.kind == "rate":
        of = [stratum if stratum in reference.columns else EVERYONE for stratum in of]
    return [
        (stratum, _cell(signal, detector.grid, value))
        for value, stratum in zip(values, of, strict=True)
        if value is not None and stratum in reference.columns
    ]


def looked(
    detector: Detector,
    signal: Signal,
    reference: Reference,
    cells: Sequence[tuple[str, int]],
    share: float,
    *,
    learns: bool = True,
) -> Detector:
    """The detector after one look at these values."""
    known = _with_everyone(detector, signal, reference, [stratum for stratum, _ in cells])
    return edetector.advance(known, cells, share, learns=learns)


def log_rarity(detector: Detector, share: float) -> float:
    """How many looks without a change there are to one that says as much, as a natural logarithm."""
    return detector.log_evidence - math.log(share)


def with_exact(log_rarity: float, log_exact: float) -> float:
    """The better of two kinds of evidence, at the price of having looked at both."""
    return max(log_rarity, log_exact) - math.log(2)


def grid_of(signal: Signal, reference: Reference) -> Grid:
    """The cells of a signal: of the baseline's values alone, so that they stay when a window's values differ."""
    most = min(64, max(FEWEST_CELLS, MOST_CELLS // max(1, len(reference.strata))))
    if signal.kind == "category":
        return edetector.grid_of_categories([str(value) for value in reference.values], most - 1)
    if signal.kind == "rate":
        return edetector.grid_of_numbers([0.0, 1.0], most)
    return edetector.grid_of_numbers(reference.everyone.numbers, most)


def _cell(signal: Signal, grid: Grid, value: Any) -> int:
    if signal.kind == "category":
        return cell_of(grid, str(value))
    return cell_of(grid, float(value > 0) if signal.kind == "rate" else float(value))


def _with_everyone(detector: Detector, signal: Signal, reference: Reference, strata: Sequence[str]) -> Detector:
    """With the stratum of those of whom the baseline has no like: they are ranked among all of it."""
    if EVERYONE not in strata or EVERYONE in detector.counts:
        return detector
    everyone = [0] * detector.grid.cells
    for value in reference.values:
        everyone[_cell(signal, detector.grid, value)] += 1
    return replace(detector, counts={**detector.counts, EVERYONE: tuple(everyone)})
