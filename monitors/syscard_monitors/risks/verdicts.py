"""From readings to verdicts: significance, effect, volume and persistence together. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from syscard.risks import Assessment, CatalogueRisk, RiskState, Scale
from syscard_monitors.risks.base import Lacking, Reading
from syscard_monitors.risks.statistics import needed_z
from syscard_monitors.stats import holm, rule_of_three

ALPHA: Final = 0.01
"""Largest adjusted p that is ever taken for significant, whatever the false-alarm budget allows."""
OF: Final = 3
"""Newest assessments that are remembered."""
TWICE: Final = 2
"""So many of them must agree."""
HYSTERESIS: Final = 0.8
"""Share of the threshold below which what was seen counts as gone."""
_POWER_Z: Final = 0.8416
"""Of 80 % power."""
_PAGE_EFFECT, _PAGE_SHARE = 2.0, 0.1
"""A ticket is a page from twice the threshold on, in a tenth of the requests."""


@dataclass(frozen=True)
class Standing:
    """What is remembered of one risk in one place between assessments."""

    hits: tuple[bool, ...] = ()
    """Whether the newest assessments found it, oldest first."""
    since_us: int = 0
    """Where the requests begin of the first assessment that found it; 0 where it is not seen."""
    began_us: int = 0
    """The same of the first of these hits."""
    looks: int = 0
    """Assessments against this baseline that gave a verdict."""
    seen: int = 0
    """Of these, how many said that it is seen."""

    @property
    def stands(self) -> bool:
        """Whether it is seen now."""
        return self.since_us > 0

    def body(self) -> list[Any]:
        """JSON form."""
        return [list(self.hits), self.since_us, self.began_us, self.looks, self.seen]


def read_standing(body: list[Any]) -> Standing:
    """From its JSON form."""
    hits, since_us, began_us, *counts = body
    looks, seen = counts or (0, 0)  # an earlier release counted none
    return Standing(tuple(hits), since_us, began_us, looks, seen)


def counted(before: Standing, now: Standing, state: RiskState) -> Standing:
    """What is remembered, with one more assessment counted, if it gave a verdict."""
    looks, seen = before.looks + (state != "unknown"), before.seen + (state == "seen")
    return replace(now, looks=looks, seen=seen)


def significant(readings: Mapping[str, Reading | Lacking], log_needed: float) -> frozenset[str]:
    """Names whose p is small enough, by Holm over all that were tested at once.

    `log_needed` is how rare the evidence of one place must be, so that all signals and risks keep the budget.
    """
    tested = {name: r.p_value for name, r in readings.items() if isinstance(r, Reading) and r.p_value is not None}
    adjusted = holm(list(tested.values()))
    allowed = min(ALPHA, len(tested) * math.exp(-log_needed))
    return frozenset(name for name, p in zip(tested, adjusted, strict=True) if p <= allowed)


def after(
    standing: Standing,
    reading: Reading | Lacking,
    threshold: float,
    least: int,
    at_us: int,
    *,
    is_rare: bool,
    is_fresh: bool,
) -> Standing:
    """What is remembered once one more reading was made.

    An invariant (no p) is seen with its first event. What stands asks for its effect only, with hysteresis.

    Args:
        standing: what was remembered.
        reading: of all requests that are looked at.
        threshold: smallest effect that matters.
        least: least n.
        at_us: where the newest of these requests begin: those that were not looked at before.
        is_rare: whether its p is small enough.
        is_fresh: whether the newest requests alone show the effect, too: else it is over, whatever the older ones say.
    """
    if isinstance(reading, Reading) and reading.p_value is None:
        return Standing((reading.effect > threshold,), (standing.since_us or at_us) * (reading.effect > threshold))
    hit = isinstance(reading, Reading) and reading.n >= least and is_fresh
    hit = hit and (is_rare or standing.stands) and reaches(reading, threshold, standing)
    hits = (*standing.hits, hit)[-OF:]
    began = standing.began_us if any(standing.hits[1 - OF :]) else at_us
    since = (standing.since_us or began) if sum(hits) >= TWICE else 0
    return Standing(hits, since, began)


def reaches(reading: Reading | Lacking, threshold: float, standing: Standing) -> bool:
    """Whether an effect is as large as is asked for; of what stands already less is asked."""
    asked = threshold if not standing.stands or isinstance(reading, Lacking) else cleared(threshold, reading.scale)
    return isinstance(reading, Reading) and reading.effect >= asked


def cleared(threshold: float, scale: Scale) -> float:
    """Below which an effect is gone."""
    return 1 + HYSTERESIS * (threshold - 1) if scale == "factor" else HYSTERESIS * threshold


def assessment(
    entry: CatalogueRisk,
    about: str,
    reading: Reading | Lacking,
    standing: Standing,
    threshold: float,
    log_needed: float,
) -> Assessment:
    """One risk in one place in words and figures."""
    if isinstance(reading, Lacking):
        state = "seen" if standing.stands else "unknown"
        return Assessment(risk=entry.id, about=about, state=state, why=reading.why, n=reading.n, needs=reading.needs)
    shared = _figures(entry, about, reading, threshold)
    if standing.stands:
        return Assessment(**shared, state="seen", severity=severity(entry, reading, threshold), traces=reading.traces)
    if reading.n < entry.least:
        why = f"needs n {entry.least}, has {reading.n}"
        return Assessment(**shared, state="unknown", why=why, needs=entry.least)
    return Assessment(**shared, state="not seen", detectable=detectable(reading, threshold, log_needed))


def _figures(entry: CatalogueRisk, about: str, reading: Reading, threshold: float) -> dict[str, Any]:
    return {
        "risk": entry.id,
        "about": about,
        "says": reading.says,
        "value": _rounded(reading.value),
        "reference": _rounded(reading.reference),
        "unit": reading.unit,
        "effect": _rounded(reading.effect),
        "low": _rounded(reading.low),
        "high": _rounded(reading.high),
        "scale": reading.scale,
        "threshold": _rounded(threshold),
        "n": reading.n,
        "p_value": _rounded(reading.p_value),
        "share": _rounded(reading.share),
    }


def _rounded(value: float | None) -> float | None:
    """To what a face can show; None where it is no finite number."""
    return float(f"{value:.6g}") if value is not None and math.isfinite(value) else None


def severity(entry: CatalogueRisk, reading: Reading, threshold: float) -> str:
    """As the reading says, or else the catalogue; a ticket is a page from `_PAGE_EFFECT` and `_PAGE_SHARE` on."""
    if reading.severity:
        return reading.severity
    within = 1.0 if reading.scale == "factor" else 0.0
    times = (reading.effect - within) / (threshold - within) if threshold > within else 0.0
    worse = entry.severity == "ticket" and times >= _PAGE_EFFECT and reading.share >= _PAGE_SHARE
    return "page" if worse else entry.severity


def detectable(reading: Reading, threshold: float, log_needed: float) -> str:
    """The smallest effect that would have been seen four times in five, never less than the threshold."""
    if reading.p_value is None and threshold > 0:
        return f"more than {threshold:.2g}{' of the requests' * (reading.scale == 'share')} would show"
    if reading.p_value is None:
        return f"one event would show; it comes in {rule_of_three(reading.n):.2%} of requests at most"
    if reading.error is None or not math.isfinite(reading.error):
        return ""
    z = (needed_z(min(ALPHA, math.exp(-log_needed))) + _POWER_Z) * reading.error
    if reading.scale == "factor":
        return f"{max(threshold, math.exp(min(z, 50.0))):.3g} times would show"
    smallest = max(threshold, z)
    if reading.scale == "share":
        return f"{100 * smallest:.2g} percentage points would show" if smallest < 1 else "no change could show"
    return f"a change of {smallest:.3g} would show"


def worst(states: Iterable[str]) -> str:
    """Seen before unknown before not seen."""
    found = {*states}
    return next((state for state in ("seen", "unknown", "not seen") if state in found), "unknown")
