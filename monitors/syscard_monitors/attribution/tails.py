"""Tails of the F and binomial distributions, by one continued fraction. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

_TINY: Final = 1e-300
_CLOSE: Final = 1e-14
_MOST_STEPS: Final = 10_000


def f_tail(statistic: float, terms: int, rest: float) -> float:
    """Probability that F with `terms` and `rest` degrees of freedom is at least this large."""
    if not statistic > 0:
        return 1.0
    if math.isinf(statistic):
        return 0.0
    return beta_below(rest / (rest + terms * statistic), rest / 2, terms / 2)


def t_tails(statistic: float, rest: float) -> float:
    """Two-sided p of Student's t."""
    return f_tail(statistic * statistic, 1, rest)


def binomial_tails(hits: int, n: int, share: float) -> float:
    """Twice the smaller of both exact tails, at most 1."""
    least = beta_below(share, hits, n - hits + 1) if hits else 1.0
    most = beta_below(1 - share, n - hits, hits + 1) if hits < n else 1.0
    return min(1.0, 2 * min(least, most))


def together(p_values: Sequence[float]) -> float:
    """One p for several tests, however they depend on each other: Cauchy's combination (Liu and Xie 2020)."""
    worst = min(p_values)
    if worst < 1e-15:
        return min(1.0, worst * len(p_values))
    found = sum(math.tan((0.5 - min(p, 1 - 1e-15)) * math.pi) for p in p_values) / len(p_values)
    return 0.5 - math.atan(found) / math.pi if found < 1e8 else 1 / (found * math.pi)


def beta_below(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function (Lentz's continued fraction; Press et al., Numerical Recipes, 6.4)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    if x < (a + 1) / (a + b + 2):
        return math.exp(front) * _fraction(x, a, b) / a
    return 1.0 - math.exp(front) * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    found = d
    for m in range(1, _MOST_STEPS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _not_zero(1 + term * d)
            c = _not_zero(1 + term / c)
            found *= c * d
        if abs(c * d - 1) < _CLOSE:
            break
    return found


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
