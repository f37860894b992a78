"""Risks of what one part makes of another: IR-02 (the dependence changed) and IR-03 (two drifts that go together).

A pair is a field of the part that gives and one of the part that takes, each as one number a request. Which pairs
depend on each other is asked of the baseline; only those are watched, the closest first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from syscard.system import System
from syscard_monitors.assemble import Request
from syscard_monitors.risks.base import Case, Lacking, Reading, mean_of
from syscard_monitors.risks.statistics import correlation, line, rank_correlation, two_sided
from syscard_monitors.stats import Z95, evenly, mean, quantile

MOST_FIELDS: Final = 12
"""Of one part."""
MOST_PAIRS: Final = 8
"""Of one edge."""
SCREENED: Final = 400
"""Requests of a baseline by which pairs are picked."""
LEAST: Final = 100
"""Requests in which both fields are there."""
_OFTEN: Final = 0.5
"""Share of the requests that reach the part in which a field must be there."""
_LEFT_OUT: Final = ("latency_ms", "call", "input_tokens", "output_tokens", "error", "fallback", "bytes", "pii", "chars")
"""What is watched by other risks, or says nothing of what is handed on."""
_CLIPPED: Final = (0.01, 0.99)
"""Quantiles of the baseline beyond which values are cut: one outlier must not turn a line."""
_LEAST_CORRELATION: Final = 0.15
BUCKET: Final = 25


class _Pair(NamedTuple):
    """What the baseline says of one pair."""

    u: str
    d: str
    bounds: tuple[tuple[float, float], tuple[float, float]]
    means: tuple[dict[str, float], dict[str, float]]
    """By stratum."""
    spreads: tuple[float, float]
    """Standard deviations within strata."""
    slope: float
    """Of two yes/no fields the difference of two shares. Log odds ratios said nothing where one decides the other."""
    variance: float
    n: int


class _OfPairs:
    """What goes by the closest pairs of fields, one of each part."""

    invariant: Final = False

    def places(self, system: System) -> tuple[str, ...]:
        """Every declared edge."""
        return tuple(system.interactions)

    def usual(self, case: Case) -> dict[str, Any] | Lacking:
        """The closest pairs, each with its levels and how it depends."""
        return kept_pairs(case)


def _too_few(known: Sequence[_Pair]) -> Lacking:
    if not known:
        return Lacking("the baseline was set before yes/no fields were compared so: syscard baseline set")
    return Lacking(f"needs n {LEAST} with {known[0].u} and {known[0].d}", LEAST)


class Coupling(_OfPairs):
    """IR-02: the same inputs make another output."""

    id: Final = "IR-02"

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:
        """The pair whose dependence changed most surely; its p counts once for every pair."""
        known = read_pairs(usual)
        changes = [c for pair in known if (c := _change(case, pair)) is not None]
        if not changes:
            return _too_few(known)
        pair, shift, error, n = max(changes, key=lambda c: abs(c[1]) / c[2])
        effect = abs(shift)
        return Reading(
            n=n,
            effect=effect,
            says=f"{pair.d} given {pair.u} differs by {effect:.2f} standard deviations of {pair.d} "
            f"(the most of {len(changes)} pairs)",
            p_value=min(1.0, two_sided(shift / error) * len(known)),
            error=error,
            low=max(0.0, effect - Z95 * error),
            high=effect + Z95 * error,
            value=shift,
            reference=0.0,
        )


def _change(case: Case, pair: _Pair) -> tuple[_Pair, float, float, int] | None:
    """Change of the dependence in standard deviations of the child for one of the parent, and its error."""
    rows = _rows(case, pair)
    if len(rows) < LEAST:
        return None
    found = line(*_centred(rows))
    if found is None or not found.error:
        return None
    scale = pair.spreads[0] / pair.spreads[1]
    return pair, (found.slope - pair.slope) * scale, math.sqrt(found.error**2 + pair.variance) * scale, len(rows)


class CoMovement(_OfPairs):
    """IR-03: a field of each part drifts; the one may only inherit it from the other."""

    id: Final = "IR-03"

    def assess(self, case: Case, usual: Mapping[str, Any]) -> Reading | Lacking:
        """The smaller of both drifts, of the pair of which it is largest; both must be significant."""
        known = read_pairs(usual)
        moves = [m for pair in known if (m := _moves(case, pair)) is not None]
        if not moves:
            return _too_few(known)
        most = max(moves, key=lambda m: min(abs(m.parent), abs(m.child)))
        effect = min(abs(most.parent), abs(most.child))
        return Reading(
            n=most.n,
            effect=effect,
            says=f"{most.pair.u} moved by {most.parent:+.2f} and {most.pair.d} by {most.child:+.2f} "
            f"standard deviations: {most.kind} (rank correlation over stretches {most.together:+.2f})",
            p_value=min(1.0, two_sided(effect / most.error) * len(known)),
            error=most.error,
            low=max(0.0, effect - Z95 * most.error),
            high=effect + Z95 * most.error,
            value=most.child,
            reference=most.parent,
        )


class _Moves(NamedTuple):
    pair: _Pair
    parent: float
    child: float
    left: float
    """Of the child's, what its parent does not explain."""
    together: float
    error: float
    n: int

    @property
    def kind(self) -> str:
        """`inherited`, `own` or `absorbed`."""
        if abs(self.child) < 2 * self.error <= abs(self.parent):
            return "absorbed by the second"
        return "its own" if abs(self.left) > abs(self.child) / 2 else "inherited by the second"


