"""The statistics of risks: pure Python, exact where that is cheap. Shared by all risks."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from operator import mul
from statistics import NormalDist
from typing import Final, NamedTuple

from syscard_monitors.stats import Z95, Interval, Rates, fisher_worse, mean, wilson
from syscard_monitors.strata import EVERYONE

RESAMPLES: Final = 200
"""Of a bootstrap, or of a permutation test that is asked for no more."""
_NORMAL: Final = NormalDist()
_HALF: Final = 0.5
"""Added to every cell of a table with an empty one (Haldane 1956)."""
_TAIL: Final = 40.0
"""Terms of a sum that are smaller by this many e-folds than the largest add nothing."""


class Association(NamedTuple):
    """How much more often something is off where something else is."""

    ratio: float
    """Risk ratio of Mantel and Haenszel over the strata."""
    low: float
    high: float
    p_value: float
    """One-sided, exact (Mehta, Patel & Gray 1985): of no positive association in any stratum."""
    attributable: float
    """Population attributable fraction: the share of what is off that would not be, were the ratio 1 (Miettinen)."""
    expected: float
    """Joint events that independence would have made."""
    error: float
    """Standard error of the logarithm of the ratio."""


def association(tables: Sequence[Rates]) -> Association:
    """Of 2 x 2 tables, one a stratum: `hits` of `n` with the cause, `hits_before` of `n_before` without.

    The variance of the log risk ratio is Greenland and Robins' (1985); cells get a half where a whole row is empty.
    """
    used = [t for t in tables if t.n and t.n_before]
    hits, expected = sum(t.hits for t in used), math.fsum(_expected(t) for t in used)
    if not used or not any(t.hits + t.hits_before for t in used):
        return Association(1.0, 0.0, math.inf, 1.0, 0.0, expected, math.inf)
    ratio, error = _mantel_haenszel(used)
    low, high = (ratio * math.exp(sign * Z95 * error) for sign in (-1, 1))
    events = hits + sum(t.hits_before for t in used)
    attributable = max(0.0, hits / events * (1 - 1 / ratio)) if ratio > 0 else 0.0
    return Association(ratio, low, high, fisher_worse(*used), attributable, expected, error)


def _expected(table: Rates) -> float:
    return table.n * (table.hits + table.hits_before) / (table.n + table.n_before)


def _mantel_haenszel(tables: Sequence[Rates]) -> tuple[float, float]:
    add = _HALF if not all(sum(getattr(t, side) for t in tables) for side in ("hits", "hits_before")) else 0.0
    above = below = spread = 0.0
    for t in tables:
        a, b, n1, n0 = t.hits + add, t.hits_before + add, t.n + 2 * add, t.n_before + 2 * add
        total = n1 + n0
        above += a * n0 / total
        below += b * n1 / total
        spread += (n1 * n0 * (a + b) - a * b * total) / total**2
    return above / below, math.sqrt(max(0.0, spread) / (above * below))


class Counts(NamedTuple):
    """Events among requests, in one stratum."""

    hits: int
    n: int


class Rise(NamedTuple):
    """How much more often something happens now than in the baseline, each stratum against its like."""

    n: int
    now: float
    before: float
    """With the mix of strata of now (direct standardisation)."""
    difference: float
    low: float
    high: float
    p_value: float
    """One-sided, exact: that it is no more frequent in any stratum."""
    error: float
    """Standard error of the difference where nothing changed."""


def rise(now: Mapping[str, Counts], before: Mapping[str, Counts]) -> Rise | None:
    """Of shares by stratum; None where no stratum of now is known. Strata that the baseline has not are left out.

    The interval is Newcombe's (1998), over strata by recovery of variances (Yan & Su 2010).
    """
    known = _like(now, before)
    total = sum(c.n for c, _ in known.values())
    if not total:
        return None
    shares = [(c.n / total, c.hits / c.n, wilson(c.hits / c.n, c.n), b.hits / b.n, b.n) for c, b in known.values()]
    share = math.fsum(w * p for w, p, *_ in shares)
    usual = math.fsum(w * p0 for w, _, _, p0, _ in shares)
    below = above = 0.0
    for w, p, own, p0, n0 in shares:
        other = wilson(p0, n0)
        below += w * w * ((p - own.low) ** 2 + (other.high - p0) ** 2)
        above += w * w * ((own.high - p) ** 2 + (p0 - other.low) ** 2)
    difference = share - usual
    tables = {s: Rates(c.hits, c.n, b.hits, b.n) for s, (c, b) in known.items()}
    low, high = difference - math.sqrt(below), difference + math.sqrt(above)
    return Rise(total, share, usual, difference, low, high, exact_p(tables), _null_error(known, total))


def _like(now: Mapping[str, Counts], before: Mapping[str, Counts]) -> dict[str, tuple[Counts, Counts]]:
    """Each stratum with its like of the baseline; `EVERYONE` is compared with all of it."""
    everyone = Counts(sum(c.hits for c in before.values()), sum(c.n for c in before.values()))
    usual = {**before, EVERYONE: everyone}
    return {s: (c, usual[s]) for s, c in sorted(now.items()) if c.n and s in usual and usual[s].n}


def _null_error(known: Mapping[str, tuple[Counts, Counts]], total: int) -> float:
    spread = 0.0
    for c, b in known.values():
        pooled = (c.hits + b.hits + _HALF) / (c.n + b.n + 1)
        spread += (c.n / total) ** 2 * pooled * (1 - pooled) * (1 / c.n + 1 / b.n)
    return math.sqrt(spread)


def exact_p(tables: Mapping[str, Rates]) -> float:
    """Fisher's one-sided p over strata; who is compared with all is another test, and the smaller p counts double."""
    named = [t for s, t in tables.items() if s != EVERYONE]
    of_all = [t for s, t in tables.items() if s == EVERYONE]
    found = [fisher_worse(*together) for together in (named, of_all) if together]
    return min(1.0, len(found) * min(found)) if found else 1.0


