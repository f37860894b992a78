"""Whether a signal changed given its parents: a regime test of p(child | parents). Needs NumPy.

Numbers: least squares on columns of the parents, with terms for now (level, and the slope of each parent), tested by
Wald's statistic with HC3 against F; and the size of what is left (Brown-Forsythe, adjusted for the parents). Yes or no:
the score of the same terms in a logistic regression, and of few events the exact binomial tail of how many are now.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from syscard_monitors.attribution.features import Shape, columns, shape_of, terms
from syscard_monitors.attribution.fits import Fit, beside, chances, logistic, plane, wald
from syscard_monitors.attribution.table import Scaled, Vector
from syscard_monitors.attribution.tails import binomial_tails, f_tail, t_tails, together

LEAST: Final = 40
"""Requests with a value, before and now, below which nothing is said of a signal."""
FEW: Final = 30
"""Of so few events the score's distribution is not known well enough."""
_EVENTS_A_TERM: Final = 10
_ALONE: Final = 4
"""Slopes, of the most telling parents, that are also tested one by one."""
_SLIGHT: Final = 1e-3
_LEAST_OPEN: Final = 0.2
"""Of the spread of a number: where its parents leave less than that open, effects are measured by this."""
_LEAST_SPREAD: Final = 0.05


class Tested(NamedTuple):
    """What was found of one signal given some parents."""

    p: float
    effect: float
    edges: Mapping[str, float]
    """Parent -> p of its slope having changed."""
    n: int
    fit: Fitted


class Fitted(NamedTuple):
    """Its mechanism: what is the same before and now, and what is added now."""

    parents: tuple[str, ...]
    shape: Shape
    steady: Vector
    """Weights of the columns if nothing changed."""
    before: Vector
    """Weights of the columns with terms for now beside them."""
    added: Vector
    """Weights of the terms for now: level and slopes; 0 where they cannot be told."""


def regime_test(
    child: Scaled, parents: Sequence[Scaled], n_before: int, firm: Collection[str], *, straight: bool = False
) -> Tested | None:
    """The regime test of one signal; None where there is too little to say.

    Args:
        child: the signal.
        parents: what acts on it, the most telling first.
        n_before: requests before; those now follow them.
        firm: parents whose slope may be asked whether it changed. One that was chosen, of many, for a slight slope
            before has a slighter one now by that alone.
        straight: whether the parents are taken as a sum, with no bends and no products.
    """
    rows = child.there
    now = (np.arange(len(child.z)) >= n_before).astype(float)[rows]
    if min(now.sum(), len(now) - now.sum()) < LEAST or not child.varies:
        return None
    given = np.column_stack([p.z[rows] for p in parents]) if parents else np.empty((len(now), 0))
    y = child.z[rows]
    told = 2 * min(y.sum(), len(y) - y.sum()) if child.binary else len(y)
    shape = shape_of([p.binary for p in parents], 0 if straight else int(told))
    # The slope of a parent that was constant before cannot have changed: what it does is seen now only.
    varied = [p.name in firm and not p.constant and _varies(p.z[rows][now > 0]) for p in parents]
    data = _Data(y, now, columns(given, shape), terms(given, now), [True, *varied])
    judge = _yes_or_no if child.binary else _number
    p, effect, slopes, fit, added = judge(data)
    edges = {q.name: slopes[1 + i] for i, q in enumerate(parents) if 1 + i in slopes}
    steady, before = fit
    return Tested(p, effect, edges, len(now), Fitted(tuple(q.name for q in parents), shape, steady, before, added))


def left_open(child: Scaled, parents: Sequence[Scaled], n_before: int, *, straight: bool = False) -> float:
    """Share of a number's variance before that its parents do not explain; 1 where it did not vary."""
    rows = child.there[:n_before]
    y = child.z[:n_before][rows]
    spread = float(y.var()) if len(y) else 0.0
    if not parents or not spread:
        return 1.0
    given = np.column_stack([p.z[:n_before][rows] for p in parents])
    shape = shape_of([p.binary for p in parents], 0 if straight else len(y))
    return float(plane(columns(given, shape)).beyond(y).var()) / spread


def _varies(values: Vector) -> bool:
    return bool(np.ptp(values) > 0)


class _Data(NamedTuple):
    y: Vector
    now: Vector
    given: Vector
    terms: Vector
    usable: list[bool]

    @property
    def used(self) -> list[int]:
        """Places of the terms that can be told."""
        return [i for i, usable in enumerate(self.usable) if usable]


_Judged = tuple[float, float, dict[int, float], tuple[Vector, Vector], Vector]
"""p, effect, p by place of a term, (weights if nothing changed, weights with terms), weights of the terms."""