def _moves(case: Case, pair: _Pair) -> _Moves | None:
    rows = [(x, y, s) for x, y, s in _rows(case, pair) if s in pair.means[0]]
    if len(rows) < LEAST:
        return None
    xs = [(x - pair.means[0][s]) / pair.spreads[0] for x, _, s in rows]
    ys = [(y - pair.means[1][s]) / pair.spreads[1] for _, y, s in rows]
    slope = _standard_slope(pair)
    stretches = [(mean(xs[i : i + BUCKET]), mean(ys[i : i + BUCKET])) for i in range(0, len(xs), BUCKET)]
    return _Moves(
        pair=pair,
        parent=mean(xs),
        child=mean(ys),
        left=mean(ys) - slope * mean(xs),
        together=rank_correlation(*zip(*stretches, strict=True)),
        error=math.sqrt(1 / len(rows) + 1 / pair.n),
        n=len(rows),
    )


def _standard_slope(pair: _Pair) -> float:
    return pair.slope * pair.spreads[0] / pair.spreads[1]


def kept_pairs(case: Case) -> dict[str, Any] | Lacking:
    """The closest pairs of an edge, as JSON."""
    return case.once(("pairs", case.about), lambda: _kept_pairs(case))


def _kept_pairs(case: Case) -> dict[str, Any] | Lacking:
    givers, takers = (_fields(case, ref) for ref in (case.source, case.target))
    if not givers or not takers:
        missing = case.source if not givers else case.target
        return Lacking(f"needs a field with a number on the spans of {missing}")
    picked = _picked(case, givers, takers)
    pairs = [pair for u, d in picked if (pair := _pair(case, u, d)) is not None]
    if not pairs:
        return Lacking(f"no field of {case.target} depends on one of {case.source}")
    return {"pairs": [list(pair) for pair in pairs]}


def read_pairs(usual: Mapping[str, Any]) -> list[_Pair]:
    """From their JSON form; earlier releases told by log odds ratios of yes/no fields, which are left out."""
    return [
        _Pair(u, d, (tuple(bx), tuple(by)), (dict(mx), dict(my)), (sx, sy), slope, variance, n)
        for u, d, (bx, by), (mx, my), (sx, sy), slope, variance, n, *by_odds in usual["pairs"]
        if by_odds != [True]
    ]


