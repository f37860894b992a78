"""What a signal was like in the baseline, and what it would have been with a window's mix of requests."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Final, NamedTuple

from syscard_monitors import stats
from syscard_monitors.stats import evenly
from syscard_monitors.vectors import Sample

_NEAR: Final = 1e-3
"""Values this close (relative) to a constant are the constant."""
_EXACT: Final = 1e-12
Values = tuple[float, ...] | tuple[str, ...]


@dataclass(frozen=True)
class Column:
    """Sorted values of one signal in one stratum of the baseline."""

    values: Values

    @property
    def n(self) -> int:
        """Requests with a value."""
        return len(self.values)

    @cached_property
    def numbers(self) -> tuple[float, ...]:
        """The values as numbers, sorted.

        Raises:
            ValueError: they are text.
        """
        return tuple(float(v) for v in self.values)

    @cached_property
    def mean(self) -> float:
        """Mean of the numbers."""
        return stats.mean(self.numbers)

    @cached_property
    def binary(self) -> bool:
        """Whether every value is 0 or 1."""
        return {*self.numbers} <= {0.0, 1.0}

    @cached_property
    def hits(self) -> int:
        """Values above zero."""
        return sum(v > 0 for v in self.numbers)

    @cached_property
    def shares(self) -> Mapping[str, float]:
        """Share of each category."""
        return {name: count / self.n for name, count in Counter(str(v) for v in self.values).items()}


class Part(NamedTuple):
    """A stratum of the baseline in a window's mix."""

    share: float
    """Share of the window's requests that are of this stratum."""
    column: Column
    stratum: str


@dataclass(frozen=True)
class Reference:
    """The values of one signal in the baseline."""

    values: Values
    """Sorted."""
    per_minute: float | None = None
    """For volume: requests a minute."""
    keys: tuple[int, ...] = (0,)
    """Under which keys words in the values were hashed."""
    strata: Mapping[str, Values] = field(default_factory=dict)
    """The same values by stratum; empty where requests are not told apart."""
    sample: Sample | None = None
    """Of a signal of vectors: those, and no values."""

    @property
    def n(self) -> int:
        """Requests with a value."""
        return len(self.values) if self.sample is None else len(self.sample.vectors)

    @cached_property
    def everyone(self) -> Column:
        """All values."""
        return Column(self.values)

    @cached_property
    def columns(self) -> Mapping[str, Column]:
        """The values by stratum; the empty name is of all."""
        return {**{name: Column(values) for name, values in self.strata.items()}, "": self.everyone}

    @cached_property
    def constant(self) -> float | str | None:
        """The one value that (nearly) all requests have, None where they vary."""
        if not self.values:
            return None
        middle = self.values[len(self.values) // 2]
        return middle if all(same(v, middle) for v in (self.values[0], self.values[-1])) else None

    def with_mix_of(self, strata: Sequence[str]) -> Standard:
        """The reference as it would be with these requests: each of its strata by its share among them.

        Raises:
            KeyError: of one of them the baseline has no value.
        """
        counts = Counter(strata)
        parts = [Part(n / len(strata), self.columns[name], name) for name, n in sorted(counts.items())]
        return Standard(tuple(parts), self.everyone)


@dataclass(frozen=True)
class Standard:
    """A directly standardised reference: what was to be expected, had the requests of a window been as before."""

    parts: tuple[Part, ...]
    everyone: Column
    """All values of the baseline, those of other strata too."""

    @property
    def mean(self) -> float:
        """Expected mean."""
        return math.fsum(part.share * part.column.mean for part in self.parts)

    @property
    def hit_share(self) -> float:
        """Expected share of values above zero."""
        return math.fsum(part.share * part.column.hits / part.column.n for part in self.parts)

    @property
    def binary(self) -> bool:
        """Whether every value is 0 or 1."""
        return all(part.column.binary for part in self.parts)

    @property
    def shares(self) -> dict[str, float]:
        """Expected share of each category."""
        names = {name for part in self.parts for name in part.column.shares}
        return {name: math.fsum(p.share * p.column.shares.get(name, 0.0) for p in self.parts) for name in names}

    @cached_property
    def _steps(self) -> list[tuple[float, tuple[float, ...], int]]:
        """Share, sorted numbers and their count of each part: looked up for every value of a window."""
        return [(part.share, part.column.numbers, part.column.n) for part in self.parts]

    def below(self, value: float) -> float:
        """Expected share of values below this one."""
        return math.fsum([share * bisect_left(numbers, value) / n for share, numbers, n in self._steps])

    def up_to(self, value: float) -> float:
        """Expected share of values that do not exceed this one."""
        return math.fsum([share * bisect_right(numbers, value) / n for share, numbers, n in self._steps])

    def quantile(self, q: float) -> float:
        """The smallest value that at least a share `q` is expected not to exceed."""
        if len(self.parts) == 1:
            numbers = self.parts[0].column.numbers
            return numbers[max(0, math.ceil(q * len(numbers)) - 1)]
        # What is expected grows only at values of the parts, so the first of all values is one of theirs.
        numbers = self.everyone.numbers
        return numbers[bisect_left(numbers, q - _EXACT, key=self.up_to)]

    def sample(self) -> Values:
        """A sorted sample with this mix, as large as the baseline allows: of each stratum evenly spaced values."""
        if len(self.parts) == 1:
            return self.parts[0].column.values
        size = min(part.column.n / part.share for part in self.parts)
        picked = (evenly(part.column.values, round(size * part.share)) for part in self.parts)
        return tuple(sorted(chain.from_iterable(picked)))  # type: ignore[type-var,return-value]


def same(a: float | str, b: float | str | None) -> bool:
    """Whether two values are as good as one."""
    if isinstance(a, str) or isinstance(b, str) or b is None:
        return a == b
    return math.isclose(a, b, rel_tol=_NEAR, abs_tol=1e-9)