def _number(data: _Data) -> _Judged:
    given, used = plane(data.given), data.used
    y, rest = given.beyond(data.y), max(len(data.y) - data.given.shape[1] - len(used), 1)
    if float(np.std(y)) < _SLIGHT:  # its parents say all of it
        weights = given.weights(data.y)
        return 1.0, 0.0, {}, (weights, weights), np.zeros(data.terms.shape[1])
    added = given.beyond(data.terms[:, used])
    full = beside(given, added, y)
    size = np.abs(full.left)
    wider = beside(given, added[:, :1], given.beyond(size))
    tests = {places: beside(given, added[:, places], y) for places in _asked(len(used))}
    p = {
        places: f_tail(wald(fit.weights, fit.covariance) / len(places), len(places), rest)
        for places, fit in tests.items()
    }
    slopes = {j: _p_of(full, i, rest) for i, j in enumerate(used) if j}
    moved = (data.terms[:, used] @ full.weights)[data.now > 0]
    usual = max(float(np.std(full.left[data.now == 0])), _LEAST_OPEN)
    grown = float(size[data.now > 0].mean() / max(size[data.now == 0].mean(), _LEAST_OPEN / 2)) - 1
    effect = math.hypot(math.sqrt(float((moved**2).mean())) / usual, grown)
    before = given.weights(data.y - data.terms[:, used] @ full.weights)
    p_all = together([*_combined(p, len(used)), _p_of(wider, 0, rest)])
    return p_all, effect, slopes, (given.weights(data.y), before), _placed(full.weights, used, data)


def _asked(terms: int) -> list[tuple[int, ...]]:
    """Which terms are tested together: the level, all, and the level with each of the first slopes."""
    every = tuple(range(terms))
    return list(dict.fromkeys([(0,), every, *((0, j) for j in every[1 : 1 + _ALONE])]))


def _combined(p: Mapping[tuple[int, ...], float], terms: int) -> list[float]:
    """Level, all, and the least of the single slopes by Bonferroni."""
    alone = [one for places, one in p.items() if len(places) == 2]
    return [p[(0,)], *([p[tuple(range(terms))], min(1.0, min(alone) * len(alone))] if alone else [])]


def _p_of(fit: Fit, i: int, rest: float) -> float:
    """P of one weight being 0."""
    return t_tails(_ratio(float(fit.weights[i]), float(fit.covariance[i, i])), rest)


def _ratio(weight: float, variance: float) -> float:
    return weight / math.sqrt(max(variance, 1e-18))


def _placed(weights: Vector, used: list[int], data: _Data) -> Vector:
    found = np.zeros(data.terms.shape[1])
    found[used] = weights
    return found


def _yes_or_no(data: _Data) -> _Judged:
    events = int(min(data.y.sum(), len(data.y) - data.y.sum()))
    null = logistic(data.given, data.y)
    used = data.used if events >= _EVENTS_A_TERM * len(data.used) else [0]
    p = together(_combined(_scores(data, null, used), len(used)))
    if events < FEW:
        p = max(p, _exact(data, null))
    k = data.given.shape[1]
    start = np.concatenate([null.weights, np.zeros(len(used))])
    full = logistic(np.hstack([data.given, data.terms[:, used]]), data.y, start)
    weights, spread = full.weights[k:], full.covariance[k:, k:]
    slopes = {j: _p_of(Fit(weights, spread, full.left), i, math.inf) for i, j in enumerate(used) if j}
    was = chances(data.given @ full.weights[:k])
    moved = (full.left - was)[data.now > 0]
    usual = max(float(np.std(data.y[data.now == 0])), _LEAST_SPREAD)
    effect = math.sqrt(float((moved**2).mean())) / usual
    return p, effect, slopes, (null.weights, full.weights[:k]), _placed(weights, used, data)


def _scores(data: _Data, null: Fit, used: list[int]) -> dict[tuple[int, ...], float]:
    """Rao's score test of the terms for now: it holds its level where Wald's does not, with few events."""
    left, spread = data.y - null.left, null.left * (1 - null.left)
    added = data.terms[:, used]
    score = added.T @ left
    cross = (added * spread[:, None]).T @ data.given
    given = np.linalg.pinv((data.given * spread[:, None]).T @ data.given, hermitian=True)
    own = (added * spread[:, None]).T @ added - cross @ given @ cross.T
    rest = max(len(data.y) - data.given.shape[1] - len(used), 1)
    return {
        places: f_tail(wald(score[[*places]], own[np.ix_(places, places)]) / len(places), len(places), rest)
        for places in _asked(len(used))
    }


def _exact(data: _Data, null: Fit) -> float:
    """Of the rarer answer, whether more or fewer are now than their chances by the parents let expect."""
    rare = data.y if data.y.mean() <= 0.5 else 1 - data.y
    chance = null.left if data.y.mean() <= 0.5 else 1 - null.left
    expected = float((chance * data.now).sum() / max(chance.sum(), 1e-12))
    return binomial_tails(int((rare * data.now).sum()), int(rare.sum()), expected)