def _fields(case: Case, ref: str) -> list[str]:
    """Fields of a part that are numbers, there in most of its requests, and vary."""
    some = evenly(case.requests, SCREENED)
    called = sum(f"{ref}.call" in r.values for r in some)
    names = sorted({key for r in some for key in r.values if key.startswith(f"{ref}.")})
    usable = (name for name in names if not name.endswith(_LEFT_OUT) and ".data." not in name)
    return [name for name in usable if _varies(evenly(case.numbers(name), SCREENED), called)][:MOST_FIELDS]


def _varies(column: Sequence[float | None], called: int) -> bool:
    told = [v for v in column if v is not None]
    if len(told) < max(20, _OFTEN * called):
        return False
    commonest = max(map(told.count, {*told}))
    return commonest <= 0.98 * len(told)


def _picked(case: Case, givers: Sequence[str], takers: Sequence[str]) -> list[tuple[str, str]]:
    strata = evenly(case.strata, SCREENED)
    columns = {name: evenly(case.numbers(name), SCREENED) for name in (*givers, *takers)}
    found = [(abs(_correlated(columns[u], columns[d], strata)), u, d) for u in givers for d in takers]
    close = sorted((one for one in found if one[0] >= _LEAST_CORRELATION), key=lambda one: (-one[0], one[1:]))
    return [(u, d) for _, u, d in close[:MOST_PAIRS]]


def _correlated(xs: Sequence[float | None], ys: Sequence[float | None], strata: Sequence[str]) -> float:
    """Within strata; 0 where too few requests carry both."""
    both = _both(xs, ys, strata)
    return correlation(*_centred(both)) if len(both) >= LEAST else 0.0


def _pair(case: Case, u: str, d: str) -> _Pair | None:
    told = [tuple(v for v in case.numbers(name) if v is not None) for name in (u, d)]
    bounds = tuple((quantile(one, _CLIPPED[0]), quantile(one, _CLIPPED[1])) for one in told)
    draft = _Pair(u, d, (bounds[0], bounds[1]), ({}, {}), (1.0, 1.0), 0.0, 0.0, 0)
    rows = _rows(case, draft)
    xs, ys = _centred(rows)
    found = line(xs, ys)
    if found is None or len(rows) < LEAST or not found.spread or not found.error:
        return None
    by_stratum = _means(rows)
    draft = draft._replace(means=by_stratum, spreads=(found.spread_x, found.spread), n=len(rows))
    return draft._replace(slope=found.slope, variance=found.error**2)


_Row = tuple[float, float, str]


def _rows(case: Case, pair: _Pair) -> list[_Row]:
    """Both values and the stratum of requests that carry both, cut to the bounds."""
    columns = _cut(case, pair.u, pair.bounds[0]), _cut(case, pair.d, pair.bounds[1])
    return case.once(("rows", case.about, pair.u, pair.d), lambda: _both(*columns, case.strata))


def _both(xs: Sequence[float | None], ys: Sequence[float | None], strata: Sequence[str]) -> list[_Row]:
    return [(x, y, s) for x, y, s in zip(xs, ys, strata, strict=True) if x is not None and y is not None]


def _cut(case: Case, name: str, bounds: tuple[float, float]) -> list[float | None]:
    """A field's numbers, cut to the bounds."""

    def cut(request: Request) -> float | None:
        value = mean_of(request.values.get(name))
        return value if value is None or bounds[0] == bounds[1] else min(bounds[1], max(bounds[0], value))

    return case.columns.of(("cut", name, bounds), cut)


def _grouped(rows: Sequence[_Row]) -> dict[str, list[_Row]]:
    found: dict[str, list[_Row]] = {}
    for row in rows:
        found.setdefault(row[2], []).append(row)
    return found


def _means(rows: Sequence[_Row]) -> tuple[dict[str, float], dict[str, float]]:
    by = sorted(_grouped(rows).items())
    return {s: mean([x for x, _, _ in of]) for s, of in by}, {s: mean([y for _, y, _ in of]) for s, of in by}


def _centred(rows: Sequence[_Row]) -> tuple[list[float], list[float]]:
    """Both less the mean of their stratum: what differs between strata is no dependence."""
    mx, my = _means(rows)
    return [x - mx[s] for x, _, s in rows], [y - my[s] for _, y, s in rows]
