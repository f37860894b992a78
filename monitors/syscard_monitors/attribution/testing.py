"""The gate of all signals together, and which parts it lets through. Needs NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from syscard_monitors.attribution import gate
from syscard_monitors.attribution.gate import Tested
from syscard_monitors.attribution.screening import Parents
from syscard_monitors.attribution.table import Scaled, Table, Vector
from syscard_monitors.attribution.tails import f_tail
from syscard_monitors.stats import holm

_SUM: Final = 0.5
"""Share of its variance that a sum may leave open."""
_AS_GOOD: Final = 1.1
"""By so much a sum may leave more open than what bends: it has fewer weights."""
_KNOWN: Final = (0.02, 0.98)
"""Quantiles of before, beyond which a parent's values were not known."""
_MOST_BEYOND: Final = 0.25
"""Share of the requests now with a parent beyond them, from which a signal is also tested without those requests."""


@dataclass(frozen=True)
class Options:
    """What counts as a change, and as a cause."""

    alpha: float = 0.01
    least_effect: float = 0.15
    """In standard deviations of what the parents leave open: a smaller change is none that matters."""
    material: float = 0.15
    """Share of the damage from which a part that changed is a cause."""
    least_wins: float = 0.8
    """Share of the resamples in which the first must come first."""
    seed: int = 0


@dataclass(frozen=True)
class Found:
    """What was found of one signal."""

    name: str
    part: str
    tested: Tested
    p: float
    """By Holm over all signals."""
    beyond: bool = False
    """Whether what reaches it now is so far from all that was seen before that nothing can be said of it."""


def tested(table: Table, parents: Mapping[str, Parents]) -> list[Found]:
    """The gate of every signal of which it can be asked."""
    raw: list[tuple[Scaled, Tested]] = []
    beyond: set[str] = set()
    for name, given in parents.items():
        child = table.scaled[name]
        one = gate.regime_test(child, [table.scaled[q] for q in given.declared], table.n_before, given.firm)
        if one is not None and given.undeclared and one.p < 0.05:
            one = _less_telling(table, child, given, one)
        if one is not None and one.p < 0.05:
            one = _as_a_sum(table, child, given, one)
        if one is not None and one.p < 0.05 and (told := _where_known(table, child, given, one)) is not one:
            beyond |= {name} if told is None else set()
            one = told or one._replace(p=1.0)
        if one is not None:
            raw.append((child, one))
    adjusted = holm([one.p for _, one in raw])
    pairs = zip(raw, adjusted, strict=True)
    return [Found(child.name, child.part, one, p, child.name in beyond) for (child, one), p in pairs]


def _where_known(table: Table, child: Scaled, given: Parents, one: Tested) -> Tested | None:
    """Of two tests the less telling one: of all requests, and of those now whose parents are as they were seen before.

    A mechanism is known as far as its parents went. Where they are far beyond, what it makes of them is no change of
    its own that anybody could tell. Which requests are left out is decided by the parents alone, so the test holds its
    level. None where too few are left.
    """
    n, parents = table.n_before, [table.scaled[q] for q in given.declared]
    known = np.ones(len(child.z), dtype=bool)
    for parent in parents:
        low, high = np.quantile(parent.z[:n], _KNOWN)
        known &= (parent.z >= low) & (parent.z <= high)
    known[:n] = True
    rows = child.there[n:]
    if not rows.any() or (~known[n:][rows]).mean() <= _MOST_BEYOND:
        return one
    inside = replace(child, there=child.there & known)
    other = gate.regime_test(inside, parents, n, given.firm)
    if other is None:
        return None
    return one._replace(p=max(one.p, other.p), effect=min(one.effect, other.effect))


def _less_telling(table: Table, child: Scaled, given: Parents, one: Tested) -> Tested:
    """Of two tests the one with the larger p: by the graph, and with what the baseline shows beside it."""
    wide = [table.scaled[q] for q in (*given.declared, *given.undeclared)]
    wider = gate.regime_test(child, wide, table.n_before, given.firm | {*given.undeclared})
    if wider is None or wider.p <= one.p:
        return one
    order = {part: i for i, part in enumerate(table.parts)}
    earlier = all(order[table.scaled[q].part] < order[child.part] for q in given.undeclared)
    return wider if earlier else one._replace(p=wider.p)


def _as_a_sum(table: Table, child: Scaled, given: Parents, one: Tested) -> Tested:
    """Of a number that was the sum of its parents (a request takes as long as its steps) the less telling test.

    As logarithms a sum is bent, and bends are not known beyond what was seen before: a step that takes far longer than
    ever would leave the whole to be blamed. Which of the two explains more, only what was before decides.
    """
    n, parents = table.n_before, [table.scaled[q] for q in given.declared]
    if child.binary or not parents:
        return one
    plain, plain_parents = child.plain(n), [p.plain(n) for p in parents]
    left = gate.left_open(plain, plain_parents, n, straight=True)
    if left > min(_SUM, _AS_GOOD * gate.left_open(child, parents, n)):
        return one
    other = gate.regime_test(plain, plain_parents, n, given.firm, straight=True)
    if other is None:
        return one
    return one._replace(p=max(one.p, other.p), effect=min(one.effect, other.effect))


def changed(found: Sequence[Found], options: Options) -> list[str]:
    """Parts with a signal that changed given its parents, in the order of the graph."""
    return list(dict.fromkeys(s.part for s in found if s.p < options.alpha and s.tested.effect >= options.least_effect))


def effect(found: Sequence[Found], part: str, options: Options) -> float:
    """Of the signals of a part that changed, the largest; of a part that did not, of all."""
    own = [s for s in found if s.part == part]
    clear = [s for s in own if s.p < options.alpha]
    return max((s.tested.effect for s in clear or own), default=0.0)


def drifted(table: Table, options: Options) -> frozenset[str]:
    """Parts with a signal whose mean differs from before, whatever its parents (Welch's t, Holm)."""
    raw = [(s.part, _mean_p(s, table.n_before)) for s in table.scaled.values() if s.varies]
    adjusted = holm([p for _, p in raw])
    return frozenset(part for (part, _), p in zip(raw, adjusted, strict=True) if p < options.alpha)


def _mean_p(signal: Scaled, n: int) -> float:
    before, now = signal.z[:n][signal.there[:n]], signal.z[n:][signal.there[n:]]
    if min(len(before), len(now)) < gate.LEAST:
        return 1.0
    return welch_p(before, now)


def welch_p(before: Vector, now: Vector) -> float:
    """Two-sided p of Welch's t, with the degrees of freedom of Welch and Satterthwaite: few stand beside many here."""
    old, new = float(before.var(ddof=1)) / len(before), float(now.var(ddof=1)) / len(now)
    spread = max(old + new, 1e-12)
    rest = spread**2 / max(old**2 / (len(before) - 1) + new**2 / (len(now) - 1), 1e-300)
    most = len(before) + len(now) - 2  # where nothing varies
    return f_tail(float(now.mean() - before.mean()) ** 2 / spread, 1, min(rest, most))
