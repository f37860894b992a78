"""Judging one signal in one window: effect first, then persistence, then evidence. Pure.

A breach needs enough requests AND an effect beyond the tolerance in `persist` windows running AND evidence that a look
without a change shows so rarely that the false-alarm budget allows it. Until then it is a warning. A breach that stands
is over when the effect is below `HYSTERESIS` times the tolerance.

Effects are measured against the baseline with the window's own mix of requests (`syscard_monitors.strata`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from syscard.finding import Finding, State, Window
from syscard.words import E_DETECTOR
from syscard_monitors import stats
from syscard_monitors.drift import Comparison, Method
from syscard_monitors.packs import Signal
from syscard_monitors.reference import Reference, Standard, same
from syscard_monitors.severity import Severity
from syscard_monitors.strata import EVERYONE

HYSTERESIS: Final = 0.8
MOST: Final = 10_000.0
"""Largest factor that is told: something that was and is no more has changed by no finite one."""
NO_BASELINE: Final = "no baseline: syscard baseline set"
_FACTORS: Final = ("ratio", "latency", "volume")
"""Kinds whose effect is a factor: 1 is no change."""
_LEAST_TOLERANCE: Final = 1e-9
_RAREST: Final = 1e-300
"""Smallest p that is told apart from zero."""


@dataclass(frozen=True)
class Measured:
    """Effect of a signal in a window, before any test."""

    n: int
    """Requests with a value."""
    value: float
    reference: float
    effect: float
    """In the unit of the tolerance; signed for differences."""
    exceeds: bool
    clear: bool
    """Back within `HYSTERESIS` of the tolerance."""
    method: str | None = None
    log_rarity: float | None = None
    """Evidence: natural logarithm of how many looks without a change there are to one that says as much."""
    p_value: float | None = None
    """Of an exact test of our own, or what Evidently says of the same values: that is a second opinion only."""
    comparison: Comparison | None = None
    """What Evidently is asked for it."""
    share: float = 0.0
    """Of the requests that were looked at, those that have a value."""


@dataclass(frozen=True)
class Missing:
    """Why a signal has no verdict."""

    why: str
    needs: int | None = None
    n: int = 0
    state: State = State.UNKNOWN
    told: bool = False
    """Whether it is said of an optional signal, too: spans carry something, and it cannot be judged."""


def measure(
    signal: Signal, values: Sequence[Any] | None, reference: Reference | None, strata: Sequence[str] = ()
) -> Measured | Missing:
    """The effect of one window, and its evidence where an exact test has it.

    Args:
        signal: what is watched, with its tolerance.
        values: one value a request, None where a request has none; None where no request has one.
        reference: the baseline's values; None without a baseline.
        strata: the stratum of each request; empty where they are not told apart.
    """
    if reference is None:
        return Missing(NO_BASELINE)
    known = comparable_values(signal, values, reference, strata)
    if isinstance(known, Missing):
        return known
    measured = _measured_against(signal, *known, reference)
    if isinstance(measured, Missing):
        return measured
    return replace(measured, share=measured.n / max(1, len(values or ())))


def comparable_values(
    signal: Signal, values: Sequence[Any] | None, reference: Reference, strata: Sequence[str] = ()
) -> tuple[list[Any], list[str]] | Missing:
    """The values that can be compared with the baseline, each with its stratum: text for categories, else numbers."""
    if reference.n < signal.min_n:
        return Missing(f"needs n {signal.min_n} in the baseline, has {reference.n}", signal.min_n, reference.n)
    of = strata or [EVERYONE] * len(values or ())
    present = [(v, s) for v, s in zip(values, of, strict=True) if v is not None] if values else []
    if len(present) < signal.min_window:
        why = f"no span carries {signal.expr}" if not present else f"needs n {signal.min_window}, has {len(present)}"
        return Missing(why, signal.min_window, len(present))
    if signal.kind == "rate":  # events that harm newcomers harm: of them too no more is expected than of all
        present = [(v, s if s in reference.columns else EVERYONE) for v, s in present]
    known = [(v, s) for v, s in present if s in reference.columns]
    if len(known) < signal.min_window:
        why = f"needs n {signal.min_window} of groups that the baseline has, has {len(known)}"
        return Missing(why, signal.min_window, len(known))
    try:
        typed = str if signal.kind == "category" else float
        _ = None if signal.kind == "category" else reference.everyone.numbers
        return [typed(v) for v, _ in known], [s for _, s in known]
    except (TypeError, ValueError):
        return Missing(f"{signal.expr} is not a number in every request", state=State.ERROR)


def _measured_against(
    signal: Signal, values: list[Any], strata: Sequence[str], reference: Reference
) -> Measured | Missing:
    if signal.kind == "category":
        return _category(signal, values, reference.with_mix_of(strata))
    if signal.kind == "volume":
        return _volume(signal, values, reference)
    if signal.kind == "number" and reference.constant is not None:
        return _left_the_constant(signal, values, reference)
    if signal.kind == "rate":
        return _rate(signal, values, strata, reference.with_mix_of(strata))
    return _NUMERIC[signal.kind](signal, values, reference.with_mix_of(strata))


def _share(signal: Signal, values: list[float], expected: Standard) -> Measured:
    now = stats.mean(values)
    binary = expected.binary and {*values} <= {0.0, 1.0}
    effect = _directed(now - expected.mean, signal.direction)
    ask = _asking(signal, values, expected, "syscard_fisher" if binary else "ks")
    return _measured(signal, values, now, expected.mean, effect, ask=ask)


def _rate(signal: Signal, values: list[float], strata: Sequence[str], expected: Standard) -> Measured:
    """Worse only, exact: this window against the baseline, stratum by stratum."""
    now = sum(v > 0 for v in values) / len(values)
    tables = {
        part.stratum: stats.Rates(
            hits=sum(v > 0 for v, s in zip(values, strata, strict=True) if s == part.stratum),
            n=sum(s == part.stratum for s in strata),
            hits_before=part.column.hits,
            n_before=part.column.n,
        )
        for part in expected.parts
    }
    p = _fisher(tables)
    method = "fisher one-sided" if len(tables) == 1 else "fisher one-sided, by strata"
    return _measured(signal, values, now, expected.hit_share, now - expected.hit_share, p_value=p, method=method)


def _fisher(tables: Mapping[str, stats.Rates]) -> float:
    """Of the strata together, and of who is compared with all: the baseline of the one is in that of the other.

    So these are two tests, and the smaller p counts double (Bonferroni).
    """
    named = [table for stratum, table in tables.items() if stratum != EVERYONE]
    of_all = [table for stratum, table in tables.items() if stratum == EVERYONE]
    found = [stats.fisher_worse(*together) for together in (named, of_all) if together]
    return min(1.0, len(found) * min(found))


def _number(signal: Signal, values: list[float], expected: Standard) -> Measured:
    effect = stats.ks_distance(values, expected.below, expected.up_to)
    ask = _asking(signal, values, expected, "ks")
    return _measured(signal, values, stats.mean(values), expected.mean, effect, ask=ask)


def _ratio(signal: Signal, values: list[float], expected: Standard) -> Measured:
    effect = _factor(stats.quantile(values, 0.5), expected.quantile(0.5), signal)
    ask = _asking(signal, values, expected, "ks")
    return _measured(signal, values, stats.mean(values), expected.mean, effect, ask=ask)


def _latency(signal: Signal, values: list[float], expected: Standard) -> Measured:
    """Judged on medians (20 requests have no 95th percentile to speak of), shown as p95."""
    effect = _factor(stats.quantile(values, 0.5), expected.quantile(0.5), signal)
    ask = _asking(signal, values, expected, "ks")
    now, then = stats.quantile(values, 0.95), expected.quantile(0.95)
    return _measured(signal, values, now, then, effect, ask=ask)


def _volume(signal: Signal, values: list[float], reference: Reference) -> Measured | Missing:
    """`values` are the minutes that each request came after the one before."""
    if not reference.per_minute:
        return Missing("the baseline has no rate")
    minutes = math.fsum(values) or 1e-9
    now = len(values) / minutes
    p = stats.gamma_rate_p(len(values), minutes, reference.per_minute)
    effect = max(now / reference.per_minute, reference.per_minute / now)
    return _measured(signal, values, now, reference.per_minute, effect, p_value=p, method="erlang")


def _category(signal: Signal, values: list[str], expected: Standard) -> Measured:
    """Beyond what chance makes of so few values: with many categories every window differs from the mix."""
    found, chance = stats.total_variation(values, expected.shares), stats.chance_variation(len(values), expected.shares)
    effect = max(0.0, found - chance) / (1 - chance) if chance < 1 else 0.0
    return _measured(signal, values, effect, 0.0, effect, ask=_asking(signal, values, expected, "syscard_chi2"))


def _left_the_constant(signal: Signal, values: list[float], reference: Reference) -> Measured:
    constant = reference.constant
    off = sum(not same(v, constant) for v in values)
    share = off / len(values)
    p = stats.fisher_worse(stats.Rates(off, len(values), 0, reference.n))
    level = float(constant) if constant is not None else 0.0
    return _measured(signal, values, stats.mean(values), level, share, p_value=p, method="left the constant")


_NUMERIC: Final = {"share": _share, "number": _number, "ratio": _ratio, "latency": _latency}


def _measured(
    signal: Signal,
    values: Sequence[Any],
    now: float,
    then: float,
    effect: float,
    *,
    p_value: float | None = None,
    method: str | None = None,
    ask: Callable[[], Comparison] | None = None,
) -> Measured:
    exceeds = effect > signal.tolerance
    return Measured(
        n=len(values),
        value=now,
        reference=then,
        effect=effect,
        exceeds=exceeds,
        clear=effect < _cleared(signal),
        method=method or E_DETECTOR,
        log_rarity=None if p_value is None else -math.log(max(p_value, _RAREST)),
        p_value=p_value,
        comparison=ask() if exceeds and ask else None,
    )


def _cleared(signal: Signal) -> float:
    """Where a standing breach is over; for factors, the same share of what is above 1."""
    if signal.kind in _FACTORS:
        return 1 + HYSTERESIS * (signal.tolerance - 1)
    return HYSTERESIS * signal.tolerance


def _directed(difference: float, direction: str) -> float:
    """The difference, positive where it goes the way that is watched."""
    return {"up": difference, "down": -difference, "both": abs(difference)}[direction]


def _factor(now: float, then: float, signal: Signal) -> float:
    """By how many times a median changed the watched way, at most `MOST`; 1 where the change is below the floor."""
    if now == then or abs(now - then) < signal.floor:
        return 1.0
    grown = min(MOST, max(1 / MOST, now / then if then else MOST))
    return {"up": grown, "down": 1 / grown, "both": max(grown, 1 / grown)}[signal.direction]


def _asking(signal: Signal, values: Sequence[Any], expected: Standard, method: Method) -> Callable[[], Comparison]:
    """What Evidently would be asked, made only where it is."""

    def comparison() -> Comparison:
        sample = expected.sample()
        before = tuple(map(str, sample)) if method == "syscard_chi2" else tuple(map(float, sample))
        return Comparison(signal.key, method, signal.alpha, before, tuple(values))

    return comparison


@dataclass(frozen=True)
class Streak:
    """What is remembered of a signal between windows."""

    windows: int = 0
    """Windows in a row beyond the tolerance; from the signal's `persist` on, a breach stands."""
    since_us: int = 0
    """Start of the first of them."""
    state: State = State.UNKNOWN
    state_since_us: int = 0


