"""Judging one signal in one window: effect first, then persistence, then evidence. Pure.

A breach needs enough requests AND an effect beyond the tolerance in `persist` windows running AND a p-value below alpha
over those windows together. Until then it is a warning. A breach that stands is over when the effect is below
`HYSTERESIS` times the tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from syscard.finding import Finding, State, Window
from syscard_monitors import stats
from syscard_monitors.drift import Comparison, Method
from syscard_monitors.packs import Signal

HYSTERESIS: Final = 0.8
MOST: Final = 10_000.0
"""Largest factor that is told: something that was and is no more has changed by no finite one."""
_NEAR: Final = 1e-3
"""Values this close (relative) to a constant are the constant."""


@dataclass(frozen=True)
class Reference:
    """The values of one signal in the baseline."""

    values: tuple[float, ...] | tuple[str, ...]
    """Sorted."""
    per_minute: float | None = None
    """For volume: requests a minute."""
    keys: tuple[int, ...] = (0,)
    """Under which keys words in the values were hashed."""

    @property
    def n(self) -> int:
        """Requests with a value."""
        return len(self.values)

    @cached_property
    def numbers(self) -> tuple[float, ...]:
        """The values as numbers, sorted.

        Raises:
            ValueError: they are text.
        """
        return tuple(float(v) for v in self.values)

    @cached_property
    def mean(self) -> float:
        """Mean of the numbers."""
        return stats.mean(self.numbers)

    @cached_property
    def binary(self) -> bool:
        """Whether every value is 0 or 1."""
        return {*self.numbers} <= {0.0, 1.0}

    @cached_property
    def hits(self) -> int:
        """Values above zero."""
        return sum(v > 0 for v in self.numbers)

    def quantile(self, q: float) -> float:
        """The q-quantile of the numbers, which are sorted already."""
        return self.numbers[max(0, math.ceil(q * self.n) - 1)]

    @cached_property
    def constant(self) -> float | str | None:
        """The one value that (nearly) all requests have, None where they vary."""
        if not self.values:
            return None
        middle = self.values[len(self.values) // 2]
        return middle if all(_same(v, middle) for v in (self.values[0], self.values[-1])) else None


@dataclass(frozen=True)
class Measured:
    """Effect of a signal in a window, before any test."""

    n: int
    value: float
    reference: float
    effect: float
    """In the unit of the tolerance; signed for differences."""
    exceeds: bool
    clear: bool
    """Back within `HYSTERESIS` of the tolerance."""
    p_value: float | None = None
    """Where the test is our own and exact."""
    method: str | None = None
    comparison: Comparison | None = None
    """Where Evidently has to be asked."""


@dataclass(frozen=True)
class Missing:
    """Why a signal has no verdict."""

    why: str
    needs: int | None = None
    n: int = 0
    state: State = State.UNKNOWN


def measure(signal: Signal, values: Sequence[Any] | None, reference: Reference | None) -> Measured | Missing:
    """The effect of one window.

    Args:
        signal: what is watched, with its tolerance.
        values: one value a request, None where a request has none; None where no request has one.
        reference: the baseline's values; None without a baseline.
    """
    if reference is None:
        return Missing("no baseline: syscard baseline set")
    if reference.n < signal.min_n:
        return Missing(f"needs n {signal.min_n} in the baseline, has {reference.n}", signal.min_n, reference.n)
    present = [v for v in values or () if v is not None]
    if len(present) < signal.min_window:
        why = f"no span carries {signal.expr}" if not present else f"needs n {signal.min_window}, has {len(present)}"
        return Missing(why, signal.min_window, len(present))
    if signal.kind == "category":
        return _category(signal, [str(v) for v in present], reference)
    try:
        numbers = [float(v) for v in present]
        _ = reference.numbers
    except (TypeError, ValueError):
        return Missing(f"{signal.expr} is not a number in every request", state=State.ERROR)
    if signal.kind == "number" and reference.constant is not None:
        return _left_the_constant(signal, numbers, reference)
    return _NUMERIC[signal.kind](signal, numbers, reference)


def _share(signal: Signal, values: list[float], reference: Reference) -> Measured:
    now = stats.mean(values)
    binary = reference.binary and {*values} <= {0.0, 1.0}
    effect = _directed(now - reference.mean, signal.direction)
    comparison = _compare(signal, values, reference, "syscard_fisher" if binary else "ks")
    return _measured(signal, values, now, reference.mean, effect, comparison=comparison)


def _rate(signal: Signal, values: list[float], reference: Reference) -> Measured:
    """Worse only, exact: Fisher's one-sided test of this window against the baseline."""
    hits = sum(v > 0 for v in values)
    now, then = hits / len(values), reference.hits / reference.n
    p = stats.fisher_worse(hits, len(values), reference.hits, reference.n)
    return _measured(signal, values, now, then, now - then, p_value=p, method="fisher one-sided")


def _number(signal: Signal, values: list[float], reference: Reference) -> Measured:
    effect = stats.ks_distance(values, reference.numbers)
    comparison = _compare(signal, values, reference, "ks")
    return _measured(signal, values, stats.mean(values), reference.mean, effect, comparison=comparison)