class Ratio(NamedTuple):
    """A rate now over the rate before."""

    ratio: float
    low: float
    high: float
    p_value: float
    error: float
    """Standard error of its logarithm where nothing changed."""


def rate_ratio(now: Sequence[float], before: tuple[float, float, int]) -> Ratio:
    """Of events per request: those of now, and (sum, sum of squares, requests) of before. One-sided: more now.

    Poisson's conditional test (Przyborowski & Wilenski 1940); where counts vary more than Poisson's, a quasi-Poisson z
    as well, and the larger p is told (McCullagh & Nelder 1989, 4.5).
    """
    events, n = math.fsum(now), len(now)
    past, squares, m = before
    if not past or not m or not n:
        return Ratio(1.0, 0.0, math.inf, 1.0, math.inf)
    ratio = (events or _HALF) / n / (past / m)
    dispersion = max(1.0, _dispersion(now), (squares / m - (past / m) ** 2) / (past / m))
    error = math.sqrt(dispersion * (1 / max(events, _HALF) + 1 / past))
    exact = binomial_tail(round(events), round(events + past), n / (n + m))
    p = max(exact, upper_tail(math.log(ratio) / error))
    return Ratio(ratio, ratio * math.exp(-Z95 * error), ratio * math.exp(Z95 * error), p, error)


def _dispersion(counts: Sequence[float]) -> float:
    centre = mean(counts)
    return math.fsum((c - centre) ** 2 for c in counts) / len(counts) / centre if centre else 1.0


def binomial_tail(hits: int, n: int, share: float) -> float:
    """Probability of at least so many of `n`."""
    if hits <= 0:
        return 1.0
    if share <= 0 or hits > n:
        return 0.0
    if share >= 1:
        return 1.0
    log, found, largest = _log_binomial(hits, n, share), 0.0, -math.inf
    for k in range(hits, n + 1):
        found += math.exp(log)
        largest = max(largest, log)
        if log < largest - _TAIL:
            break
        log += math.log((n - k) / (k + 1) * share / (1 - share)) if k < n else 0.0
    return min(1.0, found)


