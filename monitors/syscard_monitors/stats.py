"""The statistics that are ours: small, exact where that is cheap, standard library only.

Everything that Evidently has (two-sample tests) is in `syscard_monitors.drift`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from operator import mul
from statistics import NormalDist
from typing import Final, NamedTuple, TypeVar

from syscard.intervals import Z95 as Z95
from syscard.intervals import Interval as Interval
from syscard.intervals import wilson as wilson  # part of this face since ever

T = TypeVar("T")


class Rates(NamedTuple):
    """One stratum's events now and in the reference."""

    hits: int
    n: int
    hits_before: int
    n_before: int


def fisher_worse(*strata: Rates) -> float:
    """One-sided exact p that a rate has not risen in any stratum.

    With one stratum the upper tail of the hypergeometric distribution (Fisher 1935); with several, of the sum of
    theirs: the exact form of the Cochran-Mantel-Haenszel test (Mehta, Patel & Gray 1985).
    """
    # How far above the least that is possible: of what must be so nothing has to be added up.
    hits, sums = sum(stratum.hits - _support(stratum)[0] for stratum in strata), [1.0]
    if hits <= 0:
        return 1.0
    for stratum in strata[:-1]:
        sums = _convolved(sums, _hypergeometric(stratum))
    # Of the last sum only the tail is asked for.
    return min(1.0, math.fsum(_convolved(sums, _hypergeometric(strata[-1]), hits)))


def _support(rates: Rates) -> tuple[int, int]:
    """The least and the most of all events that can be among the requests now."""
    events, total = rates.hits + rates.hits_before, rates.n + rates.n_before
    return max(0, rates.n + events - total), min(rates.n, events)


