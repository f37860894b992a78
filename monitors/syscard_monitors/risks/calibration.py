"""What a baseline keeps of every risk: what is usual, and how large its effect gets over windows without a change."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from syscard.risks import Calibration, catalogue
from syscard.system import SYSTEM, System
from syscard_monitors.assemble import Request
from syscard_monitors.packs import WINDOW
from syscard_monitors.risks.base import CaseMaker, Lacking, Reading, Risk
from syscard_monitors.risks.registry import RISKS
from syscard_monitors.stats import evenly, quantile
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
METHOD: Final = "99th percentile of the effect over windows of the baseline's own requests, each a quarter on"


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
    found: dict[str, Any] = {}
    for risk, about in places_of(system):
        if not risk.invariant:
            found[name_of(risk, about)] = _usual(risk, maker, about)
    return found


def _usual(risk: Risk, maker: CaseMaker, about: str) -> dict[str, Any]:
    try:
        usual = risk.usual(maker.case(about))
        if isinstance(usual, Lacking):
            return {"lacks": [usual.why, usual.needs, usual.n]}
        effects = _effects(risk, maker, about, usual) if catalogue()[risk.id].calibrated else []
    except Exception as error:  # noqa: BLE001 - one risk must not stop a baseline
        _log.exception("what is usual of %s in %s cannot be computed", risk.id, about)
        return {"lacks": [f"the monitor failed ({type(error).__name__}), see the log", None, 0]}
    found: dict[str, Any] = {"usual": usual, "windows": len(effects)}
    return found | ({"quantile": quantile(effects, QUANTILE)} if len(effects) >= LEAST_WINDOWS else {})


def _effects(risk: Risk, maker: CaseMaker, about: str, usual: Mapping[str, Any]) -> list[float]:
    """The effect in each window of the size that is assessed."""
    starts = range(0, len(maker.requests) - MOST + 1, MOST // 4)
    if len(starts) < LEAST_WINDOWS:
        return [0.0] * len(starts)
    maker.case(about)  # strata are told apart once, not for each window
    readings = [risk.assess(maker.part(start, MOST).case(about), usual) for start in evenly(starts, MOST_WINDOWS)]
    return [r.effect for r in readings if isinstance(r, Reading) and math.isfinite(r.effect)]


def calibration_of(risk: str, about: str, kept: Mapping[str, Any]) -> Calibration:
    """The threshold of a risk in a place, and where it comes from."""
    entry, value = catalogue()[risk], kept.get("quantile")
    few = f"the catalogue's: {kept.get('windows', 0)} windows of the baseline, {LEAST_WINDOWS} are needed"
    return Calibration(
        risk=risk,
        about=about,
        windows=kept.get("windows", 0),
        size=MOST,
        quantile=QUANTILE,
        value=value,
        default=entry.threshold,
        threshold=entry.threshold if value is None else max(entry.threshold, float(f"{value:.6g}")),
        method=METHOD if value is not None else few,
    )