def _log_binomial(k: int, n: int, share: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return ways + k * math.log(share) + (n - k) * math.log1p(-share)


def upper_tail(z: float) -> float:
    """P(Z >= z) of the standard normal distribution, exact far out too."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def two_sided(z: float) -> float:
    """P(|Z| >= |z|)."""
    return math.erfc(abs(z) / math.sqrt(2))


def needed_z(p: float) -> float:
    """The z that is as rare as `p`, one-sided."""
    return -_NORMAL.inv_cdf(min(0.5, max(p, 1e-300)))


class LogOdds(NamedTuple):
    """Log odds ratio of a 2 x 2 table, and its variance."""

    value: float
    variance: float


def log_odds(both: float, first: float, second: float, neither: float) -> LogOdds:
    """Of counts with both, only the first, only the second, neither; each with half a count more (Haldane 1956)."""
    cells = [cell + _HALF for cell in (both, first, second, neither)]
    value = math.log(cells[0] * cells[3] / (cells[1] * cells[2]))
    return LogOdds(value, math.fsum(1 / cell for cell in cells))


class Line(NamedTuple):
    """A straight line through points, by least squares."""

    n: int
    slope: float
    error: float
    """Standard error of the slope, robust to unequal spread (HC3; MacKinnon & White 1985)."""
    spread: float
    """Standard deviation of y."""
    spread_x: float


def line(xs: Sequence[float], ys: Sequence[float]) -> Line | None:
    """None where there are too few points, or x does not vary."""
    n = len(xs)
    if n < 5:
        return None
    mx, my = mean(xs), mean(ys)
    dx, dy = [x - mx for x in xs], [y - my for y in ys]
    sxx = math.fsum(map(mul, dx, dx))
    if sxx <= 1e-12 * n:
        return None
    slope, own = math.fsum(map(mul, dx, dy)) / sxx, 1 - 1 / n
    terms = [a * (b - slope * a) / max(1e-9, own - a * a / sxx) for a, b in zip(dx, dy, strict=True)]
    meat, syy = math.fsum(map(mul, terms, terms)), math.fsum(map(mul, dy, dy))
    return Line(n, slope, math.sqrt(meat) / sxx, math.sqrt(syy / n), math.sqrt(sxx / n))


class Trend(NamedTuple):
    """Whether a short series goes up."""

    tau: float
    p_value: float
    """One-sided: that it does not rise."""
    slope: float
    """Theil and Sen's: the median of all slopes, a step."""


def trend(values: Sequence[float]) -> Trend:
    """Mann (1945) and Kendall's test; exact without ties, else normal with their correction; Sen's slope (1968)."""
    n = len(values)
    pairs = [(values[j] - values[i], j - i) for i in range(n) for j in range(i + 1, n)]
    score = sum((d > 0) - (d < 0) for d, _ in pairs)
    if not pairs:
        return Trend(0.0, 1.0, 0.0)
    slopes = sorted(d / steps for d, steps in pairs)
    middle = (slopes[len(slopes) // 2] + slopes[(len(slopes) - 1) // 2]) / 2
    ties = len({*values}) < n
    p = _kendall_normal(values, score) if ties or n > 40 else _kendall_exact(n, score)
    return Trend(score / len(pairs), p, middle)


def _kendall_exact(n: int, score: int) -> float:
    """P(S >= score) over all orders, by the numbers of inversions (Kendall 1938)."""
    ways = [1]
    for size in range(2, n + 1):
        grown = [0] * (len(ways) + size - 1)
        for at, count in enumerate(ways):
            for more in range(size):
                grown[at + more] += count
        ways = grown
    most = n * (n - 1) // 2
    # With `k` inversions the score is most - 2 k.
    return sum(ways[: (most - score) // 2 + 1]) / math.factorial(n)


def _kendall_normal(values: Sequence[float], score: int) -> float:
    n = len(values)
    ties = [values.count(v) for v in {*values}] if isinstance(values, list | tuple) else []
    variance = (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18
    return upper_tail((score - 1) / math.sqrt(variance)) if variance > 0 and score > 0 else 1.0


def kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Cohen's (1960) agreement of two labels beyond chance; None where chance alone would always agree."""
    n = len(pairs)
    if not n:
        return None
    labels = {label for pair in pairs for label in pair}
    agreed = sum(a == b for a, b in pairs) / n
    shares = [(sum(a == k for a, _ in pairs) / n, sum(b == k for _, b in pairs) / n) for k in sorted(labels)]
    chance = math.fsum(p * q for p, q in shares)
    return (agreed - chance) / (1 - chance) if chance < 1 else None


def bootstrap(
    groups: Sequence[Sequence[float]],
    statistic: Callable[[Sequence[float]], float],
    seed: int,
    resamples: int = RESAMPLES,
) -> Interval:
    """A 95 % percentile interval of a statistic; whole groups (users, sessions, stretches of time) are drawn again."""
    draws = random.Random(seed)  # noqa: S311 - a sample, no secret
    found = sorted(
        statistic([v for _ in groups for v in groups[draws.randrange(len(groups))]]) for _ in range(resamples)
    )
    return Interval(found[round(0.025 * (resamples - 1))], found[round(0.975 * (resamples - 1))])


def blocks(values: Sequence[float], size: int) -> list[Sequence[float]]:
    """Stretches of so many, in their order; what is left over stays with the last."""
    count = max(1, len(values) // size)
    return [values[i * size : (i + 1) * size if i < count - 1 else None] for i in range(count)]


def permuted_p(found: float, again: Callable[[random.Random], float], seed: int, rounds: int = RESAMPLES) -> float:
    """Share of permutations that say as much, the one that was seen among them (Phipson & Smyth 2010)."""
    draws = random.Random(seed)  # noqa: S311 - a permutation, no secret
    return (1 + sum(again(draws) >= found for _ in range(rounds))) / (1 + rounds)


def shifted(values: Sequence[float], by: int) -> list[float]:
    """Round a circle: what is left of the order, without what goes with it in time."""
    return [*values[by:], *values[:by]]


def correlation(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Pearson's; 0 where one does not vary."""
    mx, my = mean(xs), mean(ys)
    above = math.fsum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True))
    below = math.fsum((x - mx) ** 2 for x in xs) * math.fsum((y - my) ** 2 for y in ys)
    return above / math.sqrt(below) if below > 0 else 0.0


def ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1, ties at their mean."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    found, at = [0.0] * len(values), 0
    while at < len(order):
        end = at
        while end + 1 < len(order) and values[order[end + 1]] == values[order[at]]:
            end += 1
        for i in order[at : end + 1]:
            found[i] = (at + end) / 2 + 1
        at = end + 1
    return found


def rank_correlation(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Spearman's."""
    return correlation(ranks(xs), ranks(ys))