def _hypergeometric(rates: Rates) -> list[float]:
    """Probability of the least, one more, ... of all events being among the requests now.

    Exact at the mode, from there by the ratio of neighbours: whole numbers of thousands of digits would take seconds.
    """
    events, n, total = rates.hits + rates.hits_before, rates.n, rates.n + rates.n_before
    (least, most), others = _support(rates), total - events
    mode = min(most, max(least, (n + 1) * (events + 1) // (total + 2)))
    found = [0.0] * (most + 1)
    found[mode] = math.comb(events, mode) * math.comb(others, n - mode) / math.comb(total, n)
    for k in range(mode, most):
        found[k + 1] = found[k] * ((events - k) * (n - k)) / ((k + 1) * (others - n + k + 1))
    for k in range(mode, least, -1):
        found[k - 1] = found[k] * (k * (others - n + k)) / ((events - k + 1) * (n - k + 1))
    return found[least:]


def _convolved(a: Sequence[float], b: Sequence[float], least: int = 0) -> list[float]:
    """Probabilities of the sums from `least` on."""
    back, found = b[::-1], []
    for k in range(least, len(a) + len(b) - 1):
        first = max(0, k - len(b) + 1)
        found.append(math.fsum(map(mul, a[first : k + 1], back[len(b) - 1 - k + first :])))
    return found


def gamma_rate_p(events: int, minutes: float, rate: float) -> float:
    """Two-sided p that `events` arrivals took `minutes` at `rate` a minute (Poisson arrivals, Erlang waiting time)."""
    mean = rate * minutes
    # P(Erlang(events) <= minutes) = P(Poisson(mean) >= events)
    below = sum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(events)) if mean > 0 else 1.0
    return min(1.0, 2 * min(below, 1 - below)) if 0 < below < 1 else 0.0


def ks_distance(current: Sequence[float], below: Callable[[float], float], up_to: Callable[[float], float]) -> float:
    """Largest distance between the values' distribution function and the reference's, 0..1.

    `below` and `up_to` are the share of the reference below a value, and up to and with it.
    """
    # Both functions are flat between values of `current` but for steps of the reference, so its largest distance lies
    # at such a value or just below one.
    largest, seen, n = 0.0, 0, len(current)
    for x, alike in groupby(sorted(current)):
        after = seen + sum(1 for _ in alike)
        largest = max(largest, abs(seen / n - below(x)), abs(after / n - up_to(x)))
        seen = after
    return largest


def total_variation(current: Sequence[str], shares: Mapping[str, float]) -> float:
    """Half the sum of the differences between the categories' shares and those of the reference, 0..1."""
    now = Counter(current)
    both = {*now, *shares}
    return math.fsum(abs(now[k] / len(current) - shares.get(k, 0.0)) for k in both) / 2


def chance_variation(n: int, shares: Mapping[str, float]) -> float:
    """The total variation that `n` values of just these shares have on average.

    By category the mean absolute deviation of a binomial count (De Moivre 1730; Diaconis & Zabell 1991, theorem 1):
    2 * v * C(n, v) * p^v * (1 - p)^(n - v + 1) with v = floor(n * p) + 1.
    """
    return math.fsum(_mean_deviation(n, p) for p in shares.values()) / (2 * n)


def _mean_deviation(n: int, p: float) -> float:
    if not 0 < p < 1:
        return 0.0
    v = min(n, math.floor(n * p) + 1)
    logs = math.log(2 * v) + math.lgamma(n + 1) - math.lgamma(v + 1) - math.lgamma(n - v + 1)
    return math.exp(logs + v * math.log(p) + (n - v + 1) * math.log1p(-p))


def psi(now: Sequence[int], before: Sequence[int]) -> float:
    """Population stability index of counts by cell: the sum of (p - q) ln(p / q) over the cells.

    Half a value is added to each cell of both (Jeffreys' prior): without, one empty cell would make it infinite.
    """
    return math.fsum(map(_psi_term, _shares(now, _JEFFREYS), _shares(before, _JEFFREYS)))


def jensen_shannon(now: Sequence[int], before: Sequence[int]) -> float:
    """Jensen-Shannon distance of counts by cell: the root of the divergence in bits, 0..1."""
    return math.sqrt(max(0.0, math.fsum(map(_divergence_term, _shares(now, 0.0), _shares(before, 0.0)))))


def psi_by_chance(now: int, before: Sequence[int], alpha: float) -> float:
    """What the PSI of so many new values exceeds with probability of about `alpha` where nothing changed."""
    return _by_chance(_psi_term, _JEFFREYS, now, before, alpha)


def jensen_shannon_by_chance(now: int, before: Sequence[int], alpha: float) -> float:
    """The same for the Jensen-Shannon distance."""
    return math.sqrt(_by_chance(_divergence_term, 0.0, now, before, alpha))


_JEFFREYS: Final = 0.5


def _psi_term(p: float, q: float) -> float:
    return (p - q) * math.log(p / q)


def _divergence_term(p: float, q: float) -> float:
    middle = (p + q) / 2
    return math.fsum(share * math.log2(share / middle) for share in (p, q) if share) / 2


def _by_chance(
    term: Callable[[float, float], float], prior: float, now: int, before: Sequence[int], alpha: float
) -> float:
    """A quantile of a sum over cells where nothing changed: of the gamma with its mean and variance.

    Cells are taken as independent Poisson counts, so it holds where they expect a value or two, and the usual
    chi-square does not. Both samples err: their sizes count as the one whose error is that of both.
    """
    total, cells = sum(before), len(before)
    size = now * total / (now + total)
    mean, variance = 0.0, 0.0
    for share, known in zip(_shares(before, _JEFFREYS), _shares(before, prior), strict=True):
        seen = [(p, term((k + prior) / (size + prior * cells), known)) for k, p in _poisson(size * share)]
        of_cell = math.fsum(p * value for p, value in seen)
        mean += of_cell
        variance += math.fsum(p * (value - of_cell) ** 2 for p, value in seen)
    if variance <= 0:
        return mean
    freedom = 2 * mean**2 / variance
    return mean / freedom * _chi_square_quantile(1 - alpha, freedom)


def _poisson(mean: float) -> list[tuple[int, float]]:
    """Counts that are not all but impossible, with their probabilities."""
    reach = 8 * math.sqrt(mean) + 12
    counts = range(max(0, math.floor(mean - reach)), math.ceil(mean + reach) + 1)
    return [(k, math.exp(k * math.log(mean) - mean - math.lgamma(k + 1))) for k in counts]


def _chi_square_quantile(q: float, df: float) -> float:
    """By Wilson and Hilferty's cube (1931)."""
    spread = 2 / (9 * df)
    return df * max(0.0, 1 - spread + NormalDist().inv_cdf(q) * math.sqrt(spread)) ** 3


def _shares(counts: Sequence[int], prior: float) -> list[float]:
    total = sum(counts) + prior * len(counts)
    return [(count + prior) / total for count in counts]


def quantile(values: Sequence[float], q: float) -> float:
    """The smallest value that at least a share `q` of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean, summed without loss."""
    return math.fsum(values) / len(values)


def effective_n(share: float, variance: float, n: int) -> float:
    """How many independent yes/no requests have the variance that was seen (requests are clusters of calls).

    Wilson's interval over this n is the cluster-robust one; it is never wider than for yes/no values.
    """
    if variance <= 0 or share <= 0 or share >= 1:
        return float(n)
    return n * share * (1 - share) / variance


def rule_of_three(n: int) -> float:
    """Upper 95 % bound of a rate after `n` requests without an event (Hanley & Lippman-Hand 1983)."""
    return 1.0 if n == 0 else min(1.0, 3 / n)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) adjusted p-values, in the order given."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = running
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's (1995) adjusted p-values, in the order given."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i], reverse=True)
    adjusted, running = [0.0] * len(p_values), 1.0
    for above, i in enumerate(order):
        running = min(running, p_values[i] * len(p_values) / (len(p_values) - above))
        adjusted[i] = running
    return adjusted


def evenly(values: Sequence[T], wanted: int) -> tuple[T, ...]:
    """So many of these values, evenly spaced in their order; all where there are fewer."""
    n = max(1, min(wanted, len(values)))
    return tuple(values[(2 * i + 1) * len(values) // (2 * n)] for i in range(n))
