"""How well two samples of vectors can be told apart: a domain classifier (Rabanser et al. 2019). Needs NumPy.

A logistic regression learns on one half of both samples which sample a vector is of, and is asked about the other half;
then the halves change roles. Asked about vectors that it has not seen, its area under the ROC curve is 0.5 where the
samples are alike, and the number of pairs that it ranks rightly has Mann and Whitney's distribution.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from syscard.errors import MissingExtra

if TYPE_CHECKING:
    import numpy as np

    Matrix = np.ndarray[Any, np.dtype[np.float64]]

RIDGE: Final = 1.0
"""Penalty of the weights, on columns of variance one: keeps a classifier of few vectors from learning them by heart."""
STEPS: Final = 8
"""Newton steps; the penalised likelihood has one maximum, and this many come near it."""
_RAREST: Final = 1e-300
Vectors = Sequence[Sequence[float]]


class Told(NamedTuple):
    """How well two samples are told apart."""

    auc: float
    """Mean area under the ROC curve over the two halves: 0.5 is not at all, 1 is always."""
    p_value: float
    """One-sided; exact but for its normal tail, which says less than the exact one."""


def told_apart(before: Vectors, now: Vectors, seed: str) -> Told:
    """How well a classifier that saw half of both samples tells the other half apart.

    p is twice the smaller of the two halves' (Bonferroni): they are not independent of each other.

    Args:
        before: vectors of one sample, all of one length; at least four.
        now: those of the other, likewise.
        seed: decides between equal scores when p is worked out, as if they were drawn.

    Raises:
        MissingExtra: NumPy is not installed.
    """
    halves = [_half(before, now, seed, learns=n) for n in (0, 1)]
    p = min(1.0, 2 * min(half.p_value for half in halves))
    return Told(sum(half.auc for half in halves) / 2, max(p, _RAREST))


def _half(before: Vectors, now: Vectors, seed: str, *, learns: int) -> Told:
    asked = 1 - learns
    scores = _scores(before[learns::2], now[learns::2], [*before[asked::2], *now[asked::2]])
    split = len(before[asked::2])
    return judged(scores[:split], scores[split:], f"{seed}/{learns}")


def judged(before: Sequence[float], now: Sequence[float], seed: str) -> Told:
    """Area under the curve of scores, and the p of so many pairs in which the one of `now` is higher (Mann-Whitney).

    Equal scores count half in the area; for p they are put in a drawn order, so that the distribution is that without
    ties. Its tail is taken from the normal one with the same variance, (n + m + 1) / 12nm of the area.
    """
    n, m = len(before), len(now)
    draw = random.Random(seed)  # noqa: S311 - decides ties, guards nothing
    ranked = sorted([(s, draw.random(), 0) for s in before] + [(s, draw.random(), 1) for s in now])
    ranks = sum(rank for rank, (_, _, is_now) in enumerate(ranked, 1) if is_now)
    drawn = (ranks - m * (m + 1) / 2 - 0.5) / (n * m)  # half a pair less: the count is whole
    z = (drawn - 0.5) / math.sqrt((n + m + 1) / (12 * n * m))
    return Told(_area(before, now), 0.5 * math.erfc(z / math.sqrt(2)))


def _area(before: Sequence[float], now: Sequence[float]) -> float:
    """Share of pairs in which the score of `now` is the higher one, equal ones half."""
    places: dict[float, list[int]] = {}
    for score, is_now in sorted([(s, 0) for s in before] + [(s, 1) for s in now]):
        places.setdefault(score, [0, 0])[is_now] += 1
    below, won = 0, 0.0
    for low, high in places.values():
        won += high * (below + low / 2)
        below += low
    return won / (len(before) * len(now))


def _scores(before: Vectors, now: Vectors, asked: Vectors) -> list[float]:
    """Log odds of the vectors that are asked about to be of `now`, by a classifier that learnt on the other two."""
    np = _numpy()
    known = np.asarray([*before, *now], dtype=float)
    centre, spread = known.mean(axis=0), known.std(axis=0)
    spread[spread == 0] = 1.0
    learnt = _fitted((known - centre) / spread, len(before), len(now))
    found: list[float] = _with_one((np.asarray(asked, dtype=float) - centre) / spread).dot(learnt).tolist()
    return found


def _fitted(known: Matrix, n: int, m: int) -> Matrix:
    """Weights of a logistic regression by Newton's method; both samples weigh the same however many they are."""
    np = _numpy()
    x, y = _with_one(known), np.repeat([0.0, 1.0], [n, m])
    each = np.repeat([(n + m) / (2 * n), (n + m) / (2 * m)], [n, m])
    penalty = RIDGE * np.eye(x.shape[1])
    weights: Matrix = np.zeros(x.shape[1])
    for _ in range(STEPS):
        odds = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        slope = x.T @ (each * (odds - y)) + penalty @ weights
        curve = (x.T * (each * odds * (1 - odds))) @ x + penalty
        weights = weights - np.linalg.solve(curve, slope)
    return weights


def _with_one(known: Matrix) -> Matrix:
    np = _numpy()
    found: Matrix = np.hstack([known, np.ones((len(known), 1))])
    return found


def _numpy() -> Any:
    try:
        import numpy as np
    except ImportError as error:
        raise MissingExtra("server", "comparing embeddings") from error
    return np
