"""How small a change so many requests can show. Pure.

Approximations, told as such: what a detector really needs depends on the change, which nobody knows beforehand.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import Final

from syscard_monitors.burn import log_rarity
from syscard_monitors.packs import Signal
from syscard_monitors.reference import Reference
from syscard_monitors.stats import Rates, fisher_worse

_SPREAD: Final = 60.0
"""What bets on many ways to change cost beside the one right bet: 18 experts, none of them quite right (simulated)."""

_RAREST: Final = 1e-300


def smallest_effect(signal: Signal, reference: Reference, n: int, one_in: float) -> float | None:
    """The smallest effect, in the unit of the tolerance, that `n` requests show with evidence of 1 in `one_in`.

    Infinite where none can be shown; None without an easy answer: for other kinds, for what was constant (but events),
    and for medians of values that are mostly equal. With m requests in the baseline and 1/k = 1/n + 1/m, and N
    `_SPREAD` times `one_in`, as the detector spreads its bets:

    - a difference of means by the tail of a normal distribution with the baseline's variance, sd * sqrt(2 ln N / k);
    - distances between distributions by Dvoretzky, Kiefer & Wolfowitz as Massart (1990) has it, sqrt(ln(2N) / 2k);
    - a rise of a rate by the exact test that judges it, at the price of having a detector beside it;
    - the share that must lie beyond the old median by Hoeffding (1963), theorem 1; a factor is the one that moves such
      a share of the baseline beyond its median.
    """
    if reference.n < 2 or n < 1:
        return None
    if signal.kind == "rate":
        return _rise(reference, n, one_in)
    k, wanted = 1 / (1 / n + 1 / reference.n), one_in * _SPREAD
    if reference.constant is not None:
        return None
    if signal.kind == "share":
        return _mean(signal, reference, k, wanted)
    if signal.kind in ("number", "category"):
        found = math.sqrt(math.log(2 * wanted) / (2 * k))
        return found if found < 1 else math.inf
    if signal.kind in ("ratio", "latency"):
        return _factor(reference, n, wanted)
    return None


def power_text(signal: Signal, reference: Reference, n: int, one_in: float) -> str:
    """`20 requests could show 0.27 at the least`, or that they could show nothing; empty where that is not known."""
    found = smallest_effect(signal, reference, n, one_in)
    if found is None:
        return ""
    what = "no change" if math.isinf(found) else f"{found:.2g} at the least"
    return f"with these it could show {what}"


def _mean(signal: Signal, reference: Reference, k: float, wanted: float) -> float:
    column = reference.everyone
    variance = math.fsum((v - column.mean) ** 2 for v in column.numbers) / (reference.n - 1)
    found = math.sqrt(2 * variance * math.log(wanted) / k)
    room = {"up": 1 - column.mean, "down": column.mean, "both": max(column.mean, 1 - column.mean)}[signal.direction]
    return found if found <= room else math.inf


def _rise(reference: Reference, n: int, one_in: float) -> float:
    before = reference.everyone.hits

    def log_rarity_of(hits: int) -> float:
        return -math.log(max(fisher_worse(Rates(hits, n, before, reference.n)), _RAREST))

    hits = bisect_left(range(n + 1), math.log(2 * one_in), key=log_rarity_of)
    return hits / n - before / reference.n if hits <= n else math.inf


def _factor(reference: Reference, n: int, wanted: float) -> float | None:
    shares = (beyond / n for beyond in range(math.ceil(n / 2), n + 1))
    share = next((s for s in shares if log_rarity(s, n, 0.5) >= math.log(wanted)), None)
    if share is None:
        return math.inf
    median, moved = (reference.with_mix_of([""]).quantile(q) for q in (0.5, max(1 - share, 1 / reference.n)))
    if moved == median:
        return None
    return median / moved if moved > 0 else math.inf
