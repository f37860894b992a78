"""Vectors of texts as requests carry them: read, told apart by who made them, and kept with a baseline. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from syscard.embedded import COSINE, EMBEDDING, MADE_BY
from syscard_monitors.assemble import Request
from syscard_monitors.stats import evenly

LONGEST: Final = 1_024
"""Numbers in a vector: spans can hold anything."""
KEPT: Final = 500
"""Vectors that a baseline keeps of one signal."""
NOBODY: Final = "its sender, who does not say how"
"""Who made a vector that says nothing of that."""
_LONGEST_NAME: Final = 120


class Seen(NamedTuple):
    """One vector of one request."""

    by: str
    """What made it."""
    stratum: str
    vector: tuple[float, ...]
    """Of length one."""


@dataclass(frozen=True)
class Sample:
    """The vectors of one signal in the baseline: of one maker and one length."""

    by: str
    vectors: tuple[tuple[str, tuple[float, ...]], ...]
    """(stratum, vector), in the order of the requests."""
    left_out: int = 0
    """Requests whose vector is none, or was made by another."""

    @property
    def strata(self) -> frozenset[str]:
        """Those of which there is a vector."""
        return frozenset(stratum for stratum, _ in self.vectors)

    def with_mix_of(self, strata: Sequence[str]) -> list[tuple[float, ...]]:
        """The vectors as they would be with these requests: of each stratum as many as its share, evenly spaced.

        Those of a stratum that the sample has not are compared with all of it: they count for its strata as it has
        them. No vector is taken twice, or a classifier that learnt one would know it again where it is asked.
        """
        counts = Counter(stratum if stratum in self.strata else "" for stratum in strata)
        own = {name: [v for s, v in self.vectors if s == name] for name in sorted(self.strata)}
        of_all = counts.pop("", 0) / len(self.vectors)
        wanted = {name: counts[name] + of_all * len(vectors) for name, vectors in own.items()}
        size = min(len(own[name]) / count for name, count in wanted.items() if count)
        return [v for name, count in wanted.items() if count for v in evenly(own[name], max(1, round(size * count)))]

    def body(self) -> dict[str, Any]:
        """JSON form."""
        vectors = [[stratum, list(vector)] for stratum, vector in self.vectors]
        return {"by": self.by, "left_out": self.left_out, "vectors": vectors}


def read_sample(body: Mapping[str, Any]) -> Sample:
    """A sample from its JSON form."""
    return Sample(body["by"], tuple((s, tuple(v)) for s, v in body["vectors"]), body["left_out"])


def seen_in(requests: Sequence[Request], field: str, strata: Sequence[str]) -> list[Seen | None]:
    """The first vector of each request that says one; None for a request whose vector is none.

    That is: no list of numbers, one that is not finite, or one without a length. Requests without a vector are left
    out: not every request comes to every component.

    Args:
        requests: of one window.
        field: the expression of a signal, `<component>.<text>.embedding`.
        strata: the stratum of each request; empty where they are not told apart.
    """
    of = strata or [""] * len(requests)
    return [_seen(r.values, field, s) for r, s in zip(requests, of, strict=True) if field in r.values]


def sample_of(found: Iterable[Seen | None]) -> Sample | None:
    """At most `KEPT` vectors of the commonest maker, evenly spaced in their order; None where there is no vector."""
    seen = list(found)
    makers = Counter((s.by, len(s.vector)) for s in seen if s is not None)
    if not makers:
        return None
    by, length = min(makers, key=lambda maker: (-makers[maker], maker))
    own = [(s.stratum, s.vector) for s in seen if s is not None and (s.by, len(s.vector)) == (by, length)]
    return Sample(by, evenly(own, KEPT), len(seen) - len(own))


class Made(NamedTuple):
    """What one maker made of a component's texts in some requests."""

    by: str
    vectors: int
    left_out: int
    """What is no vector: not finite, without a length, or no list of numbers."""


def made_in(requests: Iterable[Request], ref: str) -> list[Made]:
    """Who made the vectors of a component's texts, the one of most first."""
    made: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    for values in (request.values for request in requests):
        for name in (n for n in values if n.startswith(f"{ref}.") and n.endswith(EMBEDDING)):
            (left_out if _unit(values[name][0]) is None else made)[_maker(values, name)] += 1
    every = sorted(made.keys() | left_out.keys(), key=lambda by: (-made[by], by))
    return [Made(by, made[by], left_out[by]) for by in every]


def other_maker(requests: Iterable[Request], field: str, sample: Sample | None) -> str | None:
    """Who made a text's cosines in a window, where that is another than made the baseline's vectors; None else.

    `field` is `<component>.<text>.grounding.cosine`. Where the baseline has no vectors nothing can be told of it.
    """
    text = f"{field.removesuffix(COSINE)}{EMBEDDING}"
    makers = Counter(_maker(r.values, text) for r in requests if field in r.values)
    if sample is None or not makers:
        return None
    by = min(makers, key=lambda maker: (-makers[maker], maker))
    return None if by == sample.by else by


def _maker(values: Mapping[str, list[Any]], field: str) -> str:
    told = values.get(f"{field.removesuffix(EMBEDDING)}{MADE_BY}", [None])[0]
    return told[:_LONGEST_NAME] if isinstance(told, str) and told else NOBODY


def _seen(values: Mapping[str, list[Any]], field: str, stratum: str) -> Seen | None:
    vector = _unit(values[field][0])
    return None if vector is None else Seen(_maker(values, field), stratum, vector)


def _unit(value: Any) -> tuple[float, ...] | None:
    if not isinstance(value, list) or not 2 <= len(value) <= LONGEST:
        return None
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in value):
        return None
    length = math.hypot(*value)
    return tuple(round(v / length, 4) + 0.0 for v in value) if 0 < length < math.inf else None
