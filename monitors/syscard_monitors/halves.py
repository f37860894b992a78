"""Whether the halves of a baseline agree (A/A), and which of its signals are degenerate.

A day has a rhythm, so its morning is no like of its evening. A baseline of two days or more is cut in the middle, and
each request is compared with its own like (stratum: time of day, segment, version). A shorter one is cut into
`BLOCKS` stretches, every second of which is the one half: both halves see the whole rhythm, and what lasted for about
one stretch shows. A change that came and stayed does not: in so short a time it cannot be told from a rhythm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from syscard.baseline import Degenerate, Halves
from syscard.words import figure, one_line
from syscard_monitors import judge
from syscard_monitors.drift import Comparison, two_samples
from syscard_monitors.packs import Signal
from syscard_monitors.reference import Reference, same
from syscard_monitors.stats import holm
from syscard_monitors.strata import EVERYONE, HOUR, Strata

BLOCKS: Final = 20
NEARLY: Final = 0.99
"""Share of the commonest value beyond which a signal is nearly constant."""
ABSENT: Final = 0.5
"""Share of requests without a value beyond which a signal is mostly absent."""
Columns = Mapping[str, Sequence[Any] | None]
"""By signal: one value a request."""
Like = Callable[[str], Sequence[str]]
"""By component or edge: the stratum of each request."""
_Side = list[tuple[Any, str]]
"""Values, each with its stratum."""


def split_of(strata: Strata) -> str:
    """How a baseline is cut, in words."""
    if HOUR in strata.dimensions:
        return "first half against second, each request with its own like (by strata)"
    return f"every second of {BLOCKS} stretches against the others"


def agreements(
    signals: Sequence[Signal], columns: Columns, requests: int, strata: Strata, like: Like
) -> tuple[Halves, ...]:
    """Every signal that both halves have and that varies, the least agreement first.

    Args:
        signals: what is watched; volume is left out, as its rhythm is all that two halves would show.
        columns: their values, one a request.
        requests: how many there are; values and strata are in the order of their ends.
        strata: how they are told apart.
        like: the stratum of each, for signals of a component or edge.
    """
    first = _is_first(requests, whole_days=HOUR in strata.dimensions)
    tests, asked = dict[str, tuple[str, float, int, int]](), list[tuple[Comparison, int, int]]()
    for signal in signals:
        sides = _sides(columns.get(signal.key), like(signal.about), first)
        if signal.kind == "volume" or not all(sides) or len({value for side in sides for value, _ in side}) < 2:
            continue
        measured = _measured(signal, *sides)
        if measured is not None and measured.comparison is not None:
            asked.append((measured.comparison, len(sides[0]), len(sides[1])))
        elif measured is not None:
            tests[signal.key] = "fisher", _either_way(signal, measured, sides), len(sides[0]), len(sides[1])
    found = two_samples.p_values([comparison for comparison, _, _ in asked])
    tests |= {c.key: (c.method, found[c.key], n, other) for c, n, other in asked}
    return _adjusted(tests)


def _either_way(signal: Signal, measured: judge.Measured, sides: tuple[_Side, _Side]) -> float:
    """P of events, or of values that left a constant: exact tests say only whether there are more in one half."""
    other = _measured(signal, sides[1], sides[0])
    ways = [found.p_value for found in (measured, other) if found is not None and found.p_value is not None]
    return min(1.0, 2 * min(ways, default=1.0))


def _adjusted(tests: Mapping[str, tuple[str, float, int, int]]) -> tuple[Halves, ...]:
    adjusted = holm([p for _, p, _, _ in tests.values()])
    found = (
        Halves(signal=key, method=method, n=n, n_other=other, p_value=p, p_adjusted=whole)
        for (key, (method, p, n, other)), whole in zip(tests.items(), adjusted, strict=True)
    )
    return tuple(sorted(found, key=lambda one: (one.p_adjusted, one.p_value, one.signal)))


def _is_first(n: int, *, whole_days: bool) -> list[bool]:
    """Whether each of so many requests is of the first half."""
    if whole_days:
        return [i < n // 2 for i in range(n)]
    return [i * min(BLOCKS, n) // n % 2 == 0 for i in range(n)]


def _sides(values: Sequence[Any] | None, strata: Sequence[str], first: Sequence[bool]) -> tuple[_Side, _Side]:
    sides: tuple[_Side, _Side] = ([], [])
    for value, stratum, is_first in zip(values or (), strata, first, strict=bool(values)):
        if value is not None:
            sides[not is_first].append((value, stratum))
    return sides


def _measured(signal: Signal, now: _Side, before: _Side) -> judge.Measured | None:
    """The one half as if it were a window, with a tolerance that lets everything be asked, also where no effect is.

    What were left out because it agrees would be missing from the number of p-values that are adjusted for.
    """
    loose = signal.model_copy(
        update={"min_n": 1, "min_window": 1, "tolerance": -1.0, "floor": 0.0, "direction": "both"}
    )
    by_stratum: dict[str, list[Any]] = {}
    for value, stratum in before:
        by_stratum.setdefault(stratum, []).append(value)
    told_apart = {*by_stratum} != {EVERYONE}
    known = {name: tuple(sorted(values)) for name, values in by_stratum.items()} if told_apart else {}
    reference = Reference(tuple(sorted(value for value, _ in before)), strata=known)
    found = judge.measure(loose, [value for value, _ in now], reference, [stratum for _, stratum in now])
    return found if isinstance(found, judge.Measured) else None


def degenerates(signals: Sequence[Signal], columns: Columns, requests: int) -> tuple[Degenerate, ...]:
    """Signals whose values are (nearly) all one, or too few."""
    return tuple(found for signal in signals for found in _degenerate(signal, columns.get(signal.key), requests))


def _degenerate(signal: Signal, values: Sequence[Any] | None, requests: int) -> Iterator[Degenerate]:
    if signal.kind == "volume" or (signal.optional and values is None):
        return
    present = [v for v in values or () if v is not None]
    absent = 1 - len(present) / requests
    if len(present) < signal.min_n:
        says = f"needs n {signal.min_n:,}, has {len(present):,}"
        yield Degenerate(signal=signal.key, kind="too few values", says=says)
    elif absent > ABSENT:
        yield Degenerate(signal=signal.key, kind="mostly absent", says=f"{absent:.1%} of requests have none")
    if not present:
        return
    commonest, count = Counter(present).most_common(1)[0]
    told = figure(float(commonest), signal.unit) if not isinstance(commonest, str) else one_line(commonest)
    if count == len(present) or same(min(present), max(present)):
        yield Degenerate(signal=signal.key, kind="constant", says=f"all {count:,} values are {told}")
    elif count > NEARLY * len(present):
        says = f"{count / len(present):.1%} of values are {told}"
        yield Degenerate(signal=signal.key, kind="nearly constant", says=says)
