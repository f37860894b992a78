"""What is compared: one number a request for each signal, before and now, on one scale. Needs NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import NormalDist
from typing import Any, Final, NamedTuple

import numpy as np

Vector = np.ndarray[Any, np.dtype[Any]]
"""Of any shape: what is in it the docstrings say."""
Flags = np.ndarray[Any, np.dtype[np.bool_]]
_SKEWED: Final = 1.0
"""Positive values with a skewness beyond this are looked at as logarithms: durations, counts of tokens."""
_FAR: Final = 10.0
"""Standard deviations beyond which values are pulled in by a logarithm, which keeps their order."""
_RARE: Final = 0.02
"""A signal that so few requests lack, or have, says nothing by being there."""
GAPS: Final = " is missing"


@dataclass(frozen=True, eq=False)
class Series:
    """One signal: a number for each request, NaN where it has none."""

    name: str
    part: str
    before: Vector
    now: Vector

    @classmethod
    def of(cls, name: str, part: str, before: Sequence[float | None], now: Sequence[float | None]) -> Series:
        """Of plain numbers, None where a request has none."""
        was, newer = (np.array([np.nan if v is None else v for v in values], dtype=float) for values in (before, now))
        return cls(name, part, was, newer)

    @property
    def both(self) -> Vector:
        """Before, then now."""
        return np.concatenate([self.before, self.now])


class Target(NamedTuple):
    """A promise that a request can miss: its signal lies beyond a limit."""

    signal: str
    limit: float
    above: bool = True
    """Whether it is missed above the limit, or below it."""
    says: str = ""
    """What it is called; the signal's name where empty."""


@dataclass(frozen=True, eq=False)
class Scaled:
    """A signal on the scale that all are compared on: 0 and 1 as they are, numbers in standard deviations of before."""

    name: str
    part: str
    z: Vector
    """Before, then now; what is missing is 0."""
    there: Flags
    binary: bool
    constant: bool
    """Whether it did not vary before."""
    raw: Vector

    @property
    def varies(self) -> bool:
        """Whether it does so before or now."""
        return bool(np.ptp(self.z[self.there]) > 0) if self.there.any() else False

    def plain(self, n: int) -> Scaled:
        """The same in its own unit: no logarithm, nothing pulled in. Durations add up so, and only so.

        Args:
            n: requests before, whose mean and spread are taken.
        """
        before = self.raw[:n][self.there[:n]]
        if self.binary or len(before) == 0 or np.ptp(before) == 0:
            return self
        z = np.zeros(len(self.raw))
        z[self.there] = (self.raw[self.there] - before.mean()) / before.std()
        return replace(self, z=z)


@dataclass(frozen=True, eq=False)
class Table:
    """Signals by part, and the order in which parts act on each other."""

    series: Sequence[Series]
    parents: Mapping[str, frozenset[str]]
    """Part -> the parts that act on it directly."""
    silent: frozenset[str] = frozenset()
    """Parts that the graph has and no signal tells of."""
    doubts: tuple[str, ...] = ()
    """In words, where what was observed differs from the graph."""
    outcomes: frozenset[str] = frozenset()
    """Parts that stand for what comes of all others: what is left of them is nobody's."""
    labels: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """Each after those that act on it; else in the order in which they are named."""
        found: list[str] = []
        names = list(dict.fromkeys([*self.parents, *(s.part for s in self.series)]))
        while names:
            # In a circle nobody is first: the one named first is taken, and what comes back to it is left out.
            free = (p for p in names if not self.parents.get(p, frozenset()) & {*names} - {p})
            found.append(next(free, names[0]))
            names.remove(found[-1])
        return tuple(found)

    def upstream(self, part: str) -> frozenset[str]:
        """Every part that can act on it, without itself."""
        found: set[str] = set()
        waiting = list(self.parents.get(part, ()))
        while waiting:
            near = waiting.pop()
            if near not in found:
                found.add(near)
                waiting.extend(self.parents.get(near, ()))
        return frozenset(found - {part})

    @property
    def n_before(self) -> int:
        """Requests before."""
        return len(self.series[0].before) if self.series else 0

    @property
    def n_now(self) -> int:
        """Requests now."""
        return len(self.series[0].now) if self.series else 0

    @cached_property
    def scaled(self) -> Mapping[str, Scaled]:
        """Every signal on its scale, parts in order; those with gaps are followed by a signal of the gaps."""
        place = {part: i for i, part in enumerate(self.parts)}
        found: dict[str, Scaled] = {}
        for series in sorted(self.series, key=lambda s: place[s.part]):
            found[series.name] = _scaled(series)
            gaps = _gaps(series)
            if gaps is not None:
                found[gaps.name] = _scaled(gaps)
        return found


def _gaps(series: Series) -> Series | None:
    """Which requests have no value, as a signal of its own."""
    missing = np.isnan(series.both)
    if not _RARE < missing.mean() < 1 - _RARE:
        return None
    n = len(series.before)
    told = missing.astype(float)
    return Series(series.name + GAPS, series.part, told[:n], told[n:])


def _scaled(series: Series) -> Scaled:
    raw, n = series.both, len(series.before)
    there = ~np.isnan(raw)
    before = raw[:n][there[:n]]
    constant = len(before) == 0 or bool(np.ptp(before) == 0)
    values = raw[there]
    binary = bool(np.isin(values, (0.0, 1.0)).all())
    if not binary and constant and len(before):  # what left the only value that it had
        binary, told = True, (values != before[0]).astype(float)
    else:
        told = values if binary else _standard(values, before)
    z = np.zeros(len(raw))
    z[there] = told
    return Scaled(series.name, series.part, z, there, binary, constant, raw)


def _standard(values: Vector, before: Vector) -> Vector:
    n = len(before)
    if values.min() > 0 and _skewness(before) > _SKEWED:
        values = np.log(values)
    if abs(_skewness(values[:n])) > _SKEWED:
        values = _by_rank(values)
    spread = float(values[:n].std() if n else 0) or float(values.std()) or 1.0
    z: Vector = (values - (values[:n] if n else values).mean()) / spread
    return np.where(np.abs(z) <= _FAR, z, np.sign(z) * (_FAR + np.log1p(np.maximum(np.abs(z) - _FAR, 0))))


def _by_rank(values: Vector) -> Vector:
    """What normal values of the same order would be; equal values stay equal."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = (np.cumsum(counts) - counts / 2) / len(values)
    normal = NormalDist()
    found: Vector = np.array([normal.inv_cdf(float(q)) for q in middle])[place]
    return found


def _skewness(values: Vector) -> float:
    if len(values) < 3 or values.std() == 0:
        return 0.0
    return float((((values - values.mean()) / values.std()) ** 3).mean())


def missed(values: Vector, target: Target) -> Vector:
    """1 for each request that misses; what has no value misses nothing."""
    with np.errstate(invalid="ignore"):
        beyond = values > target.limit if target.above else values < target.limit
    found: Vector = (beyond & ~np.isnan(values)).astype(float)
    return found