def _ratio(signal: Signal, values: list[float], reference: Reference) -> Measured:
    effect = _factor(stats.quantile(values, 0.5), reference.quantile(0.5), signal)
    comparison = _compare(signal, values, reference, "ks")
    return _measured(signal, values, stats.mean(values), reference.mean, effect, comparison=comparison)


def _latency(signal: Signal, values: list[float], reference: Reference) -> Measured:
    """Judged on medians (20 requests have no 95th percentile to speak of), shown as p95."""
    effect = _factor(stats.quantile(values, 0.5), reference.quantile(0.5), signal)
    comparison = _compare(signal, values, reference, "ks")
    now, then = stats.quantile(values, 0.95), reference.quantile(0.95)
    return _measured(signal, values, now, then, effect, comparison=comparison)


def _volume(signal: Signal, values: list[float], reference: Reference) -> Measured | Missing:
    """`values` are the minutes that each request came after the one before."""
    if not reference.per_minute:
        return Missing("the baseline has no rate")
    minutes = math.fsum(values) or 1e-9
    now = len(values) / minutes
    p = stats.gamma_rate_p(len(values), minutes, reference.per_minute)
    effect = max(now / reference.per_minute, reference.per_minute / now)
    return _measured(signal, values, now, reference.per_minute, effect, p_value=p, method="erlang")


def _category(signal: Signal, values: list[str], reference: Reference) -> Measured:
    before = tuple(str(v) for v in reference.values)
    effect = stats.total_variation(values, before)
    comparison = Comparison(signal.key, "syscard_chi2", signal.alpha, before, tuple(values))
    return _measured(signal, values, effect, 0.0, effect, comparison=comparison)


def _left_the_constant(signal: Signal, values: list[float], reference: Reference) -> Measured:
    constant = reference.constant
    off = sum(not _same(v, constant) for v in values)
    share = off / len(values)
    p = stats.fisher_worse(off, len(values), 0, reference.n)
    level = float(constant) if constant is not None else 0.0
    return _measured(signal, values, stats.mean(values), level, share, p_value=p, method="left the constant")


_NUMERIC: Final = {
    "share": _share,
    "rate": _rate,
    "number": _number,
    "ratio": _ratio,
    "latency": _latency,
    "volume": _volume,
}


def _measured(
    signal: Signal,
    values: Sequence[Any],
    now: float,
    then: float,
    effect: float,
    *,
    p_value: float | None = None,
    method: str | None = None,
    comparison: Comparison | None = None,
) -> Measured:
    exceeds = effect > signal.tolerance
    return Measured(
        n=len(values),
        value=now,
        reference=then,
        effect=effect,
        exceeds=exceeds,
        clear=effect < _cleared(signal),
        p_value=p_value,
        method=method or (comparison.method if comparison else None),
        comparison=comparison if exceeds else None,
    )


def _cleared(signal: Signal) -> float:
    """Where a standing breach is over; for factors, the same share of what is above 1."""
    if signal.kind in ("ratio", "latency", "volume"):
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


def _compare(signal: Signal, values: list[float], reference: Reference, method: Method) -> Comparison:
    return Comparison(signal.key, method, signal.alpha, reference.numbers, tuple(values))


def _same(a: float | str, b: float | str | None) -> bool:
    if isinstance(a, str) or isinstance(b, str) or b is None:
        return a == b
    return math.isclose(a, b, rel_tol=_NEAR, abs_tol=1e-9)


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
    signal: Signal, measured: Measured | Missing, streak: Streak, window: Window, traces: tuple[str, ...]
) -> tuple[Finding, int]:
    """The finding, and for how many windows in a row the signal is beyond its tolerance now.

    Where the evidence is due, `measured` is of the windows of the streak together, with its p-value.
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
        "severity": signal.severity,
    }
    if isinstance(measured, Missing):
        finding = Finding(**shared, state=measured.state, n=measured.n, needs=measured.needs, why=measured.why)
        # A monitor that failed has not seen the signal come back: the streak waits for the next window.
        return finding, streak.windows if measured.state is State.ERROR else 0
    state, count = _decided(signal, measured, streak)
    finding = Finding(
        **shared,
        state=state,
        n=measured.n,
        value=measured.value,
        reference=measured.reference,
        effect=measured.effect,
        method=measured.method,
        p_value=measured.p_value,
        traces=traces if state is not State.OK else (),
    )
    return finding, count


def _decided(signal: Signal, measured: Measured, streak: Streak) -> tuple[State, int]:
    if stands(signal, streak):
        return (State.OK, 0) if measured.clear else (State.BREACH, streak.windows + 1)
    if not measured.exceeds:
        return State.OK, 0
    significant = measured.p_value is not None and measured.p_value < signal.alpha
    if is_due(signal, streak) and significant:
        return State.BREACH, signal.persist
    return State.WARN, min(streak.windows + 1, signal.persist - 1)
