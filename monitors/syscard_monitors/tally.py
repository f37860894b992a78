"""Tallies: sums of one window that merge exactly. The tally of two windows merged is the tally of both together.

Sums are integers (millionths; counts by bucket), so no order of adding can change a digit.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Final, TypeVar

from syscard_monitors.stats import Z95, Interval, effective_n, wilson

K = TypeVar("K")
_SCALE: Final = 1_000_000
_GROWTH: Final = math.log(1.02)
"""Buckets of a tally grow by 2 %: a quantile is right within 1 %."""


@dataclass(frozen=True)
class Tally:
    """Sums over the requests of a window that had a value."""

    n: int = 0
    total: int = 0
    """Sum of values, in millionths."""
    squares: int = 0
    """Sum of squares, in millionths."""
    hits: int = 0
    """Requests whose value is not zero."""
    buckets: dict[int, int] = field(default_factory=dict)
    """Requests by logarithmic bucket; what quantiles are read from. Values of zero and below are in bucket -10,000."""
    sample: dict[str, int] = field(default_factory=dict)
    """What these requests say of their sampling (`syscard_monitors.samples`); empty where none does."""

    def __add__(self, other: Tally) -> Tally:
        """The tally of both windows."""
        return Tally(
            self.n + other.n,
            self.total + other.total,
            self.squares + other.squares,
            self.hits + other.hits,
            _together(self.buckets, other.buckets),
            _together(self.sample, other.sample),
        )

    @property
    def mean(self) -> float:
        """Mean value; 0 without values."""
        return self.total / _SCALE / self.n if self.n else 0.0

    @property
    def variance(self) -> float:
        """Sample variance; 0 below two values."""
        if self.n < 2:
            return 0.0
        return max(0.0, (self.squares / _SCALE - self.n * self.mean**2) / (self.n - 1))

    def share_interval(self) -> Interval:
        """95 % interval of the mean of values between 0 and 1, requests being the clusters."""
        return wilson(self.mean, effective_n(self.mean, self.variance, self.n))

    def mean_interval(self) -> Interval:
        """95 % interval of a mean, by the normal approximation."""
        half = Z95 * math.sqrt(self.variance / self.n) if self.n else math.inf
        return Interval(self.mean - half, self.mean + half)

    def quantile(self, q: float) -> float:
        """The q-quantile, right within 1 %."""
        return self._at(math.ceil(q * self.n))

    def quantile_interval(self, q: float) -> Interval:
        """95 % interval of a quantile by order statistics (normal approximation of the binomial rank)."""
        half = Z95 * math.sqrt(self.n * q * (1 - q))
        return Interval(self._at(math.floor(self.n * q - half)), self._at(math.ceil(self.n * q + half) + 1))

    @property
    def histogram(self) -> tuple[tuple[float, int], ...]:
        """Values, right within 1 %, and how many requests have each; empty where no quantiles were asked for."""
        return tuple((_middle(bucket), self.buckets[bucket]) for bucket in sorted(self.buckets))

    def _at(self, rank: int) -> float:
        wanted, seen = min(max(rank, 1), self.n), 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= wanted:
                return _middle(bucket)
        return 0.0

    def body(self) -> dict[str, Any]:
        """JSON form."""
        buckets = {str(k): v for k, v in sorted(self.buckets.items())}
        sums = {"n": self.n, "total": self.total, "squares": self.squares, "hits": self.hits, "buckets": buckets}
        return {**sums, "sample": self.sample} if self.sample else sums


def _together(some: dict[K, int], others: dict[K, int]) -> dict[K, int]:
    """Counts of both; most tallies have none, and a `Counter` takes its time."""
    if some and others:
        return dict(Counter(some) + Counter(others))
    return {key: count for key, count in (some or others).items() if count > 0}


def read_tally(body: dict[str, Any]) -> Tally:
    """A tally from its JSON form."""
    buckets = {int(k): int(v) for k, v in body["buckets"].items()}
    return Tally(body["n"], body["total"], body["squares"], body["hits"], buckets, dict(body.get("sample", {})))


def tally(values: Iterable[float], *, quantiles: bool = False, sample: Mapping[str, int] | None = None) -> Tally:
    """The tally of some values; buckets only where quantiles are asked for. `sample` is of the same requests."""
    kept = [float(v) for v in values]
    return Tally(
        n=len(kept),
        total=sum(round(v * _SCALE) for v in kept),
        squares=sum(round(v * v * _SCALE) for v in kept),
        hits=sum(v != 0 for v in kept),
        buckets=dict(Counter(map(_bucket, kept))) if quantiles else {},
        sample=dict(sample or {}),
    )


def merged(tallies: Iterable[Tally]) -> Tally:
    """The tally of all."""
    return reduce(Tally.__add__, tallies, Tally())


def _bucket(value: float) -> int:
    return -10_000 if value <= 1e-9 else round(math.log(value) / _GROWTH)


def _middle(bucket: int) -> float:
    return 0.0 if bucket == -10_000 else math.exp(bucket * _GROWTH)


def too_small(groups: Mapping[str, Tally], min_n: int) -> str:
    """Why groups are not compared: `needs two groups of 100, has 640 and 31`: the largest."""
    if not groups:
        return "no request of a group carries it"
    sizes = sorted((t.n for t in groups.values()), reverse=True)[:2]
    has = f"{sizes[0]:,} and {sizes[1]:,}" if len(sizes) > 1 else f"one of {sizes[0]:,}"
    return f"needs two groups of {min_n:,}, has {has}"
