"""Which signals stand for what acts on a signal: few of them, chosen without looking at the signal now. Needs NumPy.

Of the parts that the graph lets act on it, those whose values went with it before are taken first (forward selection
on what was before). Beside these, those that moved far themselves: choosing them looks at now, but never at the signal
that is tested, so its test given them holds its level, and what they hand on is not taken for a change of its own.

Where what was before shows a dependence on a part that the graph has not, the signal is tested with it as well.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from syscard_monitors.attribution.table import GAPS, Scaled, Table, Vector

MOST: Final = 6
"""Parents chosen by what was before."""
MOST_MOVED: Final = 3
"""Parents chosen because they moved."""
MOST_UNDECLARED: Final = 2
_WEAKEST: Final = 4.0
"""Least squared t of a parent, where there are more than `MOST`."""
_FIRM: Final = 16.0
"""Squared t from which it is no accident that one of many was chosen."""
_FAR: Final = 0.75
"""Standard deviations between before and now, from which a parent has moved far."""


class Parents(NamedTuple):
    """What a signal is tested given."""

    declared: tuple[str, ...]
    firm: frozenset[str]
    """Those of them whose slope may be asked whether it changed."""
    undeclared: tuple[str, ...]
    """Of parts from which the graph has no way to it, but what was before shows one."""


def screened(table: Table) -> Mapping[str, Parents]:
    """The parents of every signal."""
    signals = {name: s for name, s in table.scaled.items() if s.varies}
    if not signals:
        return {}
    n, names = table.n_before, list(signals)
    place = {name: i for i, name in enumerate(names)}
    known = _correlations(signals.values(), n)
    moved = {name: moved_by(s, n) for name, s in signals.items()}
    order = {part: i for i, part in enumerate(table.parts)}
    # What is always the same now, and was not so before, says which requests are of now, and nothing else.
    usable = [s for s in signals.values() if not _is_of_now(s, n, moved[s.name])]
    found = {}
    for name, child in signals.items():
        near, strangers = table.parents.get(child.part, frozenset()), set(order)
        earlier = {p for p in near if order[p] < order[child.part]}
        # Within a part any order will do: whichever of its own signals changed, it is the part that did.
        candidates = [s for s in usable if s.part in earlier or (s.part == child.part and place[s.name] < place[name])]
        declared, firm = _declared(child, candidates, known, place, moved, n)
        strangers -= {*near, child.part, *(p for p in order if child.part in table.upstream(p))}
        others = [s for s in usable if s.part in strangers and not s.constant]
        undeclared = _undeclared(child, declared, others, known, place, n, len(signals))
        found[name] = Parents(declared, firm, undeclared)
    return found


def _correlations(signals: Collection[Scaled], n: int) -> Vector:
    """Of the signals with each other and with each other's squares, before: (signals, signals, squares)."""
    z = np.column_stack([s.z[:n] for s in signals])
    both = np.hstack([z, z**2])
    both = both - both.mean(axis=0)
    spread = both.std(axis=0)
    spread[spread == 0] = np.inf
    both = both / spread
    found: Vector = both.T @ both / n
    return found


def _is_of_now(signal: Scaled, n: int, moved: float) -> bool:
    now = signal.z[n:][signal.there[n:]]
    return moved > _FAR and len(now) > 0 and bool(np.ptp(now) == 0)


def moved_by(signal: Scaled, n: int) -> float:
    """How far its mean is from that of before, in standard deviations of before."""
    before, now = signal.z[:n][signal.there[:n]], signal.z[n:][signal.there[n:]]
    if not len(before) or not len(now):
        return 0.0
    spread = max(float(before.std()), 0.1 if signal.binary else 1e-9)
    return abs(float(now.mean() - before.mean())) / spread


def _declared(
    child: Scaled,
    candidates: Sequence[Scaled],
    known: Vector,
    place: Mapping[str, int],
    moved: Mapping[str, float],
    n: int,
) -> tuple[tuple[str, ...], frozenset[str]]:
    varied = [s for s in candidates if not s.constant]
    few = len(varied) <= MOST
    kept = forward(child, varied, known, place, n, MOST, 0.0 if few else _WEAKEST)
    firm = kept if few else forward(child, varied, known, place, n, MOST, _FIRM)
    others = sorted((s.name for s in candidates if s.name not in kept), key=lambda name: -moved[name])
    return (*kept, *(name for name in others[:MOST_MOVED] if moved[name] > _FAR)), frozenset(firm)


def _undeclared(
    child: Scaled,
    declared: Sequence[str],
    others: Sequence[Scaled],
    known: Vector,
    place: Mapping[str, int],
    n: int,
    tests: int,
) -> tuple[str, ...]:
    """Only what chance does not make of so many pairs: a squared t whose p is about a hundredth over them."""
    if child.constant:
        return ()
    others = [s for s in others if not s.name.endswith(GAPS)]
    strict = 2 * math.log(100.0 * max(len(others), 1) * tests)
    return forward(child, others, known, place, n, MOST_UNDECLARED, strict, begin=declared)


def forward(
    child: Scaled,
    candidates: Sequence[Scaled],
    known: Vector,
    place: Mapping[str, int],
    n: int,
    most: int,
    weakest: float,
    begin: Sequence[str] = (),
) -> tuple[str, ...]:
    """Forward selection by the squared t of the next one, as far as a limit; straight and squared both count."""
    size, target = len(place), place[child.name]
    swept = known.copy()
    taken: list[str] = []
    for name in begin:
        swept = _swept(_swept(swept, place[name]), size + place[name])
    left = {s.name: place[s.name] for s in candidates}
    while left and len(taken) < most:
        degrees = max(n - 2 * (len(taken) + len(begin)) - 2, 1)
        best, name = max((max(_t2(swept, target, i, degrees), _t2(swept, target, size + i, degrees)), name)
                         for name, i in left.items())  # fmt: skip
        if best < weakest:
            break
        taken.append(name)
        i = left.pop(name)
        swept = _swept(_swept(swept, i), size + i)
    return tuple(taken)


def _t2(swept: Vector, target: int, i: int, degrees: int) -> float:
    own, rest = float(swept[i, i]), float(swept[target, target])
    if own < 1e-6 or rest < 1e-9:
        return 0.0
    share = min(float(swept[target, i]) ** 2 / (own * rest), 1 - 1e-12)
    return degrees * share / (1 - share)


def _swept(matrix: Vector, i: int) -> Vector:
    """What is left of all covariances given column `i`."""
    if matrix[i, i] < 1e-6:
        return matrix
    found: Vector = matrix - np.outer(matrix[:, i], matrix[i]) / matrix[i, i]
    return found
