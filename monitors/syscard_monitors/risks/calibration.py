"""What a baseline keeps of every risk: what is usual, and how large its effect gets over windows without a change."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from syscard.risks import Calibration, CatalogueRisk, catalogue
from syscard.system import SYSTEM, System
from syscard_monitors.assemble import Request
from syscard_monitors.packs import WINDOW
from syscard_monitors.risks.base import Case, CaseMaker, Lacking, Reading, Risk
from syscard_monitors.risks.registry import RISKS
from syscard_monitors.stats import quantile
from syscard_monitors.strata import Strata

_log = logging.getLogger("syscard.monitors")
EVERY: Final = 5
"""Windows between two assessments."""
BETWEEN: Final = EVERY * WINDOW
"""Requests."""
MOST: Final = 500
"""Newest requests that are assessed together."""
LEAST_WINDOWS: Final = 20
"""Of a baseline, for its quantile to say anything."""
MOST_WINDOWS: Final = 40
"""Evenly spaced over a long baseline: setting one must not take long."""
QUANTILE: Final = 0.99
METHOD: Final = "99th percentile of the effect over windows of the baseline's own requests, which overlap"


def places_of(system: System) -> tuple[tuple[Risk, str], ...]:
    """Every risk in every place that this system has for it, in the order of the catalogue."""
    return tuple((risk, about) for risk in RISKS for about in risk.places(system))


def without_place(system: System) -> tuple[Risk, ...]:
    """Risks that this system has no place for, as it is declared."""
    return tuple(risk for risk in RISKS if not risk.places(system))


def name_of(risk: Risk, about: str = SYSTEM) -> str:
    """`IR-13 agent->cf`."""
    return f"{risk.id} {about}"


def usual_of(system: System, strata: Strata, requests: Sequence[Request]) -> dict[str, Any]:
    """By risk and place: `usual` or what it `lacks`, and the effects over the baseline's windows, as JSON."""
    maker = CaseMaker(system, strata, requests, "baseline")
    places = {name_of(risk, about): (risk, about) for risk, about in places_of(system) if not risk.invariant}
    found = {name: _usual(risk, maker, about) for name, (risk, about) in places.items()}
    asked = {name: places[name] for name, kept in found.items() if "usual" in kept and _is_calibrated(places[name][0])}
    effects: dict[str, list[float]] = {name: [] for name in asked}
    for start in starts_of(len(requests)):
        window = maker.part(start, MOST)
        for name, (risk, about) in asked.items():
            if "usual" in found[name]:
                found[name] |= _in_window(risk, window.case(about), found[name]["usual"], effects[name])
    return {name: _calibrated(kept, effects.get(name, [])) for name, kept in found.items()}


def starts_of(requests: int) -> tuple[int, ...]:
    """Where the windows of a baseline begin: evenly spaced, a quarter of one apart, closer where that is too few.

    None where the baseline is not twice as long as a window: they would be one and the same.
    """
    room = requests - MOST
    if room < MOST:
        return ()
    count = min(MOST_WINDOWS, max(LEAST_WINDOWS, room // (MOST // 4) + 1))
    return tuple(round(i * room / (count - 1)) for i in range(count))


def _is_calibrated(risk: Risk) -> bool:
    return catalogue()[risk.id].calibrated


def _usual(risk: Risk, maker: CaseMaker, about: str) -> dict[str, Any]:
    try:
        usual = risk.usual(maker.case(about))
    except Exception as error:  # noqa: BLE001 - one risk must not stop a baseline
        return _failed(risk, about, error)
    return {"lacks": [usual.why, usual.needs, usual.n]} if isinstance(usual, Lacking) else {"usual": usual}


def _in_window(risk: Risk, case: Case, usual: Mapping[str, Any], effects: list[float]) -> dict[str, Any]:
    """Adds the effect in one window; what is to be told where the monitor fails in it."""
    try:
        reading = risk.assess(case, usual)
    except Exception as error:  # noqa: BLE001 - one risk must not stop a baseline
        return _failed(risk, case.about, error)
    if isinstance(reading, Reading) and math.isfinite(reading.effect):
        effects.append(reading.effect)
    return {}


def _failed(risk: Risk, about: str, error: Exception) -> dict[str, Any]:
    _log.error("what is usual of %s in %s cannot be computed", risk.id, about, exc_info=error)
    return {"lacks": [f"the monitor failed ({type(error).__name__}), see the log", None, 0]}


def _calibrated(kept: dict[str, Any], effects: Sequence[float]) -> dict[str, Any]:
    if "lacks" in kept:
        return {"lacks": kept["lacks"]}
    return {**kept, "windows": len(effects)} | (
        {"quantile": quantile(effects, QUANTILE)} if len(effects) >= LEAST_WINDOWS else {}
    )


def calibration_of(risk: str, about: str, kept: Mapping[str, Any]) -> Calibration:
    """The threshold of a risk in a place, and where it comes from."""
    entry, value = catalogue()[risk], kept.get("quantile")
    return Calibration(
        risk=risk,
        about=about,
        windows=kept.get("windows", 0),
        size=MOST,
        quantile=QUANTILE,
        value=value,
        default=entry.threshold,
        threshold=entry.threshold if value is None else max(entry.threshold, float(f"{value:.6g}")),
        method=METHOD if value is not None else _why_default(entry, kept.get("windows", 0)),
    )


def _why_default(entry: CatalogueRisk, windows: int) -> str:
    if not entry.calibrated:
        return "the catalogue's, whatever the baseline"
    return f"the catalogue's: {windows} windows of the baseline say something, {LEAST_WINDOWS} are needed"