def stands(signal: Signal, streak: Streak) -> bool:
    """Whether a breach stands already: then only the effect is asked for, not the evidence again."""
    return streak.windows >= signal.persist


def is_due(signal: Signal, streak: Streak) -> bool:
    """Whether one more window beyond the tolerance makes it time to ask for the evidence."""
    return not stands(signal, streak) and streak.windows + 1 >= signal.persist


def verdict(
    signal: Signal,
    measured: Measured | Missing,
    streak: Streak,
    window: Window,
    traces: tuple[str, ...],
    log_needed: float,
) -> tuple[Finding, int]:
    """The finding, and for how many windows in a row the signal is beyond its tolerance now.

    Where the evidence is due, `measured` is of the windows of the streak together. `log_needed` is the logarithm of how
    rare its evidence must be.
    """
    shared: dict[str, Any] = {
        "signal": signal.name,
        "about": signal.about,
        "label": signal.label,
        "kind": signal.kind,
        "window": window,
        "unit": signal.unit,
        "tolerance": signal.tolerance,
        "threshold": signal.alpha,
    }
    if isinstance(measured, Missing):
        shared |= {"severity": signal.severity.is_}
        finding = Finding(**shared, state=measured.state, n=measured.n, needs=measured.needs, why=measured.why)
        # A monitor that failed has not seen the signal come back: the streak waits for the next window.
        return finding, streak.windows if measured.state is State.ERROR else 0
    state, count = _decided(signal, measured, streak, log_needed)
    finding = Finding(
        **shared,
        state=state,
        severity=_severity(signal, measured),
        n=measured.n,
        value=measured.value,
        reference=measured.reference,
        effect=measured.effect,
        method=measured.method,
        one_in=told_rarity(measured.log_rarity),
        one_in_needed=told_rarity(log_needed),
        p_value=measured.p_value,
        traces=traces if state is not State.OK else (),
    )
    return finding, count


def _severity(signal: Signal, measured: Measured) -> Severity:
    """As the signal's rule says of the size of the effect and of how many requests have a value."""
    within = 1.0 if signal.kind in _FACTORS else 0.0
    tolerances = (measured.effect - within) / max(signal.tolerance - within, _LEAST_TOLERANCE)
    return signal.severity.of(tolerances, measured.share)


def told_rarity(log_rarity: float | None) -> float | None:
    """N of "1 in N" to three digits; at least 1, and at most what a float holds."""
    if log_rarity is None:
        return None
    return float(f"{math.exp(min(max(log_rarity, 0.0), 690.0)):.3g}")


def _decided(signal: Signal, measured: Measured, streak: Streak, log_needed: float) -> tuple[State, int]:
    if stands(signal, streak):
        return (State.OK, 0) if measured.clear else (State.BREACH, streak.windows + 1)
    if not measured.exceeds:
        return State.OK, 0
    if is_due(signal, streak) and measured.log_rarity is not None and measured.log_rarity >= log_needed:
        return State.BREACH, signal.persist
    return State.WARN, min(streak.windows + 1, signal.persist - 1)
